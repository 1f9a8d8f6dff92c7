//! Wishes by hand, and the flights that come of them.

use super::*;
use crate::outside::Priority::{Ahead, Background, Blocking, Playhead};
use proptest::prelude::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const BOUNDS: Bounds = Bounds { flights: 6, flight_bytes: FLIGHT_BYTES_MAX };
const OID: Oid = Oid([1; 32]);
const OTHER: Oid = Oid([2; 32]);

fn reader(owner: Owner, oid: Oid) -> Reader {
    Reader { owner, oid, bytes: 1 << 40 }
}

fn queue(wishes: &[(Owner, Range<u64>, Priority)]) -> Queue {
    let mut queue = Queue::default();
    for (owner, range, priority) in wishes {
        queue.wish(&reader(*owner, OID), range.clone(), *priority);
    }
    queue
}

fn ranges(queue: &mut Queue) -> Vec<Range<u64>> {
    std::iter::from_fn(|| queue.next(&BOUNDS)).map(|job| job.range).collect()
}

#[test]
fn the_most_urgent_is_first_and_the_oldest_of_these() {
    let wishes = [
        (1, 90 * MIB..91 * MIB, Background),
        (2, 60 * MIB..61 * MIB, Ahead),
        (3, 40 * MIB..41 * MIB, Blocking),
        (4, 10 * MIB..11 * MIB, Blocking),
        (5, 20 * MIB..21 * MIB, Playhead),
    ];
    let starts: Vec<_> = ranges(&mut queue(&wishes)).iter().map(|range| range.start / MIB).collect();
    assert_eq!(starts, [40, 10, 20, 60, 90]);
}

#[test]
fn flights_are_kept_free_for_urgent_ones() {
    let mut queue = queue(&[(1, 0..100 * MIB, Background), (2, 200 * MIB..300 * MIB, Ahead)]);
    let begin = |queue: &mut Queue| {
        let mut count = 0;
        while queue.next(&BOUNDS).is_some() {
            count += 1;
        }
        count
    };
    assert_eq!(begin(&mut queue), 4, "ahead");
    queue.wish(&reader(3, OID), 400 * MIB..500 * MIB, Playhead);
    assert_eq!(begin(&mut queue), 1, "around the playhead");
    queue.wish(&reader(4, OTHER), 0..100 * MIB, Blocking);
    assert_eq!(begin(&mut queue), 1, "for who waits");
    let one = Bounds { flights: 1, ..BOUNDS };
    assert!(self::queue(&[(1, 0..1, Background)]).next(&one).is_some());
}

#[test]
fn neighbours_share_a_flight() {
    let wishes =
        [(1, 0..128 * KIB, Blocking), (2, 128 * KIB..20 * MIB, Ahead), (3, 30 * MIB..31 * MIB, Ahead)];
    let expected = [0..8 * MIB, 8 * MIB..16 * MIB, 16 * MIB..20 * MIB, 30 * MIB..31 * MIB];
    assert_eq!(ranges(&mut queue(&wishes)), expected);
    let wishes = [(1, 128 * KIB..256 * KIB, Blocking), (2, 0..128 * KIB, Blocking)];
    assert_eq!(ranges(&mut queue(&wishes)), [0..256 * KIB], "also what lies before, if one waits for it");
    let wishes = [(1, 128 * KIB..256 * KIB, Blocking), (2, 0..128 * KIB, Ahead)];
    assert_eq!(ranges(&mut queue(&wishes)), [128 * KIB..256 * KIB, 0..128 * KIB]);
}

#[test]
fn the_same_wish_makes_one_flight_and_raises_it() {
    let mut queue = queue(&[(1, 0..MIB, Background)]);
    let job = queue.next(&BOUNDS).unwrap();
    assert_eq!(job.want.priority(), Background);
    queue.wish(&reader(2, OID), 0..128 * KIB, Blocking);
    assert_eq!(job.want.priority(), Blocking);
    assert!(queue.is_in_flight(&OID, &(0..128 * KIB)));
    assert!(queue.next(&BOUNDS).is_none());
    queue.wish(&reader(3, OID), 512 * KIB..2 * MIB, Blocking);
    assert_eq!(queue.next(&BOUNDS).unwrap().range, MIB..2 * MIB, "only what no flight brings");
}

#[test]
fn who_waits_for_something_far_behind_gets_a_flight_of_his_own() {
    let mut queue = queue(&[(1, 0..8 * MIB, Ahead)]);
    let first = queue.next(&BOUNDS).unwrap();
    queue.wish(&reader(2, OID), 6 * MIB..6 * MIB + 1, Blocking);
    let second = queue.next(&BOUNDS).unwrap();
    assert_eq!((second.range, second.want.priority()), (6 * MIB..8 * MIB, Blocking));
    assert!(queue.reached(&OID, first.flight, 5 * MIB));
    assert!(!queue.reached(&OID, first.flight, 6 * MIB), "it ends where the other begins");
    assert!(!first.want.is_over());
}

#[test]
fn a_flight_is_over_when_nobody_wants_it() {
    let mut queue = queue(&[(1, 0..4 * MIB, Ahead), (2, MIB..2 * MIB, Ahead)]);
    let job = queue.next(&BOUNDS).unwrap();
    queue.withdraw(1, &OID, &(0..u64::MAX));
    assert!(job.want.is_over(), "what the other wants is not near");
    assert_eq!(queue.next(&BOUNDS).unwrap().range, MIB..2 * MIB);

    let mut queue = self::queue(&[(1, 0..4 * MIB, Ahead), (2, MIB / 2..2 * MIB, Ahead)]);
    let job = queue.next(&BOUNDS).unwrap();
    queue.withdraw(1, &OID, &(0..u64::MAX));
    assert!(!job.want.is_over());
    queue.arrived(&OID, &(0..2 * MIB));
    assert!(!queue.reached(&OID, job.flight, 2 * MIB), "the rest is not wanted");
    assert!(job.want.is_over());
    assert_eq!(queue.land(&OID, job.flight), Some(Landed { rest: 2 * MIB..4 * MIB, alone: false }));
    assert!(queue.contents.is_empty());
}

#[test]
fn what_cannot_be_had_is_tried_alone_before_anybody_is_told() {
    let mut queue = queue(&[
        (1, 0..128 * KIB, Blocking),
        (2, 128 * KIB..256 * KIB, Blocking),
        (3, 256 * KIB..4 * MIB, Ahead),
        (4, 9 * MIB..10 * MIB, Ahead),
    ]);
    let job = queue.next(&BOUNDS).unwrap();
    assert_eq!(job.range, 0..4 * MIB);
    let landed = queue.land(&OID, job.flight).unwrap();
    assert!(queue.fail(&OID, &landed).is_empty());
    let again: Vec<_> = ranges(&mut queue);
    assert_eq!(again, [0..128 * KIB, 128 * KIB..256 * KIB, 9 * MIB..10 * MIB], "who waits, one by one");
    assert_eq!(queue.fail(&OID, &Landed { rest: 0..128 * KIB, alone: true }), [1]);
    assert!(queue.is_in_flight(&OID, &(128 * KIB..256 * KIB)));
}

#[test]
fn who_is_alone_from_the_start_is_told_at_once() {
    let mut queue = queue(&[(1, 0..2 * MIB, Blocking)]);
    let job = queue.next(&BOUNDS).unwrap();
    queue.arrived(&OID, &(0..MIB));
    queue.reached(&OID, job.flight, MIB);
    let landed = queue.land(&OID, job.flight).unwrap();
    assert_eq!(landed, Landed { rest: MIB..2 * MIB, alone: false });
    assert_eq!(queue.fail(&OID, &landed), [1]);
    assert!(queue.contents.is_empty());
}

#[test]
fn a_flight_ends_behind_a_chunk_where_no_other_begins() {
    let mut queue = queue(&[(1, 0..100, Ahead), (2, 300..400, Ahead)]);
    let (mut first, mut second) = (queue.next(&BOUNDS).unwrap(), queue.next(&BOUNDS).unwrap());
    queue.round(&mut first, 150);
    assert_eq!(first.range, 0..150);
    queue.wish(&reader(3, OID), 100..200, Blocking);
    assert_eq!(queue.next(&BOUNDS).unwrap().range, 150..200);
    queue.round(&mut first, 170);
    queue.round(&mut second, 400);
    assert_eq!((first.range, second.range), (0..150, 300..400));
}

#[test]
fn a_probe_is_wanted_until_something_came() {
    let mut queue = Queue::default();
    let job = queue.probe(OID, 5);
    queue.withdraw(1, &OID, &(0..u64::MAX));
    queue.only_blocking();
    assert!(job.probe && !job.want.is_over());
    assert!(!queue.reached(&OID, job.flight, 100));
}

proptest! {
    /// Whatever happens, no byte is in two flights, and all that is wished comes or is in flight in the end.
    #[test]
    fn no_byte_flies_twice_and_none_is_forgotten(
        steps in prop::collection::vec((0u8..4, 0u64..40, 1u64..12, 0usize..4), 1..60),
    ) {
        let bounds = Bounds { flights: 4, flight_bytes: 8 };
        let mut queue = Queue::default();
        let mut flying: Vec<Job> = Vec::new();
        let mut wanted = std::collections::BTreeSet::new();
        for (step, start, bytes, which) in steps {
            match step {
                0 | 1 => {
                    let range = start..start + bytes;
                    queue.wish(&reader(1, OID), range.clone(), Priority::ALL[which]);
                    wanted.extend(range);
                }
                2 => flying.extend(queue.next(&bounds)),
                _ if !flying.is_empty() => {
                    let job = flying.swap_remove(which % flying.len());
                    let to = job.range.end.min(job.range.start + bytes);
                    queue.arrived(&OID, &(job.range.start..to));
                    wanted.retain(|at| !(job.range.start..to).contains(at));
                    queue.reached(&OID, job.flight, to);
                    queue.land(&OID, job.flight);
                }
                _ => {}
            }
            let mut ranges: Vec<_> = flying.iter().map(|job| job.range.clone()).collect();
            ranges.sort_by_key(|range| range.start);
            prop_assert!(ranges.windows(2).all(|two| two[0].end <= two[1].start), "{:?}", ranges);
            prop_assert!(flying.iter().all(|job| !job.want.is_over()));
        }
        for job in flying.drain(..) {
            queue.land(&OID, job.flight);
        }
        while let Some(job) = queue.next(&bounds) {
            wanted.retain(|at| !job.range.contains(at));
            queue.arrived(&OID, &job.range);
            queue.land(&OID, job.flight);
        }
        prop_assert_eq!(wanted.len(), 0);
        prop_assert!(queue.contents.is_empty());
    }
}
