//! The check against a real bare repository and a real store. New commits are reachable from no ref, which
//! is how they look from inside the quarantine.

use super::*;
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof, ledger};
use dits_store::{ChunkPrune, ChunkWrite};
use std::collections::HashSet;
use std::process::Command;
use tempfile::TempDir;

const ZERO: &str = "0000000000000000000000000000000000000000";

struct World {
    dir: TempDir,
    env: PreReceiveEnv,
}

impl World {
    fn new() -> World {
        let dir = TempDir::new().unwrap();
        let at = |name| dir.path().join(name);
        let (store_dir, contents, push) = (at("store"), at("contents"), at("push"));
        let env = PreReceiveEnv { store_dir, contents, push, now: 7, repository: at("r.git") };
        std::fs::create_dir(&env.repository).unwrap();
        let world = World { dir, env };
        world.git(&["init", "--bare", "--quiet"]);
        world
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(&self.env.repository).args(["-c", "user.name=n", "-c", "user.email=e"]);
        let output = git.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A commit of these files, on no branch.
    fn commit(&self, files: &[(&str, &[u8])]) -> String {
        let blob = self.dir.path().join("blob");
        let index = self.dir.path().join("index");
        let _ = std::fs::remove_file(&index);
        for (name, bytes) in files {
            std::fs::write(&blob, bytes).unwrap();
            let oid = self.git(&["hash-object", "-w", blob.to_str().unwrap()]);
            let info = format!("100644,{oid},{name}");
            self.with_index(&index, &["update-index", "--add", "--cacheinfo", &info]);
        }
        let tree = self.with_index(&index, &["write-tree"]);
        self.git(&["commit-tree", "-m", "x", &tree])
    }

    fn with_index(&self, index: &std::path::Path, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(&self.env.repository).env("GIT_INDEX_FILE", index).args(arguments);
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn attach(&self, oid: Oid, manifest: ChunkId) {
        let entry = ledger::Entry { id: oid.0, manifest, seconds: 1 };
        Ledger::at(&self.env.contents).append(&[entry], Sync::Durable).unwrap();
    }

    /// As [`World::store_elsewhere`], and attached to the repository.
    fn store(&self, text: &[u8], size_bound: u64) -> (Pointer, Vec<ChunkId>) {
        let (pointer, chunks, manifest) = self.store_elsewhere(text, size_bound);
        self.attach(pointer.oid, manifest);
        (pointer, chunks)
    }

    /// Puts a content of two chunks into the store; returns its pointer, chunks and manifest.
    fn store_elsewhere(&self, text: &[u8], size_bound: u64) -> (Pointer, Vec<ChunkId>, ChunkId) {
        let mut batch = PackStore::open(&self.env.store_dir).unwrap().batch().unwrap();
        let (mut builder, mut chunks) = (Builder::new(), Vec::new());
        for part in text.chunks(text.len().div_ceil(2)) {
            let id = ChunkId::of(Kind::Data, part);
            batch.put(id, Kind::Data, part).unwrap();
            let entry = Entry { id, bytes: part.len() as u64 };
            builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
            chunks.push(id);
        }
        let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
        let oid = Oid::of(text);
        let manifest = Manifest::plain(0, oid, text.len() as u64, root);
        batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
        batch.bind(Binding { oid, manifest: manifest.id(), size: size_bound, proof: Proof::Claimed });
        batch.commit().unwrap();
        (Pointer::new(oid, text.len() as u64), chunks, manifest.id())
    }

    fn push(&self, tip: &str) -> Result<(), HookError> {
        pre_receive(format!("{ZERO} {tip} refs/heads/main\n").as_bytes(), &self.env)
    }
}

#[test]
fn whole_contents_pass_and_the_rest_is_named() {
    let world = World::new();
    let (here, _) = world.store(b"content that is here", 20);
    let (torn, chunks) = world.store(b"content that has a hole", 23);
    PackStore::open(&world.env.store_dir).unwrap().remove(&HashSet::from([chunks[1]])).unwrap();
    let (other_size, _) = world.store(b"bound with another size", 7);
    let absent = Pointer::new(Oid::of(b"absent"), 6);

    world.push(&world.commit(&[("a.mov", &here.encode()), ("readme", b"text")])).unwrap();
    let files = [
        ("a.mov", here.encode()),
        ("b.mov", torn.encode()),
        ("c.mov", other_size.encode()),
        ("d\x1b[2J.mov", absent.encode()),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let error = world.push(&world.commit(&files)).unwrap_err();
    let HookError::Missing(missing) = &error else { panic!("{error}") };
    assert_eq!((missing.files, missing.named.len()), (3, 3));
    let text = error.to_string();
    assert!(text.starts_with("missing content for 3 file(s)\n  b.mov ("), "{text}");
    assert!(text.contains(&format!("  d?[2J.mov ({})\n", &absent.oid.to_string()[..12])), "{text}");
    assert!(text.lines().last().unwrap().starts_with("hint: "), "{text}");
}

#[test]
fn a_long_list_is_cut() {
    let world = World::new();
    let names: Vec<String> = (0..12).map(|i| format!("{i:02}")).collect();
    let pointers: Vec<_> = names.iter().map(|n| Pointer::new(Oid::of(n.as_bytes()), 2).encode()).collect();
    let files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(pointers.iter().map(|p| &p[..])).collect();
    let text = world.push(&world.commit(&files)).unwrap_err().to_string();
    assert!(text.contains("for 12 file(s)") && text.contains("... and 2 more"), "{text}");
    assert_eq!(text.lines().count(), 1 + NAMED_MAX + 2);
}

#[test]
fn deletions_and_pushes_without_pointers_need_no_store() {
    let world = World::new();
    pre_receive(format!("{} {ZERO} refs/heads/x\n", "1".repeat(40)).as_bytes(), &world.env).unwrap();
    pre_receive(&b""[..], &world.env).unwrap();
    world.push(&world.commit(&[("readme", b"text")])).unwrap();
    assert!(!world.env.store_dir.exists());
}

#[test]
fn in_doubt_the_answer_is_no() {
    let world = World::new();
    let (pointer, _) = world.store(b"content", 7);
    let tip = world.commit(&[("a", &pointer.encode())]);
    world.push(&tip).unwrap();
    for input in
        [format!("{ZERO} {tip} refs/heads/x"), format!("{tip}\n"), format!("{ZERO} --all x\n"), "\n".into()]
    {
        assert!(matches!(pre_receive(input.as_bytes(), &world.env), Err(HookError::Input(_))), "{input:?}");
    }
    let unknown = format!("{ZERO} {} refs/heads/x\n", "1".repeat(40));
    assert!(matches!(pre_receive(unknown.as_bytes(), &world.env), Err(HookError::Repo(_))));
    std::fs::remove_dir_all(&world.env.store_dir).unwrap();
    std::fs::write(&world.env.store_dir, "in the way").unwrap();
    assert!(matches!(world.push(&tip), Err(HookError::Store(_))));
}

#[test]
fn another_manifest_does_not_stand_in_the_way() {
    let world = World::new();
    let (here, _) = world.store(b"content that is here", 20);
    let store = PackStore::open(&world.env.store_dir).unwrap();
    // Some of these sort before the good one: claims of another size, and one whose chunks are gone.
    for lie in 0..16u8 {
        let mut batch = store.batch().unwrap();
        let piece = [lie; 20];
        let entry = Entry { id: ChunkId::of(Kind::Data, &piece), bytes: 20 };
        let mut builder = Builder::new();
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
        let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
        let manifest = Manifest::plain(0, here.oid, 20, root);
        batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
        let size = if lie % 2 == 0 { 20 } else { 19 };
        batch.bind(Binding { oid: here.oid, manifest: manifest.id(), size, proof: Proof::Claimed });
        batch.commit().unwrap();
        world.attach(here.oid, manifest.id());
    }
    world.push(&world.commit(&[("a.mov", &here.encode())])).unwrap();
}

#[test]
fn a_content_of_another_repository_is_as_good_as_absent() {
    let world = World::new();
    let (pointer, _, manifest) = world.store_elsewhere(b"content of others", 17);
    let tip = world.commit(&[("a.mov", &pointer.encode())]);
    let foreign = world.push(&tip).unwrap_err().to_string();
    let store = world.env.store_dir.clone();
    std::fs::remove_dir_all(&store).unwrap();
    assert_eq!(foreign, world.push(&tip).unwrap_err().to_string(), "the answer tells which it is");
    assert!(!world.env.push.exists(), "a no was noted as a yes");

    // The same oid by another manifest gives nothing of the first one away either.
    let (_, _, _) = world.store_elsewhere(b"content of others", 17);
    world.attach(pointer.oid, ChunkId([9; 32]));
    assert!(matches!(world.push(&tip), Err(HookError::Missing(_))));
    world.attach(pointer.oid, manifest);
    world.push(&tip).unwrap();
    let noted = Ledger::at(&world.env.push).read(None).unwrap().entries;
    assert_eq!(noted, [ledger::Entry { id: pointer.oid.0, manifest, seconds: 7 }]);
    assert_eq!(Ledger::at(&world.env.contents).read(None).unwrap().entries.last(), noted.first());
}
