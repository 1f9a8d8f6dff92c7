//! Turns claims into proofs, in the background.
//!
//! Whether a manifest rebuilds its oid can only be told by hashing the content. A push does that while chunks
//! stream by, within a budget of reading; what is beyond it is bound as *claimed*, and settled here: one
//! thread rebuilds such contents one after the other and binds them as *proved* or *refuted*. What was found is
//! recorded for many contents at once ([`FOUND_MAX`], [`FOUND_BYTES_MAX`]): a commit of its own for each of 30,000 small
//! files kept a server busy for minutes.
//!
//! Always holds: a proof or a refutation is only ever recorded after every chunk was read and found intact. A
//! corrupt chunk says nothing about the claim: it is taken away, so that the next push or repair asks for it
//! again, and the claim stays. A claim that is dropped (queue full, server killed) stays claimed and is found
//! by the scan of the next start.
//!
//! Fails with [`StoreError`], which ends the work on one claim only and is told to the owner.

use crate::stores::Stores;
use dits_format::{Binding, ChunkId, Proof};
use dits_store::{ChunkPrune, ChunkRead, ChunkWrite, Item, PackStore, StoreError, content, take_away};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Claims waiting to be proved. 80 bytes each.
const QUEUE_MAX: usize = 1 << 16;

/// Findings that are recorded together at most. 80 bytes each.
const FOUND_MAX: usize = 4096;
/// Bytes that are read before what was found of them is recorded.
const FOUND_BYTES_MAX: u64 = 1 << 30;

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

/// Rebuilds what `binding` claims, and says what came of it. Looks at `stop` between chunks. It records nothing:
/// that is for [`record`].
///
/// # Errors
/// [`StoreError`] when the store fails.
pub fn examine(store: &dyn ChunkPrune, binding: &Binding, stop: &AtomicBool) -> Result<Outcome, StoreError> {
    match rebuild(store, binding, stop) {
        Ok(true) => Ok(Outcome::Proved),
        // Format: intact bytes that are no manifest, node or chunk as promised, so nothing can come of them.
        Ok(false) | Err(Halt::Store(StoreError::Mismatch { .. } | StoreError::Format { .. })) => {
            Ok(Outcome::Refuted)
        }
        Err(Halt::Store(StoreError::Corrupt { id, .. })) => {
            take_away(store, id)?;
            Ok(Outcome::Corrupt(id))
        }
        Err(Halt::Store(StoreError::Missing { id })) => Ok(Outcome::Missing(id)),
        Err(Halt::Store(error)) => Err(error),
        Err(Halt::Stop) => Ok(Outcome::Stopped),
    }
}

/// Binds contents as what [`examine`] found of them, all in one commit.
///
/// # Errors
/// [`StoreError`] when the store fails; the claims stay.
pub fn record(store: &dyn ChunkWrite, found: &[Binding]) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let mut batch = store.batch()?;
    found.iter().for_each(|binding| batch.bind(*binding));
    batch.commit().map(drop)
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
        let mut findings: Option<Findings<'_>> = None;
        loop {
            let job = inbox.try_recv().or_else(|_| {
                // Nothing waits: what was found is recorded before we do.
                findings = None;
                inbox.recv()
            });
            let Ok(Job::Prove(realm, binding)) = job else { return };
            if self.stopped() {
                return;
            }
            if findings.as_ref().is_none_or(|findings| findings.realm != realm) {
                findings = None;
                match self.stores.open(&realm) {
                    Ok(store) => findings = Some(Findings::new(self, store, realm)),
                    Err(error) => (self.tell)(&format!("cannot open the store of '{realm}': {error}")),
                }
            }
            if let Some(findings) = &mut findings {
                findings.prove(&binding);
            }
        }
    }

    /// Proves what was left claimed by earlier runs.
    fn scan(&self, realm: &str) {
        let claims = || {
            let Some(store) = self.stores.existing(realm)? else { return Ok(()) };
            let claims = claims(&store, &self.stop)?;
            let mut findings = Findings::new(self, store, realm.to_owned());
            claims.iter().for_each(|binding| findings.prove(binding));
            Ok::<(), StoreError>(())
        };
        match claims() {
            Err(error) if !self.stopped() => {
                (self.tell)(&format!("cannot look for claims in '{realm}': {error}"))
            }
            _ => {}
        }
    }
}

/// What was found of a realm's claims and is not recorded yet. Dropping it records it.
struct Findings<'a> {
    work: &'a Work,
    store: PackStore,
    realm: String,
    found: Vec<Binding>,
    /// Bytes read for them.
    bytes: u64,
}

impl<'a> Findings<'a> {
    fn new(work: &'a Work, store: PackStore, realm: String) -> Findings<'a> {
        Findings { work, store, realm, found: Vec::new(), bytes: 0 }
    }

    fn prove(&mut self, binding: &Binding) {
        if self.work.stopped() || self.is_settled(binding) {
            return;
        }
        let (realm, oid) = (&self.realm, binding.oid);
        let say = |what: String| (self.work.tell)(&format!("realm '{realm}': {what}"));
        match examine(&self.store, binding, &self.work.stop) {
            Ok(Outcome::Proved) => self.found.push(Binding { proof: Proof::Proved, ..*binding }),
            Ok(Outcome::Refuted) => {
                say(format!("content {oid} is not what was pushed as it"));
                self.found.push(Binding { proof: Proof::Refuted, ..*binding });
            }
            Ok(Outcome::Stopped) => {}
            Ok(Outcome::Corrupt(id)) => {
                say(format!("content {oid}: chunk {id} was corrupt and is removed"));
            }
            Ok(Outcome::Missing(id)) => say(format!("content {oid}: chunk {id} is missing")),
            Err(error) => say(format!("cannot prove content {oid}: {error}")),
        }
        self.bytes = self.bytes.saturating_add(binding.size);
        if self.found.len() >= FOUND_MAX || self.bytes >= FOUND_BYTES_MAX {
            self.record();
        }
    }

    /// Whether it was pushed, and so claimed, a second time before we came to the first.
    fn is_settled(&self, binding: &Binding) -> bool {
        let settles = |known: &Binding| {
            (known.oid, known.manifest, known.proof) == (binding.oid, binding.manifest, Proof::Proved)
        };
        let known = || self.store.bindings(&binding.oid).unwrap_or_default();
        self.found.iter().any(settles) || known().iter().any(settles)
    }

    fn record(&mut self) {
        self.bytes = 0;
        if let Err(error) = record(&self.store, &std::mem::take(&mut self.found)) {
            (self.work.tell)(&format!("realm '{}': cannot record what was proved: {error}", self.realm));
        }
    }
}

impl Drop for Findings<'_> {
    fn drop(&mut self) {
        self.record();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Realm, content, store};
    use dits_format::Oid;

    #[test]
    fn many_claims_are_recorded_together() {
        let realm = Realm::new();
        // The first of them is repeated, as a content that two pushes claim.
        let contents: Vec<_> = ('a'..='z').map(|letter| content(&letter.to_string())).collect();
        let claims: Vec<Binding> = contents
            .iter()
            .chain(&contents[..1])
            .map(|content| {
                let (manifest, size) = (content.manifest.id(), content.manifest.size);
                Binding { oid: content.oid, manifest, size, proof: Proof::Claimed }
            })
            .collect();
        contents.iter().for_each(|content| store(&realm.store, content, Proof::Claimed));
        let packs = || -> std::collections::BTreeSet<std::path::PathBuf> {
            let files = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            let objects = realm.layout.store("team").join("objects");
            files(&objects).flat_map(|dir| files(&dir).collect::<Vec<_>>()).collect()
        };
        let before = packs();
        let (stop, tell) = (Arc::default(), Arc::new(|told: &str| panic!("{told}")));
        let work = Work { stores: Arc::new(Stores::new(realm.layout.clone())), stop, tell };
        let mut findings = Findings::new(&work, realm.store.clone(), "team".into());
        claims.iter().for_each(|claim| findings.prove(claim));
        assert_eq!(packs(), before, "nothing is recorded one by one");
        drop(findings);
        let proved =
            |oid: &Oid| realm.store.bindings(oid).unwrap().iter().any(|known| known.proof == Proof::Proved);
        assert!(contents.iter().all(|content| proved(&content.oid)));
    }
}
