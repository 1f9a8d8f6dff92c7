//! Rebuilding contents into temporary files.
//!
//! Temporary files are named by [`super::temporary`], which also removes what killed processes left. They are written
//! by several threads ([`super::lanes`]); a content that is needed at several paths is rebuilt for each, unless the
//! file system shares blocks ([`super::copies`]): copying is no cheaper than reading its chunks again.

use super::draft::Written;
use super::lanes::{self, Task};
use super::plan::Due;
use super::temporary::Workspace;
use super::{Context, Outcome, Progress, copies};
use crate::RepoError;
use crate::index::hydrated_mtime;
use dits_store::StoreError;
use std::sync::Mutex;
use std::time::SystemTime;

const LOCK: &str = "no holder of the lock panics";

/// Rebuilds every file into a temporary one. They are there as long as the workspace is. Files of which a chunk
/// was not there after all come back.
pub fn write_all(
    context: &Context<'_>,
    workspace: &mut Workspace,
    ready: Vec<Due>,
    outcome: &mut Outcome,
    observe: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Vec<Written>, Vec<Due>), RepoError> {
    let mtime = hydrated_mtime(&context.repository.index, SystemTime::now());
    // Without an index there is nothing to be racy with.
    let mtime = mtime.unwrap_or_else(|_| SystemTime::now());
    let bytes_total = ready.iter().filter_map(|file| Some(file.pointer.as_ref()?.size)).sum();
    context.store.make_room(context.repository.worktree()?, bytes_total)?;
    let progress = Mutex::new((0, observe));
    let count = |part: u64| {
        let (bytes, observe) = &mut *progress.lock().expect(LOCK);
        *bytes += part;
        observe(Progress::Write { bytes: *bytes, bytes_total });
    };
    let name = |(number, due)| Task { number, temporary: workspace.name(&due), due };
    let tasks: Vec<Task> = ready.iter().cloned().enumerate().map(name).collect();
    let (firsts, copies) = copies::apart(tasks);
    let mut done = lanes::write(context.store, firsts, mtime, &count);
    let rest = copies::clone_all(&mut done, copies, mtime, &count);
    done.extend(lanes::write(context.store, rest, mtime, &count));
    done.sort_unstable_by_key(|(number, _)| *number);
    let (mut written, mut torn) = (Vec::with_capacity(ready.len()), Vec::new());
    for ((_, done), due) in done.into_iter().zip(ready) {
        match done {
            Ok(Some(file)) => written.push(file),
            Ok(None) | Err(RepoError::Store(StoreError::Missing { .. })) => torn.push(due),
            Err(error) => outcome.failed.push((due.path, error)),
        }
    }
    Ok((written, torn))
}
