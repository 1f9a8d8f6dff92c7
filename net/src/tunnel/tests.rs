//! The rules of both buffers, under requests that are lost, repeated and late.

use super::{Fault, Inlet, Outlet, Piece, Tunnel, WINDOW};
use crate::stream::Activity;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// What can happen next.
#[derive(Debug, Clone)]
enum Step {
    /// The writer writes so many bytes.
    Write(usize),
    /// A piece is fetched; it gets there, or stays on the way and arrives later.
    Send { arrives: bool, answered: bool },
    /// A piece that is on the way arrives, perhaps not for the first time.
    Late(usize),
    /// The reader reads.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..200_000_usize).prop_map(Step::Write),
        (any::<bool>(), any::<bool>()).prop_map(|(arrives, answered)| Step::Send { arrives, answered }),
        any::<usize>().prop_map(Step::Late),
        (1..300_000_usize).prop_map(Step::Read),
    ]
}

/// Both ends, and what is between them.
#[derive(Default)]
struct Line {
    outlet: Outlet,
    inlet: Inlet,
    /// The offset that the sender believes to be wanted.
    believed: u64,
    on_the_way: Vec<Piece>,
    written: u64,
    read: u64,
}

/// The byte at an offset.
fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9) >> 7) as u8
}

impl Line {
    fn write(&mut self, count: usize) {
        let bytes: Vec<u8> = (self.written..).take(count).map(byte).collect();
        self.written += self.outlet.put(&bytes) as u64;
    }

    fn deliver(&mut self, piece: &Piece, answered: bool) {
        // A late copy may tell of an end that was not known then; it never contradicts.
        let next = self.inlet.take(piece.at, &piece.bytes, piece.last).unwrap();
        if answered {
            self.believed = self.believed.max(next);
        }
    }

    fn send(&mut self, arrives: bool, answered: bool) {
        let piece = self.outlet.piece(self.believed).unwrap();
        if arrives {
            self.deliver(&piece, answered);
        }
        self.on_the_way.push(piece);
    }

    fn read(&mut self, count: usize) {
        let mut out = vec![0; count];
        let read = self.inlet.read(&mut out);
        for found in &out[..read] {
            assert_eq!(*found, byte(self.read), "at {}", self.read);
            self.read += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_arrive_once_and_in_order(steps in proptest::collection::vec(step(), 1..60)) {
        let mut line = Line::default();
        for step in steps {
            match step {
                Step::Write(count) => line.write(count),
                Step::Send { arrives, answered } => line.send(arrives, answered),
                Step::Late(_) if line.on_the_way.is_empty() => {}
                Step::Late(which) => {
                    let piece = line.on_the_way[which % line.on_the_way.len()].clone();
                    line.deliver(&piece, false);
                }
                Step::Read(count) => line.read(count),
            }
            prop_assert!(line.inlet.room() <= WINDOW);
        }
        line.outlet.end();
        let mut rounds = 0;
        while !line.outlet.is_drained() || !line.inlet.has_ended() {
            line.send(true, true);
            line.read(WINDOW);
            line.outlet.piece(line.believed).unwrap();
            rounds += 1;
            prop_assert!(rounds < 10, "it never ends");
        }
        line.read(WINDOW);
        prop_assert_eq!(line.read, line.written);
    }
}

#[test]
fn faults_are_told_apart() {
    let mut outlet = Outlet::default();
    assert_eq!(outlet.put(&vec![7; WINDOW + 1]), WINDOW, "a window is full at its size");
    assert_eq!(outlet.piece(WINDOW as u64 + 1), Err(Fault::Gap { next: WINDOW as u64 }));
    assert_eq!(outlet.piece(10).unwrap().bytes.len(), WINDOW - 10);
    assert_eq!(outlet.piece(9), Err(Fault::TooOld { oldest: 10 }));

    let mut inlet = Inlet::default();
    assert_eq!(inlet.take(1, b"b", false), Err(Fault::Gap { next: 0 }));
    assert_eq!(inlet.take(u64::MAX, b"b", false), Err(Fault::Gap { next: 0 }));
    assert_eq!(inlet.take(0, b"abc", true), Ok(3));
    assert_eq!(inlet.take(1, b"b", false), Ok(3));
    assert_eq!(inlet.take(2, b"cd", false), Err(Fault::PastEnd { end: 3 }));
    assert_eq!(inlet.take(0, b"ab", true), Err(Fault::PastEnd { end: 3 }));
    assert!(inlet.has_ended());
}

const SOON: Duration = Duration::from_millis(1);

fn piece(at: u64, bytes: &'static [u8], last: bool) -> Piece {
    Piece { at, bytes: Bytes::from_static(bytes), last }
}

#[tokio::test]
async fn a_writer_without_an_end_is_no_end() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    stream.send.write(Bytes::from_static(b"half")).await.unwrap();
    assert_eq!(tunnel.piece(0, SOON).await.unwrap(), piece(0, b"half", false));
    stream.send.abandon();
    assert_eq!(tunnel.piece(4, SOON).await, Err(Fault::Abandoned));
    drop(stream);
    assert!(tunnel.is_finished());
}

#[tokio::test]
async fn what_is_written_together_is_there_together() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    let written = stream.send.write_some(&mut [Bytes::from_static(b"ab"), Bytes::from_static(b"cd")]).await;
    assert_eq!(written.unwrap(), 4);
    assert_eq!(tunnel.piece(0, SOON).await.unwrap(), piece(0, b"abcd", false));
}

#[tokio::test]
async fn both_halves_end_by_themselves() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    stream.send.end().await;
    assert_eq!(tunnel.piece(0, SOON).await.unwrap(), piece(0, b"", true));
    assert_eq!(tunnel.wanted(SOON).await, Some(0));
    assert_eq!(tunnel.take(&piece(0, b"all", true), SOON).await, Ok(3));
    let mut out = [0; 8];
    assert_eq!(stream.recv.read(&mut out).await.unwrap(), 3);
    assert_eq!(stream.recv.read(&mut out).await.unwrap(), 0);
    assert_eq!(tunnel.wanted(SOON).await, None);
    drop(stream);
    assert!(tunnel.is_finished());
    assert_eq!(tunnel.take(&piece(0, b"all", true), SOON).await, Err(Fault::Stopped));
}

#[tokio::test]
async fn a_broken_tunnel_fails_its_reader_after_what_arrived() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    tunnel.take(&piece(0, b"ab", false), SOON).await.unwrap();
    tunnel.break_off("the proxy went away");
    let mut out = [0; 2];
    assert!(stream.recv.fill(&mut out).await.unwrap());
    let error = stream.recv.read(&mut out).await.unwrap_err();
    assert!(error.to_string().contains("the proxy went away"), "{error}");
    stream.send.write(Bytes::from_static(b"x")).await.unwrap_err();
}

#[tokio::test]
async fn a_stopped_peer_ends_the_writer_only() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    tunnel.stop();
    stream.send.write(Bytes::from_static(b"x")).await.unwrap_err();
    tunnel.take(&piece(0, b"why", true), SOON).await.unwrap();
    assert!(stream.recv.fill(&mut [0; 3]).await.unwrap());
}

#[tokio::test]
async fn a_full_window_waits_for_its_reader() {
    let (tunnel, mut stream) = Tunnel::open(&Arc::<Activity>::default());
    let all = Bytes::from(vec![1; WINDOW]);
    let first = Piece { at: 0, bytes: all.clone(), last: false };
    assert_eq!(tunnel.take(&first, SOON).await, Ok(WINDOW as u64));
    let second = Piece { at: WINDOW as u64, bytes: all.clone(), last: false };
    assert_eq!(tunnel.take(&second, SOON).await, Ok(WINDOW as u64), "there was no room");
    let read = async { stream.recv.fill(&mut vec![0; WINDOW]).await.unwrap() };
    let (next, _) = tokio::join!(tunnel.take(&second, Duration::from_secs(30)), read);
    assert_eq!(next.unwrap(), 2 * WINDOW as u64);

    let write = stream.send.write(Bytes::from(vec![2; 2 * WINDOW]));
    let fetch = async {
        let first = tunnel.piece(0, SOON).await.unwrap();
        tunnel.piece(first.bytes.len() as u64, Duration::from_secs(30)).await.unwrap().at
    };
    let (written, at) = tokio::join!(write, fetch);
    written.unwrap();
    assert_eq!(at, WINDOW as u64);
}
