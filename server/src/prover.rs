//! Turns claims into proofs, in the background.
//!
//! Whether a manifest rebuilds its oid can only be told by hashing the content. A push does that while chunks
//! stream by, within a budget of reading; what is beyond it is bound as *claimed*, and settled here: one
//! thread rebuilds such contents one after the other and binds them as *proved* or *refuted*.
//!
//! Always holds: a proof or a refutation is only ever recorded after every chunk was read and found intact. A
//! corrupt chunk says nothing about the claim: it is taken away, so that the next push or repair asks for it
//! again, and the claim stays. A claim that is dropped (queue full, server stopped) stays claimed and is found
//! by the scan of the next start.
//!
//! Fails with [`StoreError`], which ends the work on one claim only and is told to the owner.

use crate::stores::Stores;
use dits_format::{Binding, ChunkId, Proof};
use dits_store::{ChunkPrune, ChunkRead, Item, PackStore, StoreError, content, take_away};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Claims waiting to be proved. 80 bytes each.
const QUEUE_MAX: usize = 1 << 16;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The content was rebuilt and has its oid.
    Proved,
    /// Every chunk is intact, and they make something else.
    Refuted,
    /// This chunk was corrupt and is now gone; the claim stays.
    Corrupt(ChunkId),
    /// This chunk is absent; the claim stays.
    Missing(ChunkId),
    /// `stop` was set; the claim stays.
    Stopped,
}

/// Why rebuilding ended early.
enum Halt {
    Stop,
    Store(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Halt {
        Halt::Store(error)
    }
}

/// Rebuilds what `binding` claims, and records what was found. Looks at `stop` between chunks.
///
/// # Errors
/// [`StoreError`] when the store fails; nothing is recorded then.
pub fn prove(store: &dyn ChunkPrune, binding: &Binding, stop: &AtomicBool) -> Result<Outcome, StoreError> {
    let proof = match rebuild(store, binding, stop) {
        Ok(true) => Proof::Proved,
        // Format: intact bytes that are no manifest, node or chunk as promised, so nothing can come of them.
        Ok(false) | Err(Halt::Store(StoreError::Mismatch { .. } | StoreError::Format { .. })) => {
            Proof::Refuted
        }
        Err(Halt::Store(StoreError::Corrupt { id, .. })) => {
            take_away(store, id)?;
            return Ok(Outcome::Corrupt(id));
        }
        Err(Halt::Store(StoreError::Missing { id })) => return Ok(Outcome::Missing(id)),
        Err(Halt::Store(error)) => return Err(error),
        Err(Halt::Stop) => return Ok(Outcome::Stopped),
    };
    let mut batch = store.batch()?;
    batch.bind(Binding { proof, ..*binding });
    batch.commit()?;
    Ok(if proof == Proof::Proved { Outcome::Proved } else { Outcome::Refuted })
}

/// Whether the bound manifest speaks of the bound content, and rebuilds it.
fn rebuild(store: &dyn ChunkRead, binding: &Binding, stop: &AtomicBool) -> Result<bool, Halt> {
    let manifest = content::manifest(store, &binding.manifest)?;
    if (manifest.oid, manifest.size) != (binding.oid, binding.size) {
        return Ok(false);
    }
    let mut left = manifest.size;
    content::rebuild(store, &manifest, &mut |bytes: &[u8]| {
        left = left.saturating_sub(bytes.len() as u64);
        if stop.load(Ordering::Relaxed) { Err(Halt::Stop) } else { Ok(()) }
    })?;
    Ok(left == 0)
}

/// A claim, and the realm it stands in.
enum Job {
    Prove(String, Binding),
    /// Wakes the thread so that it sees `stop`.
    Wake,
}

/// The background thread. Dropping it stops and joins it.
#[derive(Debug)]
pub(crate) struct Prover {
    queue: ProofQueue,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where sessions put claims.
#[derive(Debug, Clone)]
pub(crate) struct ProofQueue(SyncSender<Job>);

impl ProofQueue {
    /// Adds a claim of `realm`; without room it waits for the next start.
    pub fn add(&self, realm: &str, binding: Binding) {
        let _ = self.0.try_send(Job::Prove(realm.to_owned(), binding));
    }
}

/// Is told what goes wrong.
pub(crate) type Tell = Arc<dyn Fn(&str) + Send + Sync>;

impl Prover {
    /// Starts the thread: first it looks for claims in `realms`, then it takes what sessions bring.
    pub fn start(stores: Arc<Stores>, realms: Vec<String>, tell: Tell) -> std::io::Result<Prover> {
        let (sender, inbox) = sync_channel(QUEUE_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work { stores, stop: stop.clone(), tell };
        let run = move || {
            realms.iter().for_each(|realm| work.scan(realm));
            work.run(&inbox);
        };
        let thread = std::thread::Builder::new().name("prover".into()).spawn(run)?;
        Ok(Prover { queue: ProofQueue(sender), stop, thread: Some(thread) })
    }

    /// Where claims go.
    pub fn queue(&self) -> ProofQueue {
        self.queue.clone()
    }
}

impl Drop for Prover {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A full queue needs no waking.
        let _ = self.queue.0.try_send(Job::Wake);
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which has been reported on its own.
            let _ = thread.join();
        }
    }
}

struct Work {
    stores: Arc<Stores>,
    stop: Arc<AtomicBool>,
    tell: Tell,
}

impl Work {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn run(&self, inbox: &Receiver<Job>) {
        while let Ok(Job::Prove(realm, binding)) = inbox.recv() {
            if self.stopped() {
                return;
            }
            match self.stores.open(&realm) {
                Ok(store) => self.prove(&store, &realm, &binding),
                Err(error) => (self.tell)(&format!("cannot open the store of '{realm}': {error}")),
            }
        }
    }

    /// Proves what was left claimed by earlier runs.
    fn scan(&self, realm: &str) {
        let claims = || {
            let Some(store) = self.stores.existing(realm)? else { return Ok(()) };
            for binding in claims(&store, &self.stop)? {
                self.prove(&store, realm, &binding);
            }
            Ok::<(), StoreError>(())
        };
        match claims() {
            Err(error) if !self.stopped() => {
                (self.tell)(&format!("cannot look for claims in '{realm}': {error}"))
            }
            _ => {}
        }
    }

    fn prove(&self, store: &PackStore, realm: &str, binding: &Binding) {
        if self.stopped() {
            return;
        }
        let oid = binding.oid;
        // Pushed, and so claimed, a second time before we came to the first.
        let settled = |known: &Binding| known.manifest == binding.manifest && known.proof == Proof::Proved;
        if store.bindings(&oid).is_ok_and(|known| known.iter().any(settled)) {
            return;
        }
        match prove(store, binding, &self.stop) {
            Ok(Outcome::Proved | Outcome::Stopped) => {}
            Ok(Outcome::Refuted) => {
                (self.tell)(&format!("realm '{realm}': content {oid} is not what was pushed as it"));
            }
            Ok(Outcome::Corrupt(id)) => {
                (self.tell)(&format!(
                    "realm '{realm}': content {oid}: chunk {id} was corrupt and is removed"
                ));
            }
            Ok(Outcome::Missing(id)) => {
                (self.tell)(&format!("realm '{realm}': content {oid}: chunk {id} is missing"));
            }
            Err(error) => (self.tell)(&format!("realm '{realm}': cannot prove content {oid}: {error}")),
        }
    }
}

fn claims(store: &PackStore, stop: &AtomicBool) -> Result<Vec<Binding>, StoreError> {
    let mut found = Vec::new();
    store.visit(&mut |item| {
        match item {
            Item::Binding(binding) if binding.proof == Proof::Claimed => found.push(binding),
            _ => {}
        }
        match stop.load(Ordering::Relaxed) {
            true => Err(StoreError::io("scan", Path::new("store"))(ErrorKind::Interrupted.into())),
            false => Ok(()),
        }
    })?;
    Ok(found)
}
