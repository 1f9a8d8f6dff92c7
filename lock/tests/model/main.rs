//! The table against a list of locks that is gone through for every question: whatever people do, in whatever order, both say the
//! same. And what must never be: two who hold the same place alone, a table that its events do not give again.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod reference;

use dits_lock::ask::{Acquired, Denial, List, Released, Which};
use dits_lock::table::{Giving, Wish};
use dits_lock::{Branch, Event, Lock, LockId, LockPath, Mode, Table, What, Why};
use proptest::prelude::*;
use proptest::sample::select;
use reference::{Reference, may_stand};

const OWNERS: [&str; 3] = ["ann", "bob", "cy"];
const BRANCHES: [&str; 3] = ["main", "task", "main/x"];
/// Few, so that they meet: files, folders above them, other cases, neighbours.
const PLACES: [&str; 9] = ["a", "A", "b", "d/", "D/", "d/a", "d/e/", "d/e/f", "da"];
const FILES: [&str; 6] = ["a", "b", "d/a", "d/e/f", "d/x", "da"];

/// Something that somebody does, or time.
#[derive(Debug, Clone)]
enum Step {
    Acquire {
        who: &'static str,
        branch: &'static str,
        places: Vec<&'static str>,
        shared: bool,
        reason: bool,
        lease: Option<u64>,
        all: bool,
    },
    Release {
        who: &'static str,
        admin: bool,
        which: Vec<Named>,
        branch: Option<&'static str>,
        force: bool,
        all: bool,
    },
    Push {
        who: &'static str,
        to: &'static str,
        files: Vec<(&'static str, bool)>,
    },
    Settle {
        pick: u8,
        abandoned: bool,
    },
    /// The clock moves, maybe back.
    Time(i64),
    /// The server starts anew.
    Restart,
}

#[derive(Debug, Clone)]
enum Named {
    Place(&'static str),
    /// The n-th that ever was.
    Number(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let who = || select(&OWNERS[..]);
    let branch = || select(&BRANCHES[..]);
    let places = prop::collection::vec(select(&PLACES[..]), 1..4);
    let acquire = (who(), branch(), places, any::<[bool; 3]>(), prop::option::of(1..40u64)).prop_map(
        |(who, branch, places, [shared, reason, all], lease)| Step::Acquire {
            who,
            branch,
            places,
            shared,
            reason,
            lease,
            all,
        },
    );
    let named = prop_oneof![select(&PLACES[..]).prop_map(Named::Place), (0..20u64).prop_map(Named::Number)];
    let which = prop::collection::vec(named, 1..4);
    let release = (who(), which, prop::option::of(branch()), any::<[bool; 3]>()).prop_map(
        |(who, which, branch, [admin, force, all])| Step::Release { who, admin, which, branch, force, all },
    );
    let files = prop::collection::vec((select(&FILES[..]), any::<bool>()), 1..4);
    let push = (who(), branch(), files).prop_map(|(who, to, files)| Step::Push { who, to, files });
    let settle = any::<(u8, bool)>().prop_map(|(pick, abandoned)| Step::Settle { pick, abandoned });
    prop_oneof![
        5 => acquire,
        3 => release,
        2 => push,
        1 => settle,
        2 => (-30..60i64).prop_map(Step::Time),
        1 => Just(Step::Restart),
    ]
}

/// Both, and everything that ever happened.
#[derive(Default)]
struct Both {
    table: Table,
    reference: Reference,
    happened: Vec<Event>,
    next: u64,
    clock: u64,
}

impl Both {
    fn apply(&mut self, events: Vec<Event>) {
        events.iter().for_each(|event| self.table.apply(event));
        self.happened.extend(events);
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let now = self.table.now(self.clock);
        self.apply(self.table.expired(now));
        self.reference.expire(now);
        match step {
            Step::Acquire { who, branch, places, shared, reason, lease, all } => {
                let items: Vec<_> = places.iter().map(|place| Ok(LockPath::parse(place).unwrap())).collect();
                let wish = Wish {
                    who,
                    branch: &Branch::parse(branch).unwrap(),
                    items: &items,
                    mode: if *shared { Mode::Shared } else { Mode::Exclusive },
                    reason: reason.then_some("why"),
                    lease: *lease,
                    all: *all,
                };
                let mut next = self.next;
                let plan = self.table.acquire(&wish, now, &mut self.next);
                let expected = self.reference.acquire(&wish, now, &mut next);
                let (found, expected): (Vec<_>, Vec<_>) =
                    (plan.outcomes.iter().map(acquired).collect(), expected.iter().map(acquired).collect());
                prop_assert_eq!((found, self.next), (expected, next));
                let refused = |outcome: &Acquired| matches!(outcome, Acquired::Refused(_));
                prop_assert!(!*all || plan.events.is_empty() || !plan.outcomes.iter().any(refused));
                self.apply(plan.events);
            }
            Step::Release { who, admin, which, branch, force, all } => {
                let which: Vec<Which> = which
                    .iter()
                    .map(|named| match named {
                        Named::Place(place) => Which::Path((*place).into()),
                        Named::Number(number) => Which::Id(LockId(*number)),
                    })
                    .collect();
                let branch = branch.map(|branch| Branch::parse(branch).unwrap());
                let giving = Giving {
                    who,
                    admin: *admin,
                    which: &which,
                    branch: branch.as_ref(),
                    force: *force,
                    all: *all,
                };
                let plan = self.table.release(&giving, now);
                let expected = self.reference.release(&giving);
                prop_assert_eq!(&plan.outcomes, &expected);
                let refused = |outcome: &Released| matches!(outcome, Released::Refused(_));
                prop_assert!(!*all || plan.events.is_empty() || !plan.outcomes.iter().any(refused));
                self.apply(plan.events);
            }
            Step::Push { who, to, files } => {
                let to = Branch::parse(to).unwrap();
                let file = |(name, is_there): &(&str, bool)| {
                    ((*name).to_owned(), is_there.then(|| format!("of {name}")))
                };
                let files: Vec<_> = files.iter().map(file).collect();
                self.apply(self.table.pushed(who, &to, "c0", &files, now));
                self.reference.pushed(who, &to, "c0", &files, now);
            }
            Step::Settle { pick, abandoned } => {
                let ids: Vec<LockId> =
                    self.table.locks().map(|lock| lock.id).filter(|id| pick >> (id.0 % 8) & 1 == 1).collect();
                let why = if *abandoned { Why::Abandoned } else { Why::Landed };
                self.apply(self.table.settled(&ids, why, now));
                self.reference.settle(&ids);
            }
            Step::Time(by) => self.clock = self.clock.saturating_add_signed(*by),
            Step::Restart => {
                let latest = self.table.now(0);
                self.table = Table::new(self.table.locks().cloned().collect::<Vec<_>>(), latest);
            }
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut locks: Vec<Lock> = self.reference.locks.clone();
        locks.sort_by_key(|lock| lock.id);
        prop_assert_eq!(&self.table.locks().cloned().collect::<Vec<_>>(), &locks);
        for (at, one) in locks.iter().enumerate() {
            prop_assert!(locks[..at].iter().all(|other| may_stand(one, other)), "two hold {one:?}");
            prop_assert!(one.held || (one.change.is_some() && one.expires.is_none()), "{one:?}");
        }
        for (who, branch, file) in OWNERS.iter().flat_map(|who| {
            BRANCHES.iter().flat_map(move |branch| FILES.iter().map(move |file| (who, branch, file)))
        }) {
            let branch = Branch::parse(branch).unwrap();
            let stops = self.table.in_the_way(who, &branch, file).next().is_some();
            prop_assert_eq!(stops, self.reference.stops(who, &branch, file), "{} {} {}", who, branch, file);
        }
        let next_end = locks.iter().filter_map(|lock| lock.expires).min();
        prop_assert_eq!(self.table.next_end(), next_end);
        Ok(())
    }

    /// Events alone give the same table, their times never go back, and no id is there twice.
    fn replay(&self) -> Result<(), TestCaseError> {
        let mut again = Table::default();
        self.happened.iter().for_each(|event| again.apply(event));
        prop_assert_eq!(&again, &self.table);
        prop_assert!(self.happened.is_sorted_by_key(|event| event.at));
        let new = self.happened.iter().filter(|event| event.what == What::Locked).map(|event| event.lock.id);
        prop_assert!(new.is_sorted_by(|a, b| a < b));
        let (list, left_out) = self.table.list(&List::default()).unwrap();
        prop_assert!(list.len() == self.table.len() && !left_out);
        Ok(())
    }
}

/// Who stands in the way may be any of several.
fn acquired(outcome: &Acquired) -> Option<Acquired> {
    (!matches!(outcome, Acquired::Refused(Denial::Held(_)))).then(|| outcome.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn the_table_says_what_a_list_of_locks_says(history in prop::collection::vec(steps(), 1..40)) {
        let mut both = Both { clock: 100, ..Both::default() };
        for step in &history {
            both.step(step)?;
        }
        both.replay()?;
    }
}
