//! `dits.unlockOnPush` for remotes whose pushes end where nobody of ours sees it.
//!
//! The `pre-push` hook notes which locks are to go; the next command that talks to a server, or the next push, lets them go if the tracking ref
//! shows that the push has landed. It never stops what the user wanted to do: what fails is tried again the next time.

use crate::context::Context;
use crate::{lockable, report};
use anyhow::Result;
use dits_lock::LockPath;
use dits_remote::lock_changes::RefUpdate;
use dits_remote::lock_check::Hit;
use dits_remote::{LockPlace, lock_release};
use dits_repo::lockable::Scope;

/// Notes which locks go when `updates` have landed at `remote`.
pub fn note(
    context: &Context,
    remote: &str,
    place: Option<LockPlace>,
    updates: &[RefUpdate],
    ours: &[Hit],
) -> Result<()> {
    let Some(place) = place.filter(|_| !ours.is_empty()) else { return Ok(()) };
    let going = lock_release::going(&context.repository, &place.name(), ours.to_vec())?;
    Ok(lock_release::note(&context.repository, remote, &place, updates, &going)?)
}

/// Lets go what was noted and has landed.
pub fn settle(context: &Context) {
    match lock_release::settle(&context.repository, &context.settings) {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => {
            // What cannot be read now could be read when it was settled.
            let reason = lock_release::reason(&context.repository).unwrap_or_default();
            gone.iter().for_each(|lock| {
                let path = lock.path.as_str().replace(char::is_control, "?");
                report::notice(&format!("Unlocked {path} ({reason})"));
            });
            let places: Vec<LockPath> = gone.into_iter().map(|lock| lock.path).collect();
            if let Err(error) = lockable::refresh(context, Scope::Places(&places)) {
                lockable::tell(&error);
            }
        }
        Err(error) => report::warning(&format!("locks of an earlier push are still held: {error}")),
    }
}
