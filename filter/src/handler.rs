//! The filter's decisions.
//!
//! Clean goes to [`Cleaner`]. Smudge never hands large content to Git, which would hold all of it in memory
//! and write it with an mtime that makes the next status read it again; where the bytes go decides
//! (measured, see the rules R2 and R3 of the design's research):
//! - `can-delay`: Git is checking out into the working tree → the pointer now, the content at the end;
//! - `treeish` alone: `git archive` → the content, whatever its size;
//! - `blob` alone: `cat-file --filters`, difftool, textconv, `checkout-index` → the content if it is here and at most
//!   [`INLINE_BYTES_MAX`], else the pointer; settled at the end if it went into the file at that path;
//! - nothing at all: `am`, `apply`, `stash push -- path` → the pointer, and the content at the end if the file
//!   at that path has changed by then.
//!
//! At the end of input Git has written its index, let go of the lock and waits for us: then stored content is
//! made durable first, and everything deferred is hydrated in one go. Files that the user does not want
//! ([`Policy`], `dits.fetchinclude`, `dits.fetchexclude`) stay ghosts, and Git's index learns their stat data, so
//! that no later status reads them.
//!
//! In a mount nothing is hydrated: a file is its content as soon as Git has written the pointer, and what Git has seen of it then stays
//! true. Modes are the mount's own.

use crate::once;
use crate::protocol::{self, Answer, Handler, HandlerError, ProtocolError, Request};
use dits_chunk::Profile;
use dits_format::Pointer;
use dits_format::pointer::{PROBE_BYTES, Parsed, parse};
use dits_repo::clean::Cleaner;
use dits_repo::hydrate::plan::{Stamp, full_path};
use dits_repo::hydrate::whole::{self, Whole};
use dits_repo::hydrate::{self, Context, Job, Outcome};
use dits_repo::ingest::How;
use dits_repo::lockable::{self, Scope};
use dits_repo::profile_reader::ProfileReader;
use dits_repo::threshold::{Keeper, Threshold};
use dits_repo::{ChunkSource, PathFilter, RepoError, Repository, profile};
use dits_store::pack::Lease;
use dits_store::{PackStore, content};
use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::sync::Mutex;

/// Content handed to Git itself where it is not known to write into the working tree.
pub const INLINE_BYTES_MAX: u64 = 16 << 20;

/// What the user asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// Leave pointers in the working tree and hydrate nothing.
    pub skip_smudge: bool,
    /// The working tree is a mount that is being served: a pointer that is written there is a file with its content.
    pub in_mount: bool,
    /// Threads for one large content.
    pub threads: usize,
    /// Lock Git's index only where that cannot be helped (Git's own `GIT_OPTIONAL_LOCKS=0`).
    pub no_optional_locks: bool,
}

/// What one filter process did.
#[derive(Debug, Default)]
pub struct Report {
    /// Contents cleaned.
    pub cleaned: u64,
    /// Contents smudged.
    pub smudged: u64,
    /// Why the stored content could not be made durable.
    pub commit_error: Option<RepoError>,
    /// Files checked out whole that should have been pointers.
    pub whole: Vec<Whole>,
    /// What became of the deferred files, if there were any.
    pub hydrated: Option<Result<Outcome, RepoError>>,
}

/// How far the work is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A content was stored.
    Cleaned {
        /// Path from the top of the working tree.
        path: &'a [u8],
        /// Bytes of the content.
        bytes: u64,
    },
    /// Files of the working tree get their content.
    Hydrate(hydrate::Progress),
}

/// Is told of each step.
pub type Observe<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// Is told of each file that fails, and why.
pub type Complain<'a> = &'a mut dyn FnMut(&[u8], &(dyn Error + 'static));

struct Filter<'a> {
    repository: &'a Repository,
    store: &'a PackStore,
    source: &'a mut (dyn ChunkSource + Send),
    policy: Policy,
    cleaner: Option<Cleaner<'a>>,
    /// From the first content on: Git's index names it only when Git ends, and until then nobody may forget it.
    lease: Option<Lease>,
    profiles: ProfileReader,
    deferred: Vec<Job>,
    report: Report,
    complain: Complain<'a>,
    observe: Observe<'a>,
}

/// Serves Git until it closes `input`, then hydrates. `complain` is told of each file that fails, as Git
/// itself does not say why.
///
/// # Errors
/// When the conversation breaks. What was cleaned before is durable then, and nothing is hydrated.
pub fn run<R: Read, W: Write>(
    input: R,
    output: W,
    policy: Policy,
    context: Context<'_>,
    complain: Complain<'_>,
    observe: Observe<'_>,
) -> Result<Report, ProtocolError> {
    let Context { repository, store, source, critical } = context;
    let mut nowhere = Nowhere;
    let source = source.unwrap_or(&mut nowhere);
    let mut filter = Filter {
        repository,
        store,
        source,
        policy,
        cleaner: None,
        lease: None,
        profiles: ProfileReader::new(repository),
        deferred: Vec::new(),
        report: Report::default(),
        complain,
        observe,
    };
    let served = protocol::serve(input, output, &mut filter);
    filter.commit();
    served?;
    let raw = filter.raw();
    filter.settle_whole(critical);
    if !policy.in_mount {
        filter.hydrate(critical);
        filter.set_modes(&raw, critical);
    }
    filter.settle_sizes(critical);
    Ok(filter.report)
}

impl Filter<'_> {
    fn commit(&mut self) {
        if let Some(Err(error)) = self.cleaner.as_mut().map(Cleaner::commit) {
            self.report.commit_error = Some(error);
        }
    }

    fn hydrate(&mut self, critical: &Mutex<()>) {
        let jobs = std::mem::take(&mut self.deferred);
        if jobs.is_empty() {
            return;
        }
        let (repository, store) = (self.repository, self.store);
        // Not earlier: what a clone checks out may bring the settings along.
        let filter = match PathFilter::of(repository, None, None) {
            Ok(filter) => filter,
            Err(error) => return self.report.hydrated = Some(Err(error)),
        };
        // What Git was given whole is no ghost, wanted or not.
        let wants = |job: &Job| job.given || (!self.policy.skip_smudge && filter.lets_through(&job.path));
        let (wanted, left): (Vec<_>, Vec<_>) = jobs.into_iter().partition(wants);
        // If this fails (the index is locked, say), Git looks at the pointers once more, and all is well.
        let _ = hydrate::leave(repository, left, critical);
        if !wanted.is_empty() {
            let mut context = Context { repository, store, source: Some(&mut *self.source), critical };
            let observe = &mut *self.observe;
            let mut observe = |progress| observe(Progress::Hydrate(progress));
            self.report.hydrated = Some(hydrate::hydrate(&mut context, wanted, &mut observe));
        }
    }

    /// Entries without size make Git ask for a clean of their files each time, and a `stash pop` leaves some.
    fn settle_sizes(&mut self, critical: &Mutex<()>) {
        let hydrated = matches!(&self.report.hydrated, Some(Ok(outcome)) if !outcome.hydrated.is_empty());
        // What is written in a mount is never hydrated, and costs more to be read.
        let written = hydrated || (self.policy.in_mount && self.report.smudged > 0);
        if self.policy.no_optional_locks || (self.report.cleaned == 0 && !written) {
            return;
        }
        let _guard = critical.lock();
        // It only saves time, and the next filter tries again.
        let _ = hydrate::sizes::settle(self.repository);
    }

    /// Files that were checked out as they are.
    fn raw(&self) -> Vec<Vec<u8>> {
        self.report.whole.iter().map(|file| file.path.clone()).collect()
    }

    /// Hydrated files and ghosts got their modes on the way. These have had no way yet.
    fn set_modes(&mut self, raw: &[Vec<u8>], critical: &Mutex<()>) {
        if let Err(error) = lockable::refresh(self.repository, Scope::Paths(raw), critical) {
            let first = raw.first().map_or(&b""[..], |path| path);
            (self.complain)(first, &error);
        }
    }

    /// Content that is no pointer has been checked out as it is: no modification, but worth a word.
    fn settle_whole(&mut self, critical: &Mutex<()>) {
        if self.report.whole.is_empty() {
            return;
        }
        // With a threshold they stay whole on purpose, and clean agrees. A value that is none is told where it counts.
        if !Threshold::of(self.repository).is_ok_and(Threshold::is_off) {
            self.report.whole.clear();
        }
        // If this fails (the index is locked, say), Git shows the files as modified, and our word says why.
        let _ = whole::settle(self.repository, &self.report.whole, critical);
    }

    /// What to do with a pointer, by what Git tells of where its answer goes.
    fn smudge_pointer(
        &mut self,
        request: &Request,
        pointer: Pointer,
        text: &[u8],
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        let elsewhere = !request.can_delay && !self.policy.skip_smudge;
        let inline = elsewhere && request.treeish.is_some();
        let peek = elsewhere && request.treeish.is_none() && request.blob.is_some();
        if inline {
            return self.write_content(&pointer, answer);
        }
        if peek
            && pointer.size <= INLINE_BYTES_MAX
            && content::is_whole(self.store, &pointer.oid).unwrap_or(false)
        {
            self.defer(request, Some(pointer.clone()), true);
            return self.write_content(&pointer, answer);
        }
        self.defer(request, Some(pointer), false);
        Ok(answer.write_all(text)?)
    }

    /// Remembers a file for the end, if Git may be writing it into the working tree.
    fn defer(&mut self, request: &Request, pointer: Option<Pointer>, given: bool) {
        let Some(worktree) = self.repository.worktree.as_deref() else { return };
        let before = (!request.can_delay).then(|| Stamp::of(&full_path(worktree, &request.pathname)));
        self.deferred.push(Job { path: request.pathname.clone(), pointer, before, given });
    }

    fn write_content(&mut self, pointer: &Pointer, answer: &mut Answer<'_>) -> Result<(), HandlerError> {
        let known = once::available(self.store, self.source, pointer, &mut |_| {})?;
        content::rebuild::<RepoError>(self.store, &known.manifest, &mut |part| {
            answer.write_all(part).map_err(RepoError::Content)
        })
        .map_err(HandlerError::error)
    }
}

impl Handler for Filter<'_> {
    fn clean(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        self.report.cleaned += 1;
        let cleaner = match &mut self.cleaner {
            Some(cleaner) => cleaner,
            // Made for the first content, as most filters clean none.
            none => {
                let keeper = Keeper::of(self.repository).map_err(HandlerError::error)?;
                self.lease = Some(self.store.lease().map_err(HandlerError::error)?);
                let compression = self.repository.compression().map_err(HandlerError::error)?;
                let how = How { threads: self.policy.threads, compression };
                none.insert(Cleaner::new(self.store, keeper, how))
            }
        };
        let (profiles, path) = (&mut self.profiles, &request.pathname);
        let profile = || -> Profile { profile::choose(path, profiles.get(path).as_deref()) };
        let stored = cleaner.clean(path, content, profile).map_err(HandlerError::error)?;
        if let Parsed::Pointer(pointer) = parse(&stored) {
            (self.observe)(Progress::Cleaned { path, bytes: pointer.size });
        }
        Ok(answer.write_all(&stored)?)
    }

    fn smudge(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        self.report.smudged += 1;
        // Content that was just stored may be what another Git process is about to check out.
        self.commit();
        let mut head = Vec::new();
        content.take(PROBE_BYTES as u64).read_to_end(&mut head)?;
        match parse(&head) {
            Parsed::Pointer(pointer) => self.smudge_pointer(request, pointer, &head, answer),
            Parsed::Content if head.is_empty() => {
                // Nothing to fetch, but Git would read the file again at the next status: it is just written.
                self.defer(request, None, false);
                Ok(())
            }
            // Not ours to interpret: whatever Git has goes into the working tree as it is.
            parsed => {
                answer.write_all(&head)?;
                let bytes = head.len() as u64 + std::io::copy(content, answer)?;
                if let (Parsed::Content, true, Some(blob)) = (parsed, request.can_delay, &request.blob) {
                    let text = |hex: &Vec<u8>| String::from_utf8_lossy(hex).into_owned();
                    let (path, commit) = (request.pathname.clone(), request.treeish.as_ref().map(text));
                    self.report.whole.push(Whole { path, blob: text(blob), bytes, commit });
                }
                Ok(())
            }
        }
    }

    fn report(&mut self, request: &Request, error: &HandlerError) {
        (self.complain)(&request.pathname, &*error.cause);
    }
}

/// A source for repositories that have none.
struct Nowhere;

impl ChunkSource for Nowhere {
    fn fetch(
        &mut self,
        oids: &[dits_format::Oid],
        _: &mut (dyn FnMut(dits_repo::FetchProgress) + Send),
    ) -> Result<Vec<dits_format::Oid>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(oids.to_vec())
    }
}
