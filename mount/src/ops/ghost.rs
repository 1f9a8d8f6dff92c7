//! Pointer text that is written makes a ghost.
//!
//! Git checks a managed file out by writing its pointer and asking at once, with the file still open, for the size and time that go into its index. So after each
//! write it is looked whether the file is one complete pointer and nothing else, and its path managed; then the file *becomes* the content: its size, its bytes. Damaged
//! pointers, pointers with something behind them and pointers at other paths are files like any other.
//!
//! Who wrote the text and has the file open still may go on writing. Until the last such handle is closed the text stays in the overlay, and a write or a cut of the file
//! makes it that text again, so nothing that was written is lost.
//!
//! Always holds: a file becomes a ghost only while nobody is in the middle of writing it, and of the very bytes that are then in it.

use super::{Mount, State};
use crate::Fault;
use crate::attr::{Ino, Meta};
use crate::nodes::{Body, Change, Source};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{self, Parsed, Pointer};
use std::fs::File;
use std::sync::Arc;

/// How much older than now a ghost is, in nanoseconds. Git reads files again that are as young as its index.
const AGE: i64 = 2_000_000_000;

impl Mount {
    /// Makes a ghost of a file that is a pointer at a managed path. Not to be called with the lock held.
    ///
    /// # Errors
    /// When files of the overlay, or attributes, cannot be read; the file is what it was then.
    pub(super) fn consider_ghost(&self, ino: Ino) -> Result<(), Fault> {
        let (file, path) = {
            let mut state = self.state_mut();
            if !is_short(&state, ino) {
                return Ok(());
            }
            (self.upper(&mut state, ino)?, state.nodes.path(ino))
        };
        if self.pointer_in(&file)?.is_none() || !self.attributes(&path)?.managed {
            return Ok(());
        }
        let mut state = self.state_mut();
        // Meanwhile anything may have happened.
        let is_same = is_short(&state, ino) && state.nodes.path(ino) == path;
        if !is_same || state.open.get(&ino).is_some_and(|open| open.writing > 0) {
            return Ok(());
        }
        match self.pointer_in(&file)? {
            Some(pointer) => self.become_ghost(&mut state, ino, &pointer),
            None => Ok(()),
        }
    }

    fn pointer_in(&self, file: &File) -> Result<Option<Pointer>, Fault> {
        let text = self.told(super::files::read_file(file, 0, POINTER_BYTES_MAX as u32 + 1))?;
        Ok(if let Parsed::Pointer(pointer) = pointer::parse(&text) { Some(pointer) } else { None })
    }

    fn become_ghost(&self, state: &mut State, ino: Ino, pointer: &Pointer) -> Result<(), Fault> {
        let now = self.now();
        let meta = Meta { mtime: now.minus_nanoseconds(AGE), ctime: now, ..state.nodes.get(ino)?.meta };
        let source = Source::Ghost { oid: pointer.oid.0, bytes: pointer.size };
        self.commit(state, &Change::Source { ino, source, meta })?;
        self.note(state, ino);
        state.stale.insert(ino);
        match state.open.get_mut(&ino) {
            Some(open) if open.writers > 0 => open.has_text = true,
            _ => self.drop_text(state, ino)?,
        }
        Ok(())
    }

    /// Makes a ghost whose writer has it open still the text again that it was made of.
    pub(super) fn become_text(&self, state: &mut State, ino: Ino) -> Result<(), Fault> {
        let Some(open) = state.open.get_mut(&ino).filter(|open| open.has_text) else { return Ok(()) };
        let file = open.upper.clone();
        let file = if let Some(file) = file { file } else { Arc::new(self.told(self.overlay()?.file(ino))?) };
        let bytes = self.told(file.metadata())?.len();
        let now = self.now();
        let meta = Meta { mtime: now, ctime: now, ..state.nodes.get(ino)?.meta };
        self.commit(state, &Change::Source { ino, source: Source::Upper { bytes }, meta })?;
        if let Some(open) = state.open.get_mut(&ino) {
            (open.has_text, open.upper) = (false, Some(file));
        }
        state.stale.insert(ino);
        self.note(state, ino);
        Ok(())
    }

    /// Takes away the text of a ghost that nobody writes any more.
    pub(super) fn drop_text(&self, state: &mut State, ino: Ino) -> Result<(), Fault> {
        if let Some(open) = state.open.get_mut(&ino) {
            (open.has_text, open.upper) = (false, None);
        }
        self.told(self.overlay()?.discard(ino))
    }
}

/// Whether a node is a written file, with a name, that may be a pointer by its size.
fn is_short(state: &State, ino: Ino) -> bool {
    state.nodes.get(ino).is_ok_and(|node| match &node.body {
        Body::File(Source::Upper { bytes }) => {
            node.is_linked && (1..=POINTER_BYTES_MAX as u64).contains(bytes)
        }
        _ => false,
    })
}

#[cfg(test)]
#[path = "ghost_tests.rs"]
mod tests;
