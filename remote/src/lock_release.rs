//! `dits.unlockOnPush`: giving back one's own locks on what was pushed to their branch. Those that a mount took by itself go without that setting
//! too ([`going`]).
//!
//! Where the push is seen to end well, they go at once ([`release`]). From a `pre-push` hook it is not: then it is noted which are to go
//! ([`note`]), and [`settle`] lets them go once the tracking ref contains the commit.

use crate::Settings;
use crate::lock_changes::RefUpdate;
use crate::lock_check::Hit;
use crate::locks::{LockError, LockPeer, LockPlace};
use dits_lock::ask::{Release, Released, Which};
use dits_lock::{Answer, Ask, Branch, Lock, LockId};
use dits_repo::locks::LockCache;
use dits_repo::settings::{MOUNT_AUTOLOCK, UNLOCK_ON_PUSH};
use dits_repo::unlocks::{self, Unlocks};
use dits_repo::{RepoError, Repository};
use std::collections::HashSet;

/// What is asked so that locks of `branch` go. What waits for a change to arrive elsewhere stays.
pub fn question(branch: &Branch, ids: &[LockId]) -> Ask {
    let which = ids.iter().map(|id| Which::Id(*id)).collect();
    Ask::Release(Release { which, branch: Some(branch.as_str().to_owned()), force: false, all: false })
}

/// Which of the answers' locks are gone.
pub fn gone(answer: Answer) -> Result<Vec<Lock>, LockError> {
    let Answer::Released { outcomes, .. } = answer else { return Err(LockError::Answer) };
    let unlocked = |outcome| if let Released::Unlocked(lock) = outcome { Some(lock) } else { None };
    Ok(outcomes.into_iter().filter_map(unlocked).collect())
}

/// The locks among `ours` on what goes to `branch`.
pub fn of_branch(ours: &[Hit], branch: &str) -> Vec<LockId> {
    let mut ids: Vec<LockId> = ours
        .iter()
        .filter(|hit| hit.branch.full() == branch && hit.lock.branch == hit.branch)
        .map(|hit| hit.lock.id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Those of `ours`, locks kept by `server`, that are to go once what they are on is pushed. One that a mount took stays while its file
/// has changes that are not committed: its owner is still at work.
pub fn going(repository: &Repository, server: &str, mut ours: Vec<Hit>) -> Result<Vec<Hit>, RepoError> {
    if ours.is_empty() || repository.setting_bool(UNLOCK_ON_PUSH)? {
        return Ok(ours);
    }
    let cache = LockCache::load(repository)?;
    let auto = cache.servers.get(server).map(|known| &known.auto);
    ours.retain(|hit| auto.is_some_and(|auto| auto.contains(&hit.lock.id)));
    if !ours.is_empty() && repository.worktree.is_some() {
        let changed = repository.git.run(&["diff-files", "--name-only", "-z"])?;
        let changed: HashSet<&[u8]> = changed.split(|byte| *byte == 0).collect();
        ours.retain(|hit| !changed.contains(hit.path.as_bytes()));
    }
    Ok(ours)
}

/// Whether any lock kept by `server` may be to go when something is pushed.
pub fn may_any_go(repository: &Repository, server: &str) -> Result<bool, RepoError> {
    Ok(repository.setting_bool(UNLOCK_ON_PUSH)?
        || LockCache::load(repository)?.servers.get(server).is_some_and(|known| !known.auto.is_empty()))
}

/// The setting by which locks go.
pub fn reason(repository: &Repository) -> Result<&'static str, RepoError> {
    let all = repository.setting_bool(UNLOCK_ON_PUSH)?;
    Ok(if all { UNLOCK_ON_PUSH.key } else { MOUNT_AUTOLOCK.key })
}

/// Lets the locks `ids` of `branch` go.
pub fn release(
    repository: &Repository,
    place: &LockPlace,
    peer: &mut LockPeer,
    branch: &Branch,
    ids: &[LockId],
) -> Result<Vec<Lock>, LockError> {
    let gone = gone(peer.ask_once(&question(branch, ids))?)?;
    forget(repository, &place.name(), &gone)?;
    Ok(gone)
}

/// Takes locks that are gone out of what this clone knows.
pub fn forget(repository: &Repository, server: &str, gone: &[Lock]) -> Result<(), RepoError> {
    if gone.is_empty() {
        return Ok(());
    }
    LockCache::update(repository, |cache| {
        if let Some(known) = cache.servers.get_mut(server) {
            gone.iter().for_each(|lock| known.lost(lock.id));
            known.listed.retain(|listed| !gone.iter().any(|lock| lock.id == listed.id));
        }
    })
}

/// Notes what is to go once `updates` have landed at `remote`.
pub fn note(
    repository: &Repository,
    remote: &str,
    place: &LockPlace,
    updates: &[RefUpdate],
    ours: &[Hit],
) -> Result<(), RepoError> {
    let note = |update: &RefUpdate| {
        let (branch, commit) = (update.name.strip_prefix("refs/heads/")?, update.new.clone()?);
        let locks = of_branch(ours, &update.name);
        let (server, remote, branch) = (place.name(), remote.to_owned(), branch.to_owned());
        (!locks.is_empty()).then_some(Unlocks { server, remote, branch, commit, locks })
    };
    let notes: Vec<Unlocks> = updates.iter().filter_map(note).collect();
    if notes.is_empty() { Ok(()) } else { unlocks::add(repository, notes) }
}

/// Lets go what was noted and has landed; returns what is gone. What cannot be settled now stays noted.
pub fn settle(repository: &Repository, settings: &Settings) -> Result<Vec<Lock>, LockError> {
    let mut all = Vec::new();
    for note in unlocks::load(repository)? {
        if !has_landed(repository, &note)? {
            continue;
        }
        let released = match LockPlace::find(repository, Some(&note.remote), None) {
            Ok(place) if place.name() == note.server => let_go(repository, settings, &place, &note),
            // Whoever kept them is no longer known here.
            Ok(_) | Err(LockError::NoRemote(_) | LockError::NoServer(_) | LockError::Folder { .. }) => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        };
        // A no will not become a yes.
        if matches!(released, Ok(_) | Err(LockError::Refused { .. })) {
            unlocks::remove(repository, &note)?;
        }
        all.extend(released?);
    }
    Ok(all)
}

fn let_go(
    repository: &Repository,
    settings: &Settings,
    place: &LockPlace,
    note: &Unlocks,
) -> Result<Vec<Lock>, LockError> {
    let branch = Branch::parse(&note.branch);
    let branch = branch.map_err(|error| LockError::Refused { why: error.to_string(), hint: None })?;
    let mut peer = LockPeer::connect(repository, place, settings)?;
    let gone = release(repository, place, &mut peer, &branch, &note.locks)?;
    peer.close();
    Ok(gone)
}

fn has_landed(repository: &Repository, note: &Unlocks) -> Result<bool, RepoError> {
    let tracking = format!("refs/remotes/{}/{}", note.remote, note.branch);
    Ok(repository.git.line(&["merge-base", "--is-ancestor", &note.commit, &tracking])?.is_some())
}
