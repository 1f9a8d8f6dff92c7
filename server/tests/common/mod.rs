//! A server on a free port of 127.0.0.1 in a folder of its own, and contents to push.
//!
//! Contents are cut at fixed offsets: where cuts fall does not matter here, and edits in place keep them.
//! Nothing sleeps; each wait ends by an event or fails by [`PATIENCE`].

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of this")]

use dits_format::tree::{Builder, Entry};
use dits_format::{Binding, ChunkId, Kind, Manifest, Oid, Proof};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_server::{ServeError, Server, ServerConfig, serve_blocking};
use dits_store::{Batch, ChunkWrite, MemoryStore, content};
use dits_sync::SyncError;
use dits_sync::address::Address;
use dits_sync::client::{Client, Report};
use dits_sync::message::Reason;
use dits_sync::push::PushItem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes between two cuts.
pub const PIECE: usize = 8 << 10;

pub struct Rig {
    pub dir: TempDir,
    pub address: SocketAddr,
    pub token: String,
    pub problems: mpsc::Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

pub fn config(dir: &Path) -> ServerConfig {
    let exe = PathBuf::from("/nonexistent/git-dits");
    ServerConfig {
        dir: dir.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: None,
        client_ca: None,
        anonymous: false,
        exe,
        memory: None,
        faults: None,
    }
}

impl Rig {
    pub fn new() -> Rig {
        let dir = TempDir::new().unwrap();
        Rig::start(dir, String::new())
    }

    /// A server with these rules for what goes wrong.
    pub fn faulty(rules: &str) -> Rig {
        let faults = dits_server::Faults::parse(rules).unwrap();
        Rig::configured(TempDir::new().unwrap(), String::new(), |config| {
            config.faults = Some(Arc::new(faults))
        })
    }

    pub fn start(dir: TempDir, token: String) -> Rig {
        Rig::configured(dir, token, |_| {})
    }

    pub fn configured(dir: TempDir, token: String, set: impl FnOnce(&mut ServerConfig)) -> Rig {
        let (ready, started) = mpsc::channel();
        let (tell, problems) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut config = config(&dir.path().join("server"));
        set(&mut config);
        let ready = move |server: &Server| {
            server.on_problem(move |text| drop(tell.send(text.to_owned())));
            ready.send((server.address(), server.admin_token().map(str::to_owned))).unwrap();
        };
        let shutdown = async { drop(stopped.await) };
        let thread = std::thread::spawn(move || serve_blocking(config, || shutdown, ready));
        let (address, fresh) = started.recv_timeout(PATIENCE).unwrap();
        let token = fresh.unwrap_or(token);
        Rig { dir, address, token, problems, stop: Some(stop), thread: Some(thread) }
    }

    /// Stops the server in good order and gives its folder back.
    pub fn stop(mut self) -> (TempDir, String) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap().unwrap();
        (std::mem::replace(&mut self.dir, TempDir::new().unwrap()), std::mem::take(&mut self.token))
    }

    pub fn server_dir(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    pub fn pins(&self) -> FilePins {
        FilePins { path: self.dir.path().join("pins") }
    }

    pub fn options(&self) -> Options {
        Options::new(Arc::new(self.pins()), PATIENCE)
    }

    pub fn client(&self, repository: &str) -> Client {
        let address = Address::parse(&format!("dits://{}/{repository}", self.address)).unwrap();
        Client::connect(&address, &self.options()).unwrap()
    }

    pub fn push(
        &self,
        repository: &str,
        store: &MemoryStore,
        items: Vec<PushItem>,
    ) -> Result<Report, SyncError> {
        self.push_as(&self.token, repository, store, items)
    }

    pub fn push_as(
        &self,
        token: &str,
        repository: &str,
        store: &MemoryStore,
        items: Vec<PushItem>,
    ) -> Result<Report, SyncError> {
        let client = self.client(repository);
        let report = client.push(token, Arc::new(store.clone()), items, &mut |_| {});
        client.close();
        report
    }

    /// Pulls into a new store; also gives what was absent.
    pub fn pull(&self, repository: &str, oids: &[Oid]) -> (MemoryStore, Vec<Oid>) {
        self.pull_as(&self.token, repository, oids).unwrap()
    }

    pub fn pull_as(
        &self,
        token: &str,
        repository: &str,
        oids: &[Oid],
    ) -> Result<(MemoryStore, Vec<Oid>), SyncError> {
        let (store, client) = (MemoryStore::new(), self.client(repository));
        let result = client.pull(token, &store, oids.to_vec(), &mut |_| {});
        client.close();
        result.map(|(_, absent)| (store, absent))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Bytes that look random and are the same each time.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Cuts a content, puts its chunks into a batch and gives its manifest.
pub fn put(batch: &mut dyn Batch, bytes: &[u8]) -> Manifest {
    let mut builder = Builder::new();
    for part in bytes.chunks(PIECE) {
        let id = ChunkId::of(Kind::Data, part);
        batch.put(id, Kind::Data, part).unwrap();
        let entry = Entry { id, bytes: part.len() as u64 };
        builder.push(entry, &mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    }
    let root = builder.finish(&mut |id, node: &[u8]| batch.put(id, Kind::Node, node).map(drop)).unwrap();
    Manifest::plain(0, Oid::of(bytes), bytes.len() as u64, root)
}

/// Adds a content to a store and claims it under the oid `named`.
pub fn claim(store: &impl ChunkWrite, bytes: &[u8], named: Oid) -> Binding {
    let mut batch = store.batch().unwrap();
    let manifest = Manifest { oid: named, ..put(&mut *batch, bytes) };
    batch.put(manifest.id(), Kind::Manifest, &manifest.encode()).unwrap();
    let (id, size) = (manifest.id(), bytes.len() as u64);
    let binding = Binding { oid: named, manifest: id, size, proof: Proof::Claimed };
    batch.bind(binding);
    batch.commit().unwrap();
    binding
}

/// Adds a content to a store, ready to be pushed.
pub fn add(store: &impl ChunkWrite, bytes: &[u8]) -> PushItem {
    let binding = claim(store, bytes, Oid::of(bytes));
    PushItem { oid: binding.oid, size: binding.size, base: None }
}

pub fn bytes_of(store: &MemoryStore, oid: &Oid) -> Vec<u8> {
    let known = content::find(store, oid).unwrap().unwrap();
    let mut out = Vec::new();
    content::rebuild::<dits_store::StoreError>(store, &known.manifest, &mut |bytes| {
        out.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    out
}

/// The reason for which a stream was refused.
pub fn reason<T: std::fmt::Debug>(result: Result<T, SyncError>) -> Reason {
    match result.unwrap_err() {
        SyncError::Refused { reason, .. } => reason,
        other => panic!("not refused: {other}"),
    }
}
