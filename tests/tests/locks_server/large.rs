//! Questions that are large, or never end: the server's memory stays bounded, and others are answered.

use crate::asking::TEAM;
use crate::{is_locked, person};
use ::bytes::Bytes;
use dits_lock::ask::{ASK_BYTES_MAX, List};
use dits_lock::{Answer, Ask};
use dits_net::{Connection, Stream};
use dits_sync::locks::ASK_PART_BYTES;
use dits_sync::message::{Hello, Message, Purpose};
use dits_tests::World;
use std::time::Duration;
use tokio::time::timeout;

const CONNECTIONS: usize = 2;
const STREAMS: usize = 60;
/// What the server may take in all; without turns the questions alone would take six times that.
const SERVER_BYTES_MAX: u64 = 160 << 20;

/// As much of a question as the server reads, without its end.
async fn hold(connection: &Connection, token: &str) -> Stream {
    let hello = Hello { repository: TEAM.into(), token: token.into(), priority: 1, purpose: Purpose::Locks };
    let mut stream = connection.open().await.unwrap();
    let mut message = Vec::new();
    Message::Hello(hello).encode(&mut message);
    let mut part = Vec::new();
    Message::Locks { part: vec![b' '; ASK_PART_BYTES], last: false }.encode(&mut part);
    for _ in 0..ASK_BYTES_MAX / ASK_PART_BYTES {
        message.extend_from_slice(&part);
        // Without a turn the server reads no more: then this waits, as it should.
        let sent =
            timeout(Duration::from_millis(100), stream.send.write(Bytes::from(std::mem::take(&mut message))));
        if sent.await.is_err() {
            break;
        }
    }
    stream
}

#[test]
fn questions_that_never_end_take_little_memory_and_stop_nobody() {
    let world = World::in_memory();
    let server = world.closed_server();
    let (bad, ann) = (person(&world, &server, "bad", "write"), person(&world, &server, "ann", "write"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = Connection::connect("127.0.0.1", server.port(), &bad.options()).await.unwrap();
            let mut streams = Vec::new();
            for _ in 0..STREAMS {
                streams.push(hold(&connection, &bad.token).await);
            }
            all.push((connection, streams));
        }
        all
    });
    let ann = ann.connect();
    assert!(is_locked(&ann.lock("a")));
    assert_eq!(ann.list().0.len(), 1);
    let peak = server.peak_bytes();
    println!("{} questions without an end: server at most {} MiB", CONNECTIONS * STREAMS, peak >> 20);
    assert!(peak < SERVER_BYTES_MAX, "the server took {peak} bytes");
    drop(held);
}

#[test]
fn who_may_only_read_asks_small_questions() {
    let world = World::new();
    let server = world.closed_server();
    let eve = person(&world, &server, "eve", "read").connect();
    let path = Some("x".repeat(2 * ASK_PART_BYTES));
    let refused = eve.ask(&Ask::List(List { path, ..List::default() })).unwrap_err().to_string();
    assert!(refused.contains("large question"), "{refused}");
    // One part, and no path.
    let path = Some("x".repeat(ASK_PART_BYTES / 2));
    assert!(matches!(eve.one(&Ask::List(List { path, ..List::default() })), Answer::No { .. }));
}
