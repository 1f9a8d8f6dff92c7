//! Machines over QUIC over a bad network, without a socket and without a clock: pushes and pulls through loss of up to
//! 30 %, reordering, duplication, outages, stalls and connections that break.
//!
//! `net` carries datagrams between two endpoints of `quinn-proto` by a seeded plan, `ends` does at each end what the
//! driver does, and here one story after the other is told: contents on one side, tries until they are on the other. A broken
//! try salvages what came, as the programs do. All that is random comes from the seed of the story, which is printed
//! when it fails: `LOSSY_SEED=n` tells that one alone.
//!
//! Always holds: both sides end equal; each try that fails says that the connection was lost or silent, and nothing else; no store
//! is ever unsound; chunks that arrived are not sent again.

#[path = "pair/content.rs"]
#[expect(dead_code, reason = "shared with the tests of pairs, which use all of it")]
mod content;
#[path = "lossy/ends.rs"]
mod ends;
#[path = "pair/link.rs"]
#[expect(dead_code, reason = "shared with the tests of pairs, which use all of it")]
mod link;
#[path = "lossy/net.rs"]
mod net;

use content::{add, assert_holds, assert_sound, data, item, noise};
use dits_format::Oid;
use dits_store::MemoryStore;
use dits_sync::machine::{Machine, SyncError};
use dits_sync::pull::{Giver, PullItem, Puller};
use dits_sync::push::{Pusher, Taker};
use ends::Run;
use net::{Random, Tls, Weather};
use std::sync::Arc;
use std::time::Duration;

/// Stories told by the test.
const STORIES: u64 = 300;
/// Tries of one story. The last ones have better weather, as real ones have in the end.
const TRIES_MAX: u64 = 40;

/// What a story came to.
#[derive(Debug, Default)]
struct Came {
    tries: u64,
    time: Duration,
    datagrams: u64,
    lost: u64,
    chunk_bytes: u64,
}

fn contents(random: &mut Random) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for number in 0..1 + random.below(4) {
        let new =
            noise(random.next(), 200 + random.below(if number == 0 { 700_000 } else { 60_000 }) as usize);
        match all.last() {
            // An edit of the one before.
            Some(old) if random.below(2) == 0 => {
                let at = random.below(old.len() as u64) as usize;
                all.push([&old[..at], &new[..200], &old[at..]].concat());
            }
            _ => all.push(new),
        }
    }
    all
}

fn is_clear(result: &Result<(), SyncError>) -> bool {
    matches!(result, Ok(()) | Err(SyncError::Lost(_) | SyncError::Silence(_) | SyncError::Refused { .. }))
}

/// Tries until the client came to a good end. `promises`: the server answers for what the client is told.
fn until_done<A: Machine, B: Machine>(
    came: &mut Came,
    random: &mut Random,
    tls: &Tls,
    promises: bool,
    mut begin: impl FnMut() -> (A, B),
    mut broken: impl FnMut(A, B),
) {
    for number in 1..=TRIES_MAX {
        let weather = Weather::of(random, number);
        let (client, server) = begin();
        let run = Run::new(client, server, tls, weather, random.next());
        let ended = run.to_the_end();
        came.tries += 1;
        came.time += ended.time;
        came.datagrams += ended.datagrams;
        came.lost += ended.lost;
        came.chunk_bytes += ended.client.tally().chunk_bytes;
        let [client, server] = &ended.results;
        assert!(is_clear(client) && is_clear(server), "{:?}", ended.results);
        if client.is_ok() {
            // A giver that does not hear of the end has given all the same.
            assert!(server.is_ok() || !promises, "the client was told that all is well: {server:?}");
            return;
        }
        broken(ended.client, ended.server);
    }
    panic!("no end after {TRIES_MAX} tries");
}

fn tell(seed: u64, tls: &Tls) -> Came {
    let mut random = Random::new(seed);
    let (client, server, reader) = (MemoryStore::new(), MemoryStore::new(), MemoryStore::new());
    let contents = contents(&mut random);
    let oids: Vec<Oid> = contents.iter().map(|bytes| add(&client, bytes)).collect();
    if random.below(2) == 0 {
        add(&server, &contents[0]);
        add(&reader, &contents[0]);
    }
    let items: Vec<_> =
        (0..oids.len()).map(|i| item(&client, oids[i], i.checked_sub(1).map(|base| oids[base]))).collect();
    let mut came = Came::default();
    let push = || {
        let pusher = Pusher::new(Arc::new(client.clone()), items.clone());
        (pusher, Taker::new(&server).expect("memory has room"))
    };
    until_done(&mut came, &mut random, tls, true, push, |_, taker| {
        taker.salvage().expect("memory has room");
        assert_sound(&server);
    });
    contents.iter().for_each(|bytes| assert_holds(&server, bytes));
    let (sent, had) = (came.chunk_bytes, data(&reader).1);
    let pull = || {
        let items = oids.iter().copied().map(PullItem::from).collect();
        let puller = Puller::new(&reader, items, false).expect("memory has room");
        (puller, Giver::new(Arc::new(server.clone())))
    };
    until_done(&mut came, &mut random, tls, false, pull, |puller, _| {
        puller.salvage().expect("memory has room");
        assert_sound(&reader);
    });
    contents.iter().for_each(|bytes| assert_holds(&reader, bytes));
    assert_eq!(came.chunk_bytes - sent, data(&reader).1 - had, "chunks came twice");
    assert_sound(&server);
    assert_sound(&reader);
    came
}

#[test]
fn both_sides_end_equal_in_any_weather() {
    let tls = Tls::new();
    let only: Option<u64> =
        std::env::var("LOSSY_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let seeds = only.map_or(0..STORIES, |seed| seed..seed + 1);
    let mut all = Came::default();
    for seed in seeds.clone() {
        println!("seed {seed}");
        let came = tell(seed, &tls);
        println!("seed {seed}: {came:?}");
        all.tries += came.tries;
        all.datagrams += came.datagrams;
        all.lost += came.lost;
        all.time += came.time;
    }
    println!("seeds {seeds:?}: {all:?}");
    if only.is_none() {
        assert!(
            all.tries > 2 * STORIES + STORIES / 2,
            "hardly any connection broke: the weather is too good"
        );
        assert!(all.lost > all.datagrams / 20, "hardly a datagram was lost: the weather is too good");
    }
}

#[test]
fn a_story_is_the_same_each_time_it_is_told() {
    let tls = Tls::new();
    let (one, other) = (tell(7, &tls), tell(7, &tls));
    assert_eq!((one.tries, one.chunk_bytes), (other.tries, other.chunk_bytes));
}
