//! Operations on the bytes of files.
//!
//! A file of the base is opened for writing by *copying it up*: its bytes go into a file of the overlay first, unless they are cut
//! anyway. Handles that were opened before see what is written then, too: where bytes come from is looked up at each read.

use super::{Handle, Mount, State};
use crate::Fault;
use crate::attr::{Access, Attr, Creator, FILE_BYTES_MAX, Fh, Ino, Meta, Time};
use crate::nodes::{Body, Change, Made, Source};
use crate::outside::{BlobData, Event};
use bytes::Bytes;
use dits_format::Oid;
use dits_format::limits::POINTER_BYTES_MAX;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes that are copied at a time.
const COPY_BYTES: u32 = 4 << 20;

/// A whole file on this machine with the very bytes of an open file.
pub type Backing = Arc<File>;

/// An open file.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its handle, to be [released](Mount::release).
    pub fh: Fh,
    /// Whether what a kernel has of it in memory is still right.
    pub keep_cache: bool,
    /// Where the kernel may read the file itself.
    pub backing: Option<Backing>,
}

/// Where bytes of a read come from.
enum Place {
    Upper(Arc<File>),
    Blob(Arc<BlobData>),
    Stream(Arc<crate::read::Stream>),
}

impl Mount {
    /// Opens a file.
    pub fn open(&self, ino: Ino, access: Access) -> Result<Opened, Fault> {
        if access.write || access.truncate {
            self.prepare_writing(ino, access.truncate)?;
        }
        let mut state = self.state_mut();
        if !matches!(state.nodes.get(ino)?.body, Body::File(_)) {
            return Err(Fault::IsDirectory);
        }
        let keep_cache = !state.stale.remove(&ino);
        Ok(Opened { fh: state.hand_out(ino, access), keep_cache, backing: None })
    }

    /// Makes a file and opens it; opens the one that is there, unless it must be `new`.
    pub fn create(
        &self,
        parent: Ino,
        name: &[u8],
        access: Access,
        by: Creator,
        new: bool,
    ) -> Result<(Attr, Opened), Fault> {
        let mut state = self.state_mut();
        match state.nodes.child(parent, name) {
            Ok(_) if new => return Err(Fault::Exists),
            Ok(ino) => {
                drop(state);
                let opened = self.open(ino, access)?;
                return Ok((self.attr(ino)?, opened));
            }
            Err(Fault::NotFound) => {}
            Err(other) => return Err(other),
        }
        let now = self.now();
        let meta = Meta { mode: by.mode, uid: by.uid, gid: by.gid, mtime: now, ctime: now };
        let made = Made::File(Source::Upper { bytes: 0 });
        let (ino, _) = state.nodes.make(parent, name, made.clone(), meta)?;
        let file = self.told(self.overlay()?.create(ino))?;
        let ino = self.make_in(&mut state, parent, name, made, by)?;
        let fh = state.hand_out(ino, access);
        state.open.entry(ino).or_default().upper = Some(Arc::new(file));
        Ok((state.nodes.attr(ino)?, Opened { fh, keep_cache: false, backing: None }))
    }

    /// Reads at most `length` bytes from `offset`; fewer only at the end of the file. May wait for the network.
    pub fn read(&self, fh: Fh, offset: u64, length: u32) -> Result<Bytes, Fault> {
        let (ino, size) = {
            let state = self.state();
            let handle = state.handles.get(&fh).ok_or(Fault::BadHandle)?;
            (handle.ino, state.nodes.attr(handle.ino)?.bytes)
        };
        let length = u64::from(length).min(size.saturating_sub(offset)) as u32;
        if length == 0 {
            return Ok(Bytes::new());
        }
        match self.place(fh, ino)? {
            Place::Upper(file) => self.told(read_file(&file, offset, length)),
            Place::Blob(blob) => match &*blob {
                BlobData::Memory(bytes) => {
                    let from = (offset as usize).min(bytes.len());
                    Ok(bytes.slice(from..(from + length as usize).min(bytes.len())))
                }
                BlobData::File(file) => self.told(read_file(file, offset, length)),
            },
            Place::Stream(stream) => stream.read(offset, length).map_err(|why| {
                let path = self.state().nodes.path(ino);
                self.events.happened(Event::Unreadable { path, oid: *stream.oid(), why });
                Fault::Io
            }),
        }
    }

    /// Where the bytes of an open file are now.
    fn place(&self, fh: Fh, ino: Ino) -> Result<Place, Fault> {
        let mut state = self.state_mut();
        let state = &mut *state;
        let node = state.nodes.get(ino)?;
        let Body::File(source) = &node.body else { return Err(Fault::IsDirectory) };
        match source {
            Source::Upper { .. } => Ok(Place::Upper(self.upper(state, ino)?)),
            Source::Ghost { oid, bytes } => {
                let oid = Oid(*oid);
                let handle = state.handles.get_mut(&fh).ok_or(Fault::BadHandle)?;
                let stream = match &handle.stream {
                    Some(stream) if *stream.oid() == oid => stream.clone(),
                    _ => Arc::new(self.engine.open(oid, *bytes, &state.nodes.path(ino))),
                };
                handle.stream = Some(stream.clone());
                Ok(Place::Stream(stream))
            }
            Source::Blob { id, .. } => {
                let known = state.open.get(&ino).and_then(|open| open.blob.clone());
                let (id, path) = (id.clone(), state.nodes.path(ino));
                Ok(Place::Blob(match known {
                    Some(blob) => blob,
                    None => self.blob_of(ino, &id, &path)?,
                }))
            }
        }
    }

    fn blob_of(&self, _ino: Ino, id: &crate::outside::BlobId, path: &[u8]) -> Result<Arc<BlobData>, Fault> {
        let blob = self.blobs.read(id, path).map_err(|why| {
            self.events.happened(Event::Unreadable { path: path.to_vec(), oid: Oid([0; 32]), why });
            Fault::Io
        })?;
        Ok(Arc::new(blob))
    }

    /// The file in the overlay of a node that has one.
    pub(super) fn upper(&self, state: &mut State, ino: Ino) -> Result<Arc<File>, Fault> {
        if let Some(file) = state.open.get(&ino).and_then(|open| open.upper.clone()) {
            return Ok(file);
        }
        let file = Arc::new(self.told(self.overlay()?.file(ino))?);
        if let Some(open) = state.open.get_mut(&ino) {
            open.upper = Some(file.clone());
        }
        Ok(file)
    }

    /// Writes at `offset`, or at the end of a file that is open for appending.
    pub fn write(&self, fh: Fh, offset: u64, bytes: &[u8]) -> Result<u32, Fault> {
        let (file, ino, offset) = {
            let mut state = self.state_mut();
            let handle =
                state.handles.get(&fh).filter(|handle| handle.access.write).ok_or(Fault::BadHandle)?;
            let (ino, append) = (handle.ino, handle.access.append);
            self.become_text(&mut state, ino)?;
            let offset = if append { state.nodes.attr(ino)?.bytes } else { offset };
            let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= FILE_BYTES_MAX);
            end.ok_or(Fault::TooLarge)?;
            let file = self.upper(&mut state, ino)?;
            state.open.entry(ino).or_default().writing += 1;
            (file, ino, offset)
        };
        let written = self.told(file.write_all_at(bytes, offset));
        let size = {
            let mut state = self.state_mut();
            state.open.entry(ino).or_default().writing -= 1;
            written?;
            let size = state.nodes.attr(ino)?.bytes.max(offset + bytes.len() as u64);
            state.nodes.note_written(ino, size, self.now());
            self.note(&state, ino);
            size
        };
        self.after_writing(ino, size);
        Ok(bytes.len() as u32)
    }

    /// What was written may be a pointer now. That it could not be told whether it is has been told, and the writing is done.
    fn after_writing(&self, ino: Ino, size: u64) {
        if size <= POINTER_BYTES_MAX as u64 {
            let _ = self.consider_ghost(ino);
        }
    }

    /// Cuts a file, or fills it with zeros.
    pub(super) fn resize(&self, ino: Ino, bytes: u64) -> Result<(), Fault> {
        if bytes > FILE_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        self.prepare_writing(ino, bytes == 0)?;
        {
            let mut state = self.state_mut();
            self.become_text(&mut state, ino)?;
            let file = self.upper(&mut state, ino)?;
            self.told(file.set_len(bytes))?;
            state.nodes.note_written(ino, bytes, self.now());
            self.note(&state, ino);
        }
        self.after_writing(ino, bytes);
        Ok(())
    }

    /// Makes sure that a file is in the overlay; with nothing in it when it is to be cut.
    fn prepare_writing(&self, ino: Ino, truncate: bool) -> Result<(), Fault> {
        let (source, path, size) = {
            let mut state = self.state_mut();
            self.check_writable()?;
            self.become_text(&mut state, ino)?;
            let node = state.nodes.get(ino)?;
            let Body::File(source) = &node.body else { return Err(Fault::IsDirectory) };
            (source.clone(), state.nodes.path(ino), source.bytes())
        };
        self.ask_gate(&path)?;
        if !source.is_upper() {
            let file = self.told(self.overlay()?.create(ino))?;
            if !truncate {
                self.copy_up(ino, &file, size)?;
            }
            let mut state = self.state_mut();
            let now = self.now();
            let bytes = if truncate { 0 } else { size };
            let meta = Meta { mtime: now, ctime: now, ..state.nodes.get(ino)?.meta };
            self.commit(&mut state, &Change::Source { ino, source: Source::Upper { bytes }, meta })?;
            self.note(&state, ino);
        } else if truncate && size > 0 {
            let mut state = self.state_mut();
            let file = self.upper(&mut state, ino)?;
            self.told(file.set_len(0))?;
            state.nodes.note_written(ino, 0, self.now());
            self.note(&state, ino);
        }
        Ok(())
    }

    fn copy_up(&self, ino: Ino, to: &File, size: u64) -> Result<(), Fault> {
        let fh = self.state_mut().hand_out(ino, Access { read: true, ..Access::default() });
        let copy = || {
            let mut at = 0;
            while at < size {
                let bytes = self.read(fh, at, COPY_BYTES)?;
                if bytes.is_empty() {
                    return Err(Fault::Io);
                }
                self.told(to.write_all_at(&bytes, at))?;
                at += bytes.len() as u64;
            }
            Ok(())
        };
        let result = copy();
        self.release(fh)?;
        result
    }

    /// Gives the file in the overlay the times of its node, so that a restart finds them.
    pub(super) fn keep_time(&self, state: &State, ino: Ino) -> Result<(), Fault> {
        let node = state.nodes.get(ino)?;
        if !matches!(&node.body, Body::File(source) if source.is_upper()) {
            return Ok(());
        }
        let Time(nanoseconds) = node.meta.mtime;
        let time = match u64::try_from(nanoseconds) {
            Ok(after) => UNIX_EPOCH + Duration::from_nanos(after),
            Err(_) => UNIX_EPOCH - Duration::from_nanos(nanoseconds.unsigned_abs()),
        };
        let file = self.told(self.overlay()?.file(ino))?;
        self.told(file.set_modified(time))
    }

    /// Waits until a file, its name and its attributes are on the disk.
    pub fn sync(&self, fh: Fh) -> Result<(), Fault> {
        let file = {
            let mut state = self.state_mut();
            let ino = state.handles.get(&fh).ok_or(Fault::BadHandle)?.ino;
            let is_upper = matches!(&state.nodes.get(ino)?.body, Body::File(source) if source.is_upper());
            if is_upper { Some(self.upper(&mut state, ino)?) } else { None }
        };
        if let Some(file) = file {
            self.told(file.sync_all())?;
        }
        self.sync_names()
    }

    /// Waits until all names and attributes are on the disk.
    pub fn sync_names(&self) -> Result<(), Fault> {
        if self.is_read_only() {
            return Ok(());
        }
        self.told(self.overlay()?.sync())
    }

    /// Closes a handle.
    pub fn release(&self, fh: Fh) -> Result<(), Fault> {
        let handle = {
            let mut state = self.state_mut();
            let handle = state.handles.remove(&fh).ok_or(Fault::BadHandle)?;
            let Some(open) = state.open.get_mut(&handle.ino) else { return Ok(()) };
            open.handles -= 1;
            open.writers -= usize::from(handle.access.write);
            let (is_last, has_idle_text) = (open.handles == 0, open.has_text && open.writers == 0);
            if has_idle_text {
                self.drop_text(&mut state, handle.ino)?;
            }
            if is_last {
                state.open.remove(&handle.ino);
                self.let_go(&mut state, handle.ino)?;
            }
            handle
        };
        if handle.access.write {
            let _ = self.consider_ghost(handle.ino);
        }
        Ok(())
    }
}

impl State {
    fn hand_out(&mut self, ino: Ino, access: Access) -> Fh {
        let fh = Fh(self.next_fh);
        self.next_fh += 1;
        self.handles.insert(fh, Handle { ino, access, stream: None });
        let open = self.open.entry(ino).or_default();
        open.handles += 1;
        open.writers += usize::from(access.write);
        fh
    }
}

pub(super) fn read_file(file: &File, offset: u64, length: u32) -> std::io::Result<Bytes> {
    let mut out = vec![0; length as usize];
    let mut have = 0;
    while have < out.len() {
        match file.read_at(&mut out[have..], offset + have as u64)? {
            0 => break,
            read => have += read,
        }
    }
    out.truncate(have);
    Ok(out.into())
}
