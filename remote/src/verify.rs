//! Whether contents that somebody pushed are at their peer, for a check that looks on from a third place.
//!
//! A peer promises only what it has *proved*. An honest push that has just ended may still be a *claim* there: whole,
//! and waiting for the server to rebuild it. So what is not proved is asked about as a pull would: absent is absent, and
//! a claim is given time to be settled. How long, and how a wait is made, are arguments.

use crate::{Peer, RemoteError};
use dits_format::Oid;
use dits_store::{ChunkRead, MemoryStore};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two questions about a claim.
pub const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How a content stands at a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Whole, and hashed by the peer.
    Proved,
    /// Whole; whether it is what it is called is not known yet.
    Claimed,
    /// Not there, or not all of it.
    Absent,
}

impl State {
    /// Its name for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            State::Proved => "proved",
            State::Claimed => "claimed",
            State::Absent => "absent",
        }
    }
}

/// How `oids` stand at `peer`. While some are claims, asks again up to `tries` times and calls `pause` before each.
pub fn states(
    peer: &mut Peer,
    oids: &[Oid],
    tries: u32,
    pause: &mut dyn FnMut(),
) -> Result<HashMap<Oid, State>, RemoteError> {
    let mut states = HashMap::new();
    let mut open = unproved(peer, oids.to_vec(), &mut states)?;
    if open.is_empty() {
        return Ok(states);
    }
    let nothing: Arc<dyn ChunkRead> = Arc::new(MemoryStore::new());
    let (_, absent) = peer.weigh(&nothing, &open)?;
    states.extend(absent.into_iter().map(|oid| (oid, State::Absent)));
    open.retain(|oid| !states.contains_key(oid));
    for _ in 0..tries {
        if open.is_empty() {
            break;
        }
        pause();
        open = unproved(peer, open, &mut states)?;
    }
    states.extend(open.into_iter().map(|oid| (oid, State::Claimed)));
    Ok(states)
}

fn unproved(
    peer: &mut Peer,
    mut oids: Vec<Oid>,
    states: &mut HashMap<Oid, State>,
) -> Result<Vec<Oid>, RemoteError> {
    let proved = peer.proves(&oids)?;
    states
        .extend(oids.iter().zip(proved).filter(|(_, proved)| *proved).map(|(oid, _)| (*oid, State::Proved)));
    oids.retain(|oid| !states.contains_key(oid));
    Ok(oids)
}
