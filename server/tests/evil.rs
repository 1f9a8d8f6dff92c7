//! Clients that lie, break the protocol or vanish: they are refused, nothing is bound, and others are served.
//!
//! The liars speak through the same driver as honest clients, with a script in place of a machine; those who
//! do not even speak in messages write bytes to a bare stream. After each of them the store is looked at from
//! outside, and at the end an honest client pushes and pulls.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use bytes::Bytes;
use common::*;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_net::stream::Receiving;
use dits_net::{Connection, Stream};
use dits_store::{ChunkRead, ChunkWrite, Encoded, MemoryStore, PackStore};
use dits_sync::driver::{Channel, drive};
use dits_sync::message::{
    HELLO_BYTES_MAX, Hello, MESSAGE_BYTES_MAX, Message, Offer, Purpose, Reason, Wanted,
};
use dits_sync::{Machine, SyncError, Tally};
use std::collections::VecDeque;

const REPOSITORY: &str = "team/a";

/// Says what it was told to, and listens for as many messages.
#[derive(Default)]
struct Script {
    say: VecDeque<Message>,
    hear: usize,
    heard: Vec<Message>,
}

impl Machine for Script {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        if let Message::Refuse { reason, text, challenges } = message {
            return Err(SyncError::Refused { reason, text, challenges });
        }
        self.heard.push(message);
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        Ok(self.say.pop_front())
    }

    fn is_done(&self) -> bool {
        self.say.is_empty() && self.heard.len() >= self.hear
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

async fn dial(rig: &Rig) -> Connection {
    Connection::connect("127.0.0.1", rig.address.port(), &rig.options()).await.unwrap()
}

fn hello(rig: &Rig, purpose: Purpose) -> Hello {
    Hello { repository: REPOSITORY.into(), token: rig.token.clone(), priority: 1, purpose }
}

/// Says all of `say` on a push stream and waits for `hear` messages.
async fn act(rig: &Rig, say: Vec<Message>, hear: usize) -> Result<Vec<Message>, SyncError> {
    let connection = dial(rig).await;
    let mut script = Script { say: say.into(), hear, heard: Vec::new() };
    let channel = Channel::open(&connection, hello(rig, Purpose::Push)).await.unwrap();
    let result = drive(&mut script, channel, &mut |_| {}).await;
    connection.close().await;
    result.map(|()| script.heard)
}

/// What still comes of a stream.
async fn rest(recv: &mut Receiving) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(read @ 1..) = recv.read(&mut buffer).await {
        all.extend_from_slice(&buffer[..read]);
    }
    all
}

struct Content {
    manifest: Manifest,
    entries: Vec<Entry>,
    chunks: Vec<Encoded>,
}

fn content(bytes: &[u8]) -> Content {
    let manifest = put(&mut *MemoryStore::new().batch().unwrap(), bytes);
    let chunks: Vec<Bytes> = bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    let entry = |chunk: &Bytes| Entry { id: ChunkId::of(Kind::Data, chunk), bytes: chunk.len() as u64 };
    let entries = chunks.iter().map(entry).collect();
    Content { manifest, entries, chunks: chunks.into_iter().map(Encoded::from).collect() }
}

impl Content {
    fn offer(&self) -> Message {
        offer(&self.manifest, self.entries.clone())
    }

    fn all(&self) -> Message {
        Message::Chunks(self.chunks.clone())
    }
}

fn offer(manifest: &Manifest, entries: Vec<Entry>) -> Message {
    let begin = Offer::Content { manifest: manifest.clone(), base: None };
    Message::Offer(vec![begin, Offer::New(entries), Offer::EndStream])
}

/// What a liar says about a content of his own, for each kind of lie.
fn lies(rig: &Rig) -> Vec<(Oid, Vec<Message>)> {
    // Chunks of a refused push are kept, so each lie needs chunks that nobody has told before.
    let make: [fn(&Content) -> Vec<Message>; 12] = [
        |c| {
            let mut flipped = c.chunks.clone();
            let mut wrong = flipped[1].bytes.to_vec();
            wrong[7] ^= 1;
            flipped[1] = wrong.into();
            vec![c.offer(), Message::Chunks(flipped.clone()), Message::Chunks(flipped[1..2].to_vec())]
        },
        |c| {
            // The second in place of the first, and when asked for that once more, again.
            let second = c.chunks[1].clone();
            let again = [c.chunks[1..].to_vec(), vec![second.clone()]].concat();
            vec![c.offer(), Message::Chunks(vec![second]), Message::Chunks(again)]
        },
        |c| vec![c.offer(), Message::Chunks([c.chunks.clone(), c.chunks.clone()].concat())],
        |c| {
            let mut wrong_root = c.manifest.clone();
            wrong_root.streams[0].root.id.0[0] ^= 1;
            vec![offer(&wrong_root, c.entries.clone()), c.all(), Message::Commit]
        },
        |c| vec![offer(&c.manifest, c.entries[..2].to_vec()), Message::Commit],
        |c| {
            let mut huge = c.entries.clone();
            huge[0].bytes = u64::from(u32::MAX);
            vec![offer(&c.manifest, huge)]
        },
        |c| {
            let begin = Offer::Content { manifest: c.manifest.clone(), base: None };
            vec![Message::Offer(vec![begin, Offer::Keep { start: u64::MAX, count: u64::MAX }])]
        },
        |c| vec![c.offer(), Message::Commit],
        |c| vec![c.offer(), c.all(), Message::Done { contents: 1, proved: 1 }],
        |_| vec![Message::Offer(vec![Offer::EndStream])],
        |c| {
            vec![Message::Want {
                wanted: vec![Wanted { oid: c.manifest.oid, base: None }],
                last: true,
                cold: false,
            }]
        },
        |c| {
            let lie = Manifest { oid: Oid::of(b"what he wants others to get"), ..c.manifest.clone() };
            vec![offer(&lie, c.entries.clone()), c.all(), Message::Commit]
        },
    ];
    let content = |number: u64| content(&noise(100 + number, 3 * PIECE));
    let mut lies: Vec<_> =
        make.iter().zip(0..).map(|(lie, n)| (content(n).manifest.oid, lie(&content(n)))).collect();
    lies.push((content(50).manifest.oid, vec![Message::Hello(hello(rig, Purpose::Push))]));
    lies
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_are_refused_and_nothing_is_bound() {
    let rig = Rig::new();
    for (number, (oid, lie)) in lies(&rig).into_iter().enumerate() {
        let result = act(&rig, lie, usize::MAX).await;
        let refused = matches!(&result, Err(SyncError::Refused { reason: Reason::BadRequest, .. }));
        assert!(refused, "lie {number}: {result:?}");
        let store = PackStore::open(&rig.server_dir().join("realms/team/store")).unwrap();
        assert!(store.bindings(&oid).unwrap().is_empty(), "lie {number}");
        assert!(store.bindings(&Oid::of(b"what he wants others to get")).unwrap().is_empty());
    }
    serves_as_before(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_messages_end_their_stream_only() {
    let rig = Rig::new();
    let connection = dial(&rig).await;
    let mut greeting = Vec::new();
    Message::Hello(hello(&rig, Purpose::Push)).encode(&mut greeting);
    let too_long = (MESSAGE_BYTES_MAX as u32 + 1).to_le_bytes();
    let garbage = [5, 0, 0, 0, 255, 255, 255, 255, 255];
    let cases: [(Vec<u8>, bool); 5] = [
        ([&greeting[..], &too_long].concat(), true),
        ([&greeting[..], &garbage].concat(), true),
        ([&greeting[..], &greeting[..9]].concat(), false),
        (too_long.to_vec(), false),
        (garbage.to_vec(), false),
    ];
    for (bytes, told) in cases {
        let Stream { mut send, mut recv } = connection.open().await.unwrap();
        send.write(Bytes::from(bytes)).await.unwrap();
        send.end().await;
        let answer = tokio::time::timeout(PATIENCE, rest(&mut recv)).await.unwrap();
        assert_eq!(
            answer.ends_with(b"limit") || answer.windows(3).any(|w| w == [3, 4, w[2]]),
            told,
            "{answer:?}"
        );
    }
    connection.close().await;
    serves_as_before(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_cut_off_keeps_its_chunks() {
    let rig = Rig::new();
    let bytes = noise(2, 100 * PIECE);
    let Content { manifest, entries, chunks } = content(&bytes);
    let say = vec![offer(&manifest, entries.clone()), Message::Chunks(chunks[..60].to_vec())];
    let connection = dial(&rig).await;
    let channel = Channel::open(&connection, hello(&rig, Purpose::Push)).await.unwrap();
    let mut script = Script { say: say.into(), hear: 1, heard: Vec::new() };
    drive(&mut script, channel, &mut |_| {}).await.unwrap();
    assert_eq!(script.heard, [Message::Need(vec![true; 100])]);
    connection.close().await;

    let check = move || {
        let store = PackStore::open(&rig.server_dir().join("realms/team/store")).unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !store.has(&entries[59].id).unwrap() {
            assert!(std::time::Instant::now() < deadline, "the chunks are kept");
            std::thread::park_timeout(std::time::Duration::from_millis(5));
            store.refresh().unwrap();
        }
        assert!(store.bindings(&manifest.oid).unwrap().is_empty());
        let mine = MemoryStore::new();
        let item = add(&mine, &bytes);
        assert_eq!(rig.push(REPOSITORY, &mine, vec![item]).unwrap().tally.chunks, 40);
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

/// The server still takes and gives contents.
async fn serves_as_before(rig: Rig) {
    let check = move || {
        let store = MemoryStore::new();
        let bytes = noise(99, 3 * PIECE);
        let item = add(&store, &bytes);
        rig.push(REPOSITORY, &store, vec![item]).unwrap();
        assert_eq!(bytes_of(&rig.pull(REPOSITORY, &[item.oid]).0, &item.oid), bytes);
        rig.stop();
    };
    tokio::task::spawn_blocking(check).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_shown_no_token_gets_no_memory() {
    let rig = Rig::new();
    let connection = dial(&rig).await;
    let too_long = (HELLO_BYTES_MAX as u32 + 1).to_le_bytes();
    let Stream { mut send, mut recv } = connection.open().await.unwrap();
    send.write(Bytes::copy_from_slice(&too_long)).await.unwrap();
    // Ended at once, not when the time for a hello is over.
    let end = tokio::time::timeout(PATIENCE, recv.read(&mut [0])).await.unwrap();
    assert!(end.is_ok_and(|bytes| bytes == 0));
    let longest = "x".repeat(4096);
    let (service, protocol, object_format) = (longest.clone(), longest.clone(), longest.clone());
    let purpose = Purpose::Git { service, protocol, object_format };
    let hello = Hello { repository: longest.clone(), token: longest, priority: 1, purpose };
    let channel = Channel::open(&connection, hello).await.unwrap();
    let refused = channel.into_raw().await;
    assert!(matches!(refused, Err(SyncError::Refused { reason: Reason::BadRequest, .. })), "{refused:?}");
    connection.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_lead_nowhere_outside() {
    let rig = Rig::new();
    let connection = dial(&rig).await;
    let longest = "a".repeat(101);
    let names = [
        "",
        "/",
        ".",
        "..",
        "../a",
        "team/..",
        "team/../../a",
        "/etc",
        "team//a",
        "team/.git",
        "team/-a",
        "team/a/b/c/d",
        "team/a\0b",
        "team/a\n",
        "team\\a",
        "téam/a",
        "team/a ",
        &longest,
    ];
    for name in names {
        let purpose = || {
            let (service, protocol, object_format) =
                ("git-receive-pack".into(), String::new(), "sha1".into());
            Purpose::Git { service, protocol, object_format }
        };
        for purpose in [Purpose::Push, Purpose::Pull, purpose()] {
            let hello = Hello { repository: name.into(), ..hello(&rig, purpose) };
            let refused = Channel::open(&connection, hello).await.unwrap().into_raw().await;
            let told = matches!(refused, Err(SyncError::Refused { reason: Reason::BadRequest, .. }));
            assert!(told, "{name:?}: {refused:?}");
        }
    }
    connection.close().await;
    let made = std::fs::read_dir(rig.server_dir().join("realms")).map_or(0, Iterator::count);
    assert_eq!(made, 0, "something was made for a bad name");
    serves_as_before(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_say_hello_are_in_nobodys_way() {
    let rig = Rig::new();
    let connection = dial(&rig).await;
    let mut greeting = Vec::new();
    Message::Hello(hello(&rig, Purpose::Push)).encode(&mut greeting);
    let mut held = Vec::new();
    for part in (0..64).map(|number| number % (greeting.len() - 1)) {
        let mut stream = connection.open().await.unwrap();
        if part > 0 {
            stream.send.write(Bytes::copy_from_slice(&greeting[..part])).await.unwrap();
        }
        held.push(stream);
    }
    // Another connection does not notice.
    let check = move || {
        let store = MemoryStore::new();
        let item = add(&store, &noise(98, 3 * PIECE));
        rig.push(REPOSITORY, &store, vec![item]).unwrap();
        rig
    };
    let rig = tokio::task::spawn_blocking(check).await.unwrap();
    drop(held);
    connection.close().await;
    serves_as_before(rig).await;
}
