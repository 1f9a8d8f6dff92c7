//! Attributes of paths, from the attribute files that are in the mount now.
//!
//! Their text is read past the mount: from the overlay, or as a blob of Git. One that cannot be read is an error, as it could say anything.

use super::{Mount, State};
use crate::Fault;
use crate::attributes::{Attributes, FILE_BYTES_MAX, Outer};
use crate::nodes::{Body, Source};
use crate::outside::{BlobData, BlobId, Event};
use dits_format::Oid;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Where the text of an attribute file is.
enum Text {
    Upper(Arc<File>),
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
        match self.text_place(&mut self.state_mut(), path)? {
            None => return Ok(None),
            // Its place is that of whoever writes it: read by offsets.
            Some(Text::Upper(file)) => {
                let bytes = self.told(file.metadata())?.len().min(upto);
                text = self.told(super::files::read_file(&file, 0, bytes as u32))?.into();
            }
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

    /// As for Git, a link is no attribute file; nor is a ghost, whose text nobody here knows.
    fn text_place(&self, state: &mut State, path: &[u8]) -> Result<Option<Text>, Fault> {
        let Ok(ino) = state.nodes.find(path) else { return Ok(None) };
        Ok(match &state.nodes.get(ino)?.body {
            Body::File(Source::Upper { .. }) => Some(Text::Upper(self.upper(state, ino)?)),
            Body::File(Source::Blob { id, .. }) => Some(Text::Blob(id.clone())),
            _ => None,
        })
    }
}
