//! One content, without Git's filter protocol: what `git-dits clean` and `git-dits smudge` do.
//!
//! Scripts, and Git where only the single filters are configured, give a content on one stream and take the answer
//! from another. Both ways stream, so memory does not grow with the content; what is cleaned is what the stream
//! gives, whatever lies at the path that is named. Smudge writes nothing before it knows that the bytes will be
//! the right ones: chunks are checked as they are read, and a binding that nobody has proved yet is followed
//! once without writing.

use crate::protocol::HandlerError;
use dits_format::pointer::{PROBE_BYTES, Parsed, parse};
use dits_format::{Oid, Pointer, Proof};
use dits_repo::clean::Cleaner;
use dits_repo::ingest::How;
use dits_repo::profile_reader::ProfileReader;
use dits_repo::threshold::Keeper;
use dits_repo::{ChunkSource, FetchProgress, RepoError, Repository, profile};
use dits_store::content::{self, Known};
use dits_store::{ChunkRead, PackStore, StoreError};
use std::io::{BufRead, Read, Write};

/// Why a content could not be smudged.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// It is neither here nor at a remote.
    #[error("content {0} is not available")]
    Unavailable(Oid),
    /// The repository, the store or a stream failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// No remote could be asked.
    #[error("cannot fetch content {oid}: {source}")]
    Fetch {
        /// Which.
        oid: Oid,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<StoreError> for OnceError {
    fn from(error: StoreError) -> OnceError {
        OnceError::Repo(error.into())
    }
}

/// Stores what `input` gives, with so many threads if it is large, and writes the pointer. It is durable when this returns.
pub fn clean(
    repository: &Repository,
    store: &PackStore,
    path: &[u8],
    threads: usize,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<(), RepoError> {
    let mut profiles = ProfileReader::new(repository);
    let how = How { threads, compression: repository.compression()? };
    let mut cleaner = Cleaner::new(store, Keeper::of(repository)?, how).to_the_end();
    let pointer = cleaner.clean(path, input, || profile::choose(path, profiles.get(path).as_deref()))?;
    cleaner.commit()?;
    output.write_all(&pointer).and_then(|()| output.flush()).map_err(RepoError::Content)
}

/// Writes the content of the pointer that `input` gives; what is no pointer goes through. With `skip` pointers
/// do too.
pub fn smudge(
    store: &PackStore,
    source: &mut dyn ChunkSource,
    skip: bool,
    input: &mut dyn Read,
    output: &mut dyn Write,
    observe: &mut (dyn FnMut(FetchProgress) + Send),
) -> Result<(), OnceError> {
    let mut head = Vec::new();
    input.take(PROBE_BYTES as u64).read_to_end(&mut head).map_err(RepoError::Content)?;
    match parse(&head) {
        Parsed::Pointer(pointer) if !skip => {
            let mut known = available(store, source, &pointer, observe)?;
            // What stands beside the store may go away, or prove to be damaged, after we looked. Once more, then.
            if matches!(verify(store, &known), Err(StoreError::Missing { .. })) {
                known = available(store, source, &pointer, observe)?;
            }
            verify(store, &known)?;
            content::rebuild::<RepoError>(store, &known.manifest, &mut |part| {
                output.write_all(part).map_err(RepoError::Content)
            })?;
        }
        _ => {
            output.write_all(&head).map_err(RepoError::Content)?;
            std::io::copy(input, output).map_err(RepoError::Content)?;
        }
    }
    Ok(output.flush().map_err(RepoError::Content)?)
}

/// How to rebuild the content of `pointer`, fetched if it is not here.
pub(crate) fn available(
    store: &PackStore,
    source: &mut dyn ChunkSource,
    pointer: &Pointer,
    observe: &mut (dyn FnMut(FetchProgress) + Send),
) -> Result<Known, OnceError> {
    let oid = pointer.oid;
    store.hold(&[oid]);
    if !content::is_whole(store, &oid).unwrap_or(false) {
        let absent = source.fetch(&[oid], observe).map_err(|source| OnceError::Fetch { oid, source })?;
        if absent.contains(&oid) {
            return Err(OnceError::Unavailable(oid));
        }
        store.refresh()?;
    }
    content::find(store, &oid)?.ok_or(OnceError::Unavailable(oid))
}

/// Follows a content whose oid nobody has proved, so that no byte of it is given away if it is another.
fn verify(store: &dyn ChunkRead, known: &Known) -> Result<(), StoreError> {
    if known.binding.proof == Proof::Proved {
        return content::first_missing(store, &known.manifest)?
            .map_or(Ok(()), |id| Err(StoreError::Missing { id }));
    }
    content::rebuild::<StoreError>(store, &known.manifest, &mut |_| Ok(()))
}

impl From<OnceError> for HandlerError {
    fn from(error: OnceError) -> HandlerError {
        HandlerError::error(error)
    }
}
