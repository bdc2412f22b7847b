//! `skyctl import`: entries from lines of JSON, back into a ring.

use super::Failure;
use super::client::{self, Client, Request};
use super::line::{Entry, LINE_MAX};
use super::progress::Progress;
use super::ring_options::{named_node, nodes};
use argh::FromArgs;
use skynode::count::Count;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write entries into the ring that a node belongs to, from lines of JSON as export writes them. All lines are checked
/// before the first is sent.
#[derive(FromArgs, Debug)]
#[argh(
    subcommand,
    name = "import",
    example = "skyctl import --node 127.0.0.1:4321 --file sky.jsonl",
    example = "SKY_NODE=127.0.0.1:4321 skyctl export | skyctl import --node 127.0.0.1:5001 --keep",
    note = "A line is {{\"key\": \"...\", \"value\": \"...\", \"type\": \"text/plain\", \"ttl_s\": 60}}. A key or\n\
            a value that is no UTF-8 is in base64, as key_base64 or value_base64; without ttl_s it lives for ever.",
    note = "Entries replace those of the same key, unless --keep says otherwise. Only key and value are needed.\n\
            A ttl_s counts from now on. An import that was interrupted may be run again.",
    error_code(0, "Everything was stored, or kept as it was."),
    error_code(1, "A line is wrong and nothing was sent, or entries could not be stored: it is said which."),
    error_code(2, "The command line was wrong."),
    error_code(3, "The node cannot be reached.")
)]
pub struct Arguments {
    /// any node of the ring, by the address where it serves people; of several, separated by commas, the first
    /// (default: $SKY_NODE)
    #[argh(option, arg_name = "host:port", from_str_fn(nodes))]
    node: Vec<String>,
    /// where to read (default: standard input)
    #[argh(option, arg_name = "file")]
    file: Option<PathBuf>,
    /// leave keys that exist as they are
    #[argh(switch)]
    keep: bool,
}

/// What came of it.
#[derive(Debug, Default)]
struct Sum {
    stored: u64,
    kept: u64,
    failed: u64,
}

/// Carries out what the options say.
///
/// # Errors
/// Why it did not come to its end.
pub fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let mut client = Client::new(named_node(&options.node)?);
    let (name, file) = source(options.file.as_deref())?;
    let told = |why| Failure::Other(format!("{name}: {why}"));
    let whole = file.metadata().map_err(told)?.len();
    let mut lines = BufReader::new(file);
    each(&name, &mut lines, |_, _, _| Ok(()))?;
    lines.rewind().map_err(told)?;
    let (mut progress, mut sum) = (Progress::new(), Sum::default());
    let sent = each(&name, &mut lines, |number, entry, read| {
        let key = client::path(&entry.key);
        match store(&mut client, &key, &entry, options.keep)? {
            Stored::New => sum.stored += 1,
            Stored::Kept => sum.kept += 1,
            Stored::Not(why) => {
                progress.clear();
                sum.failed += 1;
                let _ = writeln!(io::stderr(), "line {number}, {key}: {why}");
            }
        }
        progress.show(read as f64 / whole.max(1) as f64);
        Ok(())
    });
    progress.clear();
    let (Sum { stored, kept, failed }, took) = (sum, progress.elapsed().as_secs_f64());
    let kept = if options.keep {
        format!(", {kept} existed and {} kept", if kept == 1 { "was" } else { "were" })
    } else {
        String::new()
    };
    let _ = writeln!(io::stderr(), "imported {} in {took:.1} s{kept}", Count(stored as usize, "entry", "entries"));
    sent?;
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        1 => Err(Failure::Other(String::from("1 entry, named above, was not stored"))),
        _ => Err(Failure::Other(format!("{failed} entries, named above, were not stored"))),
    }
}

/// What is to be read, and its name. It is read twice, so what is no file is copied to one first.
fn source(path: Option<&Path>) -> Result<(String, File), Failure> {
    let Some(path) = path else {
        let copy = spool(&mut io::stdin().lock());
        return copy
            .map(|file| (String::from("standard input"), file))
            .map_err(|why| Failure::Other(format!("the standard input cannot be kept: {why}")));
    };
    let open = || {
        let mut file = File::open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { spool(&mut file) }
    };
    let name = path.display().to_string();
    open().map(|file| (name.clone(), file)).map_err(|why| Failure::Other(format!("{name}: {why}")))
}

/// A copy in a file without a name, which nobody else can read and which is gone with this process.
fn spool(from: &mut impl Read) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("skyctl-import-{}", random()?));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    std::fs::remove_file(&path)?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

/// 32 hexadecimal digits that nobody can guess.
fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Hands over the entry of each line with the line's number, and the bytes read so far. Empty lines are passed over.
fn each(
    name: &str,
    lines: &mut impl BufRead,
    mut then: impl FnMut(u64, Entry, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut line, mut read) = (Vec::new(), 0);
    for number in 1.. {
        line.clear();
        let wrong = |why: &dyn std::fmt::Display| Failure::Other(format!("{name}, line {number}: {why}"));
        let length = lines.take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(|why| wrong(&why))?;
        if length == 0 {
            break;
        }
        if length > LINE_MAX {
            return Err(wrong(&"it is longer than any entry: nothing of it is sent"));
        }
        read += length as u64;
        if !line.trim_ascii().is_empty() {
            let entry = Entry::read(&line).map_err(|why| wrong(&why))?;
            then(number, entry, read)?;
        }
    }
    Ok(())
}

/// What became of one entry.
enum Stored {
    New,
    Kept,
    Not(String),
}

fn store(client: &mut Client, path: &str, entry: &Entry, keep: bool) -> Result<Stored, Failure> {
    let mut fields = String::new();
    if !entry.kind.is_empty() {
        fields += &format!("Content-Type: {}\r\n", entry.kind);
    }
    if let Some(ttl_s) = entry.ttl_s {
        fields += &format!("Sky-TTL: {ttl_s}\r\n");
    }
    if keep {
        fields += "If-None-Match: *\r\n";
    }
    // The node names it: nodes remember a client's own names, and not as many as an import may have entries. A second
    // effect, should a connection break, leaves the same value.
    let (method, operation, body) = ("PUT", None, Some(&*entry.value));
    let answer = client.ask(Request { method, target: path, fields: &fields, operation, body })?;
    Ok(match answer.status {
        201 | 204 => Stored::New,
        412 if keep => Stored::Kept,
        _ => Stored::Not(answer.words()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(u64, Vec<u8>)>, Option<String>) {
        let mut entries = Vec::new();
        let end = each("f", &mut text.as_bytes(), |number, entry, _| {
            entries.push((number, entry.key));
            Ok(())
        });
        (entries, end.err().map(|failure| failure.to_string()))
    }

    #[test]
    fn lines_have_their_numbers() {
        let text =
            "{\"key\":\"a\",\"value\":\"\"}\n\n  \r\n{\"key\":\"b\",\"value\":\"\"}\r\n{\"key\":\"c\",\"value\":\"\"}";
        assert_eq!(read(text), (vec![(1, b"a".into()), (4, b"b".into()), (5, b"c".into())], None));
        assert_eq!(read(""), (vec![], None));
        let (_, told) = read("{\"key\":\"a\",\"value\":\"\"}\n{\"key\":\"\",\"value\":\"\"}\n");
        assert!(told.is_some_and(|told| told.starts_with("f, line 2: a key has 1 to 255 bytes")));
        let (_, told) = read(&"x".repeat(LINE_MAX + 1));
        assert!(told.is_some_and(|told| told.contains("line 1: it is longer than any entry")));
    }

    #[test]
    fn what_comes_from_a_pipe_can_be_read_twice() {
        let mut copy = spool(&mut &b"line\n"[..]).unwrap();
        for _ in 0..2 {
            let mut text = String::new();
            copy.read_to_string(&mut text).unwrap();
            assert_eq!(text, "line\n");
            copy.rewind().unwrap();
        }
    }
}
