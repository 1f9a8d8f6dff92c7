//! Operations on names: making, removing and moving nodes.
//!
//! The gate is asked before a file moves or something is moved into its place: that is how many programs save. It is not asked when a file
//! is removed or made: Git does nothing else when it checks out, and cannot be told from other programs.

use super::{Mount, State};
use crate::Fault;
use crate::attr::{Attr, Creator, Ino, Kind, LINK_BYTES_MAX, Meta, Replace};
use crate::nodes::{Change, Made};

impl Mount {
    /// A new folder.
    pub fn make_dir(&self, parent: Ino, name: &[u8], by: Creator) -> Result<Attr, Fault> {
        self.make(parent, name, Made::Directory, by)
    }

    /// A new symbolic link.
    pub fn make_link(&self, parent: Ino, name: &[u8], target: &[u8], by: Creator) -> Result<Attr, Fault> {
        match target.len() {
            0 => Err(Fault::NotFound),
            length if length > LINK_BYTES_MAX => Err(Fault::NameTooLong),
            _ => self.make(parent, name, Made::Symlink(target.into()), Creator { mode: 0o777, ..by }),
        }
    }

    fn make(&self, parent: Ino, name: &[u8], made: Made, by: Creator) -> Result<Attr, Fault> {
        let mut state = self.state_mut();
        let ino = self.make_in(&mut state, parent, name, made, by)?;
        state.nodes.attr(ino)
    }

    /// The same, for who holds the lock.
    pub(super) fn make_in(
        &self,
        state: &mut State,
        parent: Ino,
        name: &[u8],
        made: Made,
        by: Creator,
    ) -> Result<Ino, Fault> {
        self.check_writable()?;
        let now = self.now();
        let meta = Meta { mode: by.mode & 0o7777, uid: by.uid, gid: by.gid, mtime: now, ctime: now };
        let (ino, change) = state.nodes.make(parent, name, made, meta)?;
        self.commit(state, &change)?;
        self.note(state, ino);
        Ok(ino)
    }

    /// A file or link loses its name. Who has it open goes on with it.
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Result<(), Fault> {
        self.remove(|state, now| state.nodes.unlink_name(parent, name, now))
    }

    /// An empty folder goes.
    pub fn remove_dir(&self, parent: Ino, name: &[u8]) -> Result<(), Fault> {
        self.remove(|state, now| state.nodes.remove_folder(parent, name, now))
    }

    fn remove(
        &self,
        plan: impl FnOnce(&State, crate::attr::Time) -> Result<(Ino, Change), Fault>,
    ) -> Result<(), Fault> {
        let mut state = self.state_mut();
        self.check_writable()?;
        let (ino, change) = plan(&state, self.now())?;
        self.note_below(&state, ino);
        self.commit(&mut state, &change)?;
        self.let_go(&mut state, ino);
        Ok(())
    }

    /// A node gets another place; see [`Replace`] for what is there.
    pub fn rename(
        &self,
        (from, name): (Ino, &[u8]),
        (to, new_name): (Ino, &[u8]),
        replace: Replace,
    ) -> Result<(), Fault> {
        self.ask_gate_for(from, name)?;
        self.ask_gate_for(to, new_name)?;
        let moved = self.move_node((from, name), (to, new_name), replace)?;
        // What was written elsewhere may be a pointer at a managed path now, and the move is done whether that can be told or not.
        for ino in moved.into_iter().flatten() {
            let _ = self.consider_ghost(ino);
        }
        Ok(())
    }

    /// Returns which nodes have another place now.
    fn move_node(
        &self,
        (from, name): (Ino, &[u8]),
        (to, new_name): (Ino, &[u8]),
        replace: Replace,
    ) -> Result<[Option<Ino>; 2], Fault> {
        let mut state = self.state_mut();
        self.check_writable()?;
        let Some(change) = state.nodes.rename((from, name), (to, new_name), replace, self.now())? else {
            return Ok([None; 2]);
        };
        let moved = state.nodes.child(from, name)?;
        let other = state.nodes.child(to, new_name).ok();
        self.note_below(&state, moved);
        self.commit(&mut state, &change)?;
        self.note_below(&state, moved);
        match other {
            Some(other) if replace == Replace::Exchange => self.note_below(&state, other),
            Some(other) => self.let_go(&mut state, other),
            None => {}
        }
        Ok([Some(moved), other.filter(|_| replace == Replace::Exchange)])
    }

    /// Asks whether the file with this name may be changed, if there is one. Not to be called with the lock held.
    fn ask_gate_for(&self, parent: Ino, name: &[u8]) -> Result<(), Fault> {
        self.check_writable()?;
        let path = {
            let state = self.state();
            match state.nodes.child(parent, name) {
                Ok(ino) if state.nodes.attr(ino)?.kind == Kind::File => state.nodes.path(ino),
                _ => return Ok(()),
            }
        };
        self.ask_gate(&path)
    }
}
