//! Giving out locks beside pushes that run.
//!
//! A place that somebody else's push has reserved is waited for, up to [`WAIT_MAX`]. Then its version at the tip of the target branch
//! is compared with those that the client has. That takes a while, in which a push may begin and end: so what was looked at counts
//! only if none has when the locks are given out, else it is looked at again.
//!
//! Always holds: a lock that is given out is of a version that the client said it knows, or it did not care; and no push that changes the
//! place is between its hook's yes and its end.

use super::reserve::{Ended, Quiet};
use super::stream::{Asked, answered};
use super::{LocksError, tip};
use crate::door::now;
use crate::repositories::exists;
use dits_lock::ask::{Acquire, Acquired, Denial};
use dits_lock::table::{Plan, Wish};
use dits_lock::{Answer, Branch, LockPath, Table};
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

/// How long a wish for locks waits for pushes to end.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// A place that is wished for, or why it cannot be had.
type Place = Result<LockPath, Denial>;

/// Gives out what was asked for.
pub(super) async fn take(asked: &Asked<'_>, ask: &Acquire, branch: &Branch) -> Result<Answer, LocksError> {
    let place = |path: &str| LockPath::parse(path).map_err(|why| Denial::Path { why: why.to_string() });
    let places: Vec<Place> = ask.items.iter().map(|item| place(&item.path)).collect();
    let deadline = Instant::now() + WAIT_MAX;
    let mut told = asked.locks.reserved.listen();
    loop {
        told.mark_unchanged();
        let (ended, busy) = asked.locks.reserved.while_quiet(asked.repository, |quiet| {
            Ok::<_, LocksError>((quiet.ended(), pushing(asked, quiet, branch, &places)?))
        })?;
        let is_late = Instant::now() >= deadline;
        if busy.iter().any(Option::is_some) && !is_late {
            // Late or told: both are seen above.
            let _ = timeout_at(deadline, told.changed()).await;
            continue;
        }
        let stale = stale(asked, ask, branch, &places).await.map_err(LocksError::Git)?;
        let answer = block_in_place(|| {
            asked.locks.reserved.while_quiet(asked.repository, |quiet| {
                let look = Look { ended: &ended, stale: &stale, is_late };
                look.give(asked, ask, quiet, branch, &places)
            })
        })?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

/// What was looked at before locks are given out.
struct Look<'a> {
    ended: &'a Ended,
    stale: &'a [Option<Denial>],
    is_late: bool,
}

impl Look<'_> {
    /// Gives out, unless there is something to look at again, and time for it.
    fn give(
        &self,
        asked: &Asked<'_>,
        ask: &Acquire,
        quiet: &Quiet<'_>,
        branch: &Branch,
        places: &[Place],
    ) -> Result<Option<Answer>, LocksError> {
        let busy = pushing(asked, quiet, branch, places)?;
        let ended = quiet.ended();
        let is_new = ended != *self.ended;
        if !self.is_late && (is_new || busy.iter().any(Option::is_some)) {
            return Ok(None);
        }
        let items = places.iter().zip(&ask.items).zip(busy).map(|((place, item), by)| match by {
            Some(by) => Err(Denial::Pushing { by }),
            // The version that was looked at may be none any more.
            None if is_new && item.seen.is_some() => Err(Denial::Pushing { by: ended.by.clone() }),
            None => place.clone(),
        });
        let items: Vec<Place> = items.collect();
        let wish = Wish {
            who: &asked.caller.name,
            branch,
            items: &items,
            mode: ask.mode,
            reason: ask.reason.as_deref(),
            lease: ask.lease,
            all: ask.all,
        };
        let plan = |table: &Table, now: u64, next: &mut u64| self.plan(table, &wish, now, next);
        let changed = asked.locks.change(asked.repository, now(), plan);
        let answer = |outcomes| Answer::Acquired { branch: branch.clone(), outcomes, news: Vec::new() };
        answered(changed, answer).map(Some)
    }

    /// The plan of a wish, in which what is behind is refused for that, unless for somebody else's lock.
    fn plan(&self, table: &Table, wish: &Wish<'_>, now: u64, next: &mut u64) -> Plan<Acquired> {
        let held = |item: &Place| {
            let alone = Wish { items: std::slice::from_ref(item), all: false, ..wish.clone() };
            let plan = table.acquire(&alone, now, &mut next.clone());
            matches!(plan.outcomes[..], [Acquired::Refused(_)])
        };
        let items = wish.items.iter().zip(self.stale).map(|(item, stale)| match stale {
            Some(stale) if item.is_ok() && !held(item) => Err(stale.clone()),
            _ => item.clone(),
        });
        let items: Vec<Place> = items.collect();
        table.acquire(&Wish { items: &items, ..wish.clone() }, now, next)
    }
}

/// Who is pushing changes of these places, unless the caller has a lock there already: then that push is refused.
fn pushing(
    asked: &Asked<'_>,
    quiet: &Quiet<'_>,
    branch: &Branch,
    places: &[Place],
) -> Result<Vec<Option<String>>, LocksError> {
    let who = &asked.caller.name;
    let by = |place: &Place| {
        let key = place.as_ref().ok()?.key();
        quiet.by(who, branch, &key).map(|by| (by.to_owned(), key))
    };
    let met: Vec<_> = places.iter().map(by).collect();
    if met.iter().all(Option::is_none) {
        return Ok(vec![None; places.len()]);
    }
    asked.locks.look(asked.repository, now(), |table| {
        let has = |key: &str| {
            table.covering(branch, key).any(|lock| lock.owner == *who && lock.mode == Default::default())
        };
        met.into_iter().map(|met| met.filter(|(_, key)| !has(key)).map(|(by, _)| by)).collect()
    })
}

/// Which of the places the target branch has in another version than the client. Folders have none, and a file that is
/// not there can be made.
async fn stale(
    asked: &Asked<'_>,
    ask: &Acquire,
    branch: &Branch,
    places: &[Place],
) -> std::io::Result<Vec<Option<Denial>>> {
    let mut stale = vec![None; places.len()];
    if ask.stale_ok || !exists(asked.folder) {
        return Ok(stale);
    }
    let checked = places.iter().zip(&ask.items).enumerate().filter_map(|(i, (place, item))| {
        let place = place.as_ref().ok().filter(|place| !place.is_prefix())?;
        Some((i, place, item.seen.as_ref()?))
    });
    let checked: Vec<_> = checked.collect();
    let paths = checked.iter().map(|(_, place, _)| *place);
    let blobs = tip::files(asked.git, asked.folder, branch, paths).await?;
    for ((i, _, seen), blob) in checked.iter().zip(blobs) {
        stale[*i] = blob.filter(|blob| !seen.contains(blob)).map(|blob| Denial::Stale { blob: Some(blob) });
    }
    Ok(stale)
}
