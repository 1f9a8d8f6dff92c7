//! Fetching and writing at the same time: while one group of files is written, the next one comes.
//!
//! Fetching waits for a network and for a disk, writing takes cores: one behind the other, each would leave idle what the
//! other needs. Large files are written while they come ([`follow`](super::follow)), others when all of their contents is here.
//! What is here already is only looked at.
//!
//! What must hold: at most two groups are fetched ahead of the one that is written. After a failed fetch no other is
//! begun, and what is here is written all the same. Progress is shown of the fetch as long as there is one, then of the
//! writing. Bytes are those of contents.

use super::draft::Written;
use super::follow::{Following, Listening};
use super::plan::{self, Due, Fetched, Fetcher};
use super::temporary::Workspace;
use super::write::{Place, write_all};
use super::{Context, Outcome, Progress, follow};
use crate::{FetchProgress, RepoError};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;

const LOCK: &str = "no holder of the lock panics";

/// Smallest group.
pub const GROUP_BYTES_MIN: u64 = 256 << 20;
/// Groups at most: at the end of each the last pack goes to the disk, and nothing comes meanwhile.
const GROUPS_MAX: u64 = 4;

/// Fetches what is missing and writes all that is here then.
pub fn run(
    context: &mut Context<'_>,
    due: Vec<Due>,
    group_bytes_min: u64,
    outcome: &mut Outcome,
    observe: &mut (dyn FnMut(Progress) + Send),
) -> Result<Option<(Workspace, Vec<Written>)>, RepoError> {
    let group_bytes = group_bytes_min.max(size(&due).div_ceil(GROUPS_MAX));
    let shown = Shown::new(&due, observe);
    let source = context.source.take();
    let mut fetcher = Fetcher { repository: context.repository, store: context.store, source, error: None };
    let (workspace, following, written) = Default::default();
    let mut writing = Writing { context, shown: &shown, outcome, workspace, following, written };
    writing.follow(&mut fetcher, &due)?;
    let mut groups = plan::groups(due, group_bytes);
    let first = groups.drain(..groups.len().min(1)).next().unwrap_or_default();
    let mut torn = Vec::new();
    if groups.is_empty() {
        torn = writing.write(shown.fetch(&mut fetcher, first)?)?;
    } else {
        let (ahead, ready) = sync_channel(1);
        let shown = &shown;
        // It has the only sender: when it ends, so does the list of groups.
        let fetch_all = move |fetcher: &mut Fetcher<'_>| {
            let mut later = size(&first) + groups.iter().map(|group| size(group)).sum::<u64>();
            let mut groups = [first].into_iter().chain(groups).peekable();
            while let Some(group) = groups.next() {
                later -= size(&group);
                shown.will_fetch(later);
                let fetched = match groups.peek() {
                    Some(_) => fetcher.fetch(group, &mut |progress| shown.fetched(progress)),
                    None => shown.fetch(fetcher, group),
                };
                let failed = fetched.is_err();
                if ahead.send(fetched).is_err() || failed {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            let fetcher = &mut fetcher;
            scope.spawn(move || fetch_all(fetcher));
            ready.into_iter().try_for_each(|fetched| {
                torn.extend(writing.write(fetched?)?);
                Ok::<_, RepoError>(())
            })
        })?;
    }
    // What stands beside the store may go away, or prove to be damaged, after we looked. Once more, then.
    if !torn.is_empty() {
        let torn = writing.write(shown.fetch(&mut fetcher, torn)?)?;
        writing.outcome.missing.extend(torn.into_iter().filter_map(|due| Some((due.path, due.pointer?.oid))));
    }
    let Writing { workspace, written, .. } = writing;
    outcome.fetch_error = fetcher.error;
    Ok(workspace.map(|workspace| (workspace, written)))
}

fn size(files: &[Due]) -> u64 {
    files.iter().filter_map(|file| Some(file.pointer.as_ref()?.size)).sum()
}

/// The files that were written so far, and what that takes.
struct Writing<'a, 'c> {
    context: &'a Context<'c>,
    shown: &'a Shown<'a>,
    outcome: &'a mut Outcome,
    workspace: Option<Workspace>,
    following: Option<Listening>,
    written: Vec<Written>,
}

impl Writing<'_, '_> {
    /// Has large files written while they come.
    fn follow(&mut self, fetcher: &mut Fetcher<'_>, due: &[Due]) -> Result<(), RepoError> {
        if let (Some(source), true) = (&mut fetcher.source, follow::is_due(due)) {
            let workspace = self.workspace.insert(Workspace::open(self.context.repository)?);
            let following = Following::of(self.context.store, due, |due| workspace.name(due));
            source.follow(following.ear());
            self.following = Some(following);
        }
        Ok(())
    }

    /// Writes a group; returns the files of which a chunk was not there after all.
    fn write(&mut self, fetched: Fetched) -> Result<Vec<Due>, RepoError> {
        self.outcome.missing.extend(fetched.missing);
        if fetched.ready.is_empty() {
            return Ok(Vec::new());
        }
        let workspace = match &mut self.workspace {
            Some(workspace) => workspace,
            none => none.insert(Workspace::open(self.context.repository)?),
        };
        let count = |bytes| self.shown.wrote(bytes);
        let place = Place { workspace, following: self.following.as_deref() };
        let (written, torn) = write_all(self.context, place, fetched.ready, self.outcome, &count)?;
        self.written.extend(written);
        Ok(torn)
    }
}

/// What the user sees of both.
struct Shown<'a>(Mutex<State<'a>>);

struct State<'a> {
    observe: &'a mut (dyn FnMut(Progress) + Send),
    /// Of groups that were fetched.
    before: FetchProgress,
    /// Of the group that is being fetched.
    now: FetchProgress,
    /// Largest number of bytes that other groups may need.
    later_bytes: u64,
    fetches: bool,
    written: u64,
    total: u64,
}

impl<'a> Shown<'a> {
    fn new(due: &[Due], observe: &'a mut (dyn FnMut(Progress) + Send)) -> Shown<'a> {
        let (before, now) = Default::default();
        let state =
            State { observe, before, now, later_bytes: 0, fetches: false, written: 0, total: size(due) };
        Shown(Mutex::new(state))
    }

    /// A group is next; those behind it have `later` bytes.
    fn will_fetch(&self, later_bytes: u64) {
        let state = &mut *self.0.lock().expect(LOCK);
        let now = std::mem::take(&mut state.now);
        state.before = sum(state.before, now);
        state.later_bytes = later_bytes;
    }

    fn fetched(&self, now: FetchProgress) {
        let state = &mut *self.0.lock().expect(LOCK);
        (state.now, state.fetches) = (now, true);
        let mut all = sum(state.before, now);
        all.bytes_total += state.later_bytes;
        (state.observe)(Progress::Fetch(all));
    }

    /// Fetches what nothing is fetched after: the writing that follows is shown.
    fn fetch(&self, fetcher: &mut Fetcher<'_>, group: Vec<Due>) -> Result<Fetched, RepoError> {
        let fetched = fetcher.fetch(group, &mut |progress| self.fetched(progress));
        self.0.lock().expect(LOCK).fetches = false;
        fetched
    }

    fn wrote(&self, bytes: u64) {
        let state = &mut *self.0.lock().expect(LOCK);
        state.written += bytes;
        if !state.fetches {
            (state.observe)(Progress::Write { bytes: state.written, bytes_total: state.total });
        }
    }
}

fn sum(one: FetchProgress, other: FetchProgress) -> FetchProgress {
    FetchProgress {
        contents: one.contents + other.contents,
        chunks: one.chunks + other.chunks,
        bytes: one.bytes + other.bytes,
        bytes_total: one.bytes_total + other.bytes_total,
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
