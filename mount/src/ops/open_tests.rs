//! What kernels get to read past the mount.

use super::super::tests::*;
use crate::Fault;
use crate::attr::ROOT;
use std::sync::Arc;

#[test]
fn kernels_get_one_file_for_all_handles_of_a_node_and_never_write_a_shared_one() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(whole.path().join("9"), GHOST).unwrap();
    let contents = world().contents.clone();
    let world = Arc::new(World { contents, whole: Some(whole.path().into()), ..World::default() });
    let mount = mount_with(dir.path(), &world);
    let x = ino(&mount, "a/x.bin");
    assert!(
        mount
            .open(x, READ)
            .and_then(|opened| mount.release(opened.fh).map(|()| opened))
            .unwrap()
            .backing
            .is_none()
    );
    mount.offer_backing(true);
    let first = mount.open(x, READ).unwrap();
    let second = mount.open(x, READ).unwrap();
    assert!(Arc::ptr_eq(&first.backing.unwrap(), &second.backing.unwrap()));

    assert_eq!(mount.open(x, WRITE).unwrap_err(), Fault::Stale);
    let new = ino(&mount, "a/x.bin");
    assert_ne!(new, x);
    let writer = mount.open(new, WRITE).unwrap();
    assert!(writer.backing.is_none());
    mount.write(writer.fh, 0, GHOST.to_ascii_uppercase().as_slice()).unwrap();
    assert_eq!(&mount.read(first.fh, 0, 99).unwrap()[..], GHOST, "as if it had been replaced");
    assert!(mount.open(new, READ).unwrap().backing.is_none(), "it is open in the common way");
    assert_eq!(std::fs::read(whole.path().join("9")).unwrap(), GHOST);
}

#[test]
fn what_a_kernel_writes_past_the_mount_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    mount.offer_backing(true);
    let (attr, opened) = mount.create(ROOT, b"new", WRITE, BY, true).unwrap();
    assert!(opened.backing.is_none());
    mount.release(opened.fh).unwrap();
    let reader = mount.open(attr.ino, READ).unwrap();
    let writer = mount.open(attr.ino, WRITE).unwrap();
    let token = mount.journal().since("").token;
    crate::sys::write_all_at(&writer.backing.unwrap(), b"past", 0).unwrap();
    let seen = mount.lookup(ROOT, b"new").unwrap();
    assert_eq!(seen.bytes, 4);
    assert!(seen.meta.mtime > attr.meta.mtime);
    assert_eq!(mount.journal().since(&token).paths, Some(vec![b"new".to_vec()]));
    mount.release(writer.fh).unwrap();
    mount.release(reader.fh).unwrap();
    let keeps = |mount: &crate::Mount| {
        let opened = mount.open(attr.ino, READ).unwrap();
        mount.release(opened.fh).unwrap();
        opened.keep_cache
    };
    assert_eq!((keeps(&mount), keeps(&mount)), (false, true));
}
