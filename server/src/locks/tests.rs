//! The keeper of locks: its clock, its log, its disk, its news.

use super::*;
use crate::layout::Claim;
use dits_lock::ask::{Acquired, List, Released, Which};
use dits_lock::table::{Giving, Wish};
use dits_lock::{Branch, Lock, LockId, LockPath, Mode, What, Why};
use std::sync::atomic::{AtomicBool, Ordering};

const TEAM: &str = "team/a";

/// A lock of ann's.
pub(in crate::locks) fn lock(id: u64, path: &str) -> Lock {
    Lock {
        expires: Some(9),
        ..Lock::taken(LockId(id), LockPath::parse(path).unwrap(), Branch::parse("main").unwrap(), "ann", 5)
    }
}

/// A plan of one event.
pub(in crate::locks) fn event(at: u64, what: What, lock: Lock) -> Plan<()> {
    Plan { outcomes: vec![()], events: vec![Event { at, by: Some(lock.owner.clone()), what, lock }] }
}

/// A server's folder.
pub(in crate::locks) struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap() }
    }

    fn layout(&self) -> (Layout, Claim) {
        Layout::claim(self.dir.path()).unwrap()
    }

    pub fn open(&self) -> Locks {
        Locks::open(&self.layout().0).unwrap()
    }
}

fn acquire(
    locks: &Locks,
    who: &str,
    path: &str,
    lease: Option<u64>,
    clock: u64,
) -> Result<Acquired, LocksError> {
    let (branch, items) = (Branch::parse("main").unwrap(), [Ok(LockPath::parse(path).unwrap())]);
    let wish =
        Wish { who, branch: &branch, items: &items, mode: Mode::Exclusive, reason: None, lease, all: false };
    Ok(locks.change(TEAM, clock, |table, now, next| table.acquire(&wish, now, next))?.remove(0))
}

fn release(locks: &Locks, who: &str, path: &str, force: bool, clock: u64) -> Result<Released, LocksError> {
    let which = [Which::Path(path.into())];
    let giving = Giving { who, admin: force, which: &which, branch: None, force, all: false };
    Ok(locks.change(TEAM, clock, |table, now, _| table.release(&giving, now))?.remove(0))
}

fn held(locks: &Locks, clock: u64) -> Vec<String> {
    let list = locks.look(TEAM, clock, |table| table.list(&List::default())).unwrap().unwrap();
    list.0.into_iter().map(|lock| format!("{} {}", lock.owner, lock.path)).collect()
}

#[test]
fn leases_end_in_time_on_a_clock_that_jumps_back_and_over_a_restart() {
    let folder = Folder::new();
    let locks = folder.open();
    acquire(&locks, "ann", "a", Some(60), 1000).unwrap();
    acquire(&locks, "ann", "b", None, 1000).unwrap();
    assert_eq!(held(&locks, 10), ["ann a", "ann b"], "the clock was set back: it is still 1000");
    // Renewed at what counts, not at what the clock says.
    let Ok(Acquired::Locked(lock)) = acquire(&locks, "ann", "a", Some(60), 20) else { panic!("her own") };
    let end = lock.expires.unwrap();
    assert!((1060..1070).contains(&end), "{end}");
    drop(locks);
    let locks = folder.open();
    assert_eq!(held(&locks, 30), ["ann a", "ann b"], "a server that starts with a wrong clock");
    let mut happens = locks.listen();
    assert!(locks.end_all_leases(end - 1).unwrap().as_secs() <= 1);
    assert!(happens.try_recv().is_err());
    locks.end_all_leases(end).unwrap();
    let event = happens.try_recv().unwrap().event;
    assert_eq!((event.what, event.lock.path.as_str()), (What::Unlocked(Why::Expired), "a"));
    assert!(matches!(acquire(&locks, "bob", "a", None, 1).unwrap(), Acquired::Locked(_)));
    assert_eq!(held(&locks, 1), ["ann b", "bob a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_without_anybody_asking() {
    let folder = Folder::new();
    let locks = Arc::new(folder.open());
    let mut happens = locks.listen();
    let tell: crate::prover::Tell = Arc::new(|_| {});
    let task = tokio::spawn({
        let locks = locks.clone();
        async move { locks.end_leases_in_time(crate::door::now, &tell).await }
    });
    // The keeper sleeps, and has to hear of it.
    let clock = crate::door::now();
    tokio::task::block_in_place(|| acquire(&locks, "ann", "a", Some(1), clock)).unwrap();
    assert_eq!(happens.recv().await.unwrap().event.what, What::Locked);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), happens.recv()).await;
    assert_eq!(ended.unwrap().unwrap().event.what, What::Unlocked(Why::Expired));
    locks.stop();
    task.await.unwrap();
}

#[test]
fn the_owner_has_news_of_what_happened_without_her() {
    let folder = Folder::new();
    let locks = folder.open();
    acquire(&locks, "ann", "a", None, 1000).unwrap();
    acquire(&locks, "ann", "b", Some(5), 1000).unwrap();
    acquire(&locks, "ann", "c", None, 1000).unwrap();
    release(&locks, "bob", "a", true, 1001).unwrap();
    release(&locks, "ann", "c", false, 1001).unwrap();
    held(&locks, 1010);
    drop(locks);
    let locks = folder.open();
    let news = locks.disk.news(TEAM, "ann", 10).unwrap();
    let found: Vec<_> =
        news.iter().map(|(_, event)| (event.lock.path.as_str(), event.what, event.by.as_deref())).collect();
    let expected =
        [("a", What::Unlocked(Why::Forced), Some("bob")), ("b", What::Unlocked(Why::Expired), None)];
    assert_eq!(found, expected);
    assert!(
        locks.disk.news(TEAM, "bob", 10).unwrap().is_empty()
            && locks.disk.news("team/b", "ann", 10).unwrap().is_empty()
    );
}

#[test]
fn nothing_is_granted_that_cannot_be_written_down_and_time_goes_on() {
    let folder = Folder::new();
    let works = Arc::new(AtomicBool::new(true));
    let written = Arc::new(Mutex::new(Vec::new()));
    let locks = folder.open().noted_by({
        let (works, written) = (works.clone(), written.clone());
        move |event| {
            written.lock().unwrap().push(format!("{} {}", event.event, event.result));
            works.load(Ordering::SeqCst)
        }
    });
    acquire(&locks, "ann", "a", Some(60), 1000).unwrap();
    acquire(&locks, "ann", "b", None, 1000).unwrap();
    works.store(false, Ordering::SeqCst);
    assert!(matches!(acquire(&locks, "bob", "c", None, 1001), Err(LocksError::NoAudit)));
    assert!(matches!(release(&locks, "cy", "b", true, 1001), Err(LocksError::NoAudit)));
    assert_eq!(held(&locks, 1002), ["ann a", "ann b"]);
    assert_eq!(held(&locks, 1060), ["ann b"], "the lease is over");
    works.store(true, Ordering::SeqCst);
    acquire(&locks, "bob", "c", None, 1001).unwrap();
    let written = written.lock().unwrap();
    assert_eq!(written[0], "lock 1 lock on 'main'");
    assert!(written.iter().any(|line| line == "lock-expired 1 lock of 'ann' on 'main'"), "{written:?}");
    assert!(written.iter().any(|line| line.starts_with("locks-undone 1 changes not kept")), "{written:?}");
}

#[test]
fn what_no_client_could_read_of_does_not_happen() {
    let folder = Folder::new();
    let locks = folder.open();
    let long = Lock { reason: Some("x".repeat(1000)), ..lock(1, &"p".repeat(4000)) };
    let try_with = |count: usize| {
        locks.change(TEAM, 1, |_, now, _| {
            let Plan { events, .. } = event(now, What::Locked, long.clone());
            Plan { outcomes: vec![Acquired::Locked(long.clone()); count], events }
        })
    };
    assert!(matches!(try_with(3000), Err(LocksError::TooMuch)));
    assert!(held(&locks, 1).is_empty());
    assert!(try_with(2500).is_ok());
    assert_eq!(held(&locks, 1).len(), 1);
}
