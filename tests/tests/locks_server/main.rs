//! Locks at a real server process: who gets them, how fast, what stays after a crash, what others see.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod asking;
mod crash;
mod large;
mod watching;

use asking::{Asking, Person, TEAM, wish};
use dits_lock::ask::{Acquired, Denial, List, Released, Which};
use dits_lock::{Answer, Ask, Lock, LockId, What, Why};
use dits_net::Connection;
use dits_sync::driver::Channel;
use dits_sync::message::{Hello, Message, Purpose};
use dits_tests::{Server, World, wait_for};
use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Barrier;
use std::time::Instant;

/// A server that wants tokens, and somebody with a role.
fn person(world: &World, server: &Server, name: &str, role: &str) -> Person {
    Person::new(world, server, TEAM, server.token(name, role, "team"))
}

fn is_locked(outcome: &Acquired) -> bool {
    matches!(outcome, Acquired::Locked(_))
}

/// Lines of the audit log about these events: who, what, the first places.
fn audit(server: &Server, kinds: &[&str]) -> Vec<String> {
    let printed = server.owner(&["audit"], &["--json"]).ok().text();
    let events = printed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let line = |event: serde_json::Value| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        kinds.contains(&&text("event")[..]).then(|| {
            format!(
                "{} {} {}: {} {}",
                text("event"),
                text("who"),
                text("repository"),
                text("result"),
                event["paths"]
            )
        })
    };
    events.filter_map(line).collect()
}

#[test]
fn fifty_who_want_one_file_at_once_are_one_winner_and_his_name() {
    const PEOPLE: usize = 50;
    let world = World::new();
    let server = world.closed_server();
    let people: Vec<Person> =
        (0..PEOPLE).map(|n| person(&world, &server, &format!("artist-{n}"), "write")).collect();
    let connected: Vec<Asking> = people.iter().map(Person::connect).collect();
    let start = Barrier::new(PEOPLE);
    let outcomes: Vec<Acquired> = std::thread::scope(|scope| {
        let ask = |asking: Asking| {
            start.wait();
            asking.lock("maps/Main.umap")
        };
        let threads: Vec<_> = connected.into_iter().map(|asking| scope.spawn(move || ask(asking))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..PEOPLE).filter(|n| is_locked(&outcomes[*n])).collect();
    let [winner] = winners[..] else { panic!("{} winners", winners.len()) };
    let refused = outcomes.iter().filter_map(|outcome| match outcome {
        Acquired::Refused(Denial::Held(lock)) => Some(&lock.owner[..]),
        _ => None,
    });
    let names: Vec<&str> = refused.collect();
    assert!(names.len() == PEOPLE - 1 && names.iter().all(|name| *name == format!("artist-{winner}")));
    let (locks, _) = people[0].connect().list();
    assert_eq!(locks.len(), 1);
}

/// The question goes out whole before anything is heard, and the answer is one: one round trip behind the handshake.
#[test]
fn five_hundred_paths_are_one_question_and_one_answer() {
    let world = World::new();
    let server = world.closed_server();
    let ann = person(&world, &server, "ann", "write");
    let paths: Vec<String> =
        (0..500).map(|n| format!("Content/Characters/Hero/Textures/T_{n:03}.uasset")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let start = Instant::now();
    let (sent, heard) = runtime.block_on(async {
        let connection = Connection::connect("127.0.0.1", server.port(), &ann.options()).await.unwrap();
        let hello =
            Hello { repository: TEAM.into(), token: ann.token.clone(), priority: 2, purpose: Purpose::Locks };
        let mut channel = Channel::open(&connection, hello).await.unwrap();
        let json = serde_json::to_vec(&Ask::Acquire(wish(&paths))).unwrap();
        let parts: Vec<&[u8]> = json.chunks(dits_sync::locks::ASK_PART_BYTES).collect();
        for (n, part) in parts.iter().enumerate() {
            let last = n + 1 == parts.len();
            channel.send(&Message::Locks { part: part.to_vec(), last }).await.unwrap();
        }
        let mut heard = Vec::new();
        while let Some(message) = channel.receive().await.unwrap() {
            heard.push(message);
        }
        (parts.len(), heard)
    });
    println!(
        "connecting and locking {} paths took {:?}; messages: {sent} out, {} in",
        paths.len(),
        start.elapsed(),
        heard.len()
    );
    let [Message::Locks { part, last: true }] = &heard[..] else { panic!("{} messages", heard.len()) };
    let Ok(Answer::Acquired { outcomes, .. }) = serde_json::from_slice(part) else {
        panic!("another answer")
    };
    assert!(sent == 1 && outcomes.len() == 500 && outcomes.iter().all(is_locked));
    assert_eq!(audit(&server, &["lock"]).len(), 1, "one line for all");
}

#[test]
fn a_list_of_ten_thousand_is_whole() {
    const LOCKS: usize = 10_000;
    const LISTS: usize = 100;
    let world = World::new();
    let server = world.closed_server();
    let ann = person(&world, &server, "ann", "write").connect();
    let paths: Vec<String> =
        (0..LOCKS).map(|n| format!("Content/Level_{}/Prop_{n:05}.uasset", n % 40)).collect();
    let start = Instant::now();
    assert!(ann.try_lock(wish(&paths)).unwrap().iter().all(is_locked));
    println!("locking {LOCKS} paths in one request took {:?}", start.elapsed());
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let start = Instant::now();
        let (locks, _) = ann.list();
        times.push(start.elapsed());
        let found: BTreeSet<&str> = locks.iter().map(|lock| lock.path.as_str()).collect();
        assert!(locks.len() == LOCKS && found.len() == LOCKS);
        assert!(locks.is_sorted_by_key(|lock| lock.id));
    }
    times.sort();
    println!(
        "{LISTS} lists of {LOCKS} locks: median {:?}, p99 {:?}",
        times[LISTS / 2],
        times[LISTS * 99 / 100 - 1]
    );
    // In pages, as other clients do.
    let (mut after, mut seen) = (None, 0);
    loop {
        let mut answers = ann.ask(&Ask::List(List { after, limit: Some(3000), ..List::default() })).unwrap();
        let Some(Answer::Locks { more: false, cursor, .. }) = answers.last() else { panic!("no end") };
        after = *cursor;
        seen += answers
            .drain(..)
            .map(|answer| match answer {
                Answer::Locks { locks, .. } => locks.len(),
                other => panic!("{other:?}"),
            })
            .sum::<usize>();
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, LOCKS);
}

#[test]
fn who_may_lock_and_what_others_may_take_away() {
    let world = World::new();
    let server = world.closed_server();
    let (ann, bob, eve) = (
        person(&world, &server, "ann", "write"),
        person(&world, &server, "bob", "write"),
        person(&world, &server, "eve", "read"),
    );
    let root = person(&world, &server, "root", "admin").connect();
    let (ann_asks, bob_asks, eve) = (ann.connect(), bob.connect(), eve.connect());
    let Acquired::Locked(lock) = ann_asks.lock("a.psd") else { panic!("she may") };
    let is_no = |answer: &Answer, text: &str| matches!(answer, Answer::No { why, .. } if why.contains(text));
    // Who may only read sees, and locks nothing.
    assert_eq!(eve.list().0, from_ref(&lock));
    let answer = eve.one(&Ask::Acquire(wish(&["b.psd"])));
    assert!(is_no(&answer, "may not write"), "{answer:?}");
    // The id means nothing elsewhere.
    let elsewhere = Person::new(&world, &server, "team/b", ann.token.clone()).connect();
    assert_eq!(elsewhere.unlock(Which::Id(lock.id), true), Released::Refused(Denial::NotLocked));
    assert!(elsewhere.list().0.is_empty());
    // Force is for admins.
    for force in [false, true] {
        let refused = bob_asks.unlock(Which::Path("A.psd".into()), force);
        assert_eq!(refused, Released::Refused(Denial::NotYours(lock.clone())), "{force}");
    }
    assert!(ann_asks.list().1.is_empty(), "nothing has happened to her");
    assert_eq!(root.unlock(Which::Id(lock.id), true), Released::Unlocked(lock.clone()));
    // She is told once, whoever she asks about and after a restart too; he never.
    assert!(bob_asks.list().1.is_empty() && elsewhere.list().1.is_empty());
    let mut server = server;
    server.stop();
    server.restart();
    let (_, news) = ann.connect().list();
    let [event] = &news[..] else { panic!("{news:?}") };
    assert_eq!(
        (event.what, event.by.as_deref(), &event.lock),
        (What::Unlocked(Why::Forced), Some("root"), &lock)
    );
    wait_for("her news to be gone", || ann.connect().list().1.is_empty());
    assert_eq!(
        audit(&server, &["lock", "unlock-forced"]),
        [
            r#"lock ann team/a: 1 lock on 'main' ["a.psd"]"#,
            r#"unlock-forced root team/a: 1 lock of 'ann' on 'main' ["a.psd"]"#
        ]
    );
}

#[test]
fn a_lock_of_somebody_who_is_gone_stays_until_an_admin_takes_it() {
    let world = World::new();
    let server = world.closed_server();
    server.owner(&["user", "add"], &["zoe"]).ok();
    server.owner(&["grant"], &["zoe", "write", "team"]).ok();
    let token = server.owner(&["token", "new"], &["--user", "zoe"]).ok().line();
    let zoe = Person::new(&world, &server, TEAM, token);
    let Acquired::Locked(lock) = zoe.connect().lock("a.psd") else { panic!("she may") };
    server.owner(&["user", "remove"], &["zoe"]).ok();
    assert!(zoe.connect().ask(&Ask::List(List::default())).is_err(), "she is gone");
    let bob = person(&world, &server, "bob", "write").connect();
    assert_eq!(bob.list().0, from_ref(&lock));
    assert_eq!(bob.lock("a.psd"), Acquired::Refused(Denial::Held(lock.clone())));
    let root = person(&world, &server, "root", "admin").connect();
    assert_eq!(root.unlock(Which::Id(lock.id), true), Released::Unlocked(lock));
    assert!(is_locked(&bob.lock("a.psd")));
}

#[test]
fn nobody_in_particular_locks_only_where_everybody_is_an_admin() {
    let world = World::new();
    let server = world.closed_server();
    server.owner(&["grant"], &["anonymous", "read", "team"]).ok();
    let nobody = Person::new(&world, &server, TEAM, String::new()).connect();
    assert!(nobody.list().0.is_empty());
    let answer = nobody.one(&Ask::Acquire(wish(&["a"])));
    assert!(matches!(&answer, Answer::No { why, .. } if why.contains("log in")), "{answer:?}");
    let answer = nobody.one(&Ask::WhoAmI);
    assert!(matches!(&answer, Answer::You { role, .. } if role == "read"), "{answer:?}");
    drop(server);
    let world = World::new();
    let open = world.server();
    let nobody = Person::new(&world, &open, TEAM, String::new()).connect();
    assert!(is_locked(&nobody.lock("a")));
}

#[test]
fn what_is_no_place_fails_alone_and_nothing_is_granted_without_the_log() {
    let world = World::new();
    let server = world.closed_server();
    let ann = person(&world, &server, "ann", "write").connect();
    let paths = ["/etc/passwd", "a/../../b", "C:/x", ".git/config", "a\nb", "", "good.psd"];
    let outcomes = ann.try_lock(wish(&paths)).unwrap();
    assert!(outcomes[..6].iter().all(|outcome| matches!(outcome, Acquired::Refused(Denial::Path { .. }))));
    assert!(is_locked(&outcomes[6]));
    let bad = Ask::Acquire(dits_lock::ask::Acquire { branch: Some("a..b".into()), ..wish(&["x"]) });
    assert!(matches!(ann.one(&bad), Answer::No { .. }));
    let long = Ask::Acquire(dits_lock::ask::Acquire { lease: Some(u64::MAX), ..wish(&["x"]) });
    assert!(matches!(ann.one(&long), Answer::No { .. }));
    assert_eq!(ann.unlock(Which::Id(LockId(u64::MAX)), false), Released::Refused(Denial::NotLocked));
    // A log that is a folder cannot be written, whoever runs the server.
    let log = server.dir().join("audit.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    let answer = ann.one(&Ask::Acquire(wish(&["b.psd"])));
    assert!(matches!(&answer, Answer::No { why, .. } if why.contains("audit log")), "{answer:?}");
    let names = |locks: Vec<Lock>| locks.into_iter().map(|lock| lock.path.to_string()).collect::<Vec<_>>();
    assert_eq!(names(ann.list().0), ["good.psd"], "and lists go on");
    std::fs::remove_dir(&log).unwrap();
    assert!(is_locked(&ann.lock("b.psd")));
}
