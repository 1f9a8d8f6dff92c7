//! Memory, threads and time are bounded, whoever reads.

use super::*;
use crate::read::queue::Reader;

#[test]
fn sixty_four_readers_stay_within_the_memory_they_were_given() {
    const READERS: u64 = 64;
    let (ram, flight) = (8 * MIB, 4 * MIB);
    let setup =
        Setup::with(Made::new(1, 40 << 30), Options { ram_bytes: ram, flight_bytes: flight, ..options() });
    let began = std::time::Instant::now();
    in_threads(READERS as usize, |at| {
        let stream = setup.open("a.bin");
        let from = at as u64 * (600 * MIB);
        setup.check_in_steps(&stream, from..from + 6 * MIB);
    });
    setup.settle();
    assert!(began.elapsed() < Duration::from_secs(60));
    // What the readers asked for themselves comes on top: a read, and what sticks out of it at both ends.
    let most = ram + flight + READERS * (STEP + 2 * CHUNK);
    let alive = setup.fake.world().alive_most;
    assert!(alive <= most, "{alive} of {most}");
    assert_eq!(setup.engine.stats().read_bytes, READERS * 6 * MIB);
    assert!(setup.fake.world().flying_most <= options().flights);
    assert!(setup.fake.fetched_bytes() <= READERS * 7 * MIB, "{}", setup.fake.fetched_bytes());
}

#[test]
fn reading_goes_on_where_nothing_can_be_kept() {
    let setup = Setup::with(Made::new(1, 64 * MIB), Options { ram_bytes: 0, ..options() });
    setup.fake.set(|world| (world.keeps, world.layout) = (false, false));
    in_threads(4, |at| {
        setup.check_in_steps(&setup.open("a.bin"), at as u64 * 8 * MIB..(at as u64 * 8 + 4) * MIB)
    });
}

#[test]
fn where_nothing_is_kept_on_disk_memory_is_used() {
    let setup = Setup::new(64 * MIB);
    setup.fake.set(|world| (world.keeps, world.layout) = (false, false));
    let stream = setup.open("a.bin");
    setup.check_in_steps(&stream, 0..16 * MIB);
    setup.settle();
    let fetched = setup.fake.fetched_bytes();
    assert!(fetched <= 16 * MIB + 16 * MIB, "{fetched}");
    setup.check_in_steps(&stream, 0..16 * MIB);
    setup.settle();
    assert_eq!(setup.fake.fetched_bytes(), fetched);
}

#[test]
fn what_came_while_somebody_went_to_wait_is_not_fetched_again() {
    let setup = Setup::new(64 * MIB);
    setup.fake.set(|world| (world.keeps, world.layout) = (false, false));
    let (shared, reader) = (&setup.engine.shared, Reader { owner: 0, oid: setup.made.oid, bytes: 64 * MIB });
    let range = 5 * MIB..5 * MIB + 2 * STEP;
    let got = shared.gather(&reader, &range).unwrap();
    assert_eq!(got.missing, std::slice::from_ref(&range));
    setup.check(&setup.open("a"), 5 * MIB..5 * MIB + STEP);
    setup.settle();
    let got = shared.wait(&reader, got, shared::Wishes::default()).unwrap();
    assert_eq!(got.join(&range).unwrap()[..], setup.made.read(range.clone())[..]);
    assert_eq!(setup.fake.fetched_bytes(), 2 * STEP);
}

#[test]
fn a_wait_ends_when_nothing_comes() {
    let patience = Duration::from_millis(50);
    let setup = Setup::with(Made::new(1, 64 * MIB), Options { patience, ..options() });
    setup.fake.hold();
    let fault = setup.open("a").read(MIB, 10).unwrap_err();
    assert_eq!(fault, ContentFault::Failed("nothing came for 0.05 s".to_owned()));
    setup.settle();
    assert!(setup.fake.world().fetches[0].cancelled);
    setup.fake.release();
    setup.check(&setup.open("a"), MIB..MIB + 10);
}
