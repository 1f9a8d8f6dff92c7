//! Where chunks come from that are not in the store.
//! The trait keeps the network out of this crate: a test hands in a folder, a binary hands in its remotes.

use dits_format::Oid;
use dits_store::Follow;
use std::collections::HashMap;
use std::sync::Arc;

/// Brings contents into the store: a server, another clone, a backup. Blocking.
pub trait ChunkSource {
    /// Contents that those wanted next are probably edits of, by these: where a base is here, only the difference needs
    /// to come. A hint that a source may pass over.
    fn suggest(&mut self, _bases: HashMap<Oid, Oid>) {}

    /// Who would read contents while they come. A source that cannot tell them passes over it.
    fn follow(&mut self, _follower: Arc<dyn Follow>) {}

    /// Brings as many of `oids` as it can into the store and returns those it could not find. What it
    /// brought is durable when it returns, and also when it fails halfway.
    ///
    /// # Errors
    /// Any reason for which nothing more can be brought, worded for people.
    fn fetch(
        &mut self,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn std::error::Error + Send + Sync>>;
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchProgress {
    /// Contents that were asked for.
    pub contents: u64,
    /// Chunks that came.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes known to come, those that came included.
    pub bytes_total: u64,
}
