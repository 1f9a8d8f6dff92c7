//! Locks on what somebody has pushed, for `git dits verify-push --locks`: the check that a host's `pre-receive` or CI makes.
//!
//! Who pushes is told by the host, not by the keeper of the locks: `--user`, or what GitLab and Gitea say in the environment. Names must be the
//! same on both sides. In doubt the answer is no: without a name there is no check.

use crate::context::Context;
use crate::report::Failure;
use anyhow::Result;
use dits_lock::ask::List;
use dits_lock::{Answer, Ask, Table};
use dits_remote::lock_changes::{self, RefUpdate};
use dits_remote::lock_check::{BranchChange, Verdict, changes_any, judge};
use dits_remote::locks::LockError;
use dits_remote::{LockPeer, LockPlace};

/// Variables in which hosts tell a hook who pushes.
const NAMES: [&str; 2] = ["GL_USERNAME", "GITEA_PUSHER_NAME"];

/// Who pushes.
pub fn user(given: Option<&str>) -> Result<String> {
    let told = NAMES.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let hint = "give --user NAME; GitLab tells a hook by GL_USERNAME, Gitea by GITEA_PUSHER_NAME";
    let user = given.filter(|name| !name.is_empty()).map(str::to_owned).or(told);
    Ok(user.ok_or_else(|| Failure::new("it is not known who pushes", hint))?)
}

/// What a push of `updates` by `user` meets, as `place` knows it. `has` is what was there before.
pub fn check(
    context: &Context,
    place: &LockPlace,
    updates: &[RefUpdate],
    has: &[String],
    user: &str,
) -> Result<Verdict, LockError> {
    let changes = lock_changes::changes(&context.repository.git, updates, has)?;
    if !changes_any(&changes) {
        return Ok(Verdict::default());
    }
    let mut peer = LockPeer::connect(&context.repository, place, &context.settings)?;
    let mut verdict = Verdict::default();
    // A host is asked for each branch what holds there; a server of ours tells all at once.
    let groups: Vec<&[BranchChange]> = match peer {
        LockPeer::Server(_) => vec![&changes[..]],
        LockPeer::Host(_) => changes.chunks(1).collect(),
    };
    for group in groups {
        let branch = matches!(peer, LockPeer::Host(_)).then(|| group[0].branch.as_str().to_owned());
        let mut locks = Vec::new();
        peer.ask(&Ask::List(List { branch, ..List::default() }), &mut |answer| {
            if let Answer::Locks { locks: more, .. } = answer {
                locks.extend(more);
            }
            true
        })?;
        let found = judge(group, &Table::new(locks, 0), user);
        verdict.theirs.extend(found.theirs);
        verdict.ours.extend(found.ours);
        verdict.elsewhere.extend(found.elsewhere);
    }
    peer.close();
    Ok(verdict)
}
