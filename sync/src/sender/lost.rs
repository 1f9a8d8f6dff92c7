//! Finding chunks that the receiver turned out to lack, among those of the contents that this stream described.
//!
//! No other chunk is handed out: an id alone opens nothing.

use crate::descent::{Descent, Step, read};
use crate::machine::SyncError;
use dits_format::{ChunkId, Kind};
use dits_store::{ChunkRead, content};
use std::collections::{HashMap, HashSet};

/// The kinds of `ids`, all of which must be in, or be one of, `manifests`.
///
/// # Errors
/// [`SyncError::Protocol`] when one is not, or is named twice; [`SyncError::Store`] when our own store has a hole.
pub(super) fn find(
    store: &dyn ChunkRead,
    manifests: &HashSet<ChunkId>,
    ids: &[ChunkId],
) -> Result<Vec<(ChunkId, Kind)>, SyncError> {
    let mut kinds: HashMap<ChunkId, Option<Kind>> = ids.iter().map(|id| (*id, None)).collect();
    let mut open = kinds.len();
    if open != ids.len() {
        return Err(SyncError::Protocol("a chunk missing twice"));
    }
    let mut met = |id: &ChunkId, kind: Kind| {
        if let Some(unknown @ None) = kinds.get_mut(id) {
            *unknown = Some(kind);
            open -= 1;
        }
        open == 0
    };
    let mut bytes = Vec::new();
    'all: for id in manifests {
        if met(id, Kind::Manifest) {
            break;
        }
        let manifest = content::manifest(store, id)?;
        for stream in &manifest.streams {
            let mut descent = Descent::new(stream, 0..u64::MAX);
            while let Some(step) = descent.next() {
                let all_found = match step {
                    Step::Chunk(entry) => met(&entry.id, Kind::Data),
                    Step::Node(entry, level) => {
                        read(store, &entry.id, Kind::Node, &mut bytes)?;
                        descent.open(entry, level, &bytes)?;
                        met(&entry.id, Kind::Node)
                    }
                };
                if all_found {
                    break 'all;
                }
            }
        }
    }
    let unknown = SyncError::Protocol("a missing chunk that nobody offered");
    let found: Option<Vec<_>> = ids.iter().map(|id| Some((*id, kinds[id]?))).collect();
    found.ok_or(unknown)
}
