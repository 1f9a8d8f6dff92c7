//! A disk that is full is told, loses nothing that was answered, and is written again when there is room.

use super::tests::{BY, WRITE, World, mount_of};
use super::*;
use crate::attr::ROOT;
use crate::base::{BaseEntry, BaseKind};
use bytes::Bytes;
use dits_format::Oid;
use std::path::Path;

const SIZE: usize = 300_000;

/// A small disk of its own, which takes leave to mount.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Disk {
        use rustix::mount::{MountFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        mount("none", dir.path(), "tmpfs", MountFlags::empty(), c"size=1m").unwrap();
        Disk(dir)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

fn mount(dir: &Path, world: &Arc<World>) -> Mount {
    let what = BaseKind::Ghost { oid: Oid([9; 32]), bytes: SIZE as u64, executable: false };
    mount_of(dir, vec![BaseEntry { path: b"ghost".to_vec(), what }], world, || Time::from_seconds(100))
}

/// Takes all room that there is.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
}

/// Does what succeeds until the disk is full.
fn until_refused(mut work: impl FnMut() -> Result<(), Fault>) {
    let refused = loop {
        if let Err(fault) = work() {
            break fault;
        }
    };
    assert_eq!(refused, Fault::NoSpace);
}

#[test]
fn a_full_disk_loses_nothing_and_is_written_again_when_there_is_room() {
    let (disk, world) =
        (Disk::new(), World { contents: [(9, Bytes::from(vec![9; SIZE]))].into(), ..World::default() });
    let (state, world) = (disk.0.path().join("state"), Arc::new(world));
    let mut names: Vec<u32> = Vec::new();
    let (mut written, mut size) = (Vec::new(), SIZE as u64);
    let ones;
    let ballast = disk.0.path().join("ballast");
    {
        let mount = mount(&state, &world);
        let ghost = mount.lookup(ROOT, b"ghost").unwrap().ino;
        let fh = mount.open(ghost, WRITE).unwrap().fh;
        mount.write(fh, 1000, b"first").unwrap();
        fill(&ballast);
        // The log has room in its last page, so some of this goes well.
        until_refused(|| {
            let name = names.len() as u32;
            mount.make_dir(ROOT, name.to_string().as_bytes(), BY).map(|_| names.push(name))
        });
        assert_eq!(mount.create(ROOT, b"file", WRITE, BY, true).err(), Some(Fault::NoSpace));
        // How much the disk takes that it just refused differs by its mood.
        let mut at = 200_000;
        until_refused(|| mount.write(fh, at, &[1; 9000]).map(|written| at += u64::from(written)));
        assert_eq!(mount.write(fh, 1000, b"again"), Ok(5), "where there is room already");
        // Its records are the shortest.
        until_refused(|| {
            let longer = SetAttr { bytes: Some(size + 1), ..SetAttr::default() };
            mount.set_attr(ghost, &longer).map(|_| size += 1)
        });
        assert!(matches!(world.told.lock().unwrap().last(), Some(Event::Overlay { .. })));
        assert_eq!(mount.attr(ghost).unwrap().bytes, size);

        // Not removed: a process that another test is just starting may have it open until then.
        drop(std::fs::File::create(&ballast).unwrap());
        assert_eq!(mount.write(fh, at, &[1; 9000]), Ok(9000));
        ones = 200_000..at as usize + 9000;
        written.extend(mount.read(fh, 0, u32::MAX).unwrap());
        mount.make_dir(ROOT, b"after", BY).unwrap();
    }
    let mut expected = vec![9; SIZE];
    expected[1000..1005].copy_from_slice(b"again");
    expected[ones].fill(1);
    expected.resize(size as usize, 0);
    assert!(written == expected);
    let mount = mount(&state, &world);
    for name in names.iter().map(u32::to_string).chain(["after".to_owned()]) {
        assert!(mount.lookup(ROOT, name.as_bytes()).is_ok(), "{name}");
    }
    assert_eq!(mount.read_dir(ROOT, None, usize::MAX).unwrap().len(), names.len() + 2);
    let ghost = mount.lookup(ROOT, b"ghost").unwrap().ino;
    assert!(mount.peek(ghost, u32::MAX).unwrap() == expected);
}
