//! Operations over a small project whose contents and blobs are made up.

use super::*;
use crate::attr::{Access, Creator, ROOT, Replace};
use crate::base::{BaseEntry, BaseKind, BaseMeta};
use crate::nodes::Source;
use crate::outside::{BlobData, BlobId, ContentFault, Contents, Piece, Sink, Want};
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const GHOST: &[u8] = b"what a remote has";
const ATTRIBUTES: &[u8] = b"[attr]dits filter=dits\n*.bin dits\nlocked.bin lockable\n";
pub(super) const BY: Creator = Creator { uid: 1, gid: 2, mode: 0o644 };
pub(super) const READ: Access = Access { read: true, write: false, truncate: false, append: false };
pub(super) const WRITE: Access = Access { read: true, write: true, truncate: false, append: false };

/// Contents and blobs that were made up, by what they are called: `oid` is 32 times a byte, a blob's name 20 times.
#[derive(Default)]
pub(super) struct World {
    pub(super) contents: BTreeMap<u8, Bytes>,
    /// Where whole contents are files.
    pub(super) whole: Option<std::path::PathBuf>,
    pub(super) fetches: AtomicUsize,
    pub(super) told: Mutex<Vec<Event>>,
}

impl Contents for World {
    fn pieces(&self, _: &Oid, _: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        Ok(None)
    }
    fn local(&self, _: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        Ok(None)
    }
    fn has(&self, _: &ChunkId) -> bool {
        false
    }
    fn fetch(&self, oid: &Oid, _: Range<u64>, _: &Want, sink: &mut Sink<'_>) -> Result<(), ContentFault> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let content = self.contents.get(&oid.0[0]).ok_or(ContentFault::Absent)?;
        let piece = Piece { start: 0, skip: 0, bytes: content.len() as u32, id: ChunkId(oid.0) };
        sink(piece, content.clone());
        Ok(())
    }
    fn whole(&self, oid: &Oid) -> Option<File> {
        File::options().read(true).open(self.whole.as_ref()?.join(oid.0[0].to_string())).ok()
    }
}

impl Blobs for World {
    fn read(&self, id: &BlobId, path: &[u8]) -> Result<BlobData, ContentFault> {
        if path == b".gitattributes" {
            return Ok(BlobData::Memory(Bytes::from_static(ATTRIBUTES)));
        }
        self.contents.get(&id.0[0]).cloned().map(BlobData::Memory).ok_or(ContentFault::Absent)
    }
}

impl Gate for World {
    fn may_write(&self, path: &[u8]) -> Result<(), Fault> {
        if path.ends_with(b"locked.bin") { Err(Fault::Denied) } else { Ok(()) }
    }
}

impl Events for World {
    fn happened(&self, event: Event) {
        self.told.lock().unwrap().push(event);
    }
}

pub(super) fn mount_of(dir: &Path, base: Vec<BaseEntry>, world: &Arc<World>, clock: fn() -> Time) -> Mount {
    let meta = BaseMeta { uid: 1, gid: 2, umask: 0o022, mtime: Time::from_seconds(5) };
    let mut nodes = Nodes::new(base, &meta);
    let overlay = Overlay::open(dir, &mut nodes).unwrap();
    Mount::new(Parts {
        nodes,
        overlay: Some(overlay),
        read_only: false,
        engine: Engine::new(world.clone(), crate::read::Options::default()),
        blobs: world.clone(),
        gate: world.clone(),
        events: world.clone(),
        epoch: "e".into(),
        clock: Box::new(clock),
    })
}

pub(super) fn world() -> Arc<World> {
    let contents = BTreeMap::from([
        (9, Bytes::from_static(GHOST)),
        (7, Bytes::from_static(GHOST)),
        (1, Bytes::from_static(b"text\n")),
    ]);
    Arc::new(World { contents, ..World::default() })
}

/// A mount with `a/locked.bin` and `a/x.bin`, both the same ghost, and `readme`, whose overlay is in `dir`.
pub(crate) fn mount(dir: &Path) -> Mount {
    mount_with(dir, &world())
}

pub(super) fn mount_with(dir: &Path, world: &Arc<World>) -> Mount {
    let ghost = |path: &str| BaseEntry {
        path: path.into(),
        what: BaseKind::Ghost { oid: Oid([9; 32]), bytes: GHOST.len() as u64, executable: false },
    };
    let blob = BaseKind::Blob { id: BlobId([1; 20].into()), bytes: 5, executable: false };
    let blob = |path: &str| BaseEntry { path: path.into(), what: blob.clone() };
    let base = vec![blob(".gitattributes"), ghost("a/locked.bin"), ghost("a/x.bin"), blob("readme")];
    mount_of(dir, base, world, || Time::from_seconds(100))
}

pub(super) fn ino(mount: &Mount, path: &str) -> Ino {
    mount.with_nodes(|nodes| nodes.find(path.as_bytes())).unwrap()
}

pub(super) fn read_all(mount: &Mount, path: &str) -> Vec<u8> {
    let opened = mount.open(ino(mount, path), READ).unwrap();
    let bytes = mount.read(opened.fh, 0, 1 << 20).unwrap();
    mount.release(opened.fh).unwrap();
    bytes.to_vec()
}

#[test]
fn a_ghost_is_copied_up_when_it_is_written_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mount = mount(dir.path());
        assert_eq!(read_all(&mount, "a/x.bin"), GHOST);
        let reader = mount.open(ino(&mount, "a/x.bin"), READ).unwrap();
        let writer = mount.open(ino(&mount, "a/x.bin"), WRITE).unwrap();
        mount.write(writer.fh, 5, b"W").unwrap();
        assert_eq!(&mount.read(reader.fh, 0, 8).unwrap()[..], b"what W r", "an older handle sees it too");
        assert_eq!(mount.writers(), [OpenWriter { path: b"a/x.bin".to_vec() }]);
    }
    let mount = mount(dir.path());
    assert_eq!(read_all(&mount, "a/x.bin"), b"what W remote has");
    assert_eq!(read_all(&mount, "readme"), b"text\n");
}

#[test]
fn a_removed_file_is_there_for_who_has_it_open() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (_, opened) = mount.create(ROOT, b"new", WRITE, BY, true).unwrap();
    mount.write(opened.fh, 0, b"here").unwrap();
    mount.unlink(ROOT, b"new").unwrap();
    assert_eq!(&mount.read(opened.fh, 0, 9).unwrap()[..], b"here");
    assert_eq!(std::fs::read_dir(dir.path().join("upper")).unwrap().count(), 1);
    mount.release(opened.fh).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("upper")).unwrap().count(), 0);
}

#[test]
fn the_gate_is_asked_before_a_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (a, locked) = (ino(&mount, "a"), ino(&mount, "a/locked.bin"));
    assert_eq!(mount.open(locked, WRITE).unwrap_err(), Fault::Denied);
    let rename = |from: &[u8], to: &[u8]| mount.rename((a, from), (a, to), Replace::Yes);
    assert_eq!(rename(b"x.bin", b"locked.bin"), Err(Fault::Denied));
    assert_eq!(rename(b"locked.bin", b"x.bin"), Err(Fault::Denied));
    assert_eq!(mount.set_attr(locked, &SetAttr { bytes: Some(0), ..SetAttr::default() }), Err(Fault::Denied));
    assert_eq!(read_all(&mount, "a/locked.bin"), GHOST);
    // What Git does when it checks out.
    mount.unlink(a, b"locked.bin").unwrap();
    mount.create(a, b"locked.bin", WRITE, BY, true).unwrap();
}

#[test]
fn another_time_alone_is_no_change_of_a_file_of_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let ino = mount.with_nodes(|nodes| nodes.find(b"a/x.bin")).unwrap();
    let start = mount.journal().since("").token;
    let time = SetAttr { mtime: Some(Time::from_seconds(70)), ..SetAttr::default() };
    assert_eq!(mount.set_attr(ino, &time).unwrap().meta.mtime, Time::from_seconds(70));
    assert_eq!(mount.journal().since(&start).paths, Some(vec![]));
    mount.set_attr(ino, &SetAttr { mode: Some(0o755), ..time }).unwrap();
    assert_eq!(mount.journal().since(&start).paths, Some(vec![b"a/x.bin".to_vec()]));
    let fh = mount.open(ino, WRITE).unwrap().fh;
    mount.write(fh, 0, b"W").unwrap();
    mount.release(fh).unwrap();
    let start = mount.journal().since("").token;
    mount.set_attr(ino, &time).unwrap();
    assert_eq!(mount.journal().since(&start).paths, Some(vec![b"a/x.bin".to_vec()]), "it was written");
}

#[test]
fn each_change_is_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let start = mount.journal().since("").token;
    mount.rename((ROOT, b"a"), (ROOT, b"b"), Replace::No).unwrap();
    mount.make_dir(ROOT, b"d", BY).unwrap();
    let mut paths = mount.journal().since(&start).paths.unwrap();
    paths.sort();
    assert_eq!(paths, [&b"a/"[..], b"b/", b"d"]);
}

#[test]
fn a_read_only_mount_shows_the_overlay_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let opened = {
        let mount = mount(dir.path());
        let (_, opened) = mount.create(ROOT, b"new", WRITE, BY, true).unwrap();
        mount.write(opened.fh, 0, b"here").unwrap();
        mount.sync_all().unwrap();
        opened
    };
    let mut mount = mount(dir.path());
    mount.read_only = true;
    assert_eq!(read_all(&mount, "new"), b"here");
    let (x, file) = (ino(&mount, "a/x.bin"), ino(&mount, "new"));
    let time = SetAttr { mtime: Some(Time(1)), ..SetAttr::default() };
    assert_eq!(mount.open(x, WRITE).unwrap_err(), Fault::ReadOnly);
    assert_eq!(mount.create(ROOT, b"b", WRITE, BY, true).unwrap_err(), Fault::ReadOnly);
    assert_eq!(mount.make_dir(ROOT, b"b", BY), Err(Fault::ReadOnly));
    assert_eq!(mount.make_link(ROOT, b"b", b"c", BY), Err(Fault::ReadOnly));
    assert_eq!(mount.unlink(ROOT, b"new"), Err(Fault::ReadOnly));
    assert_eq!(mount.remove_dir(ROOT, b"a"), Err(Fault::ReadOnly));
    assert_eq!(mount.rename((ROOT, b"new"), (ROOT, b"b"), Replace::Yes), Err(Fault::ReadOnly));
    assert_eq!(mount.set_attr(file, &time), Err(Fault::ReadOnly));
    assert_eq!(mount.write(opened.fh, 0, b"x"), Err(Fault::BadHandle));
}

#[test]
fn times_change_with_what_they_are_of() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (old, now) = (Time::from_seconds(5), Time::from_seconds(100));
    let times = |path: &str| {
        let meta = mount.attr(ino(&mount, path)).unwrap().meta;
        (meta.mtime, meta.ctime)
    };
    let x = ino(&mount, "a/x.bin");
    let mode = |mode| SetAttr { mode: Some(mode), ..SetAttr::default() };
    mount.set_attr(x, &SetAttr::default()).unwrap();
    assert_eq!(times("a/x.bin"), (old, old));
    mount.set_attr(x, &mode(0o644)).unwrap();
    assert_eq!(times("a/x.bin"), (old, now), "to the same mode, as elsewhere");
    mount.rename((ino(&mount, "a"), b"x.bin"), (ROOT, b"y.txt"), Replace::Yes).unwrap();
    assert_eq!((times("a"), times(""), times("y.txt")), ((now, now), (now, now), (old, now)));
    mount.set_attr(x, &SetAttr { mtime: Some(old), ..SetAttr::default() }).unwrap();
    let opened = mount.open(x, WRITE).unwrap();
    mount.set_attr(x, &SetAttr { bytes: Some(17), ..SetAttr::default() }).unwrap();
    assert_eq!(times("y.txt"), (now, now), "cut to what it was");
    assert!(matches!(&mount.state().source(x), Ok(Source::Ghost { .. })), "with nothing copied");
    mount.release(opened.fh).unwrap();
}

#[test]
fn folders_count_the_folders_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let links = |path: &str| mount.attr(ino(&mount, path)).unwrap().links;
    mount.make_dir(ROOT, b"b", BY).unwrap();
    let c = mount.make_dir(ino(&mount, "a"), b"c", BY).unwrap().ino;
    assert_eq!((links(""), links("a"), links("b")), (4, 3, 2));
    mount.rename((ino(&mount, "a"), b"c"), (ino(&mount, "b"), b"d"), Replace::Yes).unwrap();
    mount.rename((ROOT, b"readme"), (ino(&mount, "b"), b"d"), Replace::Exchange).unwrap();
    assert_eq!((links(""), links("a"), links("b"), mount.attr(c).unwrap().links), (5, 2, 2, 2));
    mount.remove_dir(ROOT, b"readme").unwrap();
    assert_eq!(links(""), 4);
}

#[test]
fn a_name_is_bytes_and_case_counts() {
    let dir = tempfile::tempdir().unwrap();
    let names: [&[u8]; 5] = [b"\xff\xfe", b"A", b"a\\b\n", "\u{e9}".as_bytes(), "e\u{301}".as_bytes()];
    {
        let mount = mount(dir.path());
        for name in names {
            mount.make_dir(ROOT, name, BY).unwrap();
        }
        let create = |name: &[u8]| mount.create(ROOT, name, WRITE, BY, true).map(|_| ());
        assert_eq!(create(&[b'x'; 255]), Ok(()));
        assert_eq!(create(&[b'x'; 256]), Err(Fault::NameTooLong));
        assert_eq!(
            (create(b"x/y"), create(b"x\0"), create(b"..")),
            (Err(Fault::Invalid), Err(Fault::Invalid), Err(Fault::Exists))
        );
    }
    let mount = mount(dir.path());
    assert!(names.iter().all(|name| mount.lookup(ROOT, name).is_ok()));
    assert_eq!(mount.lookup(ROOT, b"b"), Err(Fault::NotFound));
}

#[test]
fn many_threads_get_on_with_each_other() {
    const THREADS: u8 = 8;
    let dir = tempfile::tempdir().unwrap();
    let mount = Arc::new(mount(dir.path()));
    mount.offer_backing(true);
    let pointer = dits_format::pointer::Pointer::new(Oid([7; 32]), GHOST.len() as u64).encode();
    let work = move |mount: &Mount, thread: u8| {
        for round in 0..300u16 {
            let name: &[u8] =
                [&b"a.bin"[..], b"b.bin", b".gitattributes"][usize::from(round + u16::from(thread)) % 3];
            let other: &[u8] = if round % 2 == 0 { b"b.bin" } else { b"c.bin" };
            // Others take files away at any moment: each step may fail, and none may wait for ever.
            if let Ok((attr, opened)) = mount.create(ROOT, name, WRITE, BY, false) {
                let _ =
                    mount.write(opened.fh, 0, if round % 3 == 0 { &pointer } else { b"*.bin filter=dits\n" });
                let _ = mount.read(opened.fh, 0, 100);
                let _ = mount
                    .set_attr(attr.ino, &SetAttr { bytes: Some(u64::from(round)), ..SetAttr::default() });
                let _ = mount.sync(opened.fh);
                mount.release(opened.fh).unwrap();
            }
            let _ = mount.rename((ROOT, name), (ROOT, other), Replace::Yes);
            if let Ok(opened) = mount.lookup(ROOT, other).and_then(|attr| mount.open(attr.ino, READ)) {
                let _ = mount.try_read(opened.fh, 0, 100);
                mount.release(opened.fh).unwrap();
            }
            let _ = mount.unlink(ROOT, other);
        }
    };
    let (done, ended) = std::sync::mpsc::channel();
    for thread in 0..THREADS {
        let (mount, done, work) = (mount.clone(), done.clone(), work.clone());
        std::thread::spawn(move || {
            work(&mount, thread);
            done.send(()).unwrap();
        });
    }
    for _ in 0..THREADS {
        ended.recv_timeout(std::time::Duration::from_secs(60)).expect("a thread waits for ever, or panicked");
    }
    let state = mount.state();
    assert!(state.open.is_empty() && state.handles.is_empty());
    drop(state);
    let again = self::mount(dir.path());
    let entries = |mount: &Mount| mount.read_dir(ROOT, None, 99).unwrap();
    assert_eq!(entries(&again), entries(&mount));
}
