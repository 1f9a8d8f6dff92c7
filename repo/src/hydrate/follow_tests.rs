//! Contents that are told as a fetch does.

use super::*;
use dits_format::Pointer;
use dits_store::conformance::noise;
use dits_store::space::fake;
use std::fs;
use tempfile::TempDir;

const TIME: SystemTime = SystemTime::UNIX_EPOCH;

struct World {
    dir: TempDir,
    content: Vec<u8>,
    due: Due,
    listening: Listening,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = PackStore::open(&dir.path().join("store")).unwrap();
        let content = noise(1, FILE_BYTES_MIN as usize + 12_345);
        let due = due(&dir, "one", &content);
        let small = due_of(&dir, "small", Pointer::new(Oid::of(b"small"), FILE_BYTES_MIN - 1));
        let name = |_: &Due| dir.path().join("tmp.one");
        let listening = Following::of(&store, &[due.clone(), small], name);
        World { dir, content, due, listening }
    }

    fn oid(&self) -> Oid {
        Oid::of(&self.content)
    }

    fn temporary(&self) -> PathBuf {
        self.dir.path().join("tmp.one")
    }
}

fn due(dir: &TempDir, path: &str, content: &[u8]) -> Due {
    due_of(dir, path, Pointer::new(Oid::of(content), content.len() as u64))
}

fn due_of(dir: &TempDir, path: &str, pointer: Pointer) -> Due {
    let (full, meta) = (dir.path().join(path), dir.path().metadata().unwrap());
    Due { path: path.into(), full, pointer: Some(pointer), meta, mode: 0o640 }
}

#[test]
fn a_content_that_was_told_is_a_file() {
    let world = World::new();
    let (oid, ear) = (world.oid(), world.listening.ear());
    assert_eq!((ear.wants(&Oid::of(b"small")), ear.wants(&oid)), (None, Some(0)));
    let mut told = 0;
    // Less than a block, and more than the blocks that are on their way.
    for piece in world.content.chunks(700_001) {
        ear.next(&oid, piece);
        told += piece.len() as u64;
        assert_eq!(ear.wants(&oid), Some(told));
    }
    assert!(world.listening.take(&world.due, TIME).is_none(), "it has not come to its end");
    assert!(!world.temporary().exists());
}

#[test]
fn a_file_is_given_once_and_for_its_path() {
    let world = World::new();
    let (oid, ear) = (world.oid(), world.listening.ear());
    world.content.chunks(5 << 20).for_each(|piece| ear.next(&oid, piece));
    ear.end(&oid);
    assert_eq!(ear.wants(&oid), None);
    assert!(world.listening.take(&due(&world.dir, "two", &world.content), TIME).is_none());
    let written = world.listening.take(&world.due, TIME).unwrap();
    assert!(fs::read(&written.temporary).unwrap() == world.content);
    assert_eq!((written.meta.modified().unwrap(), written.temporary.clone()), (TIME, world.temporary()));
    assert!(world.listening.take(&world.due, TIME).is_none());
}

#[test]
fn what_is_not_the_content_is_no_file() {
    let (wrong, cut, given_up, left) = (World::new(), World::new(), World::new(), World::new());
    let ear = wrong.listening.ear();
    let mut bytes = wrong.content.clone();
    bytes[20 << 20] ^= 1;
    ear.next(&wrong.oid(), &bytes);
    ear.end(&wrong.oid());

    let ear = cut.listening.ear();
    ear.next(&cut.oid(), &cut.content[1..]);
    ear.end(&cut.oid());

    let ear = given_up.listening.ear();
    ear.next(&given_up.oid(), &given_up.content[..9 << 20]);
    assert!(given_up.temporary().exists());
    ear.give_up(&given_up.oid());

    for world in [&wrong, &cut, &given_up] {
        assert!(!world.temporary().exists());
        assert_eq!(world.listening.ear().wants(&world.oid()), None);
        assert!(world.listening.take(&world.due, TIME).is_none());
    }

    // A source keeps its end after the hydration.
    let (oid, ear) = (left.oid(), left.listening.ear());
    ear.next(&oid, &left.content);
    ear.end(&oid);
    let temporary = left.temporary();
    assert!(temporary.exists());
    drop(left.listening);
    assert!(!temporary.exists());
    ear.next(&oid, &left.content);
    assert_eq!(ear.wants(&oid), None);
}

#[test]
fn a_file_is_followed_where_there_is_room_for_thrice_its_size() {
    for (room, follows) in [(3, true), (2, false)] {
        let world = World::new();
        let (oid, ear) = (world.oid(), world.listening.ear());
        fake::set(Some(room * world.content.len() as u64));
        ear.next(&oid, &world.content[..1]);
        fake::set(None);
        assert_eq!((world.temporary().exists(), ear.wants(&oid).is_some()), (follows, follows));
    }
}

#[test]
fn what_cannot_be_written_is_left_to_the_store() {
    let world = World::new();
    let store = PackStore::open(&world.dir.path().join("store")).unwrap();
    // No folder to make it in, and a device that takes no byte.
    let full = world.dir.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    fake::set(Some(u64::MAX));
    for path in [world.dir.path().join("nowhere/tmp"), full] {
        let listening = Following::of(&store, std::slice::from_ref(&world.due), |_| path.clone());
        let (oid, ear) = (world.oid(), listening.ear());
        world.content.chunks(BLOCK_BYTES).for_each(|piece| ear.next(&oid, piece));
        assert_eq!(ear.wants(&oid), None, "it shows before the end");
        ear.end(&oid);
        assert!(listening.take(&world.due, TIME).is_none());
    }
    fake::set(None);
}
