//! Hydrate: pointers in the working tree become files again, and Git's index agrees.
//!
//! Runs when Git has finished (its index is on disk and unlocked): at the end of the filter's input, or
//! from `git dits hydrate`. In this order, so that a crash anywhere leaves clean pointer files:
//! 1. [`plan`]: which pointers still stand where Git wrote them; what is missing is fetched ([`stream`]);
//! 2. [`write`]: each content is rebuilt into a temporary file, its oid compared, its mode set and its mtime
//!    set back (a "racy" mtime would make Git read the whole file again at the next status);
//! 3. [`settle`]: under Git's index lock, all temporary files are exchanged for their pointers ([`place`]),
//! 4. and the stat data of their index entries is patched in place.
//!
//! Ghosts that are to stay ([`mod@leave`]), and what Git has whole where a pointer should be ([`whole`]), only have
//! their index entries patched.
//! A file that is no longer the pointer we left there is somebody else's, and is never touched.

mod copies;
mod draft;
mod follow;
mod lanes;
pub mod leave;
mod parts;
pub mod place;
pub mod plan;
pub mod settle;
pub mod sizes;
mod stream;
pub(crate) mod temporary;
pub mod whole;
pub mod write;

pub use leave::leave;

use crate::{ChunkSource, FetchProgress, RepoError, Repository};
use dits_format::{Oid, Pointer};
use dits_store::PackStore;
use plan::Stamp;
use std::sync::Mutex;

pub use temporary::leftovers;

/// One pointer to be hydrated.
#[derive(Debug, Clone)]
pub struct Job {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// The pointer that stands there; `None` for the empty content, whose file is only settled.
    pub pointer: Option<Pointer>,
    /// How the path looked before Git wrote it; hydrate only if it looks otherwise now. `None`: always.
    pub before: Option<Option<Stamp>>,
    /// Git was given the content itself and may have written it there, with a time that makes it read the
    /// file at each status: then it is written once more, and settled.
    pub given: bool,
}

/// How far hydration is.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Chunks are coming in.
    Fetch(FetchProgress),
    /// So many of so many bytes were written.
    Write {
        /// Bytes written.
        bytes: u64,
        /// Bytes in all.
        bytes_total: u64,
    },
}

/// What hydration works with.
pub struct Context<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Its chunks.
    pub store: &'a PackStore,
    /// Where missing chunks come from, if anywhere.
    pub source: Option<&'a mut (dyn ChunkSource + Send)>,
    /// Held while Git's index is locked by us, so that a signal can wait for the moment to be over.
    pub critical: &'a Mutex<()>,
}

/// What became of the jobs.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files that have their content now.
    pub hydrated: Vec<Vec<u8>>,
    /// Contents that nobody has, with one path each: these stay pointers.
    pub missing: Vec<(Vec<u8>, Oid)>,
    /// Why nothing (more) could be fetched.
    pub fetch_error: Option<RepoError>,
    /// Files that could not be rebuilt or written, and why: these stay pointers.
    pub failed: Vec<(Vec<u8>, RepoError)>,
    /// Why Git's index does not agree with the hydrated files; if none are, why none could be.
    pub unsettled: Option<RepoError>,
}

impl Outcome {
    /// Whether every job that was still due succeeded.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.failed.is_empty() && self.unsettled.is_none()
    }
}

/// Hydrates all `jobs`.
///
/// # Errors
/// Only when nothing could be done at all; what concerns single files is in the [`Outcome`].
pub fn hydrate(
    context: &mut Context<'_>,
    jobs: Vec<Job>,
    observe: &mut (dyn FnMut(Progress) + Send),
) -> Result<Outcome, RepoError> {
    let mut outcome = Outcome::default();
    // What is found here, or comes, is not pruned before it is written.
    let _lease = context.store.lease()?;
    let worktree = context.repository.worktree()?;
    let mut due = plan::still_due(worktree, jobs);
    plan::set_modes(context.repository, &mut due)?;
    let oids: Vec<Oid> = due.iter().filter_map(|file| Some(file.pointer.as_ref()?.oid)).collect();
    context.store.hold(&oids);
    let Some((workspace, written)) =
        stream::run(context, due, stream::GROUP_BYTES_MIN, &mut outcome, observe)?
    else {
        return Ok(outcome);
    };
    if !written.is_empty() {
        let _guard = context.critical.lock();
        let (placed, settled) =
            settle::settle(context.repository, || place::place_all(written, &mut outcome));
        outcome.hydrated = placed.into_iter().map(|file| file.path).collect();
        outcome.unsettled = settled.err();
    }
    drop(workspace);
    Ok(outcome)
}
