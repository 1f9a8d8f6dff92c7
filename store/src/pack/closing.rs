//! A full pack that a thread of its own closes while the next one fills.
//!
//! Waiting for the disk is most of what closing takes, so whoever fills packs need not wait too. The file's name says what
//! it always said: until it has its final name nobody sees the pack; its chunks are known to this batch only, as those of
//! the open pack are. What the journal does not know yet of it is kept with it until a checkpoint or the final name.
//!
//! A failure is told by [`Closing::wait`]; then the file stays if the journal speaks of it, as with the open pack. Tests that
//! make steps fail reach the thread too: it follows the plan of the one who began it.

use super::layout::Layout;
use super::writer::PackWriter;
use crate::StoreError;
use crate::durable::fault;
use dits_format::journal::Block;
use dits_format::pack::Footer;
use dits_format::{ChunkId, PackId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// See the file head.
#[derive(Debug)]
pub struct Closing {
    chunks: HashSet<ChunkId>,
    unjournaled: Option<Block>,
    journaled: bool,
    closes: Closes,
}

#[derive(Debug)]
enum Closes {
    There(JoinHandle<Option<Closed>>),
    /// Where no thread could be had.
    Done(Box<Option<Closed>>),
}

#[derive(Debug)]
struct Closed {
    writer: PackWriter,
    result: Result<PackId, StoreError>,
}

impl Closing {
    /// Has `writer` closed, without bindings. The journal does not know `unjournaled` of it.
    pub fn begin(mut writer: PackWriter, unjournaled: Block, layout: &Arc<Layout>) -> Closing {
        let chunks = writer.take_ids();
        let slot = Arc::new(Mutex::new(Some(writer)));
        let (theirs, to, plan) = (slot.clone(), layout.clone(), fault::plan());
        let run = move || {
            fault::follow(plan);
            close(&theirs, &to)
        };
        let closes = match Builder::new().name("pack".into()).spawn(run) {
            Ok(thread) => Closes::There(thread),
            Err(_) => Closes::Done(Box::new(close(&slot, layout))),
        };
        Closing { chunks, unjournaled: Some(unjournaled), journaled: false, closes }
    }

    /// Whether the pack has this chunk.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.chunks.contains(id)
    }

    /// What the journal does not know of it.
    pub fn unjournaled(&self) -> Option<&Block> {
        self.unjournaled.as_ref()
    }

    /// Says that the journal knows it now.
    pub fn note_journaled(&mut self) {
        (self.unjournaled, self.journaled) = (None, true);
    }

    /// Waits until the pack has its name.
    pub fn wait(self) -> Result<(PackId, Footer), StoreError> {
        let closed = match self.closes {
            Closes::There(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Closes::Done(closed) => *closed,
        };
        let Some(Closed { mut writer, result }) = closed else { unreachable!("the writer was put there") };
        if self.journaled {
            writer.note_journaled();
        }
        match result {
            Ok(id) => Ok((id, writer.into_footer())),
            Err(error) => {
                writer.leave_journaled();
                Err(error)
            }
        }
    }
}

fn close(slot: &Mutex<Option<PackWriter>>, layout: &Layout) -> Option<Closed> {
    let mut writer = slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let result = writer.close(layout, &[]);
    Some(Closed { writer, result })
}
