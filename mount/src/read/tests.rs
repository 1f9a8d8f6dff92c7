//! Reading through an engine from a remote that does what the test says.

mod bounds;
mod faults;
mod random;

use super::fake::{CHUNK, Fake, Made};
use super::*;
use crate::outside::{ContentFault, Event, Priority};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const STEP: u64 = 128 * KIB;

fn options() -> Options {
    Options { probe_after: Duration::from_millis(1), patience: Duration::from_secs(20), ..Options::default() }
}

/// A remote with one content, an engine, and an open file.
struct Setup {
    made: Made,
    fake: Arc<Fake>,
    engine: Arc<Engine>,
}

impl Setup {
    fn new(bytes: u64) -> Setup {
        Setup::with(Made::new(1, bytes), options())
    }

    fn with(made: Made, options: Options) -> Setup {
        let fake = Fake::new([made.clone()]);
        fake.know_layout();
        let engine = Engine::new(fake.clone(), options);
        Setup { made, fake, engine }
    }

    fn open(&self, path: &str) -> Stream {
        self.engine.open(self.made.oid, self.made.bytes, path.as_bytes())
    }

    fn check(&self, stream: &Stream, range: Range<u64>) {
        let bytes = stream.read(range.start, (range.end - range.start) as u32).unwrap();
        assert!(bytes[..] == self.made.read(range.clone())[..], "{range:?}");
    }

    fn check_in_steps(&self, stream: &Stream, range: Range<u64>) {
        for at in range.clone().step_by(STEP as usize) {
            self.check(stream, at..range.end.min(at + STEP));
        }
    }

    /// Reads in order for as long as no remote is needed.
    fn read_what_is_here(&self, stream: &Stream, mut at: u64) {
        while let Some(given) = stream.try_read(at, STEP as u32) {
            at += given.unwrap().len() as u64;
        }
    }

    /// Waits until nothing is wanted any more.
    fn settle(&self) {
        self.until(|state| state.queue.is_empty());
    }

    fn until_waiting(&self, count: usize) {
        self.until(|state| state.waiting() == count);
    }

    fn until(&self, so: impl Fn(&shared::State) -> bool) {
        let began = std::time::Instant::now();
        while !so(&self.engine.shared.state()) {
            assert!(began.elapsed() < Duration::from_secs(20), "it did not happen");
            std::thread::yield_now();
        }
    }
}

fn in_threads(count: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for at in 0..count {
            let work = &work;
            scope.spawn(move || work(at));
        }
    });
}

#[test]
fn bytes_come_from_the_remote_then_from_memory_then_from_this_machine() {
    let setup = Setup::new(40 * MIB);
    let stream = setup.open("a.bin");
    assert_eq!(stream.try_read(5 * MIB, 100), None, "not without a remote");
    assert_eq!(setup.fake.world().fetches.len(), 0);
    setup.check(&stream, 5 * MIB..5 * MIB + 100);
    assert_eq!(setup.fake.fetched_bytes(), CHUNK, "the one chunk");
    setup.check(&stream, 5 * MIB..5 * MIB + CHUNK);
    assert_eq!(setup.fake.world().loads, 0, "from memory");
    let other = Engine::new(setup.fake.clone(), options());
    let again = other.open(setup.made.oid, setup.made.bytes, b"b.bin");
    assert_eq!(again.try_read(5 * MIB, 10).unwrap().unwrap()[..], setup.made.read(5 * MIB..5 * MIB + 10));
    assert_eq!(setup.fake.set(|world| (world.fetches.len(), world.loads)), (1, 1));
    let (stats, others) = (setup.engine.stats(), other.stats());
    assert_eq!((stats.reads, stats.read_bytes, stats.remote.bytes), (2, 100 + CHUNK, 100));
    assert_eq!((stats.ram.chunks, stats.store.chunks, stats.fetched.bytes), (1, 0, CHUNK));
    assert_eq!((stats.latency.count, stats.remote_latency.count), (2, 1));
    assert_eq!((others.store.chunks, others.remote.chunks), (1, 0));
}

#[test]
fn a_read_within_a_chunk_is_no_copy_and_ends_are_short() {
    let setup = Setup::new(MIB + 10);
    let stream = setup.open("a");
    let (one, two) = (stream.read(10, 100).unwrap(), stream.read(20, 10).unwrap());
    assert_eq!(one[10..].as_ptr(), two.as_ptr());
    assert_eq!(stream.read(MIB, 4096).unwrap().len(), 10);
    assert_eq!(stream.read(MIB + 10, 4096).unwrap(), Bytes::new());
    assert_eq!(stream.read(u64::MAX, 4096).unwrap(), Bytes::new());
    assert_eq!(stream.try_read(MIB + 11, 1), Some(Ok(Bytes::new())));
}

#[test]
fn any_number_of_readers_of_a_range_cause_one_fetch() {
    for layout in [true, false] {
        let setup = Setup::new(40 * MIB);
        setup.fake.set(|world| world.layout = layout);
        setup.fake.hold();
        let begun = AtomicU64::new(0);
        in_threads(9, |at| {
            if at == 8 {
                setup.fake.until(|world| world.held == 1);
                setup.until_waiting(8);
                setup.fake.release();
                return;
            }
            begun.fetch_add(1, Relaxed);
            setup.check(&setup.open("a"), 10 * MIB..10 * MIB + STEP);
        });
        assert_eq!(setup.fake.world().fetches.len(), 1, "layout known: {layout}");
        assert_eq!(setup.fake.fetched_bytes(), STEP);
    }
}

#[test]
fn a_fetch_ahead_that_somebody_waits_for_is_raised() {
    let setup = Setup::new(40 * MIB);
    let stream = setup.open("a.bin");
    setup.check_in_steps(&stream, 0..2 * MIB);
    setup.settle();
    setup.fake.hold();
    let before = setup.fake.world().fetches.len();
    setup.read_what_is_here(&stream, 2 * MIB);
    // More than one may go ahead, as fast as reads were.
    setup.fake.until(|world| world.held > 0);
    let ahead = setup.fake.world().fetches[before].clone();
    assert_eq!(ahead.began, Priority::Ahead);
    in_threads(2, |at| match at {
        0 => setup.check(&setup.open("a.bin"), ahead.range.start..ahead.range.start + 10),
        _ => {
            setup.until_waiting(1);
            setup.fake.release();
        }
    });
    setup.settle();
    let world = setup.fake.world();
    assert_eq!(world.fetches[before].ended, Some(Priority::Blocking));
    let is_apart = |other: &Range<u64>| other.end <= ahead.range.start || other.start >= ahead.range.end;
    let later = &world.fetches[before + 1..];
    assert!(later.iter().all(|fetch| is_apart(&fetch.range)), "no second of {ahead:?} in {later:?}");
}

#[test]
fn closing_a_file_ends_what_was_fetched_ahead_for_it() {
    let setup = Setup::new(400 * MIB);
    let stream = setup.open("a.bin");
    setup.check_in_steps(&stream, 0..4 * MIB);
    setup.settle();
    setup.fake.hold();
    setup.read_what_is_here(&stream, 4 * MIB);
    setup.fake.until(|world| world.held > 0);
    drop(stream);
    setup.settle();
    assert!(setup.fake.world().fetches.last().unwrap().cancelled);
    assert!(setup.engine.stats().cancelled > 0);
}

#[test]
fn the_engine_ends_its_fetches_and_threads_when_it_is_dropped() {
    let setup = Setup::new(400 * MIB);
    let stream = setup.open("a.bin");
    setup.check_in_steps(&stream, 0..2 * MIB);
    setup.settle();
    setup.fake.hold();
    setup.read_what_is_here(&stream, 2 * MIB);
    setup.fake.until(|world| world.held > 0);
    drop(stream);
    drop(setup.engine);
    assert_eq!(setup.fake.world().flying, 0);
    assert_eq!(Arc::strong_count(&setup.fake), 1, "no thread has it any more");
}

#[test]
fn who_waits_is_not_behind_what_is_fetched_ahead() {
    let setup = Setup::new(1 << 30);
    let streams: Vec<_> = (0..8).map(|_| setup.open("a.bin")).collect();
    for (at, stream) in streams.iter().enumerate() {
        setup.check_in_steps(stream, at as u64 * 100 * MIB..at as u64 * 100 * MIB + 8 * MIB);
    }
    setup.settle();
    setup.fake.hold();
    for (at, stream) in streams.iter().enumerate() {
        setup.read_what_is_here(stream, at as u64 * 100 * MIB + 8 * MIB);
    }
    let ahead = options().flights - 2;
    setup.fake.until(|world| world.flying == ahead);
    in_threads(2, |at| match at {
        0 => setup.check(&setup.open("a.bin"), 900 * MIB..900 * MIB + 1),
        _ => {
            setup.fake.until(|world| world.flying == ahead + 1);
            setup.fake.release();
        }
    });
}

#[test]
fn reading_in_order_fetches_everything_once_and_all_of_it_is_used() {
    let setup = Setup::new(96 * MIB);
    setup.check_in_steps(&setup.open("a.bin"), 0..96 * MIB);
    setup.settle();
    let stats = setup.engine.stats();
    assert_eq!(stats.fetched.bytes, 96 * MIB);
    // Who reads a chunk here at the very moment when it comes has not used what came.
    assert!(stats.ahead_used_bytes >= stats.ahead_bytes / 100 * 95, "{stats:?}");
    assert!(stats.ahead_unused_bytes == 0 && stats.ahead_bytes > 60 * MIB, "{stats:?}");
    assert!(stats.fetches < 60, "{stats:?}");
}

#[test]
fn reads_in_order_from_several_threads_are_reading_in_order() {
    let setup = Setup::new(128 * MIB);
    let (stream, next) = (setup.open("a.bin"), AtomicU64::new(0));
    in_threads(4, |_| {
        loop {
            let at = next.fetch_add(MIB, Relaxed);
            if at >= 128 * MIB {
                break;
            }
            setup.check(&stream, at..at + MIB);
        }
    });
    setup.settle();
    let stats = setup.engine.stats();
    assert_eq!(
        (stats.fetched.bytes, stats.cancelled),
        (128 * MIB, 0),
        "{stats:?} {:#?}",
        setup.fake.world().fetches
    );
    assert!(stats.ahead_used_bytes >= 64 * MIB, "{stats:?}");
}

#[test]
fn random_reads_fetch_the_chunks_they_need() {
    let setup = Setup::new(1 << 30);
    let stream = setup.open("a.bin");
    for at in 0..50u64 {
        let start = (at * 7_919_317_129 + MIB) % ((1 << 30) - MIB) / CHUNK * CHUNK;
        setup.check(&stream, start..start + 10);
    }
    assert_eq!(setup.fake.fetched_bytes(), 50 * CHUNK);
}

#[test]
fn a_megabyte_in_the_middle_of_ten_gigabytes_fetches_little_more() {
    for path in ["a.bin", "a.mov"] {
        let setup = Setup::new(10 << 30);
        let (stream, from) = (setup.open(path), 5_000_000_000);
        for at in (from..from + 1_000_000).step_by(STEP as usize) {
            setup.check(&stream, at..(from + 1_000_000).min(at + STEP));
        }
        setup.settle();
        assert!(setup.fake.fetched_bytes() <= 1_500_000, "{path}: {}", setup.fake.fetched_bytes());
    }
}

#[test]
fn looking_at_the_ends_of_a_video_fetches_no_more_than_these() {
    let setup = Setup::new(1 << 30);
    let stream = setup.open("a.MOV");
    assert_eq!(setup.fake.world().fetches.len(), 0, "nothing when it is opened");
    setup.check_in_steps(&stream, 0..256 * KIB);
    setup.check_in_steps(&stream, (1 << 30) - 256 * KIB..1 << 30);
    setup.settle();
    let world = setup.fake.world();
    let ends = |range: &Range<u64>| range.end <= MIB || range.start >= (1 << 30) - 4 * MIB;
    assert!(world.fetches.iter().all(|fetch| ends(&fetch.range)), "{:?}", world.fetches);
    assert!(world.fetches.iter().map(|fetch| fetch.bytes).sum::<u64>() <= 5 * MIB);
}

#[test]
fn a_thumbnail_that_is_done_ends_the_fetch_of_the_ends() {
    let setup = Setup::new(1 << 30);
    setup.fake.set(|world| world.held_from = Some(CHUNK));
    let stream = setup.open("a.mov");
    setup.check(&stream, 0..CHUNK);
    setup.fake.until(|world| world.held >= 2);
    drop(stream);
    setup.settle();
    assert_eq!(setup.fake.fetched_bytes(), CHUNK);
}

#[test]
fn what_was_read_is_written_down() {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let trace = Some(Trace::new(Box::new(sink.clone())));
    let setup = Setup::with(Made::new(1, 10 * MIB), Options { trace, ..options() });
    let stream = setup.open("a/b\n.mov");
    setup.check_in_steps(&stream, 0..MIB);
    setup.check(&stream, 5 * MIB..5 * MIB + 7);
    drop(stream);
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Traced> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let path = "a/b\\x0a.mov".to_owned();
    let expected = [(0, MIB), (5 * MIB, 5 * MIB + 7)];
    assert_eq!(lines, expected.map(|(start, end)| Traced { path: path.clone(), start, end }));
}
