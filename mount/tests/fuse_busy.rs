//! Many at once: slow readers, writers, and files that the kernel reads past us.

mod world;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use world::{CHUNK_BYTES, DEADLINE, Mounted, blob, byte_at, ghost};

const READERS: usize = 64;
const FILM_BYTES: u64 = 8 << 20;

/// Waits until something is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn folders_are_listed_and_files_written_while_64_readers_wait() {
    let mut base: Vec<_> =
        (0..READERS).map(|number| ghost(&format!("film {number:02}"), FILM_BYTES)).collect();
    base.extend((0..500).map(|number| blob(&format!("text/{number:03}"))));
    let Some(mounted) = Mounted::new(base) else { return };
    mounted.world.hold(true);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for number in 0..READERS {
            let (tell, path) = (tell.clone(), mounted.path(&format!("film {number:02}")));
            scope.spawn(move || {
                let film = fs::read(path);
                tell.send(film.map(|film| film.len() as u64)).unwrap();
            });
        }
        // Fewer fetch, as there is a limit.
        wait_until("every reader waits", || {
            mounted.requests("read") >= READERS as u64 && mounted.world.waiting() > 0
        });
        // All of this would wait, too, if it stood behind them.
        let listed = fs::read_dir(mounted.path("text")).unwrap();
        let sizes: u64 = listed.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert_eq!(sizes, 500 * 5);
        fs::write(mounted.path("new"), vec![7; 3 << 20]).unwrap();
        assert_eq!(fs::read(mounted.path("new")).unwrap(), vec![7; 3 << 20]);
        fs::remove_file(mounted.path("new")).unwrap();
        assert_eq!(fs::read(mounted.path("text/499")).unwrap(), b"text\n");
        assert!(told.try_recv().is_err(), "the readers wait still");
        mounted.world.hold(false);
        for _ in 0..READERS {
            assert_eq!(told.recv_timeout(DEADLINE).unwrap().unwrap(), FILM_BYTES);
        }
    });
}

#[test]
fn a_file_of_this_machine_is_read_past_us_and_written_beside() {
    let Some(mounted) = Mounted::new(vec![ghost("film", FILM_BYTES)]) else { return };
    let file = mounted.session.dir().parent().unwrap().join("whole");
    let bytes: Vec<u8> = (0..FILM_BYTES).map(byte_at).collect();
    fs::write(&file, &bytes).unwrap();
    *mounted.world.whole.lock().unwrap() = Some(file.clone());
    let reader = File::open(mounted.path("film")).unwrap();
    let used = mounted.session.stats()["passthrough"].as_str().unwrap().to_owned();
    if used.starts_with("not offered") || used.starts_with("refused") {
        // An old kernel, or a disk that is a stack itself.
        assert_eq!(fs::read(mounted.path("film")).unwrap(), bytes);
        return;
    }
    assert_eq!(used, "1 opened");
    assert!(fs::read(mounted.path("film")).unwrap() == bytes);
    assert_eq!((mounted.requests("read"), mounted.world.fetched.load(Ordering::SeqCst)), (0, 0));
    // Who writes gets a file of his own; what others share stays, and so does what readers opened.
    let writer = OpenOptions::new().write(true).open(mounted.path("film")).unwrap();
    writer.write_all_at(b"changed", CHUNK_BYTES).unwrap();
    let mut old = [0; 7];
    reader.read_exact_at(&mut old, CHUNK_BYTES).unwrap();
    assert_eq!(old[..], bytes[CHUNK_BYTES as usize..][..7]);
    assert!(fs::read(&file).unwrap() == bytes, "the shared file is as it was");
    drop((reader, writer));
    let new = fs::read(mounted.path("film")).unwrap();
    assert_eq!(&new[CHUNK_BYTES as usize..][..7], b"changed");
    assert_eq!(new.len() as u64, FILM_BYTES);
    assert_eq!(fs::metadata(mounted.path("film")).unwrap().size(), FILM_BYTES);
}
