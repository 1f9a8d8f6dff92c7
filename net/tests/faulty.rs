//! A stream that breaks by rules, over pipes in memory: each fault strikes at its byte, and both ends see what they should.

use bytes::Bytes;
use dits_net::faulty::{Direction, Fault, Rule, wrap};
use dits_net::stream::{Activity, Stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what would pass through memory.
const A_WHILE: Duration = Duration::from_millis(50);

/// A stream with rules, and its peer.
fn broken(rules: &[Rule]) -> (Stream, DuplexStream) {
    let (here, peer) = duplex(1 << 20);
    let (recv, send) = split(here);
    let stream = Stream::piped(Box::new(send), Box::new(recv), &Arc::<Activity>::default());
    (wrap(stream, rules), peer)
}

fn rule(direction: Direction, after: u64, fault: Fault) -> Rule {
    Rule { direction, after, fault }
}

fn numbers() -> Vec<u8> {
    (0..200_000_u32).map(|n| (n % 251) as u8).collect()
}

/// What the peer gets of the numbers, until the end of the stream.
async fn sent(rules: &[Rule]) -> Vec<u8> {
    let (mut stream, mut peer) = broken(rules);
    let mut got = Vec::new();
    let send = async {
        // A stream that is reset fails here.
        if stream.send.write(Bytes::from(numbers())).await.is_ok() {
            stream.send.end().await;
        }
    };
    let (_, read) = tokio::join!(send, timeout(PATIENCE, peer.read_to_end(&mut got)));
    read.unwrap().unwrap();
    got
}

#[tokio::test]
async fn bytes_pass_as_they_are_up_to_the_fault() {
    assert_eq!(sent(&[rule(Direction::Out, u64::MAX, Fault::Reset)]).await, numbers());
    assert_eq!(sent(&[rule(Direction::In, 0, Fault::Truncate)]).await, numbers());
    for after in [0, 1, 70_000, 199_999] {
        let cut = &numbers()[..after as usize];
        assert_eq!(sent(&[rule(Direction::Out, after, Fault::Truncate)]).await, cut);
        let mut changed = numbers();
        changed[after as usize] ^= 0x55;
        assert_eq!(sent(&[rule(Direction::Out, after, Fault::Corrupt(0x55))]).await, changed);
    }
    let mut twice = numbers();
    (twice[5], twice[6]) = (twice[5] ^ 1, twice[6] ^ 2);
    let rules = [rule(Direction::Out, 6, Fault::Corrupt(2)), rule(Direction::Out, 5, Fault::Corrupt(1))];
    assert_eq!(sent(&rules).await, twice);
}

#[tokio::test]
async fn a_reset_fails_both_ways() {
    let (mut stream, mut peer) = broken(&[rule(Direction::In, 3, Fault::Reset)]);
    peer.write_all(b"abcdef").await.unwrap();
    let mut got = [0; 3];
    assert!(stream.recv.fill(&mut got).await.unwrap());
    assert_eq!(&got, b"abc");
    assert!(timeout(PATIENCE, stream.recv.read(&mut got)).await.unwrap().is_err());
    assert!(stream.send.write(Bytes::from_static(b"x")).await.is_err());
    assert_eq!(timeout(PATIENCE, peer.read_to_end(&mut Vec::new())).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn in_a_black_hole_nothing_moves_and_nobody_is_told() {
    let (mut stream, mut peer) = broken(&[rule(Direction::Out, 3, Fault::BlackHole)]);
    stream.send.write(Bytes::from_static(b"abcdef")).await.unwrap();
    peer.write_all(b"answer").await.unwrap();
    let mut got = [0; 8];
    assert_eq!(peer.read(&mut got).await.unwrap(), 3);
    for _ in 0..2 {
        assert!(timeout(A_WHILE, peer.read(&mut got)).await.is_err());
    }
    let heard = async {
        let mut all = 0;
        while let Ok(read @ 1..) = stream.recv.read(&mut got).await {
            all += read;
        }
        all
    };
    assert!(timeout(A_WHILE, heard).await.is_err());
    drop(stream);
    // What held the stream has ended.
    assert_eq!(timeout(PATIENCE, peer.read(&mut got)).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn time_is_lost_as_told() {
    let start = Instant::now();
    let rules = [
        rule(Direction::Out, 100_000, Fault::Delay(A_WHILE)),
        rule(Direction::Out, 150_000, Fault::Throttle(500_000)),
    ];
    assert_eq!(sent(&rules).await, numbers());
    // 50,000 bytes at 500,000 a second.
    assert!(start.elapsed() >= A_WHILE + Duration::from_millis(100), "{:?}", start.elapsed());
}
