//! A hundred clients at once: fifty push and fifty fetch, of content that all share and of content that is each one's own.
//!
//! Against one real server process. Most are clients in threads of this test, which speak the protocol as the programs do;
//! some are `git push` to one repository and `git clone`. At the end every content that was pushed is there, proved and byte for byte,
//! every ref is where its pusher put it, and the server has stayed within its memory.

use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_store::{ChunkWrite, MemoryStore, StoreError, content};
use dits_sync::Address;
use dits_sync::client::Client;
use dits_sync::push::PushItem;
use dits_tests::{Server, World, bytes};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Clients in threads, of each kind.
const THREADS: u64 = 44;
/// Processes of Git, of each kind.
const PROCESSES: u64 = 6;
/// Contents that were there before.
const SHARED: u64 = 8;
/// Bytes of each.
const SIZE: usize = 1 << 20;
/// Bytes between two cuts: where they fall does not matter here.
const PIECE: usize = 64 << 10;
/// What the server may take, with its budget for messages at the least.
const SERVER_BYTES_MAX: u64 = 512 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Adds a content to a store.
fn add(store: &MemoryStore, bytes: &[u8]) -> PushItem {
    let mut batch = store.batch().expect("memory has room");
    let mut tree = Builder::new();
    let keep = |batch: &mut dyn dits_store::Batch, id, kind, bytes: &[u8]| {
        batch.put(id, kind, bytes).map(drop).expect("memory has room");
    };
    for piece in bytes.chunks(PIECE) {
        let entry = Entry { id: ChunkId::of(Kind::Data, piece), bytes: piece.len() as u64 };
        keep(&mut *batch, entry.id, Kind::Data, piece);
        tree.push(entry, &mut |id, node: &[u8]| {
            keep(&mut *batch, id, Kind::Node, node);
            Ok::<(), StoreError>(())
        })
        .expect("memory has room");
    }
    let root = tree.finish(&mut |id, node: &[u8]| {
        keep(&mut *batch, id, Kind::Node, node);
        Ok::<(), StoreError>(())
    });
    let (oid, size) = (Oid::of(bytes), bytes.len() as u64);
    let manifest = Manifest::plain(0, oid, size, root.expect("memory has room"));
    keep(&mut *batch, manifest.id(), Kind::Manifest, &manifest.encode());
    batch.bind(Binding { oid, manifest: manifest.id(), size, proof: Proof::Proved });
    batch.commit().expect("memory has room");
    PushItem { oid, size, base: None }
}

fn client(server: &Server, repository: &str, pins: &Path) -> Client {
    let address = Address::parse(&server.url(repository)).expect("it is an address");
    let pins = Arc::new(FilePins { path: pins.to_owned() });
    Client::connect(&address, &Options::new(pins, PATIENCE)).expect("the server takes a hundred clients")
}

#[track_caller]
fn holds(store: &MemoryStore, expected: &[u8]) {
    let known =
        content::find(store, &Oid::of(expected)).expect("memory does not fail").expect("it was fetched");
    let mut found = Vec::new();
    content::rebuild::<StoreError>(store, &known.manifest, &mut |bytes| {
        found.extend_from_slice(bytes);
        Ok(())
    })
    .expect("it is whole");
    assert!(found == expected, "it was fetched with other bytes");
}

/// A content of client `number` alone.
fn own(number: u64) -> Vec<u8> {
    bytes(SIZE, 1000 + number)
}

/// A content that several push at the same time: an edit of one that is there.
fn common(number: u64) -> Vec<u8> {
    let mut edit = bytes(SIZE, number % SHARED);
    edit[SIZE / 2..SIZE / 2 + 100].fill(7);
    edit
}

fn push_one(server: &Server, pins: &Path, number: u64) {
    let store = MemoryStore::new();
    let base = add(&store, &bytes(SIZE, number % SHARED));
    let items =
        vec![add(&store, &own(number)), PushItem { base: Some(base.oid), ..add(&store, &common(number)) }];
    let client = client(server, "team/project", pins);
    client.push("", Arc::new(store), items, &mut |_| {}).expect("a push among many");
    client.close();
}

fn pull_some(server: &Server, pins: &Path, number: u64) {
    let wanted: Vec<Vec<u8>> = (0..3).map(|n| bytes(SIZE, (number + n) % SHARED)).collect();
    let store = MemoryStore::new();
    let client = client(server, "team/project", pins);
    let oids: Vec<Oid> = wanted.iter().map(|bytes| Oid::of(bytes)).collect();
    let (_, absent) = client.pull("", &store, oids, &mut |_| {}).expect("a pull among many");
    assert_eq!(absent, []);
    wanted.iter().for_each(|bytes| holds(&store, bytes));
    client.close();
}

/// Prints how long they took, in the middle and at worst.
fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_millis();
    println!("{what}: {} clients, p50 {} ms, p99 {} ms", times.len(), at(50), at(99));
}

/// A repository for the processes to clone, and one of each pusher's own.
fn repositories(world: &World, server: &Server) -> (dits_tests::Repo, Vec<dits_tests::Repo>) {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(SIZE, 5000));
    ann.commit("first");
    ann.publish(&server.url("team/git"));
    let pushers = (0..PROCESSES).map(|number| {
        let user = world.user(&format!("pusher{number}"));
        let repo = user.clone_from(&server.url("team/git"), "clone");
        repo.write("own.bin", &bytes(SIZE, 6000 + number));
        repo.commit("own");
        repo
    });
    let pushers = pushers.collect();
    (ann, pushers)
}

#[test]
fn a_hundred_clients_at_once() {
    let world = World::in_memory();
    let server = world.server_with(&["--memory", "64m"]);
    let pins = world.path().join("pins");
    let before = MemoryStore::new();
    let items: Vec<PushItem> = (0..SHARED).map(|number| add(&before, &bytes(SIZE, number))).collect();
    let first = client(&server, "team/project", &pins);
    first.push("", Arc::new(before), items, &mut |_| {}).expect("nobody else is here");
    first.close();
    let (ann, pushers) = repositories(&world, &server);
    let cloners: Vec<_> = (0..PROCESSES).map(|number| world.user(&format!("cloner{number}"))).collect();

    let start = Barrier::new(2 * (THREADS + PROCESSES) as usize);
    let timed = |work: &dyn Fn()| {
        start.wait();
        let began = Instant::now();
        work();
        began.elapsed()
    };
    let (server, pins, timed) = (&server, pins.as_path(), &timed);
    let (pushes, pulls) = std::thread::scope(|scope| {
        let mut pushes: Vec<_> = (0..THREADS)
            .map(|number| scope.spawn(move || timed(&|| push_one(server, pins, number))))
            .collect();
        let mut pulls: Vec<_> = (0..THREADS)
            .map(|number| scope.spawn(move || timed(&|| pull_some(server, pins, number))))
            .collect();
        for (number, repo) in pushers.iter().enumerate() {
            let branch = format!("main:own{number}");
            pushes.push(scope.spawn(move || timed(&|| drop(repo.git(&["push", "-q", "origin", &branch])))));
        }
        for cloner in &cloners {
            pulls.push(
                scope.spawn(move || timed(&|| drop(cloner.clone_from(&server.url("team/git"), "clone")))),
            );
        }
        let times = |threads: Vec<std::thread::ScopedJoinHandle<'_, Duration>>| {
            threads.into_iter().map(|thread| thread.join().expect("no client fails")).collect::<Vec<_>>()
        };
        (times(pushes), times(pulls))
    });
    tell("push", pushes);
    tell("pull", pulls);
    let peak = server.peak_bytes();
    println!("server: at most {} MiB", peak >> 20);
    assert!(peak < SERVER_BYTES_MAX, "the server took {peak} bytes");

    // Nothing is lost: neither contents nor refs.
    let pushed: Vec<Vec<u8>> = (0..THREADS).flat_map(|number| [own(number), common(number)]).collect();
    let oids: Vec<Oid> = pushed.iter().map(|bytes| Oid::of(bytes)).collect();
    let last = client(server, "team/project", pins);
    assert_eq!(last.ask("", oids.clone()).expect("it answers"), vec![true; oids.len()]);
    let store = MemoryStore::new();
    last.pull("", &store, oids, &mut |_| {}).expect("it gives");
    pushed.iter().for_each(|bytes| holds(&store, bytes));
    last.close();
    for (number, repo) in pushers.iter().enumerate() {
        assert_eq!(ann.remote_id(&server.url("team/git"), &format!("own{number}")), repo.id("main"));
    }
    for cloner in &cloners {
        cloner.repo("clone").holds("a.bin", &bytes(SIZE, 5000));
    }
    ann.git(&["fetch", "-q", "origin"]);
    ann.git(&["switch", "-q", "--detach", "origin/own3"]);
    ann.holds("own.bin", &bytes(SIZE, 6003));
    server.is_sound("team");
    assert_eq!(server.leftovers("team"), [""; 0]);
}
