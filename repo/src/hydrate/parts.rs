//! Many files that each take a few system calls, on all cores: a part of them for each.
//!
//! Neighbours are in the same part: they lie in the same folders, which only one can change at a time. What comes out is in
//! the order of what went in. Renames from one folder to another wait for each other all the same (Linux has one lock for those of a
//! file system); what goes on around them does not.

use std::thread;

/// More threads would only wait for each other in the file system.
const PARTS_MAX: usize = 4;
/// For fewer files no thread is started.
pub const PART_FILES_MIN: usize = 256;

/// Lets `work` have all `files`, in parts.
pub fn in_parts<T: Send, R: Send>(mut files: Vec<T>, work: impl Fn(Vec<T>) -> Vec<R> + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = cores.min(PARTS_MAX).min(files.len() / PART_FILES_MIN).max(1);
    let each = files.len().div_ceil(count);
    let work = &work;
    thread::scope(|scope| {
        let mut others = Vec::new();
        for part in (1..count).rev() {
            let part = files.split_off(each * part);
            others.push(scope.spawn(move || work(part)));
        }
        let mut done = work(files);
        for other in others.into_iter().rev() {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}
