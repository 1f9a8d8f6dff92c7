//! A store that fails as it is told to: for tests, and for `git dits serve --faults`.
//!
//! [`Faulty`] wraps any store and its batches. A [`Plan`] has rules: which calls of which operation go wrong, and how.
//! Without rules it passes everything through, and runs the same battery as what it wraps. What it does is
//! decided by the plan alone: calls are counted for each rule over all clones and batches that share the plan, and chance
//! is drawn from the seed and the number of the call. Wrong bytes are handed out in silence, as no store of ours
//! would: whoever reads them must find out.
//!
//! Fails as the plan says: [`StoreError::Io`] with EIO or ENOSPC, [`StoreError::Corrupt`].

mod plan;
mod rule;

pub use plan::Plan;
pub use rule::{Fault, Operation, Rule, RuleError, When};

use crate::codec::Codec;
use crate::{Batch, ChunkPrune, ChunkRead, ChunkWrite, Encoded, Forgotten, Item, StoreError, Written};
use dits_format::{Binding, ChunkId, Kind, Oid};
use std::collections::HashSet;
use std::sync::Arc;

/// A store with a plan.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    store: S,
    plan: Arc<Plan>,
}

impl<S> Faulty<S> {
    /// `store`, failing by `plan`.
    pub fn new(store: S, plan: Arc<Plan>) -> Faulty<S> {
        Faulty { store, plan }
    }
}

impl<S: ChunkRead> ChunkRead for Faulty<S> {
    fn has(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.plan.call(Operation::Has)?;
        self.store.has(id)
    }

    fn admits(&self, id: &ChunkId) -> Result<bool, StoreError> {
        self.plan.call(Operation::Has)?;
        self.store.admits(id)
    }

    fn read(&self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        read(&self.plan, id, out, |out| self.store.read(id, out))
    }

    fn read_encoded(&self, id: &ChunkId) -> Result<Option<(Kind, Encoded)>, StoreError> {
        let (mut bytes, mut form) = (Vec::new(), None);
        let kind = read(&self.plan, id, &mut bytes, |out| {
            let Some((kind, encoded)) = self.store.read_encoded(id)? else { return Ok(None) };
            *out = encoded.bytes.into();
            form = Some((encoded.codec, encoded.plain_bytes));
            Ok(Some(kind))
        })?;
        Ok(kind.zip(form).map(|(kind, form)| match form {
            (Codec::Raw, _) => (kind, Encoded::raw(bytes.into())),
            (codec, plain_bytes) => (kind, Encoded { codec, bytes: bytes.into(), plain_bytes }),
        }))
    }

    fn bindings(&self, oid: &Oid) -> Result<Vec<Binding>, StoreError> {
        self.plan.call(Operation::Bindings)?;
        self.store.bindings(oid)
    }

    fn visit(&self, each: &mut dyn FnMut(Item) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.plan.call(Operation::Visit)?;
        self.store.visit(each)
    }
}

impl<S: ChunkWrite> ChunkWrite for Faulty<S> {
    fn batch(&self) -> Result<Box<dyn Batch>, StoreError> {
        let batch = self.store.batch()?;
        Ok(Box::new(FaultyBatch { batch, plan: self.plan.clone(), failed: None }))
    }
}

impl<S: ChunkPrune> ChunkPrune for Faulty<S> {
    fn remove(&self, ids: &HashSet<ChunkId>) -> Result<u64, StoreError> {
        self.plan.call(Operation::Remove)?;
        self.store.remove(ids)
    }

    fn forget(&self, contents: &HashSet<Oid>) -> Result<Forgotten, StoreError> {
        self.plan.call(Operation::Remove)?;
        self.store.forget(contents)
    }
}

/// Reads, and spoils what was read.
fn read(
    plan: &Plan,
    id: &ChunkId,
    out: &mut Vec<u8>,
    read: impl FnOnce(&mut Vec<u8>) -> Result<Option<Kind>, StoreError>,
) -> Result<Option<Kind>, StoreError> {
    let fault = plan.call(Operation::Read)?;
    let kind = read(out)?;
    match (fault, kind) {
        (Some(Fault::Corrupt), Some(_)) => {
            Err(StoreError::Corrupt { id: *id, why: "as the plan of faults says".into() })
        }
        (Some(fault), Some(_)) => {
            fault.spoil(out);
            Ok(kind)
        }
        _ => Ok(kind),
    }
}

struct FaultyBatch {
    batch: Box<dyn Batch>,
    plan: Arc<Plan>,
    /// What a `bind` met, which cannot say so itself.
    failed: Option<StoreError>,
}

impl Batch for FaultyBatch {
    fn has(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        self.plan.call(Operation::Has)?;
        self.batch.has(id)
    }

    fn admits(&mut self, id: &ChunkId) -> Result<bool, StoreError> {
        self.plan.call(Operation::Has)?;
        self.batch.admits(id)
    }

    fn read(&mut self, id: &ChunkId, out: &mut Vec<u8>) -> Result<Option<Kind>, StoreError> {
        let batch = &mut self.batch;
        read(&self.plan, id, out, |out| batch.read(id, out))
    }

    fn put(&mut self, id: ChunkId, kind: Kind, bytes: &[u8]) -> Result<bool, StoreError> {
        self.plan.call(Operation::Put)?;
        self.batch.put(id, kind, bytes)
    }

    fn put_encoded(&mut self, id: ChunkId, kind: Kind, encoded: &Encoded) -> Result<bool, StoreError> {
        self.plan.call(Operation::Put)?;
        self.batch.put_encoded(id, kind, encoded)
    }

    fn bind(&mut self, binding: Binding) {
        match self.plan.call(Operation::Bind) {
            Ok(_) => self.batch.bind(binding),
            Err(error) => self.failed = Some(error),
        }
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.plan.call(Operation::Checkpoint)?;
        self.batch.checkpoint()
    }

    fn commit(mut self: Box<Self>) -> Result<Written, StoreError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.plan.call(Operation::Commit)?;
        self.batch.commit()
    }
}
