//! A mount's log of changes lies on a disk. Whatever is in it, replaying it ends, leaves a tree, and can be told anew in short.
//!
//! The input is taken as a log, and once more as the bodies of records, each behind its length. The changes that fit are made, over a small
//! base.
#![no_main]

use dits_format::Oid;
use dits_mount::attr::{Ino, ROOT, Time};
use dits_mount::base::{BaseEntry, BaseKind, BaseMeta};
use dits_mount::nodes::{Change, Node, Nodes};
use dits_mount::overlay::decode;
use libfuzzer_sys::fuzz_target;

fn base() -> Nodes {
    let ghost = |path: &str| BaseEntry {
        path: path.into(),
        what: BaseKind::Ghost { oid: Oid([1; 32]), bytes: 1000, executable: false },
    };
    let meta = BaseMeta { uid: 0, gid: 0, umask: 0o022, mtime: Time(0) };
    Nodes::new(["a/b/c", "a/d", "e/f", "g"].map(ghost), &meta)
}

fuzz_target!(|input: &[u8]| {
    check(input);
    let mut log = b"git-dits mount log 1\n".to_vec();
    let mut rest = input;
    while let Some((length, behind)) = rest.split_first() {
        let (body, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        log.extend((body.len() as u32).to_le_bytes());
        log.extend(&blake3::hash(body).as_bytes()[..8]);
        log.extend(body);
        rest = behind;
    }
    check(&log);
});

fn check(input: &[u8]) {
    let Ok((changes, end)) = decode(input) else { return };
    assert!(end <= input.len() as u64);
    let mut nodes = base();
    for change in &changes {
        let _ = nodes.apply(change);
    }
    for ino in nodes.removed() {
        nodes.forget(ino);
    }
    for (ino, _) in nodes.iter() {
        let _ = nodes.path(ino);
        nodes.attr(ino).expect("it is there");
    }
    let there = all(&nodes);
    if there.len() < nodes.iter().count() {
        // A short cut that leaves nodes in no folder comes from no mount.
        return;
    }
    let mut again = base();
    let told = nodes.snapshot(|change: &Change| again.apply(change));
    told.expect("what is told fits");
    assert_eq!(there, all(&again));
}

/// All nodes that the top leads to.
fn all(nodes: &Nodes) -> Vec<(Ino, Node)> {
    let mut all = vec![(ROOT, nodes.get(ROOT).expect("the top stays").clone())];
    let mut at = 0;
    while let Some((ino, _)) = all.get(at) {
        let parent = *ino;
        for (name, child) in nodes.folder(parent).into_iter().flatten() {
            let node = nodes.get(*child).expect("an entry has a node");
            assert_eq!((node.parent, &node.name, node.is_linked), (parent, name, true));
            all.push((*child, node.clone()));
        }
        at += 1;
    }
    all
}
