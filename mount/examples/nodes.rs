//! How long the nodes of a large project take, and how much memory: `cargo run --release -p dits-mount --example nodes [FILES]`.
//!
//! A quarter of the files are ghosts, 50 to a folder. Memory is what the process has more than before.

#![expect(clippy::print_stdout, reason = "it is what this is for")]

use dits_format::Oid;
use dits_mount::attr::{ROOT, Time};
use dits_mount::base::{BaseEntry, BaseKind, BaseMeta};
use dits_mount::nodes::Nodes;
use dits_mount::outside::BlobId;
use std::time::Instant;

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn entry(number: u64) -> BaseEntry {
    let path = format!("assets/group{:04}/set{:03}/texture{number:07}.png", number / 5000, number / 50 % 100);
    let what = if number.is_multiple_of(4) {
        BaseKind::Ghost { oid: Oid([number as u8; 32]), bytes: 10_000_000, executable: false }
    } else {
        BaseKind::Blob { id: BlobId([number as u8; 20].into()), bytes: 1000, executable: false }
    };
    BaseEntry { path: path.into(), what }
}

fn main() {
    let files = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let meta = BaseMeta { uid: 0, gid: 0, umask: 0o022, mtime: Time(0) };
    let (before, start) = (resident_bytes(), Instant::now());
    let nodes = Nodes::new((0..files).map(entry), &meta);
    let loaded = start.elapsed();
    let all = nodes.iter().count();
    println!("{all} nodes: {loaded:?}, {} bytes each", (resident_bytes() - before) / all as u64);

    let start = Instant::now();
    let (mut folders, mut seen) = (vec![ROOT], 0u64);
    while let Some(folder) = folders.pop() {
        for (name, ino) in nodes.folder(folder).into_iter().flatten() {
            let child = nodes.child(folder, name);
            seen += u64::from(child.and_then(|child| nodes.attr(child)).is_ok());
            folders.extend(nodes.folder(*ino).is_ok().then_some(*ino));
        }
    }
    println!("{seen} lookups with attributes: {:?}", start.elapsed());
}
