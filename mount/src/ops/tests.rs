//! Operations over a small project whose contents and blobs are made up.

use super::*;
use crate::attr::{Creator, ROOT, Replace};
use crate::base::{BaseEntry, BaseKind, BaseMeta};
use crate::outside::{BlobData, BlobId, ContentFault, Contents, Piece, Priority, Sink};
use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use std::ops::Range;
use std::path::Path;

pub(crate) const GHOST: &[u8] = b"what a remote has";
const ATTRIBUTES: &[u8] = b"[attr]dits filter=dits\n*.bin dits\nlocked.bin lockable\n";
pub(super) const BY: Creator = Creator { uid: 1, gid: 2, mode: 0o644 };
pub(super) const READ: Access = Access { read: true, write: false, truncate: false, append: false };
pub(super) const WRITE: Access = Access { read: true, write: true, truncate: false, append: false };

/// Without a remote: what it has is [`GHOST`].
struct World;

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
    fn fetch(&self, _: &Oid, _: Range<u64>, _: Priority, sink: &mut Sink<'_>) -> Result<(), ContentFault> {
        let piece = Piece { start: 0, skip: 0, bytes: GHOST.len() as u32, id: ChunkId([0; 32]) };
        sink(piece, Bytes::from_static(GHOST));
        Ok(())
    }
    fn whole(&self, _: &Oid) -> Option<File> {
        None
    }
}

impl Blobs for World {
    fn read(&self, _: &BlobId, path: &[u8]) -> Result<BlobData, ContentFault> {
        let text: &[u8] = if path == b".gitattributes" { ATTRIBUTES } else { b"text\n" };
        Ok(BlobData::Memory(Bytes::from_static(text)))
    }
}

impl Gate for World {
    fn may_write(&self, path: &[u8]) -> Result<(), Fault> {
        if path.ends_with(b"locked.bin") { Err(Fault::Denied) } else { Ok(()) }
    }
}

impl Events for World {
    fn happened(&self, _: Event) {}
}

/// A mount with `a/locked.bin` and `a/x.bin`, both the same ghost, and `readme`, whose overlay is in `dir`.
pub(crate) fn mount(dir: &Path) -> Mount {
    let ghost = |path: &str| BaseEntry {
        path: path.into(),
        what: BaseKind::Ghost { oid: Oid([9; 32]), bytes: GHOST.len() as u64, executable: false },
    };
    let blob = BaseKind::Blob { id: BlobId([1; 20].into()), bytes: 5, executable: false };
    let blob = |path: &str| BaseEntry { path: path.into(), what: blob.clone() };
    let base = [blob(".gitattributes"), ghost("a/locked.bin"), ghost("a/x.bin"), blob("readme")];
    let meta = BaseMeta { uid: 1, gid: 2, umask: 0o022, mtime: Time::from_seconds(5) };
    let mut nodes = Nodes::new(base, &meta);
    let overlay = Overlay::open(dir, &mut nodes).unwrap();
    let world = Arc::new(World);
    Mount::new(Parts {
        nodes,
        overlay: Some(overlay),
        engine: Engine::new(world.clone()),
        blobs: world.clone(),
        gate: world.clone(),
        events: world,
        epoch: "e".into(),
        clock: Box::new(|| Time::from_seconds(100)),
    })
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
