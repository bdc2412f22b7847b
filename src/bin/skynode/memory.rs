//! How much memory the process may have, and so its entries: what the system allows is read at the start, since a
//! process that reaches it is killed, or ends itself, where a full store only refuses.

use rustix::process::{Resource, getrlimit};
use skynode::config::MemoryFrom;
use skynode::limits::{MEMORY_MIN, grouped};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that a node may need beside its entries, at most: values on their way from and to clients and other nodes,
/// connections, what the database keeps in memory, the program itself.
const BESIDE: u64 = 64 << 20;

/// Of that, the share of bodies of requests and answers: three of eight parts.
const BODIES: (u64, u64) = (3, 8);

/// The address space that the stacks of all threads take.
const STACKS: u64 = 6 << 20;

/// What the system allows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    bytes: u64,
    from: MemoryFrom,
    /// The file or the limit, as an operator knows it.
    by: String,
}

/// How memory is shared out.
#[derive(Debug, PartialEq, Eq)]
pub struct Shares {
    /// How much the entries may take.
    pub entries: usize,
    /// Who says so.
    pub from: MemoryFrom,
    /// How much what was saved may take, if the system has a limit: to read more would end the process.
    pub saved: Option<usize>,
    /// How much bodies of requests and answers may take, if less than usual.
    pub bodies: Option<usize>,
    /// What an operator is to know, if what was asked for does not fit.
    pub warning: Option<String>,
}

/// Shares memory out: the entries get what was `asked` for, unless the system allows less. It was given by a flag or it
/// is the default. By now the process has had as many threads as it will have: what the allocator reserves for them of
/// its address space it keeps for the next ones.
pub fn share(asked: usize, from: MemoryFrom) -> Shares {
    let page = rustix::param::page_size() as u64;
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split(' ').map(|text| text.parse().unwrap_or(0));
    let (space, resident) = (pages.next().unwrap_or(0) * page, pages.next().unwrap_or(0) * page);
    let group = by_cgroup(Path::new("/")).map(|allowed| (allowed, resident));
    let limit = getrlimit(Resource::As).current;
    let by_limit = limit.map(|bytes| Allowed { bytes, from: MemoryFrom::AddressSpace, by: "ulimit -v".into() });
    shared(asked, from, group.into_iter().chain(by_limit.map(|allowed| (allowed, space + STACKS))))
}

/// Shares out what is left of each limit when so much is taken.
fn shared(asked: usize, from: MemoryFrom, limits: impl Iterator<Item = (Allowed, u64)>) -> Shares {
    let left = |(allowed, taken): (Allowed, u64)| (allowed.bytes.saturating_sub(taken), allowed);
    let Some((left, allowed)) = limits.map(left).min_by_key(|(left, _)| *left) else {
        return Shares { entries: asked, from, saved: None, bodies: None, warning: None };
    };
    let beside = BESIDE.min(left / 3 * 2);
    let most = usize::try_from(left - beside).unwrap_or(usize::MAX);
    let bodies = Some(usize::try_from(beside / BODIES.1 * BODIES.0).unwrap_or(usize::MAX));
    let fits = asked <= most;
    let entries = asked.min(most.max(MEMORY_MIN));
    let mib = |bytes: u64| grouped(bytes >> 20);
    let warning = (!fits).then(|| {
        let (may, by) = (mib(allowed.bytes), &allowed.by);
        let what = if from == MemoryFrom::Flag { "--max-memory" } else { "the default of --max-memory," };
        let (asked, beside, entries) = (mib(asked as u64), mib(allowed.bytes - left + beside), mib(entries as u64));
        format!(
            "{what} {asked} MiB does not fit: the process may have {may} MiB of memory ({by}), and may need {beside} \
             beside its entries, so they may take {entries} MiB"
        )
    });
    let from = if fits { from } else { allowed.from };
    Shares { entries, from, saved: Some(most.max(MEMORY_MIN)), bodies, warning }
}

/// The lowest limit of the control groups that this process is in, where a file system with these files is at the root.
fn by_cgroup(root: &Path) -> Option<Allowed> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let limits = mounts.lines().filter_map(Mount::read).flat_map(|mount| mount.limits(root, &groups));
    limits.min_by_key(|allowed| allowed.bytes)
}

/// A hierarchy of control groups that may limit memory.
#[derive(Debug)]
struct Mount {
    /// The group that its top is.
    top: String,
    at: PathBuf,
    /// Of the second version.
    unified: bool,
}

impl Mount {
    /// Reads a line of `/proc/self/mountinfo`.
    fn read(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (top, at) = (place.next()?.to_owned(), place.next()?.trim_start_matches('/').into());
        let mut kind = kind.split(' ');
        let unified = match kind.next()? {
            "cgroup2" => true,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => false,
            _ => return None,
        };
        Some(Self { top, at, unified })
    }

    /// The limits of the process's group, and of those above it as far as they are seen.
    fn limits(&self, root: &Path, groups: &str) -> Vec<Allowed> {
        let own = groups.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            let of_mount = if self.unified {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|controller| controller == "memory")
            };
            of_mount.then_some(group)
        });
        // In a container the group may be named as the host sees it, and be the top of what is seen.
        let below = own.unwrap_or_default().strip_prefix(self.top.trim_end_matches('/')).unwrap_or_default();
        let files: &[&str] = if self.unified { &["memory.max", "memory.high"] } else { &["memory.limit_in_bytes"] };
        let groups = Path::new(below.trim_start_matches('/')).ancestors();
        let paths = groups.flat_map(|group| files.iter().map(move |file| self.at.join(group).join(file)));
        let limits = paths.filter_map(|path| {
            // "max", or a number beyond all memory, is none.
            let bytes = fs::read_to_string(root.join(&path)).ok()?.trim().parse().ok()?;
            let by = format!("/{}", path.display());
            (bytes < 1 << 60).then_some(Allowed { bytes, from: MemoryFrom::Cgroup, by })
        });
        limits.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(mib: u64, from: MemoryFrom) -> Allowed {
        Allowed { bytes: mib << 20, from, by: String::from("it") }
    }

    fn of(asked: u64, from: MemoryFrom, limit: u64, taken: u64) -> Shares {
        shared((asked << 20) as usize, from, [(allowed(limit, MemoryFrom::Cgroup), taken << 20)].into_iter())
    }

    #[test]
    fn without_a_limit_the_entries_get_what_was_asked_for() {
        let shares = shared(1 << 40, MemoryFrom::Flag, std::iter::empty());
        assert_eq!((shares.entries, shares.from, shares.saved, shares.bodies), (1 << 40, MemoryFrom::Flag, None, None));
        assert_eq!(shares.warning, None);
    }

    #[test]
    fn what_does_not_fit_is_less_and_said_with_its_numbers() {
        let fits = of(128, MemoryFrom::Default, 256, 4);
        assert_eq!((fits.entries, fits.from, fits.warning), (128 << 20, MemoryFrom::Default, None));
        let told = of(300, MemoryFrom::Flag, 256, 4);
        assert_eq!((told.entries, told.from), (188 << 20, MemoryFrom::Cgroup));
        assert_eq!(
            told.warning.as_deref(),
            Some(
                "--max-memory 300 MiB does not fit: the process may have 256 MiB of memory (it), and may need 68 \
                 beside its entries, so they may take 188 MiB"
            )
        );
        let small = of(128, MemoryFrom::Default, 64, 4);
        assert_eq!((small.entries, small.bodies), (20 << 20, Some(15 << 20)));
        assert!(small.warning.is_some_and(|text| text.starts_with("the default of --max-memory, 128 MiB does not")));
        assert_eq!(of(128, MemoryFrom::Default, 8, 4).entries, MEMORY_MIN, "it is tried");
    }

    #[test]
    fn of_two_limits_that_counts_which_leaves_less() {
        let limits = [(allowed(300, MemoryFrom::Cgroup), 4 << 20), (allowed(400, MemoryFrom::AddressSpace), 210 << 20)];
        let shares = shared(256 << 20, MemoryFrom::Flag, limits.into_iter());
        assert_eq!((shares.entries, shares.from), (126 << 20, MemoryFrom::AddressSpace));
    }

    /// Writes files below a directory of its own. → the lowest limit that is found there.
    fn found(name: &str, groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = std::env::temp_dir().join(format!("sky-memory-{}-{name}", std::process::id()));
        for (path, text) in [("proc/self/cgroup", groups), ("proc/self/mountinfo", mounts)].iter().chain(files) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let allowed = by_cgroup(&root);
        fs::remove_dir_all(&root).unwrap();
        allowed.map(|allowed| (allowed.bytes, allowed.by))
    }

    #[test]
    fn the_lowest_limit_up_the_tree_of_groups_counts() {
        let v2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let files = [
            ("sys/fs/cgroup/a/memory.max", "900000000\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.high", "950000000\n"),
            ("sys/fs/cgroup/other/memory.max", "1000\n"),
        ];
        let above = Some((900_000_000, String::from("/sys/fs/cgroup/a/memory.max")));
        assert_eq!(found("up", "0::/a/b\n", v2, &files), above);
        assert_eq!(found("none", "0::/\n", v2, &[]), None);
        let high = [("sys/fs/cgroup/memory.high", "7000"), ("sys/fs/cgroup/memory.max", "8000")];
        assert_eq!(found("high", "0::/\n", v2, &high).unwrap().0, 7000, "a container sees its own group as the top");
    }

    #[test]
    fn limits_of_the_first_version_are_read_and_a_container_may_see_only_its_own() {
        let v1 = "31 25 0:28 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                  30 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                  36 25 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        let groups = "4:memory:/docker/1/x\n1:cpu:/\n0::/\n";
        let own = Some((268_435_456, String::from("/sys/fs/cgroup/memory/memory.limit_in_bytes")));
        assert_eq!(found("one", groups, v1, &files), own);
        assert_eq!(found("other", "4:memory:/elsewhere\n", v1, &files), own, "named as from another place");
        assert_eq!(found("unlimited", groups, v1, &files[1..]), None);
    }
}
