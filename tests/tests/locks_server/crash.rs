//! A server that is killed (-9) again and again while people lock and unlock: what it said is true afterwards.
//!
//! One person works through a seeded history; the server dies right after a seeded number of answers, in the middle of the next
//! question. That one may have happened or not, but wholly.

use crate::asking::{Person, TEAM, wish};
use dits_lock::LockId;
use dits_lock::ask::{Acquire, Acquired, Released};
use dits_tests::{World, bytes};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

const SEED: u64 = 5;
const QUESTIONS: usize = 1000;
const PLACES: u64 = 40;
/// Answers until the server dies.
const ROUND_MAX: u64 = 120;

/// Small numbers that the seed gives.
struct Chance {
    bytes: Vec<u8>,
    at: usize,
}

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        let bytes = self.bytes[self.at..self.at + 8].try_into().unwrap();
        self.at += 8;
        u64::from_le_bytes(bytes) % end
    }
}

/// What one asks for: all of these, or that all of these go.
#[derive(Debug, Clone)]
struct Question {
    locks: bool,
    places: Vec<String>,
}

fn questions(chance: &mut Chance) -> Vec<Question> {
    let one = |_| {
        let count = 1 + chance.below(5);
        let places: BTreeSet<String> =
            (0..count).map(|_| format!("art/{}.psd", chance.below(PLACES))).collect();
        Question { locks: chance.below(2) == 0, places: places.into_iter().collect() }
    };
    (0..QUESTIONS).map(one).collect()
}

/// Places with their ids.
type Held = BTreeMap<String, LockId>;

#[test]
fn what_was_answered_is_there_after_each_kill() {
    println!("seed {SEED}");
    let mut chance = Chance { bytes: bytes(QUESTIONS * 200, SEED), at: 0 };
    let questions = questions(&mut chance);
    let world = World::in_memory();
    let mut server = world.closed_server();
    let ann = Person::new(&world, &server, TEAM, server.token("ann", "write", "team"));
    let (mut held, mut done, mut kills, mut newest) = (Held::new(), 0, 0, LockId(0));
    while done < questions.len() {
        let (answered, answers) = mpsc::channel();
        let rest = questions[done..].to_vec();
        let worker = std::thread::spawn({
            let asking = ann.connect();
            move || {
                for question in rest {
                    let Some(change) = ask(&asking, &question) else { return };
                    if answered.send(change).is_err() {
                        return;
                    }
                }
            }
        });
        for _ in 0..1 + chance.below(ROUND_MAX) {
            let Ok(change) = answers.recv() else { break };
            take(&mut held, &mut newest, change);
            done += 1;
        }
        server.kill();
        kills += 1;
        // It hears from the new one that its connection is gone.
        server.restart();
        worker.join().unwrap();
        // What was answered between the last count and the kill.
        while let Ok(change) = answers.try_recv() {
            take(&mut held, &mut newest, change);
            done += 1;
        }
        let found: Held =
            ann.connect().list().0.into_iter().map(|lock| (lock.path.to_string(), lock.id)).collect();
        if found != held {
            // Only by the whole of the question under way.
            let under_way = &questions[done];
            let mut places: BTreeSet<&String> = held.keys().collect();
            for place in &under_way.places {
                if under_way.locks {
                    places.insert(place)
                } else {
                    places.remove(place)
                };
            }
            assert_eq!(found.keys().collect::<BTreeSet<_>>(), places, "after {done} answers: {under_way:?}");
            let kept = |(place, id): (&String, &LockId)| held.get(place).is_none_or(|before| before == id);
            assert!(found.iter().all(kept), "a lock changed its id");
            held = found;
            newest = held.values().copied().max().max(Some(newest)).unwrap();
            done += 1;
        }
    }
    println!("{done} questions, {kills} kills");
    assert!(kills >= 8);
}

enum Change {
    Locked(Vec<(String, LockId)>),
    Unlocked(Vec<String>),
}

/// Asks and hears; `None` when the server is gone.
fn ask(asking: &crate::asking::Asking, question: &Question) -> Option<Change> {
    if question.locks {
        let outcomes = asking.try_lock(Acquire { all: true, ..wish(&question.places) }).ok()?;
        let locked = |outcome| match outcome {
            Acquired::Locked(lock) => (lock.path.to_string(), lock.id),
            other => panic!("{other:?}"),
        };
        return Some(Change::Locked(outcomes.into_iter().map(locked).collect()));
    }
    let outcomes = asking.try_unlock(&question.places).ok()?;
    let unlocked = outcomes.into_iter().filter_map(|outcome| match outcome {
        Released::Unlocked(lock) => Some(lock.path.to_string()),
        _ => None,
    });
    Some(Change::Unlocked(unlocked.collect()))
}

fn take(held: &mut Held, newest: &mut LockId, change: Change) {
    match change {
        Change::Locked(locks) => {
            for (place, id) in locks {
                match held.insert(place.clone(), id) {
                    Some(before) => assert_eq!(before, id, "{place} changed its id"),
                    None => assert!(id > *newest, "the id {id} was there before"),
                }
                *newest = id.max(*newest);
            }
        }
        Change::Unlocked(places) => {
            for place in places {
                assert!(held.remove(&place).is_some(), "{place} was not there");
            }
        }
    }
}
