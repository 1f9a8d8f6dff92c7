//! Remotes that are away, chunks that are damaged or nowhere.

use super::*;

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Events for Heard {
    fn happened(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn offline() -> ContentFault {
    ContentFault::Offline("the cable is out".to_owned())
}

#[test]
fn all_who_wait_are_told_when_remotes_are_away_and_later_ones_at_once() {
    let flights = options().flights;
    let options = Options { probe_after: Duration::from_secs(3600), ..options() };
    let setup = Setup::with(Made::new(1, 64 * MIB), options);
    setup.check(&setup.open("a"), 0..10);
    setup.settle();
    setup.fake.hold();
    in_threads(21, |at| {
        if at < 20 {
            let fault = setup.open("a").read(at as u64 * 2 * MIB + MIB, 10).unwrap_err();
            assert_eq!(fault, offline());
            return;
        }
        setup.until_waiting(20);
        setup.fake.until(|world| world.held == flights);
        setup.fake.set(|world| world.offline = true);
        setup.fake.set(|world| world.allowed = 1);
        setup.until_waiting(flights - 1);
        setup.fake.release();
    });
    let count = setup.fake.world().fetches.len();
    assert!(count <= 1 + flights, "{count}: not each had to try");
    assert!(!setup.engine.is_online());
    let stream = setup.open("a");
    assert_eq!(stream.read(50 * MIB, 10), Err(offline()));
    assert_eq!(stream.try_read(50 * MIB, 10), Some(Err(offline())), "known without asking");
    assert_eq!(setup.fake.world().fetches.len(), count);
    setup.check(&stream, 0..10);
    assert!(setup.engine.stats().failed >= 22);
}

#[test]
fn a_probe_finds_remotes_that_are_back() {
    let heard = Arc::new(Heard::default());
    let setup = Setup::with(Made::new(1, 64 * MIB), Options { events: Some(heard.clone()), ..options() });
    setup.fake.set(|world| world.offline = true);
    let stream = setup.open("a");
    assert_eq!(stream.read(MIB, 10), Err(offline()));
    let probes = |count| move |world: &super::super::fake::World| world.fetches.len() >= count;
    setup.fake.until(probes(3));
    assert!(setup.fake.world().fetches[1..].iter().all(|fetch| fetch.range == (MIB..MIB + 1)));
    assert_eq!(stream.read(9 * MIB, 10), Err(offline()));
    setup.fake.set(|world| world.offline = false);
    setup.fake.until(|world| world.fetches.last().is_some_and(|fetch| fetch.bytes == CHUNK));
    setup.settle();
    setup.until(|state| !state.breaker.is_away());
    setup.check(&stream, 20 * MIB..20 * MIB + 10);
    assert_eq!(setup.fake.world().flying_most, 1);
    drop(setup.engine);
    drop(stream);
    assert_eq!(*heard.0.lock().unwrap(), [Event::Online]);
}

#[test]
fn a_damaged_chunk_concerns_who_reads_it() {
    for fault in [ContentFault::Absent, ContentFault::Damaged("wrong bytes".to_owned())] {
        let setup = Setup::new(4 * MIB);
        let bad = 20 * CHUNK..21 * CHUNK;
        let id = setup.made.pieces(&bad)[0].id;
        setup.fake.set(|world| world.broken.insert(id, fault.clone()));
        setup.fake.hold();
        in_threads(33, |at| {
            let at = at as u64;
            if at == 32 {
                setup.until_waiting(32);
                return setup.fake.release();
            }
            let range = at * 2 * CHUNK..(at + 1) * 2 * CHUNK;
            let stream = setup.open("a");
            match at {
                10 => assert_eq!(stream.read(range.start, STEP as u32), Err(fault.clone())),
                _ => setup.check(&stream, range),
            }
        });
        let count = setup.fake.world().fetches.len();
        let stream = setup.open("a");
        assert_eq!(stream.read(bad.start + 5, 1), Err(fault.clone()), "remembered");
        assert_eq!(setup.fake.world().fetches.len(), count);
        setup.check(&stream, bad.end..bad.end + 10);
        assert!(setup.engine.is_online());
    }
}

#[test]
fn reading_in_order_goes_up_to_what_is_damaged_and_on_behind_it() {
    let setup = Setup::new(16 * MIB);
    let id = setup.made.pieces(&(8 * MIB..8 * MIB + 1))[0].id;
    setup.fake.set(|world| world.broken.insert(id, ContentFault::Absent));
    let stream = setup.open("a.bin");
    setup.check_in_steps(&stream, 0..8 * MIB);
    assert_eq!(stream.read(8 * MIB, STEP as u32), Err(ContentFault::Absent));
    setup.check_in_steps(&stream, 8 * MIB + STEP..16 * MIB);
}

#[test]
fn who_has_what_he_wants_is_not_concerned_by_what_comes_later() {
    let setup = Setup::new(64 * MIB);
    let id = setup.made.pieces(&(9 * CHUNK..10 * CHUNK))[0].id;
    setup.fake.set(|world| world.broken.insert(id, ContentFault::Absent));
    setup.fake.hold();
    in_threads(3, |at| match at {
        0 => assert_eq!(setup.open("a").read(0, (10 * CHUNK) as u32), Err(ContentFault::Absent)),
        1 => {
            setup.fake.until(|world| world.held == 1);
            setup.check(&setup.open("a"), 4 * CHUNK..8 * CHUNK);
        }
        _ => {
            setup.until_waiting(2);
            setup.fake.release();
        }
    });
    assert_eq!(setup.fake.world().fetches.len(), 1);
}

#[test]
fn what_cannot_be_read_here_is_fetched() {
    let setup = Setup::new(64 * MIB);
    let id = setup.made.pieces(&(0..1))[0].id;
    setup.fake.set(|world| world.unreadable.insert(id));
    setup.check(&setup.open("a"), 0..STEP);
    assert_eq!(setup.fake.world().fetches.len(), 2, "the one that is unreadable, and the other");
}

/// A remote that gives other pieces than it should.
struct Liar(Made, fn(Piece) -> Option<Piece>);

use crate::outside::{Piece, Sink, Want};
use dits_format::ChunkId;

impl Contents for Liar {
    fn pieces(&self, _: &Oid, _: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        Ok(None)
    }
    fn local(&self, _: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        Ok(None)
    }
    fn has(&self, _: &ChunkId) -> bool {
        false
    }
    fn fetch(&self, _: &Oid, range: Range<u64>, _: &Want, sink: &mut Sink<'_>) -> Result<(), ContentFault> {
        for piece in self.0.pieces(&range) {
            let bytes = self.0.read(piece.range());
            if self.1(piece).is_some_and(|piece| !sink(piece, bytes.into())) {
                break;
            }
        }
        Ok(())
    }
    fn whole(&self, _: &Oid) -> Option<std::fs::File> {
        None
    }
}

#[test]
fn pieces_that_do_not_fit_are_a_fault() {
    let lies: [fn(Piece) -> Option<Piece>; 4] = [
        |_| None,
        |piece| (piece.start != CHUNK).then_some(piece),
        |piece| Some(Piece { start: piece.start + 11, ..piece }),
        |piece| Some(Piece { bytes: piece.bytes + 1, ..piece }),
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let made = Made::new(1, MIB);
        let engine = Engine::new(Arc::new(Liar(made.clone(), lie)), options());
        let read = engine.open(made.oid, made.bytes, b"a").read(10, 3 * CHUNK as u32);
        assert!(matches!(read, Err(ContentFault::Damaged(_))), "{at}: {read:?}");
    }
}
