//! Contents of several paths, on file systems that share blocks (Btrfs, XFS, and others on Linux).
//!
//! One path of each is written first. The others are clones of it: no byte is read or written, and on the disk the
//! content is there once until somebody changes a file. Where that does not work (another file system, or one without
//! shared blocks) it is not tried again, and the files are rebuilt like any other.

use super::draft::{Written, clone_of};
use super::lanes::{Done, Task};
use dits_format::Oid;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

/// Of smaller ones a clone takes longer than a copy: the file system first writes out what it is to share.
const CLONE_BYTES_MIN: u64 = 1 << 20;

/// The tasks to begin with, and those of a content that is among the first.
pub fn apart(tasks: Vec<Task>) -> (Vec<Task>, Vec<Task>) {
    let mut seen = HashSet::new();
    let is_first = |task: &Task| match &task.due.pointer {
        Some(pointer) if pointer.size >= CLONE_BYTES_MIN => seen.insert(pointer.oid),
        _ => true,
    };
    tasks.into_iter().partition(is_first)
}

/// Clones what can be cloned, adds it to `done`, and returns the rest. `count` is told of bytes that need not be
/// written.
pub fn clone_all(
    done: &mut Vec<Done>,
    copies: Vec<Task>,
    mtime: SystemTime,
    count: &dyn Fn(u64),
) -> Vec<Task> {
    let oid = |file: &Written| file.due.pointer.as_ref().map(|pointer| pointer.oid);
    let written =
        done.iter().enumerate().filter_map(|(at, (_, done))| Some((oid(done.as_ref().ok()?.as_ref()?)?, at)));
    let first: HashMap<Oid, usize> = if copies.is_empty() { HashMap::new() } else { written.collect() };
    let (mut rest, mut refused) = (Vec::new(), HashSet::new());
    for task in copies {
        let at = task.due.pointer.as_ref().and_then(|pointer| first.get(&pointer.oid));
        let Some(Ok(Some(from))) = at.map(|at| &done[*at].1) else {
            rest.push(task);
            continue;
        };
        let devices = (from.meta.dev(), task.due.meta.dev());
        if refused.contains(&devices) {
            rest.push(task);
            continue;
        }
        match clone_of(from, &task.due, task.temporary.clone(), mtime) {
            Ok(Some(file)) => {
                count(task.bytes());
                done.push((task.number, Ok(Some(file))));
            }
            _ => {
                refused.insert(devices);
                rest.push(task);
            }
        }
    }
    rest
}
