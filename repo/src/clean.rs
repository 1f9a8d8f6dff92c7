//! Clean: content in, pointer out, chunks into the store.
//!
//! The bytes of the pipe are hashed and cut, never those of the file on disk: Git feeds other content under
//! a path too (`hash-object --path`, merges, renormalising). How is a matter of [`ingest`](mod@crate::ingest); memory
//! is bounded for any size. After each content the batch is *checkpointed*: from then on a
//! killed process loses nothing whose pointer Git was given; [`Cleaner::commit`] at the end makes all of it
//! durable against power loss too, before the `git` that runs us can return. Whoever gives no pointer to Git before that
//! needs no checkpoints ([`Cleaner::to_the_end`]).
//!
//! Content that is to stay raw ([`threshold`](mod@crate::threshold)) passes through unchanged and is stored by
//! nobody but Git. A well-formed pointer passes through unchanged, and the empty content is the empty pointer. A damaged
//! pointer is refused: stored as content it would quietly replace the asset by its own broken name.

use crate::RepoError;
use crate::ingest::{How, Ingester};
use crate::threshold::{Keeper, hold};
use dits_chunk::Profile;
use dits_format::Pointer;
use dits_format::pointer::{PROBE_BYTES, Parsed, parse};
use dits_store::{Batch, ChunkWrite, Written};
use std::io::{BufRead, Read};

/// Cleans one content after the other into one batch.
pub struct Cleaner<'a> {
    store: &'a dyn ChunkWrite,
    batch: Option<Box<dyn Batch>>,
    ingester: Ingester,
    keeper: Option<Keeper>,
    checkpoints: bool,
}

impl<'a> Cleaner<'a> {
    /// Stores into `store`. Everything becomes a pointer unless there is a `keeper`.
    pub fn new(store: &'a dyn ChunkWrite, keeper: Option<Keeper>, how: How) -> Cleaner<'a> {
        Cleaner { store, batch: None, ingester: Ingester::new(how), keeper, checkpoints: true }
    }

    /// For one who gives no pointer away before [`Cleaner::commit`].
    pub fn to_the_end(self) -> Cleaner<'a> {
        Cleaner { checkpoints: false, ..self }
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
        let pointer = self.ingester.ingest(&mut head.chain(content), profile, self.store, &mut **batch)?;
        if self.checkpoints {
            batch.checkpoint()?;
        }
        Ok(pointer)
    }

    /// Makes everything cleaned so far durable.
    pub fn commit(&mut self) -> Result<Written, RepoError> {
        Ok(self.batch.take().map_or(Ok(Written::default()), |batch| batch.commit())?)
    }
}
