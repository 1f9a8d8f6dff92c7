//! Blobs of a real repository: small and large, missing, from many threads, and from a process that was killed.

use super::*;
use std::path::Path;
use std::sync::Arc;

struct World(tempfile::TempDir);

impl World {
    fn new() -> World {
        let world = World(tempfile::tempdir().unwrap());
        world.git().run(&["init", "-q", "--bare", "."]).unwrap();
        world
    }

    fn git(&self) -> Git {
        Git::at(self.0.path()).with_env("GIT_DIR", self.0.path())
    }

    fn add(&self, bytes: &[u8]) -> BlobId {
        let id = self.git().run_with_input(&["hash-object", "-w", "--stdin"], bytes).unwrap();
        let hex = id.trim_ascii_end().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        BlobId(hex.map(|two| u8::from_str_radix(two, 16).unwrap()).collect())
    }

    fn blobs(&self) -> GitBlobs {
        let temporary = self.0.path().join("temporary");
        std::fs::create_dir_all(&temporary).unwrap();
        GitBlobs::new(&self.git(), HashKind::Sha1, self.0.path().join("converted"), temporary)
    }
}

fn bytes(blob: BlobData) -> Vec<u8> {
    match blob {
        BlobData::Memory(bytes) => bytes.to_vec(),
        BlobData::File(mut file) => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        }
    }
}

#[test]
fn small_ones_are_in_memory_and_large_ones_in_a_file_without_a_name() {
    let world = World::new();
    let blobs = world.blobs();
    for length in [1, 100, MEMORY_BYTES_MAX as usize, MEMORY_BYTES_MAX as usize + 1, 3 << 20] {
        let content: Vec<u8> = (0..length).map(|at| (at * at / 7) as u8).collect();
        let blob = blobs.read(&world.add(&content), b"a").unwrap();
        assert_eq!(matches!(blob, BlobData::Memory(_)), length as u64 <= MEMORY_BYTES_MAX);
        assert!(bytes(blob) == content, "{length}");
    }
    assert_eq!(std::fs::read_dir(world.0.path().join("temporary")).unwrap().count(), 0);
    assert_eq!(bytes(blobs.read(&world.add(b""), b"a").unwrap()), b"");
}

#[test]
fn what_is_not_there_is_absent_and_the_next_question_is_answered() {
    let world = World::new();
    let blobs = world.blobs();
    assert_eq!(blobs.read(&BlobId([7; 20].into()), b"a").unwrap_err(), ContentFault::Absent);
    assert_eq!(blobs.read(&BlobId([7; 3].into()), b"a").unwrap_err(), ContentFault::Absent);
    let id = world.add(b"text");
    assert_eq!(bytes(blobs.read(&id, b"a").unwrap()), b"text");
    assert_eq!(blobs.pool.lock().unwrap().started, 1, "one process is enough");
}

#[test]
fn a_killed_process_is_replaced() {
    let world = World::new();
    let blobs = world.blobs();
    let id = world.add(b"text");
    for _ in 0..3 {
        assert_eq!(bytes(blobs.read(&id, b"a").unwrap()), b"text");
        let mut pool = blobs.pool.lock().unwrap();
        let running = &mut pool.idle[0];
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
}

#[test]
fn damage_is_told_and_nobody_waits_for_ever() {
    let world = World::new();
    let blobs = world.blobs();
    let id = world.add(b"text");
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let object = world.0.path().join("objects").join(&hex[..2]).join(&hex[2..]);
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "nonsense").unwrap();
    for _ in 0..=PROCESSES_MAX {
        assert!(blobs.read(&id, b"a").is_err());
    }
    let other = world.add(b"other");
    assert_eq!(bytes(blobs.read(&other, b"a").unwrap()), b"other");
}

#[test]
fn many_threads_share_a_few_processes() {
    let world = World::new();
    let blobs = Arc::new(world.blobs());
    let ids: Vec<(BlobId, Vec<u8>)> = (0..40_u8).map(|n| vec![n; 5000]).map(|c| (world.add(&c), c)).collect();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for (id, content) in &ids {
                    assert!(bytes(blobs.read(id, b"a").unwrap()) == *content);
                }
            });
        }
    });
    assert!(blobs.pool.lock().unwrap().started <= PROCESSES_MAX);
}

#[test]
fn converted_files_are_found_by_the_path_that_they_were_made_for() {
    let world = World::new();
    let blobs = world.blobs();
    let id = world.add(b"line\n");
    std::fs::create_dir_all(world.0.path().join("converted/dir")).unwrap();
    std::fs::write(world.0.path().join("converted/dir/a.bat"), "line\r\n").unwrap();
    let named = BlobId([&id.0[..], b"dir/a.bat"].concat().into());
    assert_eq!(bytes(blobs.read(&named, b"moved/elsewhere").unwrap()), b"line\r\n");
    assert!(Path::new(&world.0.path().join("converted/dir/a.bat")).exists());
}
