//! Rebuilding contents into temporary files.
//!
//! Temporary files are named by [`super::temporary`], which also removes what killed processes left. They are written
//! by several threads ([`super::lanes`]); a content that is needed at several paths is rebuilt for each, unless the
//! file system shares blocks ([`super::copies`]): copying is no cheaper than reading its chunks again.

use super::draft::Written;
use super::follow::Following;
use super::lanes::{self, Done, Task};
use super::plan::Due;
use super::temporary::Workspace;
use super::{Context, Outcome, copies};
use crate::RepoError;
use crate::index::hydrated_mtime;
use dits_store::StoreError;
use std::time::SystemTime;

/// Where files are written, and those that were while they came.
pub struct Place<'a> {
    /// For temporary files.
    pub workspace: &'a mut Workspace,
    /// See there.
    pub following: Option<&'a Following>,
}

/// Rebuilds every file into a temporary one. They are there as long as the workspace is. Files of which a chunk
/// was not there after all come back.
pub fn write_all(
    context: &Context<'_>,
    Place { workspace, following }: Place<'_>,
    ready: Vec<Due>,
    outcome: &mut Outcome,
    count: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<Written>, Vec<Due>), RepoError> {
    let mtime = hydrated_mtime(&context.repository.index, SystemTime::now());
    // Without an index there is nothing to be racy with.
    let mtime = mtime.unwrap_or_else(|_| SystemTime::now());
    let name = |(number, due)| Task { number, temporary: workspace.name(&due), due };
    let tasks: Vec<Task> = ready.iter().cloned().enumerate().map(name).collect();
    let (firsts, copies) = copies::apart(tasks);
    let followed = |task: &Task| following.and_then(|following| following.take(&task.due, mtime));
    let (mut done, mut others): (Vec<Done>, Vec<Task>) = Default::default();
    for task in firsts {
        match followed(&task) {
            Some(written) => {
                count(task.bytes());
                done.push((task.number, Ok(Some(written))));
            }
            None => others.push(task),
        }
    }
    let bytes = others.iter().chain(&copies).map(Task::bytes).sum();
    context.store.make_room(context.repository.worktree()?, bytes)?;
    done.extend(lanes::write(context.store, others, mtime, count));
    let rest = copies::clone_all(&mut done, copies, mtime, count);
    done.extend(lanes::write(context.store, rest, mtime, count));
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
