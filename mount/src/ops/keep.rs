//! Making things last, and what else is about the files of the overlay as such.
//!
//! Nothing waits for a disk while it holds the lock.

use super::{Mount, State};
use crate::attr::{Fh, Ino};
use crate::overlay::written_at;
use crate::{Fault, Space};
use std::fs::File;
use std::sync::Arc;

impl Mount {
    /// Waits until a file, its name and its attributes are on the disk.
    pub fn sync(&self, fh: Fh) -> Result<(), Fault> {
        let file = {
            let mut state = self.state_mut();
            let ino = state.handle(fh)?.ino;
            self.file_to_sync(&mut state, ino)?
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
        let unsynced = self.overlay()?.unsynced();
        self.told(unsynced.sync())
    }

    /// Waits until everything is on the disk: what is open for writing, too.
    pub fn sync_all(&self) -> Result<(), Fault> {
        let files: Vec<Arc<File>> = {
            let mut state = self.state_mut();
            let writing = state.open.iter().filter(|(_, open)| open.writers > 0);
            let writing: Vec<Ino> = writing.map(|(ino, _)| *ino).collect();
            let file = |ino| self.file_to_sync(&mut state, ino).transpose();
            writing.into_iter().filter_map(file).collect::<Result<_, Fault>>()?
        };
        files.iter().try_for_each(|file| self.told(file.sync_all()))?;
        self.sync_names()
    }

    /// The file in the overlay of an open node, with its time; `None` where there is none.
    fn file_to_sync(&self, state: &mut State, ino: Ino) -> Result<Option<Arc<File>>, Fault> {
        if !state.source(ino)?.is_upper() {
            return Ok(None);
        }
        if state.open.get(&ino).is_some_and(|open| open.is_late) {
            self.keep_time(state, ino);
        }
        state.upper(ino).map(Some)
    }

    /// Takes over size and time of a file that is written past the mount.
    pub(super) fn look_again(&self, state: &mut State, ino: Ino) -> Result<(), Fault> {
        let found = self.told(state.upper(ino)?.metadata())?;
        let (bytes, time) = (found.len(), written_at(&found));
        let attr = state.nodes.attr(ino)?;
        if (attr.bytes, attr.meta.mtime) != (bytes, time) {
            state.nodes.note_found(ino, bytes, time);
            self.note(state, ino);
        }
        Ok(())
    }

    /// Room on the disk where changes go.
    pub fn space(&self) -> Result<Space, Fault> {
        match &self.overlay {
            Some(_) => self.told(self.overlay()?.space()),
            None => Ok(Space::default()),
        }
    }
}
