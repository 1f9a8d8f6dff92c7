//! Reading.
//!
//! Where bytes come from is looked up at each read, so a handle sees what others write. That takes the lock for reading only, and nothing
//! but the first read of a blob, or of a content through a handle, makes anything that later ones do not need again.

use super::state::{Handle, State};
use super::{Mount, lock};
use crate::Fault;
use crate::attr::{Access, Fh, Ino};
use crate::nodes::{Below, Source, Sparse};
use crate::outside::{BlobData, BlobId, Event};
use crate::read::Stream;
use crate::sys;
use bytes::{Bytes, BytesMut};
use dits_format::Oid;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// Where bytes come from.
enum Place {
    Upper(Arc<File>),
    Blob(Arc<BlobData>),
    /// A blob that nobody has read yet.
    NewBlob(BlobId),
    Stream(Arc<Stream>),
    Mixed(Arc<File>, Box<Place>, Vec<Run>),
}

/// Bytes that come from the same place.
struct Run {
    bytes: Range<u64>,
    is_upper: bool,
}

/// Whether a read may wait for Git and the network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Yes,
    No,
}

impl Mount {
    /// Reads at most `length` bytes from `offset`; fewer only at the end of the file. May wait for the network.
    pub fn read(&self, fh: Fh, offset: u64, length: u32) -> Result<Bytes, Fault> {
        self.read_in(fh, offset, length, Wait::Yes).unwrap_or(Err(Fault::Io))
    }

    /// The same, if neither Git nor the network is needed; `None` if one is.
    pub fn try_read(&self, fh: Fh, offset: u64, length: u32) -> Option<Result<Bytes, Fault>> {
        self.read_in(fh, offset, length, Wait::No)
    }

    /// The first bytes of a file that no program need have open. Takes no turn.
    pub(super) fn peek(&self, ino: Ino, length: u32) -> Result<Bytes, Fault> {
        let fh = {
            let mut state = self.state_mut();
            self.pin(&mut state, ino)?;
            let fh = state.hand_out(ino, Access { read: true, ..Access::default() });
            self.unpin(&mut state, ino);
            fh
        };
        let result = self.read(fh, 0, length);
        self.close(fh)?;
        result
    }

    fn read_in(&self, fh: Fh, offset: u64, length: u32, wait: Wait) -> Option<Result<Bytes, Fault>> {
        match self.look(fh, offset, length) {
            Ok((_, _, 0)) => Some(Ok(Bytes::new())),
            Ok((ino, place, length)) => self.take(ino, &place, offset, length, wait),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Where the bytes of an open file are now, and how many there are.
    fn look(&self, fh: Fh, offset: u64, length: u32) -> Result<(Ino, Place, u32), Fault> {
        let state = self.state();
        let handle = state.handle(fh)?;
        let ino = handle.ino;
        let source = state.source(ino)?;
        let length = u64::from(length).min(source.bytes().saturating_sub(offset)) as u32;
        let place = match source {
            Source::Upper { .. } => Place::Upper(state.upper(ino)?),
            Source::Ghost { oid, bytes } => Place::Stream(self.stream(&state, handle, *oid, *bytes)),
            Source::Blob { id, .. } => blob(&state, ino, id),
            Source::Sparse(sparse) => {
                let runs = runs(sparse, offset..offset + u64::from(length));
                let upper = state.upper(ino)?;
                if runs.iter().all(|run| run.is_upper) {
                    Place::Upper(upper)
                } else {
                    let below = match &sparse.below {
                        Below::Ghost { oid, bytes } => {
                            Place::Stream(self.stream(&state, handle, *oid, *bytes))
                        }
                        Below::Blob { id, .. } => blob(&state, ino, id),
                    };
                    Place::Mixed(upper, Box::new(below), runs)
                }
            }
        };
        Ok((ino, place, length))
    }

    /// The stream of a handle over a content.
    fn stream(&self, state: &State, handle: &Handle, oid: [u8; 32], bytes: u64) -> Arc<Stream> {
        let mut stream = lock(&handle.stream);
        match &*stream {
            Some(stream) if stream.oid().0 == oid => stream.clone(),
            _ => {
                let path = state.nodes.path(handle.ino);
                let new = Arc::new(self.engine.open(Oid(oid), bytes, &path));
                *stream = Some(new.clone());
                new
            }
        }
    }

    fn take(
        &self,
        ino: Ino,
        place: &Place,
        offset: u64,
        length: u32,
        wait: Wait,
    ) -> Option<Result<Bytes, Fault>> {
        match place {
            Place::Upper(file) => Some(self.told(read_file(file, offset, length))),
            Place::Blob(blob) => Some(self.take_blob(blob, offset, length)),
            Place::NewBlob(_) if wait == Wait::No => None,
            Place::NewBlob(id) => {
                Some(self.blob_of(ino, id).and_then(|blob| self.take_blob(&blob, offset, length)))
            }
            Place::Stream(stream) => {
                let read = match wait {
                    Wait::Yes => stream.read(offset, length),
                    Wait::No => stream.try_read(offset, length)?,
                };
                Some(read.map_err(|why| {
                    let path = self.state().nodes.path(ino);
                    self.events.happened(Event::Unreadable { path, oid: *stream.oid(), why });
                    Fault::Io
                }))
            }
            Place::Mixed(upper, below, runs) => {
                let mut out = BytesMut::with_capacity(length as usize);
                for run in runs {
                    let (offset, length) = (run.bytes.start, (run.bytes.end - run.bytes.start) as u32);
                    let part = if run.is_upper {
                        self.told(read_file(upper, offset, length))
                    } else {
                        self.take(ino, below, offset, length, wait)?
                    };
                    match part {
                        Ok(part) if part.len() == length as usize => out.extend_from_slice(&part),
                        Ok(_) => return Some(Err(Fault::Io)),
                        Err(fault) => return Some(Err(fault)),
                    }
                }
                Some(Ok(out.freeze()))
            }
        }
    }

    fn take_blob(&self, blob: &BlobData, offset: u64, length: u32) -> Result<Bytes, Fault> {
        match blob {
            BlobData::Memory(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..(from + length as usize).min(bytes.len())))
            }
            BlobData::File(file) => self.told(read_file(file, offset, length)),
        }
    }

    /// Reads a blob, and keeps it for as long as its file is open.
    fn blob_of(&self, ino: Ino, id: &BlobId) -> Result<Arc<BlobData>, Fault> {
        let path = self.state().nodes.path(ino);
        let blob = Arc::new(self.blobs.read(id, &path).map_err(|why| {
            self.events.happened(Event::Unreadable { path, oid: Oid([0; 32]), why });
            Fault::Io
        })?);
        if let Some(open) = self.state_mut().open.get_mut(&ino) {
            open.blob = Some(blob.clone());
        }
        Ok(blob)
    }
}

fn blob(state: &State, ino: Ino, id: &BlobId) -> Place {
    match state.open.get(&ino).and_then(|open| open.blob.clone()) {
        Some(blob) => Place::Blob(blob),
        None => Place::NewBlob(id.clone()),
    }
}

/// Where each part of a range of a file with holes comes from.
fn runs(sparse: &Sparse, range: Range<u64>) -> Vec<Run> {
    let (mut runs, mut at) = (Vec::new(), range.start);
    while at < range.end {
        let (is_upper, until) = match sparse.written.at(at) {
            _ if at >= sparse.kept => (true, u64::MAX),
            (is_upper, until) => (is_upper, until.min(sparse.kept)),
        };
        let end = until.min(range.end);
        runs.push(Run { bytes: at..end, is_upper });
        at = end;
    }
    runs
}

pub(super) fn read_file(file: &File, offset: u64, length: u32) -> std::io::Result<Bytes> {
    let mut out = vec![0; length as usize];
    let have = sys::read_at(file, &mut out, offset)?;
    out.truncate(have);
    Ok(out.into())
}
