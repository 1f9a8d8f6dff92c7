//! Tests of the table: one for each rule.

use super::*;
use crate::ask::{Released, Which};

fn branch(name: &str) -> Branch {
    Branch::parse(name).unwrap()
}

/// A table that applies what it plans, as a server does.
#[derive(Default)]
struct World {
    table: Table,
    next: u64,
    now: u64,
}

impl World {
    fn apply(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.table.apply(event));
    }

    fn lock_as(&mut self, who: &str, target: &str, paths: &[&str], mode: Mode, all: bool) -> Vec<Acquired> {
        let items: Vec<_> = paths.iter().map(|path| Ok(LockPath::parse(path).unwrap())).collect();
        let target = branch(target);
        let wish = Wish { who, branch: &target, items: &items, mode, reason: None, lease: None, all };
        let plan = self.table.acquire(&wish, self.now, &mut self.next);
        self.apply(&plan.events);
        plan.outcomes
    }

    fn lock(&mut self, who: &str, path: &str) -> Acquired {
        self.lock_as(who, "main", &[path], Mode::Exclusive, false).remove(0)
    }

    fn unlock(&mut self, who: &str, path: &str, force: bool, admin: bool) -> Released {
        let which = [Which::Path(path.into())];
        let giving = Giving { who, admin, which: &which, branch: None, force, all: false };
        let mut plan = self.table.release(&giving, self.now);
        self.apply(&plan.events);
        plan.outcomes.remove(0)
    }
}

fn is_locked(outcome: &Acquired) -> bool {
    matches!(outcome, Acquired::Locked(_))
}

#[test]
fn a_place_has_one_exclusive_holder() {
    let mut world = World::default();
    assert!(is_locked(&world.lock("ann", "a.uasset")));
    assert!(is_locked(&world.lock("ann", "A.uasset")), "her own, again");
    let Acquired::Refused(Denial::Held(lock)) = world.lock("bob", "A.UASSET") else { panic!("two holders") };
    assert_eq!((&lock.owner[..], lock.path.as_str()), ("ann", "a.uasset"));
    assert!(is_locked(&world.lock_as("bob", "release", &["a.uasset"], Mode::Exclusive, false)[0]));
    assert_eq!(world.table.len(), 2);
}

#[test]
fn folders_and_what_is_in_them_overlap() {
    let mut world = World::default();
    assert!(is_locked(&world.lock("ann", "maps/x/a.umap")));
    for other in ["maps/", "maps/x/", "maps/x/a.umap"] {
        assert!(!is_locked(&world.lock("bob", other)), "{other}");
    }
    for other in ["maps/y/", "maps/x/b.umap", "map/", "maps/x/a.umap.bak", "maps"] {
        assert!(is_locked(&world.lock("bob", other)), "{other}");
    }
    assert!(!is_locked(&world.lock("ann", "maps/y/deep/er.umap")));
}

#[test]
fn shared_holders_stand_beside_each_other_and_exclude_the_rest() {
    let mut world = World::default();
    let shared =
        |world: &mut World, who: &str| world.lock_as(who, "main", &["a"], Mode::Shared, false).remove(0);
    assert!(is_locked(&shared(&mut world, "ann")) && is_locked(&shared(&mut world, "bob")));
    assert!(!is_locked(&world.lock("cy", "a")) && !is_locked(&world.lock("ann", "a")), "not alone");
    let main = branch("main");
    assert!(world.table.in_the_way("ann", &main, "a").next().is_none());
    assert!(world.table.in_the_way("cy", &main, "a").next().is_some());
    world.unlock("bob", "a", false, false);
    assert!(is_locked(&world.lock("ann", "a")), "now alone");
    assert!(!is_locked(&shared(&mut world, "bob")));
}

#[test]
fn all_or_none() {
    let mut world = World::default();
    world.lock("bob", "b");
    let outcomes = world.lock_as("ann", "main", &["a", "b", "c"], Mode::Exclusive, true);
    assert!(matches!(&outcomes[..], [Acquired::Passed, Acquired::Refused(_), Acquired::Passed]));
    assert_eq!((world.table.len(), world.next), (1, 1));
    let outcomes = world.lock_as("ann", "main", &["a", "b", "A"], Mode::Exclusive, false);
    assert_eq!(outcomes[0], outcomes[2], "one place twice");
    assert_eq!(world.table.len(), 2);
}

#[test]
fn only_admins_take_locks_away_and_the_owner_has_news() {
    let mut world = World::default();
    world.lock("ann", "a");
    assert!(matches!(world.unlock("bob", "a", false, true), Released::Refused(Denial::NotYours(_))));
    assert!(matches!(world.unlock("bob", "a", true, false), Released::Refused(Denial::NotYours(_))));
    let which = [Which::Id(LockId(0))];
    let giving = Giving { who: "bob", admin: true, which: &which, branch: None, force: true, all: false };
    let plan = world.table.release(&giving, 5);
    assert!(matches!(plan.outcomes[0], Released::Unlocked(_)) && plan.events[0].is_news_to_owner());
    world.apply(&plan.events);
    assert_eq!(world.unlock("ann", "a", false, false), Released::Refused(Denial::NotLocked));
}

#[test]
fn a_pushed_change_keeps_its_lock_until_it_lands() {
    let mut world = World::default();
    world.lock("ann", "a");
    world.lock("ann", "maps/");
    let files = [("a".to_owned(), Some("b10b".to_owned())), ("maps/x".to_owned(), None)];
    // To the target itself nothing is retained.
    assert_eq!(world.table.pushed("ann", &branch("main"), "c0", &files, 7), []);
    assert_eq!(world.table.pushed("bob", &branch("task"), "c0", &files, 7), []);
    let events = world.table.pushed("ann", &branch("task"), "c1", &files, 7);
    world.apply(&events);
    let main = branch("main");
    assert!(world.table.waiting(&main).all(Lock::is_retained));
    assert!(matches!(world.unlock("ann", "a", false, false), Released::Retained(_)), "it stays");
    assert!(!is_locked(&world.lock("bob", "a")));
    assert!(is_locked(&world.lock("ann", "a")), "she goes on");
    let ids: Vec<LockId> = world.table.waiting(&main).map(|lock| lock.id).collect();
    assert_eq!(ids.len(), 2);
    let events = world.table.settled(&ids, Why::Landed, 9);
    world.apply(&events);
    let left: Vec<&Lock> = world.table.locks().collect();
    assert!(left.len() == 1 && left[0].held && left[0].change.is_none(), "{left:?}");
}

#[test]
fn leases_end_and_a_clock_that_jumps_back_changes_nothing() {
    let mut world = World { now: 1000, ..World::default() };
    let (items, main) = ([Ok(LockPath::parse("a").unwrap())], branch("main"));
    let wish = Wish {
        who: "ann",
        branch: &main,
        items: &items,
        mode: Mode::Exclusive,
        reason: None,
        lease: Some(60),
        all: false,
    };
    let plan = world.table.acquire(&wish, 1000, &mut world.next);
    world.apply(&plan.events);
    assert_eq!((world.table.now(5), world.table.next_end()), (1000, Some(1060)));
    assert_eq!(world.table.expired(1059), []);
    let events = world.table.expired(1060);
    assert!(events.len() == 1 && events[0].is_news_to_owner());
    world.apply(&events);
    assert!(world.table.is_empty() && world.table.now(1) == 1060);
}

#[test]
fn branches_are_found_one_after_the_other() {
    let mut world = World::default();
    for name in ["main", "a", "main2", "main/x"] {
        world.lock_as("ann", name, &["f", "g/h", "g/"], Mode::Exclusive, false);
    }
    let names: Vec<&str> = world.table.branches().map(Branch::as_str).collect();
    assert_eq!(names, ["a", "main", "main/x", "main2"]);
    let list = List { path: Some("g/h".into()), branch: Some("refs/heads/a".into()), ..List::default() };
    assert_eq!(world.table.list(&list).unwrap().0.len(), 2, "the file and its folder");
    let list = List { limit: Some(5), after: Some(LockId(3)), ..List::default() };
    let (locks, more) = world.table.list(&list).unwrap();
    assert!(more && locks.len() == 5 && locks[0].id == LockId(4));
}
