//! `skyctl export`: all entries of a ring, as lines of JSON.

use super::Failure;
use super::client::{Answer, Client, Request};
use super::line::Entry;
use super::progress::Progress;
use super::ring_options::{named_node, nodes};
use argh::FromArgs;
use serde::Deserialize;
use skynode::count::Count;
use skynode::http::parse::unescape;
use skynode::id::Id;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write all entries of the ring that a node belongs to, as lines of JSON: in ring order, each once. What exists from
/// the beginning to the end is there.
#[derive(FromArgs, Debug)]
#[argh(
    subcommand,
    name = "export",
    example = "skyctl export --node 127.0.0.1:4321 --file sky.jsonl",
    example = "SKY_NODE=127.0.0.1:4321 skyctl export | jq -r .key",
    note = "A line is {{\"key\": \"...\", \"value\": \"...\", \"type\": \"text/plain\", \"ttl_s\": 60}}. A key or\n\
            a value that is no UTF-8 is in base64, as key_base64 or value_base64; without ttl_s it lives for ever.",
    note = "An entry that is written meanwhile is there as it was at some moment, one that is deleted may be missing,\n\
            one that is new may be there or not: this is no picture of one moment. The ttl_s is what is left of it.",
    note = "A file is written beside its place and put there when it is complete. It has the rights of the one that\n\
            was there; if there was none, only you can read it. While no node serves a range of the ring, the export\n\
            waits for a minute, and then fails rather than leave something out.",
    error_code(0, "Everything was written."),
    error_code(1, "Something could not be read or written; the keys are named on the standard error."),
    error_code(2, "The command line was wrong."),
    error_code(3, "The node cannot be reached.")
)]
pub struct Arguments {
    /// any node of the ring, by the address where it serves people; of several, separated by commas, the first
    /// (default: $SKY_NODE)
    #[argh(option, arg_name = "host:port", from_str_fn(nodes))]
    node: Vec<String>,
    /// where to write (default: standard output)
    #[argh(option, arg_name = "file")]
    file: Option<PathBuf>,
}

/// The keys of one page. Of each the path is enough, as it may be no text.
const PAGE: &str = "/storage?ring=1&limit=500";

#[derive(Deserialize)]
struct Page {
    keys: Vec<Key>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    path: String,
    id: String,
}

/// What came of it.
#[derive(Debug, Default)]
struct Sum {
    entries: u64,
    bytes: u64,
    /// Deleted after they were listed.
    gone: u64,
    failed: u64,
    /// Nobody reads any more.
    unread: bool,
}

/// Carries out what the options say.
///
/// # Errors
/// Why it did not come to its end.
pub fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let mut client = Client::new(named_node(&options.node)?);
    let mut progress = Progress::new();
    let sum = match &options.file {
        Some(path) => {
            let (part, is_final) = part_of(path);
            let told = |why| Failure::Other(format!("{}: {why}", part.display()));
            let mut file = BufWriter::new(create(&part, is_final).map_err(told)?);
            let sum = export(&mut client, &mut file, &mut progress)?;
            let file = file.into_inner().map_err(|why| told(why.into_error()))?;
            file.sync_all().or_else(not_a_file).map_err(told)?;
            if !is_final && sum.failed == 0 {
                keep_rights(&file, path);
                std::fs::rename(&part, path).map_err(told)?;
            }
            sum
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            export(&mut client, &mut out, &mut progress)?
        }
    };
    let Sum { entries, bytes, gone, failed, unread } = sum;
    if unread {
        return Ok(ExitCode::SUCCESS);
    }
    let were = if gone == 1 { "was" } else { "were" };
    let gone = if gone > 0 { format!("; {gone} {were} deleted meanwhile") } else { String::new() };
    let (entries, bytes) = (Count(entries as usize, "entry", "entries"), Count(bytes as usize, "byte", "bytes"));
    let took = progress.elapsed().as_secs_f64();
    let _ = writeln!(io::stderr(), "exported {entries}, {bytes} of values, in {took:.1} s{gone}");
    if failed > 0 {
        let kept = options.file.as_deref().map(|path| part_of(path).0.display().to_string());
        let place = kept.map_or_else(String::new, |part| format!("; what was read is in {part}"));
        return Err(Failure::Other(format!(
            "{}, named above, could not be read{place}",
            Count(failed as usize, "entry", "entries")
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// The name under which a file is written first, unless it is a pipe or a device: those are written to at once.
fn part_of(path: &Path) -> (PathBuf, bool) {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return (path.to_owned(), true);
    }
    let mut name = OsString::from(path);
    name.push(".part");
    (name.into(), false)
}

/// Opens what is written to. It is to hold every value of the ring, so only its user can read it.
fn create(part: &Path, is_final: bool) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
    if !is_final {
        // One that an export left behind which did not end.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Where the file is to take the place of another, the group of that one and its rights pass over to it.
fn keep_rights(file: &File, place: &Path) {
    if let Ok(there) = place.metadata()
        && fchown(file, None, Some(there.gid())).is_ok()
    {
        // If that is not granted it stays its user's own.
        let _ = file.set_permissions(Permissions::from_mode(there.mode() & 0o777));
    }
}

/// Pipes and devices cannot be synced, and need not be.
fn not_a_file(why: io::Error) -> io::Result<()> {
    if why.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(why) }
}

fn export(client: &mut Client, out: &mut impl Write, progress: &mut Progress) -> Result<Sum, Failure> {
    let (mut sum, mut target) = (Sum::default(), String::from(PAGE));
    let unwritten = |why: io::Error| Failure::Other(format!("the entries cannot be written: {why}"));
    loop {
        let Page { keys, next } =
            page(&client.ask(Request { method: "GET", target: &target, ..Request::default() })?)?;
        for Key { path, id } in keys {
            let answer = client.ask(Request { method: "GET", target: &path, ..Request::default() })?;
            match entry(&path, answer) {
                Ok(Some(entry)) => {
                    (sum.entries, sum.bytes) = (sum.entries + 1, sum.bytes + entry.value.len() as u64);
                    let line = entry.write().map_err(|why| unwritten(why.into()))?;
                    match writeln!(out, "{line}") {
                        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => {
                            return Ok(Sum { unread: true, ..sum });
                        }
                        written => written.map_err(unwritten)?,
                    }
                }
                Ok(None) => sum.gone += 1,
                Err(why) => {
                    progress.clear();
                    sum.failed += 1;
                    let _ = writeln!(io::stderr(), "{path}: {why}");
                }
            }
            // Ids are spread evenly, so they tell how much of the ring is done.
            let id = id.parse::<Id>().map_or(0.0, |id| id.get() as f64);
            progress.show(id / u128::MAX as f64);
        }
        match next {
            Some(next) => target = next,
            None => break,
        }
    }
    progress.clear();
    match out.flush() {
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => sum.unread = true,
        written => written.map_err(unwritten)?,
    }
    Ok(sum)
}

fn page(answer: &Answer) -> Result<Page, Failure> {
    if answer.status != 200 {
        return Err(Failure::Other(format!("the list of keys has a gap, so the export ends: {}", answer.words())));
    }
    let page: Page = serde_json::from_slice(&answer.body)
        .map_err(|why| Failure::Other(format!("the list of keys cannot be read: {why}")))?;
    let all = page.keys.iter().map(|key| &key.path).chain(&page.next);
    // They become part of requests.
    match all.into_iter().find(|path| !path.starts_with("/storage") || !path.bytes().all(|b| b.is_ascii_graphic())) {
        Some(path) => Err(Failure::Other(format!("the list of keys has the path {path:?}, which is none"))),
        None => Ok(page),
    }
}

/// What was read under a path; nothing if there is no such key any more.
fn entry(path: &str, answer: Answer) -> Result<Option<Entry>, String> {
    match answer.status {
        404 => return Ok(None),
        200 => {}
        _ => return Err(answer.words()),
    }
    let key = path.strip_prefix("/storage/").and_then(|name| unescape(name, false));
    let key = key.ok_or("this is the path of no key")?;
    let ttl_s = answer.field("Sky-TTL").map(str::parse).transpose().map_err(|_| "its Sky-TTL is no number")?;
    let kind = answer.field("Content-Type").unwrap_or_default().to_owned();
    Ok(Some(Entry { key, value: answer.body, kind, ttl_s }))
}
