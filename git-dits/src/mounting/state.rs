//! Where a mount keeps what outlives the process that serves it: `dits/mount/` in the Git folder of its linked worktree.
//!
//! ```text
//! info.json          what it began with, and who serves it
//! lock               held by the one process that serves it
//! log, upper/        what was changed through it (`dits_mount::overlay`)
//! daemon.log[.1]     what happened
//! socket             socket of the process that serves it
//! ```
//!
//! Always holds: `info.json` is replaced whole and durably, and is there before anything can be changed; its base stays the same for the life of
//! the mount. The process that is named in it is alive if, and only if, the lock is held.

use crate::report::Failure;
use anyhow::{Context as _, Result};
use dits_mount::attr::Time;
use dits_mount::base::BaseMeta;
use dits_repo::Repository;
use dits_store::durable;
use dits_store::modes::Modes;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Version of what is kept.
const VERSION: u64 = 1;
/// How long somebody may still hold the lock who is about to end.
const LOCK_MAX: Duration = Duration::from_secs(3);
/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of `info.json` that are looked at.
const INFO_BYTES_MAX: u64 = 1 << 16;

/// Where the state of one mount is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    git_dir: PathBuf,
}

/// What a mount began with, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The commit whose tree is the base, in hex.
    pub base: String,
    /// Owner of what is in the base.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Bits that files of the base do not have.
    pub umask: u16,
    /// When the files of the base changed, in nanoseconds since 1970.
    pub mtime: Time,
    /// Whether Git's index was made to agree with the base.
    pub is_indexed: bool,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// The process that serves it; `None` when it was ended in order.
    pub pid: Option<u32>,
    /// Where it is served with NFS, if it is.
    #[serde(default)]
    pub nfs: Option<super::nfs::Address>,
}

/// `info.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Versioned<T> {
    version: u64,
    #[serde(flatten)]
    info: T,
}

/// Only the version.
#[derive(Debug, Deserialize)]
struct Nothing {}

/// The right to serve a mount; others are kept out while it lives.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

impl Info {
    /// Owner, mode and times of what is in the base.
    pub fn meta(&self) -> BaseMeta {
        BaseMeta { uid: self.uid, gid: self.gid, umask: self.umask, mtime: self.mtime }
    }
}

impl State {
    /// Of the linked worktree with this Git folder.
    pub fn of(git_dir: &Path) -> State {
        State { git_dir: git_dir.to_owned() }
    }

    /// Of all mounts of a repository.
    pub fn all(repository: &Repository) -> Vec<State> {
        let entries = fs::read_dir(repository.common_dir.join("worktrees")).into_iter().flatten().flatten();
        let mut all: Vec<State> = entries.map(|entry| State { git_dir: entry.path() }).collect();
        all.retain(State::exists);
        all.sort_by(|one, two| one.git_dir.cmp(&two.git_dir));
        all
    }

    /// Of the mount at `dir` (see [`super::dir::resolve`]), if there is one.
    pub fn at(repository: &Repository, dir: &Path) -> Option<State> {
        State::all(repository).into_iter().find(|state| state.dir().is_some_and(|at| at == dir))
    }

    /// Whether a mount was ever made there.
    pub fn exists(&self) -> bool {
        self.info_path().exists()
    }

    /// Git folder of the worktree.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Name of the worktree.
    pub fn name(&self) -> String {
        self.git_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where all of it is.
    pub fn folder(&self) -> PathBuf {
        self.git_dir.join("dits").join("mount")
    }

    /// The socket of the process that serves it.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// What happened.
    pub fn log(&self) -> PathBuf {
        self.folder().join("daemon.log")
    }

    fn info_path(&self) -> PathBuf {
        self.folder().join("info.json")
    }

    /// The folder that is mounted on; Git keeps its path, and `git worktree move` changes it. `None` if Git's file cannot be read.
    pub fn dir(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let mut text = fs::read(self.git_dir.join("gitdir")).ok()?;
        while text.last().is_some_and(u8::is_ascii_whitespace) {
            text.pop();
        }
        let path = self.git_dir.join(std::ffi::OsString::from_vec(text));
        // With `worktree.useRelativePaths` it is seen from the Git folder.
        let folder = super::dir::lexical(path.parent()?);
        Some(folder)
    }

    /// Makes its folder, which nobody else may look into.
    pub fn create(&self) -> Result<()> {
        let folder = self.folder();
        let failed = || format!("cannot create '{}'", folder.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).with_context(failed)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).with_context(failed)
    }

    /// What it began with.
    pub fn info(&self) -> Result<Info> {
        let path = self.info_path();
        let failed = || format!("cannot read '{}'", path.display());
        let length = fs::metadata(&path).with_context(failed)?.len();
        let text = if length <= INFO_BYTES_MAX { fs::read(&path).with_context(failed)? } else { Vec::new() };
        let damaged = || Failure::new(format!("'{}' is damaged", path.display()), self.rescue());
        let Versioned { version, .. } =
            serde_json::from_slice::<Versioned<Nothing>>(&text).map_err(|_| damaged())?;
        if version != VERSION {
            let text = format!(
                "this mount was made by another version of git-dits (its state has version {version})"
            );
            return Err(Failure::new(text, "use the git-dits that made it, or update git-dits").into());
        }
        let info = serde_json::from_slice::<Versioned<Info>>(&text).map_err(|_| damaged())?;
        Ok(info.info)
    }

    /// What to do when what is kept cannot be used.
    pub fn rescue(&self) -> String {
        let upper = self.folder().join("upper");
        format!(
            "the files that were written are in '{}', named by numbers: copy them; 'git worktree remove --force' ends this mount",
            upper.display()
        )
    }

    /// Replaces what is known of it.
    pub fn write(&self, info: &Info) -> Result<()> {
        let text = serde_json::to_vec(&Versioned { version: VERSION, info: info.clone() })?;
        Ok(durable::write_file(&self.folder(), &self.info_path(), &text, Modes::default())?)
    }

    /// The right to serve it, unless somebody has it.
    pub fn hold(&self) -> Result<Option<Held>> {
        let path = self.folder().join("lock");
        let lock = durable::lock_file(&path, Modes::default())?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Held { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock '{}'", path.display()))
            }
        }
    }

    /// The same, waiting for a process that is about to end, or only looks whether somebody has it.
    pub fn hold_soon(&self) -> Result<Option<Held>> {
        let end = Instant::now() + LOCK_MAX;
        loop {
            match self.hold()? {
                None if Instant::now() < end => std::thread::park_timeout(LOOK),
                held => return Ok(held),
            }
        }
    }

    /// Whether a process serves it.
    pub fn is_served(&self) -> bool {
        let file = File::open(self.folder().join("lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Keeps Git from taking the worktree away; says why if that is tried. A lock of somebody else's stays.
    pub fn protect(&self) -> Result<()> {
        let path = self.git_dir.join("locked");
        if path.exists() {
            return Ok(());
        }
        Ok(durable::write_file(&self.folder(), &path, PROTECTED.as_bytes(), Modes::default())?)
    }

    /// Ends that.
    pub fn unprotect(&self) -> Result<()> {
        let path = self.git_dir.join("locked");
        match fs::read(&path) {
            Ok(text) if text == PROTECTED.as_bytes() => Ok(durable::remove_file(&path)?),
            _ => Ok(()),
        }
    }
}

/// What Git says of a mount that is to be removed.
const PROTECTED: &str = "it is mounted: 'git dits unmount' first\n";
