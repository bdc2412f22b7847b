//! Floors 0 to 3 need no standard library. `cargo check` alone would not show that, as a library may name a crate that
//! brings `std` along; linked into a program with its own panic handler, a second one from `std` is an error (E0152).
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MANIFEST: &str = r#"[package]
name = "without-std"
version = "0.0.0"
edition = "2024"

[lib]
path = "lib.rs"
crate-type = ["staticlib"]

[dependencies]
skynode = { path = "@ROOT@", default-features = false }

[profile.dev]
panic = "abort"

[workspace]
"#;

/// A program for a machine with nothing but memory: an allocator that never frees, and a node that is turned once.
const PROGRAM: &str = r#"#![no_std]
extern crate alloc;
@EXTRA@
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering};
use skynode::node::{Command, Identity, Node};

const HEAP: usize = 1 << 20;
struct Bump(core::cell::UnsafeCell<[u8; HEAP]>, AtomicUsize);
unsafe impl Sync for Bump {}
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let from = self.1.fetch_add(layout.size() + layout.align(), Ordering::Relaxed);
        if from + layout.size() + layout.align() > HEAP {
            return core::ptr::null_mut();
        }
        let start = unsafe { self.0.get().cast::<u8>().add(from) };
        unsafe { start.add(start.align_offset(layout.align())) }
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
#[global_allocator]
static HEAP_OF_ALL: Bump = Bump(core::cell::UnsafeCell::new([0; HEAP]), AtomicUsize::new(0));

#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(no_mangle)]
pub extern "C" fn turn_a_node(at_us: u64) -> usize {
    let now = skynode::time::Now { at: skynode::time::Instant::from_micros(at_us), wall_ms: 0 };
    let identity = Identity { addr: core::net::SocketAddr::from(([127, 0, 0, 1], 4321)), id: None };
    let mut node = Node::new(skynode::config::Config::default(), identity, false, [7; 32], now);
    node.handle_command(now, Command::Get { key: alloc::vec![1].into_boxed_slice() });
    node.handle_timeout(now);
    let mut buffer = [0; skynode::limits::FRAME_MAX];
    core::iter::from_fn(|| node.poll_transmit(&mut buffer)).map(|transmit| transmit.length).sum()
}
"#;

/// Builds the program, with more at its head, in a directory of its own; the dependencies are those already here.
fn build(name: &str, extra: &str) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("a directory for the program");
    let write = |file: &str, text: &str| std::fs::write(directory.join(file), text).expect("a file of the program");
    write("Cargo.toml", &MANIFEST.replace("@ROOT@", &root.display().to_string()));
    write("lib.rs", &PROGRAM.replace("@EXTRA@", extra));
    std::fs::copy(root.join("Cargo.lock"), directory.join("Cargo.lock")).expect("the versions in use");
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--offline", "--quiet", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no_std_target"))
        // What the outer cargo set for this test must not leak into the inner one.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs")
}

#[test]
fn the_protocol_links_without_std_and_the_proof_would_notice_std() {
    let clean = build("without_std", "");
    assert!(clean.status.success(), "floors 0 to 3 need std:\n{}", String::from_utf8_lossy(&clean.stderr));
    let planted = build("without_std_planted", "extern crate std;");
    let errors = String::from_utf8_lossy(&planted.stderr);
    assert!(!planted.status.success() && errors.contains("E0152"), "std slipped in unnoticed:\n{errors}");
}
