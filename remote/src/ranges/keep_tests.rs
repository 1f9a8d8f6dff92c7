//! What came is kept, or it is told that it is not, and nobody waits for a disk who need not.

use super::*;
use dits_store::{ChunkRead, ChunkWrite, MemoryStore};
use std::sync::mpsc;

type Heard = Arc<Mutex<Vec<Told>>>;

fn keeper(
    most: u64,
    open: impl Fn() -> Result<Box<dyn Batch>, StoreError> + Send + 'static,
) -> (Keeper, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    let tell = Arc::new(move |told| hears.lock().unwrap().push(told));
    (Keeper::with(Box::new(open), tell, most), heard)
}

fn chunk(n: u8) -> (ChunkId, Bytes) {
    let bytes = Bytes::from(vec![n; 1000]);
    (ChunkId::of(Kind::Data, &bytes), bytes)
}

fn put(keeper: &Keeper, n: u8, waits: bool) -> ChunkId {
    let (id, bytes) = chunk(n);
    keeper.put(id, Kind::Data, bytes, waits);
    id
}

#[test]
fn what_was_put_is_found_until_it_is_in_the_store() {
    let store = MemoryStore::new();
    let (to, (gate, opened)) = (store.clone(), mpsc::channel());
    let (keeper, heard) = keeper(1 << 20, move || {
        let _ = opened.recv();
        to.batch()
    });
    let ids: Vec<_> = (0..10).map(|n| put(&keeper, n, false)).collect();
    put(&keeper, 3, false);
    assert!(ids.iter().all(|id| keeper.has(id) && !store.has(id).unwrap()));
    assert_eq!(keeper.pending(&ids[7]), Some((Kind::Data, chunk(7).1)));
    gate.send(()).unwrap();
    keeper.flush();
    assert!(ids.iter().all(|id| !keeper.has(id) && store.has(id).unwrap()));
    let counts = Counts { chunks: 11, bytes: 11_000, kept_bytes: 10_000, dropped_bytes: 0 };
    assert_eq!((keeper.counts(), heard.lock().unwrap().len()), (counts, 0));
    // What is pending at the end is kept.
    let id = put(&keeper, 99, false);
    gate.send(()).unwrap();
    drop(keeper);
    assert!(store.has(&id).unwrap());
}

#[test]
fn who_reads_does_not_wait_for_the_disk_and_who_prefetches_does() {
    let store = MemoryStore::new();
    let (to, (gate, opened)) = (store.clone(), mpsc::channel());
    let (keeper, _) = keeper(2500, move || {
        let _ = opened.recv();
        to.batch()
    });
    let ids: Vec<_> = (0..4).map(|n| put(&keeper, n, false)).collect();
    assert_eq!(keeper.counts().dropped_bytes, 2000);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| put(&keeper, 9, true));
        gate.send(()).unwrap();
        // What was written makes room; the batch is asked for until then.
        while !waits.is_finished() {
            keeper.flush();
            let _ = gate.send(());
        }
    });
    keeper.flush();
    let here: Vec<bool> = ids.iter().chain([&chunk(9).0]).map(|id| store.has(id).unwrap()).collect();
    assert_eq!(here, [true, true, false, false, true]);
}

#[test]
fn a_store_that_cannot_be_written_is_told_once() {
    let (keeper, heard) = keeper(1 << 20, || {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(StoreError::io("write", std::path::Path::new("store"))(full))
    });
    for n in 0..5 {
        put(&keeper, n, n % 2 == 0);
        keeper.flush();
    }
    assert_eq!((keeper.counts().dropped_bytes, keeper.counts().kept_bytes), (5000, 0));
    let heard = heard.lock().unwrap();
    assert!(matches!(&heard[..], [Told::NotKept { why }] if why.contains("write")), "{heard:?}");
}
