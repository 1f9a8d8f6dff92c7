//! Which pointers a push brings, asked of real repositories: none may hide.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_format::{Oid, Pointer};
use dits_repo::Git;
use dits_repo::discover::{Exclude, new_pointers};
use std::process::Command;
use tempfile::TempDir;

struct World(TempDir);

impl World {
    fn new() -> World {
        let world = World(TempDir::new().unwrap());
        world.git(&["init", "--bare", "--quiet"], b"");
        world
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let path = self.0.path().join("input");
        std::fs::write(&path, input).unwrap();
        let mut git = Command::new("git");
        git.current_dir(self.0.path()).args(["-c", "user.name=n", "-c", "user.email=e"]).args(arguments);
        let output = git.stdin(std::fs::File::open(path).unwrap()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A pointer's blob.
    fn blob(&self, text: &str) -> String {
        let pointer = Pointer::new(Oid::of(text.as_bytes()), text.len() as u64);
        self.git(&["hash-object", "-w", "--stdin"], &pointer.encode())
    }

    fn tree(&self, blob: &str) -> String {
        self.git(&["mktree"], format!("100644 blob {blob}\ta.mov\n").as_bytes())
    }

    fn commit(&self, tree: &str) -> String {
        self.git(&["commit-tree", "-m", "x", tree], b"")
    }

    fn found(&self, tip: &str, exclude: &Exclude) -> Vec<Oid> {
        let found = new_pointers(&Git::at(self.0.path()), &[tip.to_owned()], exclude).unwrap();
        found.iter().map(|found| found.pointer.oid).collect()
    }
}

#[test]
fn what_the_other_side_has_need_not_be_here() {
    let world = World::new();
    let known = world.commit(&world.tree(&world.blob("known")));
    let new = world.git(&["commit-tree", "-m", "x", "-p", &known, &world.tree(&world.blob("new"))], b"");
    let foreign = "1".repeat(40);
    assert_eq!(world.found(&new, &Exclude::Oids(vec![foreign.clone(), known])), [Oid::of(b"new")]);
    assert_eq!(world.found(&new, &Exclude::Oids(vec![foreign])).len(), 2);
}

#[test]
fn a_tag_of_a_tree_or_of_a_file_brings_its_pointers() {
    let world = World::new();
    let blob = world.blob("x");
    let tree = world.tree(&blob);
    let tag = format!("object {tree}\ntype tree\ntag t\ntagger n <e> 0 +0000\n\nx\n");
    let tag = world.git(&["mktag"], tag.as_bytes());
    for exclude in [Exclude::Refs, Exclude::Oids(Vec::new())] {
        for tip in [&blob, &tree, &tag] {
            assert_eq!(world.found(tip, &exclude), [Oid::of(b"x")], "{tip} {exclude:?}");
        }
    }
}

#[test]
fn a_replaced_commit_is_seen_as_it_is() {
    let world = World::new();
    let commit = world.commit(&world.tree(&world.blob("x")));
    let plain = world.git(&["hash-object", "-w", "--stdin"], b"text");
    let plain = world.commit(&world.tree(&plain));
    world.git(&["replace", &commit, &plain], b"");
    assert_eq!(world.found(&commit, &Exclude::Oids(Vec::new())), [Oid::of(b"x")]);
}
