//! Attributes of paths, from the attribute files that are in the mount now.
//!
//! Their text is read past the mount: from the overlay, or as a blob of Git. One that cannot be read is an error, as it could say anything.

use super::{Mount, State};
use crate::Fault;
use crate::attr::Ino;
use crate::attributes::{Attributes, FILE_BYTES_MAX, Outer};
use crate::nodes::Source;
use crate::outside::{BlobData, BlobId, Event};
use dits_format::Oid;
use std::io::Read;

/// Where the text of an attribute file is.
enum Text {
    Written(Ino),
    Blob(BlobId),
}

impl Mount {
    /// Uses these attribute files outside of the tree from now on.
    pub fn set_outer_attributes(&self, outer: &Outer) {
        self.attributes.set_outer(outer);
    }

    /// The attributes of a path, as Git would say. May read a blob. Not to be called with the lock held.
    pub fn attributes(&self, path: &[u8]) -> Result<Attributes, Fault> {
        self.attributes.of(path, |file| self.attribute_text(file))
    }

    fn attribute_text(&self, path: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut text = Vec::new();
        // One more, so that what is too large is seen to be.
        let upto = FILE_BYTES_MAX + 1;
        let place = text_place(&self.state(), path);
        match place {
            None => return Ok(None),
            Some(Text::Written(ino)) => text = self.peek(ino, upto as u32)?.into(),
            Some(Text::Blob(id)) => match self.blobs.read(&id, path) {
                Ok(BlobData::Memory(bytes)) => text = bytes.into(),
                Ok(BlobData::File(file)) => {
                    self.told(file.take(upto).read_to_end(&mut text))?;
                }
                Err(why) => {
                    let path = path.to_vec();
                    self.events.happened(Event::Unreadable { path, oid: Oid([0; 32]), why });
                    return Err(Fault::Io);
                }
            },
        }
        Ok(Some(text))
    }
}

/// As for Git, a link is no attribute file; nor is a ghost, whose text nobody here knows.
fn text_place(state: &State, path: &[u8]) -> Option<Text> {
    let ino = state.nodes.find(path).ok()?;
    match state.source(ino).ok()? {
        source if source.is_upper() => Some(Text::Written(ino)),
        Source::Blob { id, .. } => Some(Text::Blob(id.clone())),
        _ => None,
    }
}
