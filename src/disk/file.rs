//! The file in which a node saves what it holds: made so that no other user can read it, and looked at again and again,
//! since a file that was removed or replaced takes with it, at the next start, what is written to it now.

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError};
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file in the directory.
pub(super) const FILE: &str = "sky.redb";

/// The rights of a file that is made here, and of a directory: its user's own.
const FILE_RIGHTS: u32 = 0o600;
const DIR_RIGHTS: u32 = 0o700;

/// Everything is in memory beside it, so the database need not keep much.
const CACHE: usize = 4 << 20;

/// Bytes at the beginning of the file in which each transaction leaves its number and the sum of all that it reaches:
/// the header of the database.
const HEAD: usize = 320;

/// The file of a node. It stays open, so no other file gets its number, and none is ever made in its place.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    file: File,
    /// How this process left it; none while a write that failed may have left it otherwise.
    left: Option<Left>,
}

/// How a file looks once a transaction is written.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    length: u64,
    head: [u8; HEAD],
}

impl Left {
    fn of(file: &File) -> io::Result<Self> {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)?;
        Ok(Self { length: file.metadata()?.len(), head })
    }
}

/// What has become of the file while the node ran.
#[derive(Debug)]
pub enum Lost {
    /// Nothing is at its path any more.
    Gone,
    /// Another file is.
    Replaced,
    /// Another program has written to it, or cut it.
    Changed,
    /// Nobody can tell, as the system refuses to say.
    Unseen(io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ELSE: &str = "Else stop the node and start it again: it takes over what its neighbours hold. If it is \
                            the only node, save its entries with skyctl export first";
        match self {
            Self::Gone => {
                write!(f, "the file was removed or moved. Put the same file back, and the node goes on. {ELSE}")
            }
            Self::Replaced => {
                write!(f, "it is another file now. Put back the file that was there, and the node goes on. {ELSE}")
            }
            Self::Changed => write!(f, "another program has changed the file. {ELSE}"),
            Self::Unseen(error) => write!(f, "the file cannot be looked at: {error}"),
        }
    }
}

impl DataFile {
    /// Opens the file of a directory. Both are made if they are not there; what is there keeps its rights.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    pub fn open(dir: &Path) -> Result<Self, String> {
        make_dir(dir).map_err(|error| format!("cannot make the directory {}: {error}", dir.display()))?;
        let path = dir.join(FILE);
        let cannot = |error: io::Error| format!("cannot open {}: {error}{}", path.display(), whose(&path, &error));
        let file = open_or_make(dir, &path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(format!("cannot open {}: it is no file. Move it away", path.display()));
        }
        Ok(Self { path, file, left: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database in it, which is begun if the file is empty.
    ///
    /// # Errors
    /// Another process has it, or it cannot be read.
    pub fn database(&self) -> Result<Database, DatabaseError> {
        let backend = FileBackend::new(self.file.try_clone()?)?;
        Builder::new().set_cache_size(CACHE).create_with_backend(backend)
    }

    /// This process is about to write to it.
    pub fn begin(&mut self) {
        self.left = None;
    }

    /// This process has written to it, and will not do so before [`DataFile::begin`].
    ///
    /// # Errors
    /// It cannot be read.
    pub fn end(&mut self) -> io::Result<()> {
        self.left = Some(Left::of(&self.file)?);
        Ok(())
    }

    /// Looks whether the file is still at its path, and as this process left it.
    ///
    /// # Errors
    /// What has become of it.
    pub fn look(&self) -> Result<(), Lost> {
        let there = match fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(Lost::Gone);
            }
            Err(error) => return Err(Lost::Unseen(error)),
        };
        let own = self.file.metadata().map_err(Lost::Unseen)?;
        if (there.dev(), there.ino()) != (own.dev(), own.ino()) {
            return Err(Lost::Replaced);
        }
        let Some(left) = &self.left else { return Ok(()) };
        match Left::of(&self.file) {
            Ok(now) if now == *left => Ok(()),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(Lost::Unseen(error)),
            _ => Err(Lost::Changed),
        }
    }

    /// Which other users can read the file or take it away, and the commands that mend it; nothing if none can.
    pub fn exposure(&self) -> Option<String> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (file_is, dir_is) = (self.file.metadata().ok()?, fs::metadata(dir).ok()?);
        let me = rustix::process::geteuid().as_raw();
        exposure((&self.path, Rights::of(&file_is)), (dir, Rights::of(&dir_is)), me)
    }
}

/// The rights of a file, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Rights {
    mode: u32,
    user: u32,
}

impl Rights {
    fn of(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & 0o7777, user: metadata.uid() }
    }

    /// Whose it is, if that user can do with it what this process cannot prevent: any but itself and root.
    fn stranger(self, me: u32) -> Option<u32> {
        (self.user != me && self.user != 0).then_some(self.user)
    }
}

/// In a directory that lets nobody through, nobody reads a file; one that everybody may write to lets everybody take
/// files away, unless it is sticky.
fn exposure((file, file_is): (&Path, Rights), (dir, dir_is): (&Path, Rights), me: u32) -> Option<String> {
    let (file, dir) = (quoted(file), quoted(dir));
    let read = match file_is.stranger(me) {
        Some(user) => Some(format!("{file} belongs to another user, who can read it: chown {me} {file} (now {user})")),
        None if file_is.mode & 0o066 != 0 && dir_is.mode & 0o011 != 0 => {
            Some(format!("other users can read {file} (rights {:03o}): chmod 600 {file}", file_is.mode & 0o777))
        }
        None => None,
    };
    let replace = match dir_is.stranger(me) {
        Some(user) => {
            Some(format!("{dir} belongs to another user, who can replace the file: chown {me} {dir} (now {user})"))
        }
        None if dir_is.mode & 0o002 != 0 && dir_is.mode & 0o1000 == 0 => Some(format!(
            "other users can replace files in {dir} (rights {:03o}): chmod 700 {dir}",
            dir_is.mode & 0o777
        )),
        None => None,
    };
    let all: Vec<String> = read.into_iter().chain(replace).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// What to do where a file is another user's.
fn whose(path: &Path, error: &io::Error) -> String {
    let me = rustix::process::geteuid().as_raw();
    match fs::metadata(path) {
        Ok(there) if error.kind() == ErrorKind::PermissionDenied && there.uid() != me => {
            let (user, path) = (there.uid(), quoted(path));
            format!(
                ". It belongs to user {user}, and this node runs as user {me}: run it as that user, or chown {path}"
            )
        }
        _ => String::new(),
    }
}

/// Makes a directory and those above it, as far as they are not there.
fn make_dir(dir: &Path) -> io::Result<()> {
    let is_missing = |part: &&Path| !part.as_os_str().is_empty() && !part.is_dir();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    for part in missing.into_iter().rev() {
        match DirBuilder::new().mode(DIR_RIGHTS).create(part) {
            Ok(()) => {}
            // Another process has just made it.
            Err(_) if part.is_dir() => continue,
            Err(error) => return Err(error),
        }
        give_back(&fs::metadata(part)?, DIR_RIGHTS, |rights| fs::set_permissions(part, rights))?;
        sync(part.parent());
    }
    Ok(())
}

fn open_or_make(dir: &Path, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        there => return there,
    }
    let file = options.create(true).mode(FILE_RIGHTS).open(path)?;
    give_back(&file.metadata()?, FILE_RIGHTS, |rights| file.set_permissions(rights))?;
    sync(Some(dir));
    Ok(file)
}

/// Gives the user of what was just made the rights that an unusual umask has taken away, and nobody any other.
fn give_back(made: &Metadata, rights: u32, set: impl FnOnce(Permissions) -> io::Result<()>) -> io::Result<()> {
    let mode = made.mode() & 0o7777;
    if mode & rights == rights { Ok(()) } else { set(Permissions::from_mode(mode | rights)) }
}

/// What was made in a directory is to be found there after a power cut. Not every file system can be told so.
fn sync(dir: Option<&Path>) {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(dir).and_then(|dir| dir.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_what_others_can_do_and_the_command_that_mends_it() {
        let at = |file: (u32, u32), dir: (u32, u32)| {
            let of = |(mode, user)| Rights { mode, user };
            exposure((Path::new("/d/f"), of(file)), (Path::new("/d"), of(dir)), 7)
        };
        for (file, dir) in [
            ((0o600, 7), (0o755, 7)),
            ((0o644, 7), (0o700, 7)),
            ((0o600, 0), (0o755, 0)),
            ((0o600, 7), (0o1777, 0)),
            ((0o600, 7), (0o2775, 0)),
        ] {
            assert_eq!(at(file, dir), None, "{file:?} in {dir:?}");
        }
        let read = "other users can read /d/f (rights 644): chmod 600 /d/f";
        let replace = "other users can replace files in /d (rights 777): chmod 700 /d";
        assert_eq!(at((0o644, 7), (0o755, 7)).as_deref(), Some(read));
        assert_eq!(at((0o600, 7), (0o777, 7)).as_deref(), Some(replace));
        assert_eq!(at((0o644, 7), (0o777, 7)).unwrap(), format!("{read}; {replace}"));
        assert!(at((0o640, 7), (0o710, 7)).is_some(), "those of its group can");
        assert!(at((0o600, 8), (0o700, 7)).unwrap().contains("chown 7 /d/f (now 8)"));
        assert!(at((0o600, 7), (0o700, 8)).unwrap().contains("chown 7 /d (now 8)"));
        assert_eq!(quoted(Path::new("/my data/it's")), r"'/my data/it'\''s'");
    }
}
