//! What a served mount is made of: the base as Git lists it, what was changed on top of it, and where bytes come from.
//!
//! The base has one file more than the commit: `.git`, as `git worktree add` wrote it, by which Git finds its own folder.

use super::blobs::GitBlobs;
use super::contents::StoreContents;
use super::daemon::Options;
use super::gate::{self, LockGate};
use super::log::Log;
use super::outer_attributes::OuterAttributes;
use super::state::{Info, State};
use super::{base, dir, index, nfs};
use crate::report::{FATAL, Failure};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use dits_mount::Mount;
use dits_mount::attr::Time;
use dits_mount::base::{BaseEntry, BaseKind};
use dits_mount::fuse::{self, ServeError, Session};
use dits_mount::nodes::Nodes;
use dits_mount::ops::Parts;
use dits_mount::outside::{BlobData, BlobId, Blobs, ContentFault};
use dits_mount::overlay::{Overlay, OverlayError};
use dits_mount::read::{self, Engine};
use dits_remote::ranges::Told;
use dits_repo::settings::Setting;
use dits_repo::{Repository, linked, snapshot};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Memory for chunks that were read, in bytes.
const MEMORY: Setting<u64> = Setting::new("dits.mount.memory", 256 << 20);
/// Whether other users of the machine may use the mount, as far as modes of files allow.
const ALLOW_OTHER: Setting<bool> = Setting::new("dits.mount.allowother", false);

/// The filesystem of a mount, and what else it is asked for.
pub struct Started {
    /// The filesystem.
    pub mount: Arc<Mount>,
    /// Who may write.
    pub gate: Arc<LockGate>,
    /// Where its contents come from.
    pub contents: Arc<StoreContents>,
    engine: Arc<Engine>,
    outer: Mutex<OuterAttributes>,
    allow_other: bool,
    session: OnceLock<Arc<Session>>,
    nfs: OnceLock<nfs::Server>,
}

/// Makes the filesystem of a mount; `stage` hears what takes long.
pub fn start(
    state: &State,
    info: &mut Info,
    options: &Options,
    log: Arc<Log>,
    stage: &mut dyn FnMut(&str),
) -> Result<Started> {
    let git = linked::git(state.git_dir());
    // Where it runs is taken for a working tree; there is none that we may look into.
    let mut repository = Repository::of(&git)?;
    repository.worktree = None;
    stage("Listing files");
    let converted = state.folder().join("converted");
    let tree = snapshot::of(&git, &info.base, &converted)?;
    for path in &tree.unconverted {
        let path = String::from_utf8_lossy(path);
        log.trouble(&format!("git could not convert '{path}': it is shown as git stores it"));
    }
    let mut entries: Vec<BaseEntry> = base::entries(tree.entries).collect();
    let link = dir::link_text(state.git_dir());
    let place = entries.partition_point(|entry| entry.path[..] < LINK[..]);
    entries.insert(place, link_entry(link.len() as u64));
    let mut nodes = Nodes::new(entries, &info.meta());
    let overlay = Overlay::open(&state.folder(), &mut nodes).map_err(|error| unusable(state, error))?;
    if !info.is_indexed {
        stage("Filling git's index");
        index::fill(&repository.index, repository.hash, &nodes)?;
        info.is_indexed = true;
        state.write(info)?;
    }
    let blobs = GitBlobs::new(&git, repository.hash, converted, state.folder());
    let gate = gate::open(&repository, options.settings.clone(), log.clone());
    let outer = Mutex::new(OuterAttributes::find(&repository, |name| std::env::var_os(name))?);
    let ram_bytes = repository.setting_number(MEMORY)?;
    let allow_other = repository.setting_bool(ALLOW_OTHER)?;
    let contents = Arc::new(contents(repository, options, state, log.clone())?);
    let trace = options.trace.as_deref().map(trace).transpose()?;
    let reading = read::Options { ram_bytes, trace, events: Some(log.clone()), ..read::Options::default() };
    let engine = Engine::new(contents.clone(), reading);
    let parts = Parts {
        nodes,
        overlay: Some(overlay),
        read_only: options.read_only,
        engine: engine.clone(),
        blobs: Arc::new(WithLink { link: link.into(), blobs }),
        gate: gate.clone(),
        events: log,
        epoch: epoch(),
        clock: Box::new(clock),
    };
    let (mount, session, nfs) = (Arc::new(Mount::new(parts)), OnceLock::new(), OnceLock::new());
    let started = Started { mount, gate, contents, engine, outer, allow_other, session, nfs };
    started.look_outside();
    Ok(started)
}

/// The file that is to hold what was read.
fn trace(path: &Path) -> Result<read::Trace> {
    let file = File::create(path).with_context(|| format!("cannot create '{}'", path.display()))?;
    Ok(read::Trace::new(Box::new(file)))
}

/// Contents as they are here and at remotes; what happens to these goes to the log.
fn contents(
    repository: Repository,
    options: &Options,
    state: &State,
    log: Arc<Log>,
) -> Result<StoreContents> {
    let tell = Arc::new(move |told: Told| match told {
        Told::Online { .. } => log.say(&told.to_string()),
        trouble => log.trouble(&trouble.to_string()),
    });
    StoreContents::open(repository, &options.settings, &state.folder(), tell)
}

impl Started {
    /// Mounts it at `dir`.
    pub fn serve(&self, dir: &Path, read_only: bool) -> Result<Arc<Session>> {
        let options = fuse::Options { read_only, allow_other: self.allow_other, ..fuse::Options::default() };
        let session = Arc::new(fuse::serve(self.mount.clone(), dir, &options).map_err(refused)?);
        Ok(self.session.get_or_init(|| session).clone())
    }

    /// Serves it with NFS; says where.
    pub fn serve_nfs(&self) -> Result<nfs::Address> {
        let server = nfs::Server::start(self.mount.clone())?;
        Ok(self.nfs.get_or_init(|| server).address().clone())
    }

    /// Whether it is served with NFS.
    pub fn is_nfs(&self) -> bool {
        self.nfs.get().is_some()
    }

    /// Takes in what has changed in attribute files outside of the tree: nothing else tells of them.
    pub fn look_outside(&self) {
        let changed = self.outer.lock().unwrap_or_else(PoisonError::into_inner).changed();
        if let Some(outer) = changed {
            self.mount.set_outer_attributes(&outer);
        }
    }

    /// Whether remotes could be reached when one was last needed.
    pub fn is_online(&self) -> bool {
        self.engine.is_online() && self.contents.ranges().is_online()
    }

    /// What was counted.
    pub fn stats(&self) -> Value {
        json!({
            "reads": self.engine.stats(),
            "kernel": self.session.get().map(|session| session.stats()),
            "contents": self.contents.ranges().counts(),
        })
    }
}

/// The file of a linked worktree that tells Git where everything is.
const LINK: &[u8] = b".git";

/// Its entry: as of a blob whose name nothing else has.
fn link_entry(bytes: u64) -> BaseEntry {
    let what = BaseKind::Blob { id: BlobId(Box::default()), bytes, executable: false };
    BaseEntry { path: LINK.to_vec(), what }
}

/// Git's blobs, and that file.
struct WithLink {
    link: Bytes,
    blobs: GitBlobs,
}

impl Blobs for WithLink {
    fn read(&self, id: &BlobId, path: &[u8]) -> Result<BlobData, ContentFault> {
        if id.0.is_empty() { Ok(BlobData::Memory(self.link.clone())) } else { self.blobs.read(id, path) }
    }
}

/// Whether this system has what mounts need.
pub fn check() -> Result<()> {
    let device = fuse::Options::default().device;
    if device.exists() { Ok(()) } else { Err(refused(ServeError::NoDevice { device })) }
}

fn refused(error: ServeError) -> anyhow::Error {
    let hint = error.hint();
    Failure { text: crate::report::text(&error.into()), hint, code: FATAL }.into()
}

/// What was changed cannot be told for sure, so nothing is mounted, and nothing taken away.
fn unusable(state: &State, error: OverlayError) -> anyhow::Error {
    let hint = state.rescue();
    Failure::new(crate::report::text(&error.into()), hint).into()
}

/// A name that no earlier process of this mount had.
fn epoch() -> String {
    format!("{:x}-{:x}", clock().0, std::process::id())
}

fn clock() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}
