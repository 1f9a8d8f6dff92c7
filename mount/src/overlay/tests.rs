//! An overlay that was left at any moment is opened again as it was, and one that cannot be is left alone.

use super::*;
use crate::attr::{Meta, ROOT};
use crate::base::{BaseEntry, BaseKind, BaseMeta};
use crate::nodes::Made;
use crate::outside::BlobId;

const META: Meta =
    Meta { mode: 0o644, uid: 1, gid: 2, mtime: Time(3_000_000_000), ctime: Time(4_000_000_000) };

fn base() -> Nodes {
    let blob = || BaseKind::Blob { id: BlobId([7; 20].into()), bytes: 10, executable: false };
    let paths = ["a/b/c", "a/b/d", "a/e", "f", "g/h", "i"];
    let entries = paths.map(|path| BaseEntry { path: path.into(), what: blob() });
    Nodes::new(entries, &BaseMeta { uid: 1, gid: 2, umask: 0o022, mtime: Time(0) })
}

/// Changes of all kinds, each with the file that it needs.
fn changes(nodes: &mut Nodes, mut each: impl FnMut(&Change, &Nodes)) {
    let find = |nodes: &Nodes, path: &str| nodes.find(path.as_bytes()).unwrap();
    let now = Time(5_000_000_000);
    let mut apply = |nodes: &mut Nodes, change: Change| {
        nodes.apply(&change).unwrap();
        each(&change, nodes);
    };
    let file = Made::File(Source::Upper { bytes: 0 });
    for (parent, name, made) in
        [(ROOT, "new", Made::Directory), (ROOT, "x", file), (ROOT, "l", Made::Symlink(b"t"[..].into()))]
    {
        let change = nodes.make(parent, name.as_bytes(), made, META).unwrap().1;
        apply(nodes, change);
    }
    let new = find(nodes, "new");
    let deep = nodes.make(new, b"deep", Made::Directory, META).unwrap().1;
    apply(nodes, deep);
    let moves = [
        ("a", "b", "new/deep", "b2", false),
        ("", "a", "new/deep/b2", "a2", false),
        ("", "f", "", "i", true),
    ];
    for (from, name, to, new_name, exchange) in moves {
        let change = Change::Move {
            from: find(nodes, from),
            name: name.as_bytes().into(),
            to: find(nodes, to),
            new_name: new_name.as_bytes().into(),
            exchange,
            time: now,
        };
        apply(nodes, change);
    }
    let c = find(nodes, "new/deep/b2/c");
    let source = match &nodes.get(c).unwrap().body {
        Body::File(source) => source.for_writing(),
        _ => panic!("it is a file"),
    };
    apply(nodes, Change::Source { ino: c, source, meta: META });
    apply(nodes, Change::Wrote { ino: c, start: 2, end: 4 });
    apply(nodes, Change::Wrote { ino: c, start: 6, end: 12 });
    apply(nodes, Change::Resize { ino: c, bytes: 8 });
    let (h, g) = (find(nodes, "g/h"), find(nodes, "g"));
    let renew = nodes.renew(h);
    apply(nodes, renew);
    apply(nodes, Change::Meta { ino: ROOT, meta: META });
    apply(nodes, Change::Remove { parent: g, name: b"h"[..].into(), meta: META });
    apply(nodes, Change::Remove { parent: ROOT, name: b"g"[..].into(), meta: META });
}

/// Makes what a mount would have made in an overlay; tells after each change.
fn work(dir: &Path, mut each: impl FnMut(&Nodes)) -> (Overlay, Nodes) {
    let mut nodes = base();
    let mut overlay = Overlay::open(dir, &mut nodes).unwrap();
    each(&nodes);
    changes(&mut nodes, |change, nodes| {
        if let Change::Make { ino, made: Made::File(_), .. } | Change::Source { ino, .. } = change {
            let file = overlay.create(*ino).unwrap();
            file.set_len(nodes.attr(*ino).unwrap().bytes).unwrap();
            set_written_at(&file, META.mtime).unwrap();
        }
        overlay.record(change).unwrap();
        each(nodes);
    });
    (overlay, nodes)
}

fn reopened(dir: &Path) -> Result<Nodes, OverlayError> {
    let mut nodes = base();
    Overlay::open(dir, &mut nodes).map(|_| nodes)
}

/// Nodes as a restart has them.
fn settled(nodes: &Nodes) -> Nodes {
    let mut nodes = nodes.clone();
    nodes.removed().into_iter().for_each(|ino| nodes.forget(ino));
    nodes
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join("upper")).unwrap();
    for entry in fs::read_dir(from).unwrap().chain(fs::read_dir(from.join("upper")).unwrap()) {
        let path = entry.unwrap().path();
        if path.is_file() {
            let copy = to.path().join(path.strip_prefix(from).unwrap());
            fs::copy(&path, &copy).unwrap();
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            File::options().write(true).open(copy).unwrap().set_modified(time).unwrap();
        }
    }
    to
}

#[test]
fn a_log_that_is_cut_anywhere_gives_a_state_that_there_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut states = Vec::new();
    work(dir.path(), |nodes| {
        states.push((fs::metadata(dir.path().join("log")).map_or(0, |meta| meta.len()), settled(nodes)));
    });
    // The first state was told before its record was written, all others after theirs.
    let whole = fs::read(dir.path().join("log")).unwrap();
    for cut in states[0].0 as usize..=whole.len() {
        let dir = copy(dir.path());
        fs::write(dir.path().join("log"), &whole[..cut]).unwrap();
        let nodes = reopened(dir.path()).unwrap();
        let expected = states.iter().rev().find(|(end, _)| *end <= cut as u64).unwrap();
        assert_eq!(nodes, expected.1, "cut at {cut}");
    }
}

#[test]
fn a_short_log_gives_the_same_nodes_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut overlay, mut nodes) = work(dir.path(), |_| ());
    for time in 0..100 {
        let change = Change::Meta { ino: ROOT, meta: Meta { ctime: Time(time), ..META } };
        nodes.apply(&change).unwrap();
        overlay.record(&change).unwrap();
    }
    let long = overlay.log.bytes();
    overlay.compact(&nodes).unwrap();
    assert!(overlay.log.bytes() < long / 4, "{} of {long}", overlay.log.bytes());
    assert_eq!(fs::metadata(dir.path().join("log")).unwrap().len(), overlay.log.bytes());
    assert_eq!(reopened(dir.path()).unwrap(), settled(&nodes));
    let (_, change) = nodes.make(ROOT, b"later", Made::Directory, META).unwrap();
    nodes.apply(&change).unwrap();
    overlay.record(&change).unwrap();
    assert_eq!(reopened(dir.path()).unwrap(), settled(&nodes));
}

#[test]
fn a_log_that_was_to_be_shorter_is_whole_at_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let (_, nodes) = work(dir.path(), |_| ());
    let expected = settled(&nodes);
    let short = {
        let dir = copy(dir.path());
        let (mut overlay, mut nodes) = (Overlay::open(dir.path(), &mut base()).unwrap(), base());
        Overlay::open(dir.path(), &mut nodes).unwrap();
        overlay.compact(&nodes).unwrap();
        fs::read(dir.path().join("log")).unwrap()
    };
    for cut in 0..=short.len() {
        let dir = copy(dir.path());
        fs::write(dir.path().join("log.new"), &short[..cut]).unwrap();
        assert_eq!(reopened(dir.path()).unwrap(), expected, "killed after {cut} bytes");
    }
    let renamed = copy(dir.path());
    fs::write(renamed.path().join("log"), &short).unwrap();
    assert_eq!(reopened(renamed.path()).unwrap(), expected, "killed after the rename");
}

#[test]
fn a_log_gets_shorter_at_the_start_when_it_is_long() {
    let dir = tempfile::tempdir().unwrap();
    let mut nodes = base();
    let mut overlay = Overlay::open(dir.path(), &mut nodes).unwrap();
    while !overlay.is_long() {
        overlay.record(&Change::Meta { ino: ROOT, meta: META }).unwrap();
    }
    assert!(fs::metadata(dir.path().join("log")).unwrap().len() > COMPACT_BYTES_MIN);
    assert_eq!(reopened(dir.path()).unwrap().attr(ROOT).unwrap().meta, META);
    assert!(fs::metadata(dir.path().join("log")).unwrap().len() < 1000);
}

#[test]
fn nothing_is_taken_away_when_the_log_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    work(dir.path(), |_| ());
    let log = dir.path().join("log");
    let whole = fs::read(&log).unwrap();
    let files = || fs::read_dir(dir.path().join("upper")).unwrap().count();
    let before = files();
    let refused = |bytes: &[u8], text: &str| {
        fs::write(&log, bytes).unwrap();
        let error = reopened(dir.path()).unwrap_err();
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        assert!(format!("{error}{}", source.unwrap_or_default()).contains(text), "{error:?}");
        assert_eq!((files(), fs::read(&log).unwrap()), (before, bytes.to_vec()));
    };
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    refused(&damaged, "is damaged: the record at byte 51 is damaged");
    refused(b"something else", "it is no log of this version");
    refused(b"", "is gone, and the files that it named are not");
    fs::remove_file(&log).unwrap();
    assert!(matches!(reopened(dir.path()), Err(OverlayError::NoLog { .. })));
    fs::write(&log, &whole).unwrap();
    let error = Overlay::open(
        dir.path(),
        &mut Nodes::new([], &BaseMeta { uid: 1, gid: 2, umask: 0, mtime: Time(0) }),
    );
    assert!(matches!(error, Err(OverlayError::Misfit { .. })), "another base");
    assert_eq!(files(), before);
    reopened(dir.path()).unwrap();
}

#[test]
fn a_file_that_a_power_cut_took_is_empty_or_as_before() {
    let dir = tempfile::tempdir().unwrap();
    work(dir.path(), |_| ());
    for entry in fs::read_dir(dir.path().join("upper")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut nodes = base();
    let overlay = Overlay::open(dir.path(), &mut nodes).unwrap();
    let (x, c) = (nodes.find(b"x").unwrap(), nodes.find(b"new/deep/b2/c").unwrap());
    assert_eq!(nodes.attr(x).unwrap().bytes, 0);
    let Body::File(Source::Sparse(sparse)) = &nodes.get(c).unwrap().body else { panic!("it has holes") };
    assert_eq!((sparse.written.bytes(), sparse.bytes, sparse.kept), (0, 8, 8));
    let mut lost = overlay.lost().to_vec();
    lost.sort();
    assert_eq!(lost, [c, x]);
}
