//! A made-up project, mounted through FUSE.
//!
//! Its ghosts hold [`byte_at`] their offset, cut into chunks of [`CHUNK_BYTES`]; a switch keeps fetches waiting. The stories need
//! `/dev/fuse` and leave to mount; only `DITS_TEST_NO_FUSE=1` in the environment leaves them out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses its part of it")]

use bytes::Bytes;
use dits_format::{ChunkId, Oid};
use dits_mount::attr::Time;
use dits_mount::attributes::Outer;
use dits_mount::base::{BaseEntry, BaseKind, BaseMeta};
use dits_mount::fuse::{self, Options, Session, Unmount};
use dits_mount::nodes::Nodes;
use dits_mount::ops::Parts;
use dits_mount::outside::{
    BlobData, BlobId, Blobs, ContentFault, Contents, Event, Events, Gate, Piece, Sink, Want,
};
use dits_mount::overlay::Overlay;
use dits_mount::read::Engine;
use dits_mount::{Fault, Mount};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a chunk of every ghost.
pub const CHUNK_BYTES: u64 = 256 << 10;
/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// What every blob holds.
pub const BLOB: &[u8] = b"text\n";

/// What ghosts hold at an offset.
pub fn byte_at(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Contents, blobs and a gate that are made up.
#[derive(Default)]
pub struct World {
    held: Mutex<bool>,
    let_go: Condvar,
    waiting: AtomicU64,
    /// Chunks that were fetched.
    pub fetched: AtomicU64,
    /// A file of this machine that every ghost is.
    pub whole: Mutex<Option<PathBuf>>,
}

impl World {
    /// Keeps fetches waiting from now on, or lets all go.
    pub fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.let_go.notify_all();
    }

    /// Fetches that are waiting.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Contents for World {
    fn pieces(&self, _: &Oid, _: Range<u64>) -> Result<Option<Vec<Piece>>, ContentFault> {
        Ok(None)
    }

    fn local(&self, _: &ChunkId) -> Result<Option<Bytes>, ContentFault> {
        Ok(None)
    }

    fn has(&self, _: &ChunkId) -> bool {
        false
    }

    fn fetch(&self, oid: &Oid, range: Range<u64>, _: &Want, sink: &mut Sink<'_>) -> Result<(), ContentFault> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap();
        let (held, late) = self.let_go.wait_timeout_while(held, DEADLINE, |held| *held).unwrap();
        drop(held);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        if late.timed_out() {
            return Err(ContentFault::Offline("nobody let go".into()));
        }
        for chunk in range.start / CHUNK_BYTES..range.end.div_ceil(CHUNK_BYTES) {
            self.fetched.fetch_add(1, Ordering::Relaxed);
            let start = chunk * CHUNK_BYTES;
            let bytes: Vec<u8> = (start..start + CHUNK_BYTES).map(byte_at).collect();
            let mut id = oid.0;
            id[..8].copy_from_slice(&chunk.to_le_bytes());
            let piece = Piece { start, skip: 0, bytes: CHUNK_BYTES as u32, id: ChunkId(id) };
            if !sink(piece, bytes.into()) {
                return Err(ContentFault::Cancelled);
            }
        }
        Ok(())
    }

    fn whole(&self, _: &Oid) -> Option<File> {
        File::open(self.whole.lock().unwrap().as_ref()?).ok()
    }
}

impl Blobs for World {
    fn read(&self, _: &BlobId, _: &[u8]) -> Result<BlobData, ContentFault> {
        Ok(BlobData::Memory(Bytes::from_static(BLOB)))
    }
}

impl Gate for World {
    fn may_write(&self, path: &[u8]) -> Result<(), Fault> {
        if path.ends_with(b".locked") { Err(Fault::Denied) } else { Ok(()) }
    }
}

impl Events for World {
    fn happened(&self, _: Event) {}
}

/// A ghost of so many bytes; its name tells its content.
pub fn ghost(path: &str, bytes: u64) -> BaseEntry {
    let mut oid = [0; 32];
    let name = path.len().min(32);
    oid[..name].copy_from_slice(&path.as_bytes()[path.len() - name..]);
    BaseEntry { path: path.into(), what: BaseKind::Ghost { oid: Oid(oid), bytes, executable: false } }
}

/// A blob.
pub fn blob(path: &str) -> BaseEntry {
    let id = BlobId([1; 20].into());
    let what = BaseKind::Blob { id, bytes: BLOB.len() as u64, executable: path.ends_with(".sh") };
    BaseEntry { path: path.into(), what }
}

/// A symbolic link.
pub fn link(path: &str, target: &str) -> BaseEntry {
    BaseEntry { path: path.into(), what: BaseKind::Symlink { target: target.as_bytes().into() } }
}

/// A mounted project.
pub struct Mounted {
    /// The world it lives in.
    pub world: Arc<World>,
    /// The filesystem.
    pub mount: Arc<Mount>,
    /// What serves it.
    pub session: Session,
    top: tempfile::TempDir,
}

/// Whether the environment leaves the stories of FUSE out.
pub fn is_left_out() -> bool {
    std::env::var_os("DITS_TEST_NO_FUSE").is_some_and(|value| value == "1")
}

/// The filesystem of a project, its overlay in `state`.
pub fn mount_of(base: Vec<BaseEntry>, state: Option<&Path>, world: &Arc<World>) -> Arc<Mount> {
    let uid = rustix::process::getuid().as_raw();
    let gid = rustix::process::getgid().as_raw();
    let meta = BaseMeta { uid, gid, umask: 0o022, mtime: Time::from_seconds(1_000_000_000) };
    let mut nodes = Nodes::new(base, &meta);
    let overlay = state.map(|dir| Overlay::open(dir, &mut nodes).unwrap());
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Time(now.as_nanos() as i64)
    };
    let mount = Mount::new(Parts {
        nodes,
        overlay,
        read_only: false,
        engine: Engine::new(world.clone(), dits_mount::read::Options::default()),
        blobs: world.clone(),
        gate: world.clone(),
        events: world.clone(),
        epoch: "test".into(),
        clock: Box::new(now),
    });
    let info = b"*.bin filter=dits\n*.locked lockable\n".to_vec();
    mount.set_outer_attributes(&Outer { info, ..Outer::default() });
    Arc::new(mount)
}

impl Mounted {
    /// Mounts a project of these entries, sorted by path; `None` when the environment leaves such stories out.
    pub fn new(base: Vec<BaseEntry>) -> Option<Mounted> {
        Mounted::with(base, Options::default())
    }

    /// The same, with options.
    pub fn with(base: Vec<BaseEntry>, options: Options) -> Option<Mounted> {
        if is_left_out() {
            return None;
        }
        let top = tempfile::tempdir().unwrap();
        let (dir, state) = (top.path().join("dir"), top.path().join("state"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::create_dir_all(&state).unwrap();
        let world = Arc::new(World::default());
        let mount = mount_of(base, (!options.read_only).then_some(&state), &world);
        let session = fuse::serve(mount.clone(), &dir, &options)
            .unwrap_or_else(|error| panic!("{error}; only DITS_TEST_NO_FUSE=1 leaves this story out"));
        Some(Mounted { world, mount, session, top })
    }

    /// A path in the mount.
    pub fn path(&self, path: &str) -> PathBuf {
        self.session.dir().join(path)
    }

    /// Requests of a kind so far.
    pub fn requests(&self, kind: &str) -> u64 {
        self.session.stats()["requests"][kind].as_u64().unwrap_or(0)
    }

    /// All requests so far.
    pub fn all_requests(&self) -> u64 {
        let stats = self.session.stats();
        stats["requests"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.world.hold(false);
        self.session.unmount(Unmount::Detach).unwrap();
        let ended = self.session.wait_for(DEADLINE);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(()))), "{} did not end: {ended:?}", self.top.path().display());
        }
    }
}
