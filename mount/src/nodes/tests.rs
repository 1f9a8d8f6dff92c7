//! The base becomes folders, and changes keep to the rules.

use super::*;
use crate::attr::Replace;
use crate::outside::BlobId;

fn base_of(paths: &[&str]) -> Nodes {
    let entry = |path: &&str| BaseEntry {
        path: path.as_bytes().to_vec(),
        what: BaseKind::Blob { id: BlobId([7; 20].into()), bytes: 3, executable: path.ends_with(".sh") },
    };
    let meta = BaseMeta { uid: 1, gid: 2, umask: 0o022, mtime: Time::from_seconds(1_000) };
    Nodes::new(paths.iter().map(entry), &meta)
}

fn all(nodes: &Nodes) -> Vec<String> {
    let mut paths: Vec<String> = nodes
        .iter()
        .filter(|(_, node)| node.is_linked)
        .map(|(ino, _)| String::from_utf8(nodes.path(ino)).unwrap())
        .collect();
    paths.sort();
    paths
}

#[test]
fn folders_are_made_of_paths_in_the_order_of_git() {
    // Git sorts by bytes, so `a.b` and `a-` come before `a/b`, though after `a`.
    let nodes = base_of(&["a-/x", "a.b", "a/b/c.sh", "a/b/d", "a/e", "z"]);
    assert_eq!(all(&nodes), ["", "a", "a-", "a-/x", "a.b", "a/b", "a/b/c.sh", "a/b/d", "a/e", "z"]);
    let attr = nodes.attr(nodes.find(b"a/b/c.sh").unwrap()).unwrap();
    assert_eq!((attr.bytes, attr.meta.mode, attr.meta.uid, attr.meta.gid), (3, 0o755, 1, 2));
    assert_eq!(nodes.attr(nodes.find(b"a").unwrap()).unwrap().links, 3);
    assert_eq!(
        nodes,
        base_of(&["a-/x", "a.b", "a/b/c.sh", "a/b/d", "a/e", "z"]),
        "numbers are the same again"
    );
}

#[test]
fn a_folder_is_not_moved_into_itself() {
    let nodes = base_of(&["a/b/c"]);
    let (a, b) = (nodes.find(b"a").unwrap(), nodes.find(b"a/b").unwrap());
    let now = Time::default();
    for to in [a, b] {
        assert_eq!(nodes.rename((ROOT, b"a"), (to, b"x"), Replace::Yes, now), Err(Fault::Invalid));
    }
}

#[test]
fn a_replaced_file_lives_until_it_is_forgotten() {
    let mut nodes = base_of(&["a", "b"]);
    let b = nodes.find(b"b").unwrap();
    let change = nodes.rename((ROOT, b"a"), (ROOT, b"b"), Replace::Yes, Time::default()).unwrap().unwrap();
    nodes.apply(&change).unwrap();
    assert_eq!(all(&nodes), ["", "b"]);
    assert_eq!((nodes.removed(), nodes.attr(b).unwrap().links), (vec![b], 0));
    nodes.forget(b);
    assert_eq!(nodes.get(b), Err(Fault::NotFound));
}
