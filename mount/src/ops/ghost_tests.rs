//! When written text is a ghost, and when it is a file again.

use super::super::tests::*;
use super::super::{Fault, Mount};
use crate::attr::{Access, Fh, Ino, ROOT, Replace, SetAttr, Time};
use crate::nodes::{Body, Source};
use dits_format::Oid;
use dits_format::pointer::Pointer;

const BYTES: u64 = 17;

fn text() -> Vec<u8> {
    Pointer::new(Oid([7; 32]), BYTES).encode()
}

fn source(mount: &Mount, ino: Ino) -> Source {
    mount.with_nodes(|nodes| match &nodes.get(ino).unwrap().body {
        Body::File(source) => source.clone(),
        other => panic!("{other:?}"),
    })
}

fn is_ghost(mount: &Mount, path: &str) -> bool {
    source(mount, ino(mount, path)) == Source::Ghost { oid: [7; 32], bytes: BYTES }
}

/// A new file at the top.
fn create(mount: &Mount, name: &str) -> (Ino, Fh) {
    let (attr, opened) = mount.create(ROOT, name.as_bytes(), WRITE, BY, true).unwrap();
    (attr.ino, opened.fh)
}

fn write(mount: &Mount, name: &str, bytes: &[u8]) {
    let (_, fh) = create(mount, name);
    mount.write(fh, 0, bytes).unwrap();
    mount.release(fh).unwrap();
}

fn upper_files(dir: &tempfile::TempDir) -> usize {
    std::fs::read_dir(dir.path().join("upper")).unwrap().count()
}

#[test]
fn what_git_writes_is_a_ghost_before_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let mount = mount(dir.path());
        let token = mount.journal().since("").token;
        let (ino, fh) = create(&mount, "new.bin");
        mount.write(fh, 0, &text()).unwrap();
        let attr = mount.attr(ino).unwrap();
        assert_eq!((attr.bytes, attr.disk_bytes, attr.meta.mtime), (BYTES, 512, Time::from_seconds(98)));
        assert_eq!(mount.journal().since(&token).paths.unwrap(), [b"new.bin"]);
        mount.release(fh).unwrap();
        assert_eq!(upper_files(&dir), 0);
        assert_eq!(mount.attr(ino).unwrap(), attr, "as Git was told");
        let open = || mount.open(ino, READ).unwrap();
        assert!(!open().keep_cache, "a kernel may have the text");
        assert!(open().keep_cache);
        assert_eq!(read_all(&mount, "new.bin"), GHOST);
    }
    let mount = mount(dir.path());
    assert!(is_ghost(&mount, "new.bin"));
}

#[test]
fn only_one_whole_pointer_at_a_managed_path_is_a_ghost() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let text = text();
    let more = [&text[..], b"x-key value\n"].concat();
    let filled = [&text[..], &b"x".repeat(2000)].concat();
    let crlf = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    for (name, bytes, expected) in [
        ("a.bin", &text[..], true),
        ("with a key of tomorrow.bin", &more, true),
        ("a.txt", &text, false),
        ("cut.bin", &text[..text.len() - 1], false),
        ("twice.bin", &text.repeat(2), false),
        ("more.bin", &filled, false),
        ("crlf.bin", &crlf, false),
        ("empty.bin", b"", false),
    ] {
        write(&mount, name, bytes);
        assert_eq!(is_ghost(&mount, name), expected, "{name}");
        assert_eq!(read_all(&mount, name), if expected { GHOST } else { bytes }, "{name}");
    }
}

#[test]
fn text_comes_in_any_order_and_the_last_byte_makes_the_ghost() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (text, (_, fh)) = (text(), create(&mount, "a.bin"));
    mount.write(fh, 50, &text[50..]).unwrap();
    mount.write(fh, 0, &text[..49]).unwrap();
    assert!(!is_ghost(&mount, "a.bin"));
    mount.write(fh, 49, &text[49..50]).unwrap();
    assert!(is_ghost(&mount, "a.bin"));
}

#[test]
fn who_wrote_a_pointer_and_goes_on_writes_on_the_text() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (ino, fh) = create(&mount, "a.bin");
    mount.write(fh, 0, &text()).unwrap();
    mount.write(fh, text().len() as u64, b"more").unwrap();
    assert_eq!(read_all(&mount, "a.bin"), [&text()[..], b"more"].concat());
    let cut = SetAttr { bytes: Some(text().len() as u64), ..SetAttr::default() };
    mount.set_attr(ino, &cut).unwrap();
    assert!(is_ghost(&mount, "a.bin"), "cut to the pointer it was");
    mount.set_attr(ino, &cut).unwrap();
    assert!(is_ghost(&mount, "a.bin"), "as programs do that write first and cut then");
    mount.set_attr(ino, &SetAttr { bytes: Some(9), ..SetAttr::default() }).unwrap();
    assert_eq!(read_all(&mount, "a.bin"), text()[..9]);
    mount.release(fh).unwrap();
    assert_eq!(source(&mount, ino), Source::Upper { bytes: 9 });
}

#[test]
fn a_second_writer_beside_the_first_sees_the_text_and_a_later_one_the_content() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (ino, first) = create(&mount, "a.bin");
    mount.write(first, 0, &text()).unwrap();
    let second = mount.open(ino, WRITE).unwrap().fh;
    assert_eq!(mount.read(second, 0, 1000).unwrap(), text());
    mount.write(first, 0, b"V").unwrap();
    mount.write(first, 0, b"v").unwrap();
    for fh in [first, second] {
        mount.release(fh).unwrap();
    }
    assert!(is_ghost(&mount, "a.bin"));
    let later = mount.open(ino, WRITE).unwrap().fh;
    mount.write(later, 0, b"W").unwrap();
    mount.release(later).unwrap();
    assert_eq!(read_all(&mount, "a.bin"), [b"W", &GHOST[1..]].concat());
}

#[test]
fn a_pointer_that_is_moved_into_place_is_a_ghost() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    write(&mount, "tmp", &text());
    assert!(!is_ghost(&mount, "tmp"));
    mount.rename((ROOT, b"tmp"), (ino(&mount, "a"), b"x.bin"), Replace::Yes).unwrap();
    assert!(is_ghost(&mount, "a/x.bin"));
    write(&mount, "other", &text());
    mount.rename((ROOT, b"other"), (ino(&mount, "a"), b"x.bin"), Replace::Exchange).unwrap();
    assert!(is_ghost(&mount, "a/x.bin") && is_ghost(&mount, "other"), "a content stays one wherever it goes");
    assert_eq!(upper_files(&dir), 0);
}

#[test]
fn a_file_that_is_overwritten_by_a_pointer_is_a_ghost() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    write(&mount, "a.bin", &b"x".repeat(5000));
    let again = mount.open(ino(&mount, "a.bin"), Access { truncate: true, ..WRITE }).unwrap().fh;
    mount.write(again, 0, &text()).unwrap();
    assert!(is_ghost(&mount, "a.bin"));
    mount.release(again).unwrap();
    // Written over, and cut then.
    let over = mount.open(ino(&mount, "a.bin"), WRITE).unwrap().fh;
    mount.write(over, 0, &b"y".repeat(3000)).unwrap();
    mount.write(over, 0, &text()).unwrap();
    assert!(!is_ghost(&mount, "a.bin"));
    mount
        .set_attr(ino(&mount, "a.bin"), &SetAttr { bytes: Some(text().len() as u64), ..SetAttr::default() })
        .unwrap();
    assert!(is_ghost(&mount, "a.bin"));
}

#[test]
fn attribute_files_count_as_they_are_when_something_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    mount.unlink(ROOT, b".gitattributes").unwrap();
    write(&mount, "a.bin", &text());
    assert!(!is_ghost(&mount, "a.bin"));
    write(&mount, ".gitattributes", b"*.txt filter=dits\n");
    write(&mount, "a.txt", &text());
    assert!(is_ghost(&mount, "a.txt"));
    let below = mount.make_dir(ROOT, b"below", BY).unwrap().ino;
    let (_, opened) = mount.create(below, b".gitattributes", WRITE, BY, true).unwrap();
    mount.write(opened.fh, 0, b"* -filter").unwrap();
    mount.rename((ROOT, b"a.bin"), (below, b"b.txt"), Replace::No).unwrap();
    assert!(!is_ghost(&mount, "below/b.txt"));
    mount.rename((ROOT, b"below"), (ROOT, b"moved"), Replace::No).unwrap();
    assert!(
        !mount.attributes(b"moved/x.txt").unwrap().managed
            && mount.attributes(b"below/x.txt").unwrap().managed
    );
}

#[test]
fn a_removed_file_is_no_ghost_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    let (_, fh) = create(&mount, "a.bin");
    mount.write(fh, 0, &text()).unwrap();
    mount.unlink(ROOT, b"a.bin").unwrap();
    mount.write(fh, 0, b"V").unwrap();
    mount.write(fh, 0, b"v").unwrap();
    assert_eq!(mount.read(fh, 0, 1000).unwrap(), text());
    mount.release(fh).unwrap();
    assert_eq!(upper_files(&dir), 0);
}

#[test]
fn attributes_tell_what_a_file_is_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let mount = mount(dir.path());
    write(&mount, "a.bin", &text());
    write(&mount, "b", b"mine");
    let get = |path: &str, name: &str| {
        mount.xattr(ino(&mount, path), name.as_bytes()).map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(get("a.bin", "user.dits.oid"), Ok(format!("blake3:{}", "07".repeat(32))));
    assert_eq!(get("a.bin", "user.dits.state"), Ok("ghost".to_owned()));
    assert_eq!(get("b", "user.dits.state"), Ok("local".to_owned()));
    for (path, name) in
        [("b", "user.dits.oid"), ("readme", "user.dits.state"), ("a", "user.dits.oid"), ("b", "user.x")]
    {
        assert_eq!(get(path, name), Err(Fault::NoData), "{path} {name}");
    }
    let names = |path: &str| mount.xattrs(ino(&mount, path)).unwrap().len();
    assert_eq!((names("a.bin"), names("b"), names("readme"), names("a")), (2, 1, 0, 0));
    assert_eq!(mount.change_xattr(ino(&mount, "b")), Err(Fault::NotSupported));
}
