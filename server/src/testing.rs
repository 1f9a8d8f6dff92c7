//! For this package's tests: contents whose chunks are told by letters, a server's folder with one realm, and machines
//! that talk without a network. The time stands still at [`NOW`].

use crate::contents::Contents;
use crate::guard::{Guard, Keeper};
use crate::layout::{Claim, Layout};
use crate::view::{Scope, View};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_store::{ChunkWrite, MemoryStore, PackStore};
use dits_sync::machine::{Machine, SyncError};
use dits_sync::push::{PushItem, Pusher, Taker};
use std::sync::Arc;

/// A content made of chunks that are told by letters.
pub(crate) struct Content {
    pub oid: Oid,
    pub manifest: Manifest,
    pub chunks: Vec<Vec<u8>>,
}

/// Each letter is a chunk of 100 bytes.
pub(crate) fn content(letters: &str) -> Content {
    let chunks: Vec<Vec<u8>> = letters.bytes().map(|letter| vec![letter; 100]).collect();
    let whole = chunks.concat();
    let mut builder = Builder::new();
    for chunk in &chunks {
        let entry = Entry { id: ChunkId::of(Kind::Data, chunk), bytes: chunk.len() as u64 };
        builder.push(entry, &mut |_, _: &[u8]| Ok::<_, SyncError>(())).unwrap();
    }
    let root = builder.finish(&mut |_, _: &[u8]| Ok::<_, SyncError>(())).unwrap();
    let oid = Oid::of(&whole);
    Content { oid, manifest: Manifest::plain(0, oid, whole.len() as u64, root), chunks }
}

/// The id of the chunk of a letter.
pub(crate) fn chunk(letter: char) -> ChunkId {
    ChunkId::of(Kind::Data, &[letter as u8; 100])
}

/// Stores a content with this proof.
pub(crate) fn store(to: &impl ChunkWrite, content: &Content, proof: Proof) {
    let mut batch = to.batch().unwrap();
    let mut builder = Builder::new();
    for chunk in &content.chunks {
        let entry = Entry { id: ChunkId::of(Kind::Data, chunk), bytes: chunk.len() as u64 };
        batch.put(entry.id, Kind::Data, chunk).unwrap();
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    }
    builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    let id = content.manifest.id();
    batch.put(id, Kind::Manifest, &content.manifest.encode()).unwrap();
    batch.bind(Binding { oid: content.oid, manifest: id, size: content.manifest.size, proof });
    batch.commit().unwrap();
}

/// A server's folder with one realm.
pub(crate) struct Realm {
    _dir: tempfile::TempDir,
    pub layout: Layout,
    pub store: PackStore,
    pub contents: Arc<Contents>,
    _claim: Claim,
}

/// The time that tests live at.
pub(crate) const NOW: u64 = 100_000_000;

impl Realm {
    pub fn new() -> Realm {
        let _dir = tempfile::tempdir_in(fast()).unwrap();
        let (layout, _claim) = Layout::claim(_dir.path()).unwrap();
        let store = layout.store("team");
        std::fs::create_dir_all(&store).unwrap();
        let store = PackStore::open(&store).unwrap();
        let contents = Arc::new(Contents::new(layout.clone()));
        Realm { _dir, layout, store, contents, _claim }
    }

    /// Who talks to `repository` and may read only `readable`, or everything.
    pub fn keeper(&self, repository: &str, readable: Option<&[&str]>) -> Keeper {
        let scope = readable.map(|readable| Scope {
            contents: self.contents.clone(),
            repository: repository.into(),
            readable: readable.iter().map(|name| (*name).to_owned()).collect(),
            clock: || NOW,
        });
        Keeper {
            contents: self.contents.clone(),
            store: self.store.clone(),
            view: View::new(self.store.clone(), scope),
            realm: "team".into(),
            repository: repository.into(),
            clock: || NOW,
        }
    }

    /// The server's end of a push.
    pub fn taker(&self, repository: &str, readable: Option<&[&str]>) -> Guard<Taker> {
        let keeper = self.keeper(repository, readable);
        Guard::taking(Taker::new(&keeper.view).unwrap(), keeper, Taker::bound)
    }

    /// Pushes contents as somebody who may read only `readable`; returns how many chunks travelled.
    pub fn push(
        &self,
        repository: &str,
        readable: Option<&[&str]>,
        contents: &[&Content],
    ) -> Result<u64, SyncError> {
        let mut pusher = pusher(contents);
        run(&mut pusher, &mut self.taker(repository, readable))?;
        Ok(pusher.tally().chunks)
    }
}

/// The client's end of a push of these contents.
pub(crate) fn pusher(contents: &[&Content]) -> Pusher {
    let client = MemoryStore::new();
    contents.iter().for_each(|content| store(&client, content, Proof::Proved));
    let item = |content: &&Content| PushItem { oid: content.oid, size: content.manifest.size, base: None };
    Pusher::new(Arc::new(client), contents.iter().map(item).collect())
}

/// A folder in memory where there is one: these tests sync often.
fn fast() -> std::path::PathBuf {
    let memory = std::path::PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// Lets two machines talk until both are done.
pub(crate) fn run(left: &mut impl Machine, right: &mut impl Machine) -> Result<(), SyncError> {
    while !(left.is_done() && right.is_done()) {
        let mut moved = false;
        while let Some(message) = left.poll()? {
            right.receive(message)?;
            moved = true;
        }
        while let Some(message) = right.poll()? {
            left.receive(message)?;
            moved = true;
        }
        assert!(moved || (left.is_done() && right.is_done()), "both wait");
    }
    Ok(())
}
