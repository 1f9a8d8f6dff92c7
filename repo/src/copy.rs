//! Contents from another store of this machine: a remote that is a folder.
//!
//! They go into our own store, whole: the other repository may be the only one that has them, and may be deleted
//! tomorrow. Every chunk is checked as it is read. What is bound is *claimed*, whatever the other store says:
//! hydration compares the oid of each file.

use crate::{FetchProgress, RepoError};
use dits_format::tree::decode_node;
use dits_format::{Binding, ChunkId, Kind, Oid, Proof};
use dits_store::content::{self, Known};
use dits_store::{Batch, ChunkRead, ChunkWrite, PackStore, StoreError};

/// Copies those of `oids` that are whole in `from`; returns the others. What was copied is durable.
pub fn contents(
    from: &PackStore,
    to: &PackStore,
    oids: &[Oid],
    observe: &mut dyn FnMut(FetchProgress),
) -> Result<Vec<Oid>, RepoError> {
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for oid in oids {
        match content::find_whole(from, oid, |_| true)? {
            Some(known) => found.push(known),
            None => absent.push(*oid),
        }
    }
    if found.is_empty() {
        return Ok(absent);
    }
    let bytes_total = found.iter().map(|known| known.manifest.size).sum();
    let progress = FetchProgress { bytes_total, ..FetchProgress::default() };
    let (own, batch, buffer) = (to.own(), to.batch()?, Vec::new());
    let mut copy = Copy { from, own, batch, buffer, progress, observe };
    for Known { binding, manifest } in found {
        let copied = copy.chunk(binding.manifest, 0).and_then(|()| {
            let streams = manifest.streams.iter().filter(|stream| stream.bytes > 0);
            streams.into_iter().try_for_each(|stream| copy.tree(stream.root.id, stream.root.height))
        });
        match copied {
            Ok(()) => copy.batch.bind(Binding { proof: Proof::Claimed, ..binding }),
            // Damaged there, or just pruned: it cannot be had here, and the others can.
            Err(StoreError::Missing { .. } | StoreError::Corrupt { .. } | StoreError::Format { .. }) => {
                absent.push(binding.oid);
            }
            Err(error) => return Err(error.into()),
        }
    }
    copy.batch.commit()?;
    Ok(absent)
}

struct Copy<'a> {
    from: &'a PackStore,
    own: PackStore,
    batch: Box<dyn Batch>,
    buffer: Vec<u8>,
    progress: FetchProgress,
    observe: &'a mut dyn FnMut(FetchProgress),
}

impl Copy<'_> {
    fn tree(&mut self, id: ChunkId, level: u8) -> Result<(), StoreError> {
        if level == 0 {
            return self.chunk(id, 1);
        }
        self.chunk(id, 0)?;
        let node = match self.from.read(&id, &mut self.buffer)? {
            Some(Kind::Node) => decode_node(&self.buffer, level),
            _ => return Err(StoreError::Missing { id }),
        };
        let entries = node.map_err(|source| StoreError::Format { id, source })?;
        entries.into_iter().try_for_each(|entry| self.tree(entry.id, level - 1))
    }

    /// Copies one chunk, and counts it as `count` chunks of content.
    fn chunk(&mut self, id: ChunkId, count: u64) -> Result<(), StoreError> {
        if self.own.has(&id)? {
            return Ok(());
        }
        let kind = self.from.read(&id, &mut self.buffer)?.ok_or(StoreError::Missing { id })?;
        if self.batch.put(id, kind, &self.buffer)? && count > 0 {
            self.progress.chunks += count;
            self.progress.bytes += self.buffer.len() as u64;
            (self.observe)(self.progress);
        }
        Ok(())
    }
}
