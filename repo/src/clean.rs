//! Clean: content in, pointer out, chunks into the store.
//!
//! The bytes of the pipe are hashed and cut, never those of the file on disk: Git feeds other content under
//! a path too (`hash-object --path`, merges, renormalising). Memory is one cut buffer (about 1.3 MiB) plus
//! the store's write buffer, for any size. After each content the batch is *checkpointed*: from then on a
//! killed process loses nothing whose pointer Git was given; [`Cleaner::commit`] at the end makes all of it
//! durable against power loss too, before the `git` that runs us can return.
//!
//! Content that is to stay raw ([`threshold`](mod@crate::threshold)) passes through unchanged and is stored by
//! nobody but Git. A well-formed pointer passes through unchanged, and the empty content is the empty pointer. A damaged
//! pointer is refused: stored as content it would quietly replace the asset by its own broken name.

use crate::RepoError;
use crate::threshold::{Keeper, hold};
use dits_chunk::{Cutter, Profile};
use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::pointer::{PROBE_BYTES, Parsed, parse};
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Pointer, Proof};
use dits_store::{Batch, ChunkWrite, StoreError, Written};
use std::io::BufRead;

/// Cleans one content after the other into one batch.
pub struct Cleaner<'a> {
    store: &'a dyn ChunkWrite,
    batch: Option<Box<dyn Batch>>,
    cutter: Cutter,
    keeper: Option<Keeper>,
}

impl<'a> Cleaner<'a> {
    /// Stores into `store`. Everything becomes a pointer unless there is a `keeper`.
    pub fn new(store: &'a dyn ChunkWrite, keeper: Option<Keeper>) -> Cleaner<'a> {
        Cleaner { store, batch: None, cutter: Cutter::new(Profile::Video), keeper }
    }

    /// Reads `content` to its end and returns what Git shall store. `profile` is asked only for content
    /// that gets cut.
    ///
    /// # Errors
    /// [`RepoError::DamagedPointer`], [`RepoError::TooLarge`], or when reading or storing fails; nothing is
    /// bound then.
    pub fn clean(
        &mut self,
        path: &[u8],
        content: &mut dyn BufRead,
        profile: impl FnOnce() -> Profile,
    ) -> Result<Vec<u8>, RepoError> {
        let mut head = Vec::new();
        hold(PROBE_BYTES as u64, &mut head, content)?;
        if head.len() < PROBE_BYTES {
            match parse(&head) {
                Parsed::Pointer(_) => return Ok(head),
                Parsed::Damaged(damage) => {
                    let path = String::from_utf8_lossy(path).into_owned();
                    return Err(RepoError::DamagedPointer { path, damage });
                }
                Parsed::Content if head.is_empty() => return Ok(head),
                Parsed::Content => {}
            }
        }
        if let Some(keeper) = &mut self.keeper
            && keeper.keeps_raw(path, &mut head, content)?
        {
            return Ok(head);
        }
        let pointer = self.ingest(&head, content, profile())?;
        Ok(pointer.encode())
    }

    fn ingest(
        &mut self,
        head: &[u8],
        content: &mut dyn BufRead,
        profile: Profile,
    ) -> Result<Pointer, RepoError> {
        let batch = match &mut self.batch {
            Some(batch) => batch,
            none => none.insert(self.store.batch()?),
        };
        self.cutter.reset(profile);
        let mut ingest = Ingest { batch: &mut **batch, tree: Builder::new(), hasher: blake3::Hasher::new() };
        let cutter = &mut self.cutter;
        ingest.feed(cutter, head)?;
        loop {
            let part = content.fill_buf().map_err(RepoError::Content)?;
            let len = part.len();
            if len == 0 {
                break;
            }
            ingest.feed(cutter, part)?;
            content.consume(len);
        }
        while let Some(chunk) = cutter.finish_chunk() {
            ingest.chunk(chunk)?;
        }
        let pointer = ingest.finish(profile)?;
        batch.checkpoint()?;
        Ok(pointer)
    }

    /// Makes everything cleaned so far durable.
    pub fn commit(&mut self) -> Result<Written, RepoError> {
        Ok(self.batch.take().map_or(Ok(Written::default()), |batch| batch.commit())?)
    }
}

/// One content on its way.
struct Ingest<'a> {
    batch: &'a mut dyn Batch,
    tree: Builder,
    hasher: blake3::Hasher,
}

impl Ingest<'_> {
    fn feed(&mut self, cutter: &mut Cutter, part: &[u8]) -> Result<(), RepoError> {
        self.hasher.update(part);
        cutter.push(part, &mut |chunk| self.chunk(chunk))
    }

    fn chunk(&mut self, chunk: &[u8]) -> Result<(), RepoError> {
        let id = ChunkId::of(Kind::Data, chunk);
        self.batch.put(id, Kind::Data, chunk)?;
        let batch = &mut *self.batch;
        let entry = Entry { id, bytes: chunk.len() as u64 };
        self.tree.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        if self.tree.bytes() > CONTENT_BYTES_MAX { Err(RepoError::TooLarge) } else { Ok(()) }
    }

    fn finish(self, profile: Profile) -> Result<Pointer, StoreError> {
        let Ingest { batch, tree, hasher } = self;
        let size = tree.bytes();
        let root = tree.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        let oid = Oid(*hasher.finalize().as_bytes());
        let manifest = Manifest::plain(profile.code(), oid, size, root);
        let (id, bytes) = (manifest.id(), manifest.encode());
        batch.put(id, Kind::Manifest, &bytes)?;
        // Also when the manifest is no news: a broken fetch may have left it here unbound.
        batch.bind(Binding { oid, manifest: id, size, proof: Proof::Proved });
        Ok(Pointer::new(oid, size))
    }
}
