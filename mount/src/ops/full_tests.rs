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

#[test]
fn a_full_disk_loses_nothing_and_is_written_again_when_there_is_room() {
    let (disk, world) =
        (Disk::new(), World { contents: [(9, Bytes::from(vec![9; SIZE]))].into(), ..World::default() });
    let (state, world) = (disk.0.path().join("state"), Arc::new(world));
    let mut names: Vec<u32> = Vec::new();
    let (mut written, mut size) = (Vec::new(), SIZE as u64);
    let ballast = disk.0.path().join("ballast");
    {
        let mount = mount(&state, &world);
        let ghost = mount.lookup(ROOT, b"ghost").unwrap().ino;
        let fh = mount.open(ghost, WRITE).unwrap().fh;
        mount.write(fh, 1000, b"first").unwrap();
        while std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&ballast)
            .and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 4096]))
            .is_ok()
        {}

        // The log has room in its last page, so some of this goes well.
        let refused = (0..).find_map(|name: u32| {
            let made = mount.make_dir(ROOT, name.to_string().as_bytes(), BY);
            names.extend(made.is_ok().then_some(name));
            made.err()
        });
        assert_eq!(refused, Some(Fault::NoSpace));
        assert_eq!(mount.create(ROOT, b"file", WRITE, BY, true).err(), Some(Fault::NoSpace));
        assert_eq!(mount.write(fh, 200_000, &[1; 9000]), Err(Fault::NoSpace));
        assert_eq!(mount.write(fh, 1000, b"again"), Ok(5), "where there is room already");
        // Its records are the shortest.
        let refused = loop {
            match mount.set_attr(ghost, &SetAttr { bytes: Some(size + 1), ..SetAttr::default() }) {
                Ok(_) => size += 1,
                Err(fault) => break fault,
            }
        };
        assert_eq!(refused, Fault::NoSpace);
        assert!(matches!(world.told.lock().unwrap().last(), Some(Event::Overlay { .. })));
        assert_eq!(mount.attr(ghost).unwrap().bytes, size);

        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(mount.write(fh, 200_000, &[1; 9000]), Ok(9000));
        written.extend(mount.read(fh, 0, u32::MAX).unwrap());
        mount.make_dir(ROOT, b"after", BY).unwrap();
    }
    let mut expected = vec![9; SIZE];
    expected[1000..1005].copy_from_slice(b"again");
    expected[200_000..209_000].fill(1);
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
