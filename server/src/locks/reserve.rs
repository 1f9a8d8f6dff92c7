//! What pushes that run have reserved: nobody else gets a lock of it before they are over.
//!
//! Between the hook's yes and the end of Git a push may still move its branches, so a lock that is given out in between would be on a
//! version that is about to be outdated, or the push would change what somebody has just locked. A push reserves whole
//! branches while its hook looks what changes, then only these files.
//!
//! Always holds: giving out locks ([`Reservations::while_quiet`]) and reserving are one after the other. A reservation ends with its
//! guard, whatever happens to the push. Who waits is told of each end, and counts ends ([`Reservations::ended`]): what it has
//! looked at before one may be different now.

use dits_lock::Branch;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Files that one push reserves of a branch one by one: beyond that it is all of the branch.
pub(super) const FILES_MAX: usize = 100_000;

/// What a push has reserved of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Places {
    /// Everything.
    All,
    /// The files of these keys.
    Files(BTreeSet<String>),
}

impl Places {
    fn meets(&self, key: &str) -> bool {
        match self {
            Places::All => true,
            Places::Files(files) if key.ends_with('/') => {
                files.range(key.to_owned()..).next().is_some_and(|file| file.starts_with(key))
            }
            Places::Files(files) => files.contains(key),
        }
    }
}

#[derive(Debug)]
struct Reserved {
    repository: String,
    by: String,
    places: BTreeMap<Branch, Places>,
}

/// All reservations of a server.
#[derive(Debug)]
pub(crate) struct Reservations {
    state: Mutex<State>,
    told: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    reserved: BTreeMap<u64, Reserved>,
    ended: HashMap<String, Ended>,
}

/// How many reservations of a repository have ended, and whose was the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ended {
    count: u64,
    pub by: String,
}

/// The reservations of a repository while none begins or ends.
pub(super) struct Quiet<'a> {
    state: MutexGuard<'a, State>,
    repository: &'a str,
}

/// A reservation, until it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    all: Arc<Reservations>,
    number: u64,
}

impl Reservations {
    pub fn new() -> Arc<Reservations> {
        Arc::new(Reservations { state: Mutex::default(), told: watch::channel(()).0 })
    }

    /// Reserves for `by`, and does something before anybody else can.
    pub fn reserve<T>(
        self: &Arc<Reservations>,
        repository: &str,
        by: &str,
        places: BTreeMap<Branch, Places>,
        with: impl FnOnce() -> T,
    ) -> (Reservation, T) {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.reserved.insert(number, Reserved { repository: repository.into(), by: by.into(), places });
        (Reservation { all: self.clone(), number }, with())
    }

    /// Does something while no reservation begins or ends.
    pub fn while_quiet<T>(&self, repository: &str, with: impl FnOnce(&Quiet<'_>) -> T) -> T {
        with(&Quiet { state: self.state(), repository })
    }

    /// Tells of every end from now on.
    pub fn listen(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves at worst a reservation whose guard ends it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quiet<'_> {
    /// Who else has reserved a place that meets this one.
    pub fn by(&self, who: &str, branch: &Branch, key: &str) -> Option<&str> {
        let of_others = self.state.reserved.values();
        let mut of_others =
            of_others.filter(|reserved| reserved.repository == self.repository && reserved.by != who);
        let meets =
            |reserved: &&Reserved| reserved.places.get(branch).is_some_and(|places| places.meets(key));
        of_others.find(meets).map(|reserved| &reserved.by[..])
    }

    /// How many have ended.
    pub fn ended(&self) -> Ended {
        self.state.ended.get(self.repository).cloned().unwrap_or_default()
    }
}

impl Reservation {
    /// Reserves no more than these any longer.
    pub fn narrow(&self, places: BTreeMap<Branch, Places>) {
        if let Some(reserved) = self.all.state().reserved.get_mut(&self.number) {
            reserved.places = places;
        }
        self.all.told.send_replace(());
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.all.state();
        if let Some(Reserved { repository, by, .. }) = state.reserved.remove(&self.number) {
            let ended = state.ended.entry(repository).or_default();
            *ended = Ended { count: ended.count + 1, by };
        }
        drop(state);
        self.all.told.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str) -> Branch {
        Branch::parse(name).unwrap()
    }

    #[test]
    fn others_meet_what_is_reserved_until_its_guard_is_gone() {
        let all = Reservations::new();
        let main = branch("main");
        let by = |who: &str, on: &str, key: &str| {
            all.while_quiet("team/a", |quiet| quiet.by(who, &branch(on), key).map(str::to_owned))
        };
        let whole = BTreeMap::from([(main.clone(), Places::All)]);
        let (reservation, ()) = all.reserve("team/a", "ann", whole, || ());
        assert_eq!(by("bob", "main", "x").as_deref(), Some("ann"));
        assert_eq!((by("ann", "main", "x"), by("bob", "other", "x")), (None, None));
        assert!(all.while_quiet("team/b", |quiet| quiet.by("bob", &main, "x").is_none()));
        let mut told = all.listen();
        let files = Places::Files(BTreeSet::from(["maps/a".to_owned()]));
        reservation.narrow(BTreeMap::from([(main.clone(), files)]));
        assert!(told.has_changed().unwrap());
        told.mark_unchanged();
        for (key, met) in
            [("maps/a", true), ("maps/", true), ("maps/b", false), ("map/", false), ("maps/a/", false)]
        {
            assert_eq!(by("bob", "main", key).is_some(), met, "{key}");
        }
        let before = all.while_quiet("team/a", |quiet| quiet.ended());
        drop(reservation);
        assert!(told.has_changed().unwrap() && by("bob", "main", "maps/a").is_none());
        let after = all.while_quiet("team/a", |quiet| quiet.ended());
        assert!(after != before && after.by == "ann");
    }
}
