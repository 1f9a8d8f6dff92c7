//! Peers that say much and send little, or never end: the server's memory stays bounded, and others are served.

use ::bytes::Bytes;
use dits_net::file_pins::FilePins;
use dits_net::{Connection, Options, Stream};
use dits_sync::message::{Hello, MESSAGE_BYTES_MAX, Message, Purpose};
use dits_tests::{Server, World, bytes};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
/// Connections of the one who wants it all, with as many streams each as the server lets him open.
const CONNECTIONS: usize = 2;
const STREAMS: usize = 64;
/// What the server has for messages; a message that is held counts twice.
const BUDGET: &str = "32m";
/// What it may take in all: program, budget, windows of the transport (8 MiB a connection), stores.
const SERVER_BYTES_MAX: u64 = 160 << 20;

async fn connections(server: &Server, pins: &Path) -> Vec<Connection> {
    let options = Options::new(Arc::new(FilePins { path: pins.to_owned() }), PATIENCE);
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        let connected = Connection::connect("127.0.0.1", server.port(), &options).await;
        all.push(connected.expect("the server takes connections"));
    }
    all
}

/// A stream that says it will bring a largest message, and brings so much of it.
async fn hold(connection: &Connection, part: usize) -> Stream {
    let hello =
        Hello { repository: "team/a".into(), token: String::new(), priority: 1, purpose: Purpose::Push };
    let mut stream = connection.open().await.expect("it may have so many streams");
    let mut bytes = Vec::new();
    Message::Hello(hello).encode(&mut bytes);
    bytes.extend_from_slice(&(MESSAGE_BYTES_MAX as u32).to_le_bytes());
    bytes.resize(bytes.len() + part, 10);
    // Without memory the server reads no more: then this waits, as it should.
    let _ = timeout(Duration::from_millis(50), stream.send.write(Bytes::from(bytes))).await;
    stream
}

#[test]
fn who_sends_parts_of_messages_gets_no_more_than_the_budget() {
    let world = World::in_memory();
    let server = world.server_with(&["--memory", BUDGET]);
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(3 << 20, 1));
    ann.commit("first");
    let runtime = Runtime::new().expect("a runtime can be made");
    for part in [0, 100, MESSAGE_BYTES_MAX - 1] {
        let held: Vec<(Connection, Vec<Stream>)> = runtime.block_on(async {
            let mut all = Vec::new();
            for connection in connections(&server, &world.path().join("pins")).await {
                let mut streams = Vec::new();
                for _ in 0..STREAMS {
                    streams.push(hold(&connection, part).await);
                }
                all.push((connection, streams));
            }
            all
        });
        // While all of them hold what they have.
        ann.git(&["push", "-q", &server.url("team/project"), &format!("main:with{part}")]);
        let ben = world.user(&format!("ben{part}"));
        let clone = ben.call("git", &ben.at(".")).args(["clone", "-q", "-b", &format!("with{part}")]);
        clone.args([&server.url("team/project"), "clone"]).ok();
        ben.repo("clone").holds("a.bin", &bytes(3 << 20, 1));
        let peak = server.peak_bytes();
        println!(
            "{} streams with {part} bytes of a message: server at most {} MiB",
            CONNECTIONS * STREAMS,
            peak >> 20
        );
        assert!(peak < SERVER_BYTES_MAX, "the server took {peak} bytes");
        drop(held);
    }
    server.is_sound("team");
}
