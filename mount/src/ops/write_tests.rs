//! Writing in what is not here fetches nothing, and is bounded.

use super::super::tests::*;
use crate::attr::{SetAttr, Time};
use crate::base::{BaseEntry, BaseKind};
use crate::nodes::Source;
use bytes::Bytes;
use dits_format::Oid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn writing_in_a_ghost_fetches_nothing_until_the_rest_is_read() {
    let (dir, world) = (tempfile::tempdir().unwrap(), world());
    let fetches = || world.fetches.load(Ordering::Relaxed);
    {
        let mount = mount_with(dir.path(), &world);
        let x = ino(&mount, "a/x.bin");
        let opened = mount.open(x, WRITE).unwrap();
        assert_eq!(mount.attr(x).unwrap().meta.mtime, Time::from_seconds(5), "only open");
        mount.write(opened.fh, 5, b"W").unwrap();
        mount.write(opened.fh, 16, b"S and more").unwrap();
        mount.set_attr(x, &SetAttr { bytes: Some(20), ..SetAttr::default() }).unwrap();
        assert_eq!(&mount.read(opened.fh, 16, 99).unwrap()[..], b"S an");
        assert_eq!((mount.try_read(opened.fh, 0, 5), fetches()), (None, 0));
        assert_eq!(&mount.read(opened.fh, 0, 99).unwrap()[..], b"what W remote haS an");
        assert_eq!(fetches(), 1, "what is before and behind what was written is in one chunk");
    }
    let mount = mount_with(dir.path(), &world);
    assert_eq!(read_all(&mount, "a/x.bin"), b"what W remote haS an", "after a restart without a close");
    let opened = mount.open(ino(&mount, "a/x.bin"), WRITE).unwrap();
    let before = fetches();
    mount.write(opened.fh, 0, &[b'-'; 17]).unwrap();
    assert_eq!(&mount.read(opened.fh, 0, 99).unwrap()[..], b"----------------- an");
    assert_eq!(fetches(), before, "nothing of the ghost shows");
}

#[test]
fn a_file_in_too_many_parts_is_filled_from_what_it_was() {
    const SIZE: u64 = 400_000;
    let (dir, most) = (tempfile::tempdir().unwrap(), 1u64 << 16);
    let contents = BTreeMap::from([(9, Bytes::from(vec![9; SIZE as usize]))]);
    let world = Arc::new(World { contents, ..World::default() });
    let what = BaseKind::Ghost { oid: Oid([9; 32]), bytes: SIZE, executable: false };
    let base = || vec![BaseEntry { path: b"x".to_vec(), what: what.clone() }];
    let mut expected = vec![9; SIZE as usize];
    {
        let mount = mount_of(dir.path(), base(), &world, || Time::from_seconds(100));
        let fh = mount.open(ino(&mount, "x"), WRITE).unwrap().fh;
        for part in 0..most + 10 {
            mount.write(fh, part * 5, b"w").unwrap();
            expected[part as usize * 5] = b'w';
        }
        let state = mount.state();
        let Ok(Source::Sparse(sparse)) = state.source(ino(&mount, "x")) else { panic!("it has holes") };
        assert!(sparse.written.count() as u64 <= most);
    }
    let mount = mount_of(dir.path(), base(), &world, || Time::from_seconds(100));
    assert!(read_all(&mount, "x") == expected);
    assert!(std::fs::metadata(dir.path().join("log")).unwrap().len() < 3 << 20, "it was made shorter");
}
