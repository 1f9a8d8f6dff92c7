//! Writing, cutting and filling files.
//!
//! The first byte that is written to a file of the base gives it a file in the overlay that is as large and has holes all over, through
//! which the base shows: nothing is copied or fetched. Bytes are written first, then the log says which, then the answer is given. A
//! file of which nothing old shows any more is one of the overlay like every other.

use super::{Mount, State, lock};
use crate::Fault;
use crate::attr::{FILE_BYTES_MAX, Fh, Ino, Meta};
use crate::nodes::{Change, Source};
use crate::overlay::set_written_at;
use crate::sys;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

/// How many parts of a file may be written while others are not; then gaps between them are filled.
const PARTS_MAX: usize = 1 << 16;
/// Bytes of a gap that are copied at a time.
const COPY_BYTES: u64 = 4 << 20;

/// What is to be done to a range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocate {
    /// There must be room for it.
    Room {
        /// Whether the size stays.
        keep_size: bool,
    },
    /// It becomes zeros.
    Zeros {
        /// Whether the size stays.
        keep_size: bool,
    },
}

impl Mount {
    /// Writes at `offset`, or at the end of a file that is open for appending; says how much. It is less only where there is no room
    /// for the rest.
    pub fn write(&self, fh: Fh, offset: u64, bytes: &[u8]) -> Result<u32, Fault> {
        let (ino, append) = {
            let state = self.state();
            let handle = state.handle(fh)?;
            (handle.ino, handle.access.append)
        };
        self.in_turn_of(fh, || {
            self.become_text(ino)?;
            let offset = if append { self.attr(ino)?.bytes } else { offset };
            end_of(offset, bytes.len() as u64)?;
            if bytes.is_empty() {
                return Ok(0);
            }
            let file = self.file_for_writing(ino)?;
            self.fill_gaps(fh, ino, offset)?;
            let written = self.told(sys::write_at(&file, bytes, offset))?;
            self.note_bytes(ino, offset..offset + written as u64)?;
            self.after_writing(ino);
            Ok(written as u32)
        })
    }

    /// Makes room for a range of a file, or zeros of it.
    pub fn allocate(&self, fh: Fh, offset: u64, bytes: u64, what: Allocate) -> Result<(), Fault> {
        if bytes == 0 {
            return Err(Fault::Invalid);
        }
        let end = end_of(offset, bytes)?;
        let ino = self.state().handle(fh)?.ino;
        self.in_turn_of(fh, || {
            self.become_text(ino)?;
            let (size, is_upper) = {
                let state = self.state();
                let source = state.source(ino)?;
                (source.bytes(), matches!(source, Source::Upper { .. }))
            };
            let keep_size = match what {
                Allocate::Room { keep_size } => {
                    if is_upper {
                        let file = self.file_for_writing(ino)?;
                        self.told(sys::reserve(&file, offset, bytes))?;
                    }
                    keep_size
                }
                Allocate::Zeros { keep_size } => {
                    if offset < size {
                        let file = self.file_for_writing(ino)?;
                        self.told(sys::zero(&file, offset, end.min(size)))?;
                        self.note_bytes(ino, offset..end.min(size))?;
                    }
                    keep_size
                }
            };
            if !keep_size && end > size {
                return self.resize_in_turn(ino, end);
            }
            self.after_writing(ino);
            Ok(())
        })
    }

    /// Does something to the bytes of a file through a handle that may write.
    fn in_turn_of<T>(&self, fh: Fh, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let turn = {
            let state = self.state();
            let handle = state.handle(fh)?;
            let open = state.open.get(&handle.ino).filter(|_| handle.access.write);
            open.ok_or(Fault::BadHandle)?.turn.clone()
        };
        let _turn = lock(&turn);
        work()
    }

    /// Cuts a file, or fills it with zeros.
    pub(super) fn resize(&self, ino: Ino, bytes: u64) -> Result<(), Fault> {
        self.ask_to_write(ino)?;
        self.in_turn(ino, || self.resize_in_turn(ino, bytes))
    }

    /// The same, for who has the turn.
    pub(super) fn resize_in_turn(&self, ino: Ino, bytes: u64) -> Result<(), Fault> {
        if bytes > FILE_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        self.become_text(ino)?;
        let source = self.state().source(ino)?.clone();
        match &source {
            Source::Blob { bytes: size, .. } | Source::Ghost { bytes: size, .. } if *size == bytes => {
                let mut state = self.state_mut();
                let now = self.now();
                let meta = Meta { mtime: now, ctime: now, ..state.nodes.get(ino)?.meta };
                self.commit(&mut state, &Change::Meta { ino, meta })?;
            }
            Source::Blob { .. } | Source::Ghost { .. } if bytes == 0 => {
                self.begin_writing(ino, Source::Upper { bytes: 0 })?;
            }
            _ => {
                let file = self.file_for_writing(ino)?;
                let has_holes = matches!(self.state().source(ino)?, Source::Sparse(_));
                if has_holes {
                    self.resize_sparse(ino, &file, bytes)?;
                } else {
                    self.told(file.set_len(bytes))?;
                }
            }
        }
        {
            let mut state = self.state_mut();
            let now = self.now();
            state.nodes.note_written(ino, bytes, now);
            self.note_late(&mut state, ino);
        }
        self.after_writing(ino);
        Ok(())
    }

    /// What was written may be a pointer now. That it could not be told whether it is has been told, and the writing is done.
    fn after_writing(&self, ino: Ino) {
        let _ = self.consider_ghost_in_turn(ino);
    }

    /// A file of the overlay is never shorter than the log says, and never longer after an operation.
    fn resize_sparse(&self, ino: Ino, file: &File, bytes: u64) -> Result<(), Fault> {
        let size = self.state().source(ino)?.bytes();
        if bytes > size {
            self.told(file.set_len(bytes))?;
        }
        if let Err(fault) = self.commit(&mut self.state_mut(), &Change::Resize { ino, bytes }) {
            self.told(file.set_len(size))?;
            return Err(fault);
        }
        if bytes < size {
            self.told(file.set_len(bytes))?;
        }
        self.end_holes(&mut self.state_mut(), ino);
        Ok(())
    }

    /// The file of the overlay that a node is written in; makes one for a node that has none.
    fn file_for_writing(&self, ino: Ino) -> Result<Arc<File>, Fault> {
        let new = {
            let state = self.state();
            match state.source(ino)? {
                source if source.is_upper() => return state.upper(ino),
                source => source.for_writing(),
            }
        };
        self.begin_writing(ino, new)
    }

    /// Gives a node a file in the overlay, which is to be what `source` says.
    fn begin_writing(&self, ino: Ino, source: Source) -> Result<Arc<File>, Fault> {
        let mut state = self.state_mut();
        if state.open.get(&ino).is_some_and(|open| open.backing.is_some()) {
            return Err(Fault::Stale);
        }
        let meta = state.nodes.get(ino)?.meta;
        let overlay = self.overlay()?;
        let file = self.told(overlay.create(ino))?;
        drop(overlay);
        self.told(file.set_len(source.bytes()).and_then(|()| set_written_at(&file, meta.mtime)))?;
        let file = Arc::new(file);
        self.commit(&mut state, &Change::Source { ino, source, meta })?;
        if let Some(open) = state.open.get_mut(&ino) {
            open.upper = Some(file.clone());
        }
        Ok(file)
    }

    /// Notes that bytes of a file were written.
    fn note_bytes(&self, ino: Ino, range: Range<u64>) -> Result<(), Fault> {
        let mut state = self.state_mut();
        let source = state.source(ino)?;
        let size = source.bytes();
        if let Source::Sparse(sparse) = source
            && !sparse.knows(range.start, range.end)
        {
            let change = Change::Wrote { ino, start: range.start, end: range.end };
            if let Err(fault) = self.commit(&mut state, &change) {
                if range.end > size {
                    self.told(state.upper(ino)?.set_len(size))?;
                }
                return Err(fault);
            }
            self.end_holes(&mut state, ino);
        }
        let now = self.now();
        state.nodes.note_written(ino, size.max(range.end), now);
        self.note_late(&mut state, ino);
        Ok(())
    }

    /// Makes a common file of one with holes when nothing shows through them.
    fn end_holes(&self, state: &mut State, ino: Ino) {
        let Ok(Source::Sparse(sparse)) = state.source(ino) else { return };
        if let (true, bytes, Ok(node)) = (sparse.is_covered(), sparse.bytes, state.nodes.get(ino)) {
            let change = Change::Source { ino, source: Source::Upper { bytes }, meta: node.meta };
            // Should that not be recorded, it stays what it is, with the same bytes.
            let _ = self.commit(state, &change);
        }
    }

    /// Notes that the file of a node has another time than the node, and that it changed.
    fn note_late(&self, state: &mut State, ino: Ino) {
        let asked = self.journal.asked();
        if let Some(open) = state.open.get_mut(&ino) {
            open.is_late = true;
            if open.noted == asked {
                return;
            }
            open.noted = asked;
        }
        self.note(state, ino);
    }

    /// Fills gaps around `offset` while a file has too many parts.
    fn fill_gaps(&self, fh: Fh, ino: Ino, offset: u64) -> Result<(), Fault> {
        loop {
            let gap = match self.state().source(ino)? {
                Source::Sparse(sparse) if sparse.written.count() >= PARTS_MAX => sparse.written.gap(offset),
                _ => return Ok(()),
            };
            let Some(mut gap) = gap else { return Ok(()) };
            let file = self.file_for_writing(ino)?;
            while !gap.is_empty() {
                let bytes = self.read(fh, gap.start, (gap.end - gap.start).min(COPY_BYTES) as u32)?;
                let end = gap.start + bytes.len() as u64;
                if bytes.is_empty() {
                    return Err(Fault::Io);
                }
                self.told(sys::write_all_at(&file, &bytes, gap.start))?;
                self.commit(&mut self.state_mut(), &Change::Wrote { ino, start: gap.start, end })?;
                gap.start = end;
            }
        }
    }
}

fn end_of(offset: u64, bytes: u64) -> Result<u64, Fault> {
    offset.checked_add(bytes).filter(|end| *end <= FILE_BYTES_MAX).ok_or(Fault::TooLarge)
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
