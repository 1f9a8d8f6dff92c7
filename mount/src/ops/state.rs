//! Nodes, and who has them open.
//!
//! Everything here is under the mount's one lock, apart from the *turn* of a node: who changes the bytes of a file holds it all the while, and
//! takes the lock only to look and to note. The turn is taken before the lock, never while holding it.

use super::{Mount, lock};
use crate::Fault;
use crate::attr::{Access, Fh, Ino};
use crate::nodes::{Body, Nodes, Source};
use crate::outside::BlobData;
use crate::overlay::set_written_at;
use crate::read::Stream;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::{Arc, Mutex};

/// A whole file on this machine with the very bytes of an open file.
pub type Backing = Arc<File>;

/// Nodes, and who has them open.
pub(super) struct State {
    pub(super) nodes: Nodes,
    pub(super) handles: HashMap<Fh, Handle>,
    pub(super) open: HashMap<Ino, OpenNode>,
    /// Files whose bytes changed otherwise than by writing: what a kernel has in memory of them is wrong.
    pub(super) stale: HashSet<Ino>,
    next_fh: u64,
}

/// An open file as one program has it.
pub(super) struct Handle {
    pub(super) ino: Ino,
    pub(super) access: Access,
    /// The content that it read last.
    pub(super) stream: Mutex<Option<Arc<Stream>>>,
}

/// A node that is open.
#[derive(Default)]
pub(super) struct OpenNode {
    /// Who changes its bytes.
    pub(super) turn: Arc<Mutex<()>>,
    handles: usize,
    pub(super) writers: usize,
    /// Operations that need it as if it were open.
    pins: usize,
    /// Its file in the overlay, if it has one.
    pub(super) upper: Option<Arc<File>>,
    /// Its blob, once it was read.
    pub(super) blob: Option<Arc<BlobData>>,
    /// What kernels read in place of asking, from the first handle to the last.
    pub(super) backing: Option<Backing>,
    /// Whether it is a ghost whose text is in the overlay still.
    pub(super) has_text: bool,
    /// Whether its file in the overlay has another time than the node.
    pub(super) is_late: bool,
    /// Until which question the journal has this change already.
    pub(super) noted: u64,
}

impl State {
    pub(super) fn new(nodes: Nodes) -> State {
        let (handles, open, stale) = Default::default();
        State { nodes, handles, open, stale, next_fh: 1 }
    }

    /// What the bytes of a file come from.
    pub(super) fn source(&self, ino: Ino) -> Result<&Source, Fault> {
        match &self.nodes.get(ino)?.body {
            Body::File(source) => Ok(source),
            Body::Directory(_) => Err(Fault::IsDirectory),
            Body::Symlink(_) => Err(Fault::Invalid),
        }
    }

    /// The node of a handle.
    pub(super) fn handle(&self, fh: Fh) -> Result<&Handle, Fault> {
        self.handles.get(&fh).ok_or(Fault::BadHandle)
    }

    /// The file in the overlay of an open node.
    pub(super) fn upper(&self, ino: Ino) -> Result<Arc<File>, Fault> {
        self.open.get(&ino).and_then(|open| open.upper.clone()).ok_or(Fault::BadHandle)
    }

    /// Hands out a handle of a node that [is pinned](Mount::pin).
    pub(super) fn hand_out(&mut self, ino: Ino, access: Access) -> Fh {
        let fh = Fh(self.next_fh);
        self.next_fh += 1;
        self.handles.insert(fh, Handle { ino, access, stream: Mutex::default() });
        let open = self.open.entry(ino).or_default();
        open.handles += 1;
        open.writers += usize::from(access.write);
        fh
    }

    /// Whether a kernel reads a file past the mount now.
    pub(super) fn is_past(&self, ino: Ino) -> bool {
        self.open.get(&ino).is_some_and(|open| open.backing.is_some())
    }

    /// Whether a kernel may write a file past the mount now.
    pub(super) fn is_written_past(&self, ino: Ino) -> bool {
        self.is_past(ino) && self.open.get(&ino).is_some_and(|open| open.writers > 0)
    }

    /// Whether no program has it open.
    pub(super) fn is_closed(&self, ino: Ino) -> bool {
        self.open.get(&ino).is_none_or(|open| open.handles == 0)
    }
}

impl Mount {
    /// Makes sure that a node is there and its file in the overlay open, until it is [unpinned](Mount::unpin).
    pub(super) fn pin(&self, state: &mut State, ino: Ino) -> Result<Arc<Mutex<()>>, Fault> {
        let is_upper = matches!(&state.nodes.get(ino)?.body, Body::File(source) if source.is_upper());
        let has_file = state.open.get(&ino).is_some_and(|open| open.upper.is_some());
        let file =
            if is_upper && !has_file { Some(Arc::new(self.told(self.overlay()?.file(ino))?)) } else { None };
        let open = state.open.entry(ino).or_default();
        open.pins += 1;
        open.upper = file.or(open.upper.take());
        Ok(open.turn.clone())
    }

    /// Ends a pin.
    pub(super) fn unpin(&self, state: &mut State, ino: Ino) {
        if let Some(open) = state.open.get_mut(&ino) {
            open.pins -= 1;
        }
        self.settle(state, ino);
    }

    /// Does something to the bytes of a file while nobody else does.
    pub(super) fn in_turn<T>(&self, ino: Ino, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let turn = self.pin(&mut self.state_mut(), ino)?;
        let result = {
            let _turn = lock(&turn);
            work()
        };
        self.unpin(&mut self.state_mut(), ino);
        result
    }

    /// Closes a handle.
    pub fn release(&self, fh: Fh) -> Result<(), Fault> {
        if let Some(ino) = self.close(fh)? {
            // That it could not be told whether it is a pointer has been told, and the handle is closed.
            let _ = self.consider_ghost(ino);
        }
        Ok(())
    }

    /// Closes a handle; returns the node if it may be a pointer now.
    pub(super) fn close(&self, fh: Fh) -> Result<Option<Ino>, Fault> {
        {
            let mut state = self.state_mut();
            let Handle { ino, access, .. } = state.handles.remove(&fh).ok_or(Fault::BadHandle)?;
            let mut looked = Ok(());
            if access.write && state.is_written_past(ino) {
                looked = self.look_again(&mut state, ino);
                state.stale.insert(ino);
            }
            if let Some(open) = state.open.get_mut(&ino) {
                open.handles -= 1;
                open.writers -= usize::from(access.write);
                if open.handles == 0 {
                    open.backing = None;
                }
            }
            self.settle(&mut state, ino);
            looked?;
            Ok((access.write || state.is_closed(ino)).then_some(ino))
        }
    }

    /// What is to be done when fewer have a node open.
    fn settle(&self, state: &mut State, ino: Ino) {
        let Some(open) = state.open.get(&ino) else { return };
        let (is_idle, has_text, is_late) = (open.writers == 0 && open.pins == 0, open.has_text, open.is_late);
        if is_idle && has_text {
            self.drop_text(state, ino);
        } else if is_idle && is_late {
            self.keep_time(state, ino);
        }
        if state.open.get(&ino).is_some_and(|open| open.handles == 0 && open.pins == 0) {
            state.open.remove(&ino);
            self.let_go(state, ino);
        }
    }

    /// Gives the file in the overlay of an open node the time of the node, so that a restart finds it.
    pub(super) fn keep_time(&self, state: &mut State, ino: Ino) {
        let (Ok(node), Some(open)) = (state.nodes.get(ino), state.open.get_mut(&ino)) else { return };
        let is_upper = matches!(&node.body, Body::File(source) if source.is_upper());
        if let Some(file) = open.upper.as_ref().filter(|_| is_upper) {
            // The bytes are there; should the time not take, a restart finds when they were really written.
            let _ = self.told(set_written_at(file, node.meta.mtime));
        }
        open.is_late = false;
    }

    /// Ends a removed node that nobody has open.
    pub(super) fn let_go(&self, state: &mut State, ino: Ino) {
        let Ok(node) = state.nodes.get(ino) else { return };
        if node.is_linked || state.open.contains_key(&ino) {
            return;
        }
        let is_upper = matches!(&node.body, Body::File(source) if source.is_upper());
        state.nodes.forget(ino);
        state.stale.remove(&ino);
        if let (true, Ok(overlay)) = (is_upper, self.overlay()) {
            // What stays behind goes at the next start.
            let _ = self.told(overlay.discard(ino));
        }
    }
}
