//! How much memory the process takes, where the system tells.

/// Its bytes that are in memory: the second number of `/proc/self/statm`, in pages.
#[cfg(target_os = "linux")]
pub fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// Nobody tells.
#[cfg(not(target_os = "linux"))]
pub fn resident() -> Option<u64> {
    None
}
