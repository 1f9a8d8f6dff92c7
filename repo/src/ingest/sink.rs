//! The end of the way: blocks go into a batch, in the order of the content.
//!
//! Only here is anything written. The tree of the content grows with its chunks, and its nodes are put as they are complete.
//! Nothing is bound before [`Sink::finish`], so a content that fails on the way leaves chunks at most.

use super::block::Block;
use crate::RepoError;
use dits_chunk::Profile;
use dits_format::blocks::OidOfBlocks;
use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, Kind, Manifest, Pointer, Proof};
use dits_store::{Batch, StoreError};

/// One content on its way into a batch.
pub(super) struct Sink<'a> {
    batch: &'a mut dyn Batch,
    tree: Builder,
    oid: OidOfBlocks,
}

impl<'a> Sink<'a> {
    pub(super) fn new(batch: &'a mut dyn Batch) -> Sink<'a> {
        Sink { batch, tree: Builder::new(), oid: OidOfBlocks::default() }
    }

    /// Takes the next block, whose chunks have their ids.
    pub(super) fn append(&mut self, block: &mut Block) -> Result<(), RepoError> {
        let (bytes, chunks, hash) = block.take();
        self.batch.put_run(Kind::Data, bytes, &chunks)?;
        let batch = &mut *self.batch;
        for chunk in &chunks {
            let entry = Entry { id: chunk.id, bytes: chunk.bytes as u64 };
            self.tree.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        }
        if let Some((index, hash)) = hash {
            self.oid.put(index, hash);
        }
        if self.tree.bytes() > CONTENT_BYTES_MAX { Err(RepoError::TooLarge) } else { Ok(()) }
    }

    /// Says that this was all, and binds the content.
    pub(super) fn finish(self, profile: Profile) -> Result<Pointer, StoreError> {
        let Sink { batch, tree, oid } = self;
        let (oid, size) = (oid.oid(), tree.bytes());
        let root = tree.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop))?;
        let manifest = Manifest::plain(profile.code(), oid, size, root);
        let (id, bytes) = (manifest.id(), manifest.encode());
        batch.put(id, Kind::Manifest, &bytes)?;
        // Also when the manifest is no news: a broken fetch may have left it here unbound.
        batch.bind(Binding { oid, manifest: id, size, proof: Proof::Proved });
        Ok(Pointer::new(oid, size))
    }
}
