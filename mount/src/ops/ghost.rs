//! Pointer text that is written makes a ghost.
//!
//! Git checks a managed file out by writing its pointer and asking at once, with the file still open, for the size and time that go into its
//! index. So after each write it is looked whether the file is one complete pointer and nothing else, and its path managed; then the file
//! *becomes* the content: its size, its bytes. Damaged pointers, pointers with something behind them and pointers at other paths are files
//! like any other.
//!
//! Who wrote the text and has the file open still may go on writing. Until the last such handle is closed the text stays in the overlay, and
//! a write or a cut of the file makes it that text again, so nothing that was written is lost.
//!
//! Always holds: a file becomes a ghost only by who has its turn, so while nobody is in the middle of writing it, and of the very bytes that
//! are then in it.

use super::read::read_file;
use super::{Mount, State};
use crate::Fault;
use crate::attr::{Ino, Meta};
use crate::nodes::{Body, Change, Source};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{self, Parsed, Pointer};

/// How much older than now a ghost is, in nanoseconds. Git reads files again that are as young as its index.
const AGE: i64 = 2_000_000_000;

impl Mount {
    /// Makes a ghost of a file that is a pointer at a managed path. Not to be called with the lock held.
    ///
    /// # Errors
    /// When files of the overlay, or attributes, cannot be read; the file is what it was then.
    pub(super) fn consider_ghost(&self, ino: Ino) -> Result<(), Fault> {
        let is_short = is_short(&self.state(), ino);
        if is_short { self.in_turn(ino, || self.consider_ghost_in_turn(ino)) } else { Ok(()) }
    }

    /// The same, for who has the turn. A file that a kernel reads past the mount waits until it is closed.
    pub(super) fn consider_ghost_in_turn(&self, ino: Ino) -> Result<(), Fault> {
        let (file, path) = {
            let state = self.state();
            if self.is_read_only() || !is_short(&state, ino) || state.is_past(ino) {
                return Ok(());
            }
            (state.upper(ino)?, state.nodes.path(ino))
        };
        let text = self.told(read_file(&file, 0, POINTER_BYTES_MAX as u32 + 1))?;
        let Parsed::Pointer(pointer) = pointer::parse(&text) else { return Ok(()) };
        if !self.attributes(&path)?.managed {
            return Ok(());
        }
        let mut state = self.state_mut();
        // Meanwhile it may have been moved or opened.
        if !is_short(&state, ino) || state.is_past(ino) || state.nodes.path(ino) != path {
            return Ok(());
        }
        self.become_ghost(&mut state, ino, &pointer)
    }

    /// Whether the bytes of a file changed otherwise than by writing since it was last opened.
    pub fn is_stale(&self, ino: Ino) -> bool {
        self.state().stale.contains(&ino)
    }

    fn become_ghost(&self, state: &mut State, ino: Ino, pointer: &Pointer) -> Result<(), Fault> {
        let now = self.now();
        let meta = Meta { mtime: now.minus_nanoseconds(AGE), ctime: now, ..state.nodes.get(ino)?.meta };
        let source = Source::Ghost { oid: pointer.oid.0, bytes: pointer.size };
        self.commit(state, &Change::Source { ino, source, meta })?;
        self.note(state, ino);
        state.stale.insert(ino);
        if let Some(open) = state.open.get_mut(&ino) {
            // The text goes when nobody writes it any more.
            (open.has_text, open.is_late) = (true, false);
        }
        Ok(())
    }

    /// Makes a ghost whose writer has it open still the text again that it was made of. For who has the turn.
    pub(super) fn become_text(&self, ino: Ino) -> Result<(), Fault> {
        let has_text = |state: &State| state.open.get(&ino).is_some_and(|open| open.has_text);
        if !has_text(&self.state()) {
            return Ok(());
        }
        let mut state = self.state_mut();
        if !has_text(&state) {
            return Ok(());
        }
        let bytes = self.told(state.upper(ino)?.metadata())?.len();
        let now = self.now();
        let meta = Meta { mtime: now, ctime: now, ..state.nodes.get(ino)?.meta };
        self.commit(&mut state, &Change::Source { ino, source: Source::Upper { bytes }, meta })?;
        if let Some(open) = state.open.get_mut(&ino) {
            (open.has_text, open.is_late) = (false, true);
        }
        state.stale.insert(ino);
        self.note(&state, ino);
        Ok(())
    }

    /// Takes away the text of a ghost that nobody writes any more.
    pub(super) fn drop_text(&self, state: &mut State, ino: Ino) {
        if let Some(open) = state.open.get_mut(&ino) {
            (open.has_text, open.upper) = (false, None);
        }
        if let Ok(overlay) = self.overlay() {
            // What stays behind goes at the next start.
            let _ = self.told(overlay.discard(ino));
        }
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
