//! Random contents, reads and faults: bytes are right or there is a fault.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Plan {
    /// Chunks: which, bytes, skipped at the start, left out at the end.
    chunks: Vec<(u64, u32, u32, u32)>,
    /// What is on this machine at first, of a hundred.
    here: u8,
    broken: Vec<prop::sample::Index>,
    offline_after: Option<u64>,
    layout: bool,
    keeps: bool,
    ram_bytes: u64,
    flight_bytes: u64,
    reads: Vec<(bool, prop::sample::Index, u32)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    // The bytes of a chunk follow from its key, so the same one comes again.
    let chunk = (0u64..60, 0u32..9_000, 0u32..9_000).prop_map(|(key, skip, cut)| {
        let bytes = 1 + key as u32 * 977 % 30_000;
        let skip = skip.min(bytes - 1);
        (key, bytes, skip, bytes - skip - cut.min(bytes - skip - 1))
    });
    let reads = prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), 1u32..300_000), 1..40);
    let broken = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let sizes = (prop_oneof![Just(0u64), 0..4 * MIB], 1..MIB);
    (
        prop::collection::vec(chunk, 1..120),
        0u8..100,
        broken,
        prop::option::of(0u64..60),
        (any::<bool>(), any::<bool>()),
        sizes,
        reads,
    )
        .prop_map(
            |(chunks, here, broken, offline_after, (layout, keeps), (ram_bytes, flight_bytes), reads)| Plan {
                chunks,
                here,
                broken,
                offline_after,
                layout,
                keeps,
                ram_bytes,
                flight_bytes,
                reads,
            },
        )
}

fn check(plan: &Plan) {
    let made = Made::of(9, plan.chunks.iter().copied());
    let Plan { ram_bytes, flight_bytes, .. } = *plan;
    let setup = Setup::with(made.clone(), Options { ram_bytes, flight_bytes, ..options() });
    let pieces = made.pieces(&(0..made.bytes));
    setup.fake.set(|world| {
        (world.layout, world.keeps) = (plan.layout, plan.keeps);
        let here = pieces.iter().filter(|piece| piece.id.0[0] % 100 < plan.here);
        world.here.extend(here.map(|piece| piece.id));
        let broken = plan.broken.iter().map(|index| pieces[index.index(pieces.len())].id);
        world.broken.extend(broken.map(|id| (id, ContentFault::Absent)));
    });
    in_threads(3, |thread| {
        let stream = setup.open("a.bin");
        let mut at = 0;
        for (count, (on, index, bytes)) in plan.reads.iter().enumerate() {
            if thread == 0 && plan.offline_after == Some(count as u64) {
                setup.fake.set(|world| world.offline = true);
            }
            at = if *on { at % made.bytes } else { index.index(made.bytes as usize) as u64 };
            let end = made.bytes.min(at + u64::from(*bytes));
            let given = match stream.try_read(at, *bytes).filter(|_| count % 2 == 0) {
                Some(given) => given,
                None => stream.read(at, *bytes),
            };
            if let Ok(given) = given {
                assert!(given[..] == made.read(at..end)[..], "{at}..{end}");
            } else {
                let fault_may_be = !plan.broken.is_empty() || plan.offline_after.is_some();
                assert!(fault_may_be, "{given:?}");
            }
            at = end;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn bytes_are_right_or_there_is_a_fault(plan in plan()) {
        check(&plan);
    }
}
