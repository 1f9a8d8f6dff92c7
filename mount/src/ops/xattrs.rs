//! Extended attributes: what a file is made of, and how much of it is here.
//!
//! - `user.dits.oid` of a ghost: its content, as in its pointer (`blake3:` and 64 digits).
//! - `user.dits.state` of a ghost: `ghost` when nothing of it is here, `partial`, `cached` when all of its chunks are, `whole` when it is a file of its
//!   own here; of a file that was written through the mount: `local`.
//!
//! No content is read for them. Nothing else can be set or removed.

use super::Mount;
use crate::Fault;
use crate::attr::Ino;
use crate::nodes::{Body, Source};
use crate::outside::{ContentFault, Contents};
use dits_format::Oid;

const OID: &[u8] = b"user.dits.oid";
const STATE: &[u8] = b"user.dits.state";
/// Bytes of a content that are looked at in one go: where the chunks lie may be known of some parts only.
const WINDOW_BYTES: u64 = 1 << 20;

impl Mount {
    /// Names of the extended attributes of a node.
    pub fn xattrs(&self, ino: Ino) -> Result<&'static [&'static [u8]], Fault> {
        Ok(match &self.state().nodes.get(ino)?.body {
            Body::File(Source::Ghost { .. }) => &[OID, STATE],
            Body::File(source) if source.is_upper() => &[STATE],
            _ => &[],
        })
    }

    /// The value of an extended attribute.
    pub fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>, Fault> {
        let body = match &self.state().nodes.get(ino)?.body {
            Body::File(source) => source.clone(),
            _ => return Err(Fault::NoData),
        };
        match (name, body) {
            (OID, Source::Ghost { oid, .. }) => Ok(format!("blake3:{}", Oid(oid)).into_bytes()),
            (STATE, Source::Ghost { oid, bytes }) => {
                let state = state(self.engine.contents(), &Oid(oid), bytes);
                Ok(state.map_err(|_| Fault::Io)?.as_bytes().to_vec())
            }
            (STATE, source) if source.is_upper() => Ok(b"local".to_vec()),
            _ => Err(Fault::NoData),
        }
    }

    /// Refuses to set or remove an extended attribute.
    pub fn change_xattr(&self, ino: Ino) -> Result<(), Fault> {
        self.state().nodes.get(ino)?;
        self.check_writable()?;
        Err(Fault::NotSupported)
    }
}

/// How much of a content is here.
fn state(contents: &dyn Contents, oid: &Oid, bytes: u64) -> Result<&'static str, ContentFault> {
    if contents.whole(oid).is_some() {
        return Ok("whole");
    }
    let (mut here, mut missing) = (false, false);
    let mut at = 0;
    while at < bytes && !(here && missing) {
        let end = bytes.min(at.saturating_add(WINDOW_BYTES));
        match contents.pieces(oid, at..end)? {
            // Without knowing its chunks nothing of it can be read.
            None => missing = true,
            Some(pieces) => pieces.iter().for_each(|piece| match contents.has(&piece.id) {
                true => here = true,
                false => missing = true,
            }),
        }
        at = end;
    }
    Ok(match (here, missing) {
        (true, true) => "partial",
        (true, false) => "cached",
        (false, _) => "ghost",
    })
}
