//! Reads the source and fails on what the compiler does not: an arrow that points up the floors, a clock below the
//! drivers, a file that has grown too long, a dead link in README or another page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Lines of a file before its tests.
const LINES_MAX: usize = 400;
/// Lines of the tests at a file's end; longer ones have a file `x/tests.rs` of their own.
const TESTS_MAX: usize = 160;
/// Characters of a line.
const COLUMNS_MAX: usize = 120;

/// Lines of README: what a newcomer reads in one sitting.
const README_MAX: usize = 150;
/// The pages beside README; those in `docs` are found.
const PAGES: [&str; 3] = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The modules from the ground up. Each may use those on lower floors and what is in its own folder.
const FLOORS: [&[&str]; 8] = [
    &["count", "id", "limits", "rng", "time"],
    &["config", "wire"],
    &["routing", "store"],
    &["node"],
    &["disk", "handle"],
    &["http", "sim", "udp"],
    &["client"],
    &["bin"],
];

/// The floor from which on a standard library is there.
const FLOOR_OF_STD: usize = 4;

/// Clocks, chance, sockets, threads and orders that change from run to run: not for code that must do the same again
/// for the same seed.
const NOT_REPLAYABLE: [&str; 12] = [
    "Instant::now",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "thread",
    "getrandom",
    "rustix",
    "smol",
];

/// What stands for work not done.
const LEFTOVERS: [&str; 7] = ["todo!", "unimplemented!", "dbg!", "FIXME", "TODO", "XXX", "HACK"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, with its path from there and its text, in order.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder that was found") {
            let path: PathBuf = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("it is below the folder").display().to_string();
                found.push((name, std::fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    found.sort();
    found
}

/// The text with comments and the insides of literals blanked, line by line as before: what is left is code.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    while i < chars.len() {
        let start = i;
        let after_name = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let raw_hashes = |from: usize| (from..).take_while(|&j| at(j) == '#').count();
        if at(i) == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if at(i) == 'r' && !after_name && at(i + 1 + raw_hashes(i + 1)) == '"' {
            let hashes = raw_hashes(i + 1);
            i += 2 + hashes;
            while i < chars.len() && !(at(i) == '"' && raw_hashes(i + 1) >= hashes) {
                i += 1;
            }
            i += 1 + hashes;
        } else if at(i) == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // A character, not a lifetime.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            out.push(at(i));
            i += 1;
            continue;
        }
        blank(&mut out, start, i);
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where a word, or a path of words, stands in the code by itself.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !(before && word.starts_with(is_word) || after && word.ends_with(is_word))
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where the tests at the file's end begin, in bytes.
fn tests_at(name: &str, code: &str) -> usize {
    if name.ends_with("/tests.rs") { 0 } else { code.find("#[cfg(test)]\nmod ").unwrap_or(code.len()) }
}

/// The module of the file `name`, below `src`.
fn module_of(name: &str) -> &str {
    name.split('/').next().unwrap_or(name).trim_end_matches(".rs")
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules that `crate::x` or `crate::{x::.., y}` name, with their place.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate::") {
        let rest = code[at + "crate::".len()..].trim_start();
        let offset = code.len() - rest.len();
        let name = |from: &str| from.chars().take_while(|&c| is_word(c)).collect::<String>();
        if !rest.starts_with('{') {
            found.push((offset, name(rest)));
            continue;
        }
        let mut depth = 0;
        for (i, c) in rest.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 1 && (c == '{' || c == ',') {
                let item = rest[i + 1..].trim_start();
                if item.starts_with(is_word) {
                    found.push((code.len() - item.len(), name(item)));
                }
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Everything untidy about one file below `src`.
fn untidy(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |line: usize, what: &str| found.push(format!("src/{name}:{line}: {what}"));
    let code = code_of(text);
    let tests = tests_at(name, &code);
    let module = module_of(name);

    let lines = line_of(&code, tests) - 1 + usize::from(tests == code.len() && !code.ends_with('\n'));
    if lines > LINES_MAX {
        say(lines, &format!("{lines} lines before the tests, at most {LINES_MAX}: split it"));
    }
    let test_lines = code[tests..].lines().count();
    if tests > 0 && test_lines > TESTS_MAX {
        say(lines, &format!("{test_lines} lines of tests, at most {TESTS_MAX}: move them to a file of their own"));
    }
    for (i, line) in text.lines().enumerate() {
        if line.chars().count() > COLUMNS_MAX {
            say(i + 1, &format!("longer than {COLUMNS_MAX} characters"));
        }
        for word in LEFTOVERS.iter().filter(|word| words(line, word).next().is_some()) {
            say(i + 1, &format!("{word} stands for work not done"));
        }
    }
    for at in words(&code, "unsafe") {
        say(line_of(&code, at), "unsafe code");
    }

    // lib.rs is the front page: it names all modules.
    let Some(floor) = floor_of(module) else {
        if name != "lib.rs" {
            say(1, "on no floor: add the module to FLOORS in tests/tidy.rs");
        }
        return found;
    };
    for (at, used) in crate_paths(&code) {
        let allowed = used == module || floor_of(&used).is_some_and(|other| other < floor);
        if !allowed {
            let what = if floor_of(&used).is_some() { "not on a lower floor" } else { "not a module of a floor" };
            say(line_of(&code, at), &format!("crate::{used} from {module}: {what}"));
        }
    }
    let depth = name.trim_end_matches("/mod.rs").matches('/').count() + 1;
    for (at, _) in code.match_indices("super::") {
        // Of a chain, only its first is looked at.
        if code[..at].ends_with("super::") {
            continue;
        }
        let climbs = (code.len() - at) / "super::".len();
        let chain = (0..climbs).take_while(|i| code[at + i * "super::".len()..].starts_with("super::")).count();
        let inside_tests = usize::from(at >= tests && tests > 0);
        if chain >= depth + inside_tests {
            say(line_of(&code, at), "super:: climbs to the crate: write crate::");
        }
    }
    let real_world = ["handle", "udp", "http", "disk", "client", "bin"].contains(&module);
    for word in NOT_REPLAYABLE.iter().filter(|_| !real_world) {
        for at in words(&code[..tests], word) {
            say(line_of(&code, at), &format!("{word} is for the drivers only"));
        }
    }
    if floor < FLOOR_OF_STD {
        for word in ["std::", "println!", "eprintln!", "log::"] {
            for at in words(&code[..tests], word) {
                say(line_of(&code, at), &format!("{word} below floor {FLOOR_OF_STD}"));
            }
        }
    }
    found
}

/// What GitHub makes of a heading for links to it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The lines of a page outside its blocks of commands.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut prose = String::new();
    for line in page.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            let _ = writeln!(prose, "{line}");
        }
    }
    prose
}

fn has_heading(page: &str, fragment: &str) -> bool {
    let prose = prose(page);
    let mut headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#').trim()) == fragment)
}

/// Where a link from a page at this path leads, from the root of the project.
fn path_of(page: &str, link: &str) -> String {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in link.split('/') {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path.join("/")
}

/// Relative links of the page at this path that lead nowhere: to no file, or to no heading of a page. `read` has the
/// text of a file by its path, if there is one.
fn dead_links(name: &str, page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let prose = prose(page);
    let mut dead = Vec::new();
    for (at, _) in prose.match_indices("](") {
        let target = prose[at + 2..].split([')', ' ', '\n']).next().unwrap_or_default();
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, fragment) = target.split_once('#').map_or((target, None), |(file, part)| (file, Some(part)));
        let text = if file.is_empty() { Some(page.to_owned()) } else { read(&path_of(name, file)) };
        let leads = text.is_some_and(|text| {
            // A fragment of a file that is no page names lines of it.
            let is_page = file.is_empty() || file.ends_with(".md");
            !is_page || fragment.is_none_or(|fragment| has_heading(&text, fragment))
        });
        if !leads {
            let line = line_of(page, page.find(&format!("]({target}")).unwrap_or(0));
            dead.push(format!("{name}:{line}: dead link {target:?}"));
        }
    }
    dead
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn the_source_is_tidy() {
    let files = sources(&root().join("src"));
    assert!(files.len() > 10, "the source was not found");
    let found: Vec<String> = files.iter().flat_map(|(name, text)| untidy(name, text)).collect();
    assert_none(&found);
}

#[test]
fn the_tests_are_tidy() {
    let mut found = Vec::new();
    for (name, text) in sources(&root().join("tests")) {
        for (i, line) in text.lines().enumerate() {
            let left = LEFTOVERS.iter().any(|word| words(line, word).next().is_some()) && name != "tidy.rs";
            if left || line.chars().count() > COLUMNS_MAX {
                found.push(format!("tests/{name}:{}: too long, or stands for work not done", i + 1));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let docs = std::fs::read_dir(root().join("docs")).expect("the folder of pages");
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("an entry of it").file_name().display()));
    let mut names: Vec<String> = docs.chain(["README.md"].into_iter().chain(PAGES).map(String::from)).collect();
    names.sort();
    assert!(names.len() > PAGES.len() + 1, "the folder of pages is empty");
    // A file of bytes that are no text is there all the same, and so is a folder.
    let read = |path: &str| {
        let path = root().join(path);
        path.exists().then(|| std::fs::read_to_string(path).unwrap_or_default())
    };
    let dead = |name: &String| dead_links(name, &read(name).expect("a page"), read);
    assert_none(&names.iter().flat_map(dead).collect::<Vec<_>>());
}

#[test]
fn the_readme_is_short() {
    let page = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let lines = page.lines().count();
    assert!(lines <= README_MAX, "README.md has {lines} lines, at most {README_MAX}: docs/ has room");
}

// The checks themselves, against planted faults.

fn first(name: &str, text: &str) -> String {
    untidy(name, text).into_iter().next().unwrap_or_default()
}

#[test]
fn a_tidy_file_passes() {
    let text = "//! Docs may say HashMap or crate::node.\nuse crate::{id::{Arc, Id}, limits};\nuse super::codec;\n\
                const NAME: &str = \"std:: \\\" crate::sim unsafe\";\n/* std:: */ fn f<'a>(c: &'a char) -> bool {\n    \
                *c == '\"' || *c == '\\''\n}\n\n#[cfg(test)]\nmod tests {\n\
                use super::*;\n    use std::thread;\n}\n";
    assert_eq!(untidy("wire/entry.rs", text), [""; 0]);
}

#[test]
fn an_arrow_upwards_is_found_however_it_is_written() {
    for (name, text) in [
        ("wire/mod.rs", "use crate::node::Node;\n"),
        ("id.rs", "use crate::limits;\n"),
        ("store.rs", "use crate::{id::Id, wire::{Version, Entry},\n    node::Node};\n"),
        ("store.rs", "fn f() -> crate::routing::Fingers {}\n"),
        ("sim/world.rs", "use crate::udp::Clock;\n"),
        ("http/api.rs", "use crate::sim::World;\n"),
        ("node/mod.rs", "pub(in crate::udp) fn f() {}\n"),
        ("wire/codec.rs", "use super::super::node::Node;\n"),
        ("id.rs", "use super::node::Node;\n"),
        ("wire/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::node::Node;\n}\n"),
        ("wire/mod.rs", "use crate::sky::Thing;\n"),
    ] {
        assert!(!first(name, text).is_empty(), "{name}: {text}");
    }
    let place = first("store.rs", "use crate::{id::Id,\n    node::Node};\n");
    assert!(place.starts_with("src/store.rs:2: crate::node"), "{place}");
    for (name, text) in [
        ("node/join.rs", "use super::Node;\nuse crate::node::timers;\nuse crate::store::Store;\n"),
        ("http/api.rs", "use crate::http::parse;\nuse crate::node::Command;\n"),
        ("node/join/tests.rs", "use super::super::Node;\n"),
        ("lib.rs", "pub use crate::udp::Server;\n"),
    ] {
        assert_eq!(untidy(name, text), [""; 0]);
    }
    assert!(first("node/join/tests.rs", "use super::super::super::sim;\n").contains("climbs"));
}

#[test]
fn what_is_not_replayable_is_found_below_the_drivers_only() {
    for text in
        ["use std::fmt;\n", "fn f() { Instant::now() }\n", "type T = alloc::HashMap<u8, u8>;\n", "use log::info;\n"]
    {
        assert!(!first("node/mod.rs", text).is_empty(), "{text}");
    }
    assert!(!first("sim/world.rs", "use std::collections::HashMap;\n").is_empty());
    assert!(!first("sim/world.rs", "fn f() { std::time::Instant::now() }\n").is_empty());
    assert_eq!(first("sim/world.rs", "use std::collections::BTreeMap;\n"), "");
    assert_eq!(first("udp.rs", "use std::net::UdpSocket;\n"), "");
    assert_eq!(first("node/mod.rs", "fn now(log: &Dialog) { dialog::show(log) }\n"), "");
}

#[test]
fn size_and_leftovers_are_found() {
    let long = "fn f() {}\n".repeat(LINES_MAX);
    assert_eq!(first("node/mod.rs", &long), "");
    assert!(first("node/mod.rs", &format!("{long}fn g() {{}}\n")).contains("lines before the tests"));
    assert!(first("node/mod.rs", &format!("{long}fn g() {{}}")).contains("lines before the tests"));
    assert_eq!(first("node/mod.rs", &format!("{long}#[cfg(test)]\nmod tests;\n")), "");
    assert_eq!(first("node/tests.rs", &long.repeat(2)), "");
    assert!(first("id.rs", &format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n")).contains("lines of tests"));
    let wide = "é".repeat(COLUMNS_MAX - 2);
    assert_eq!(first("id.rs", &format!("//{wide}\n")), "");
    assert!(first("id.rs", &format!("//{wide}!\n")).contains("longer than"));
    for word in LEFTOVERS {
        assert!(first("id.rs", &format!("// {word}\n")).contains("work not done"), "{word}");
    }
    assert!(first("id.rs", "fn f() { unsafe { g() } }\n").contains("unsafe"));
    assert!(first("news.rs", "\n").contains("on no floor"));
}

#[test]
fn dead_links_are_found() {
    let page = "# Sky, a `store`\n[file](src/lib.rs), [web](https://example.org/x), [here](#sky-a-store)\n\
                ```sh\n[not](a-link)\n```\n## Flags & limits\n[there](#flags--limits), [far](docs/far.md#how-far)\n";
    let read = |path: &str| match path {
        "src/lib.rs" => Some(String::new()),
        "docs/far.md" => Some("# Far\n## How far?\n```sh\n# no heading\n```\n".to_owned()),
        _ => None,
    };
    assert_eq!(dead_links("README.md", page, read), [""; 0]);
    let dead = dead_links("README.md", &format!("{page}[a](src/gone.rs), [b](#gone), [c](src/gone.rs#L3)\n"), read);
    assert_eq!(dead.len(), 3, "{dead:?}");
    assert!(dead[0].starts_with("README.md:8:"), "{dead:?}");
    // Links lead from where the page is, and to headings of other pages.
    let near = "[up](../src/lib.rs), [beside](far.md), [part](far.md#how-far), [lines](../src/lib.rs#L3)\n";
    assert_eq!(dead_links("docs/near.md", near, read), [""; 0]);
    let dead = dead_links("docs/near.md", "[a](src/lib.rs), [b](far.md#gone), [c](far.md#no-heading)\n", read);
    assert_eq!(dead.len(), 3, "{dead:?}");
    assert!(dead[1].starts_with("docs/near.md:1: dead link \"far.md#gone\""), "{dead:?}");
}
