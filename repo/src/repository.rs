//! Where the parts of this repository are, and its configuration.
//!
//! Found by asking Git once, so that linked worktrees, submodules, `GIT_DIR`, `GIT_INDEX_FILE` and SHA-256
//! are as Git sees them. Chunks are kept in `dits/` of the *common* folder, shared by linked worktrees; files
//! on their way into the working tree in `dits/hydrate` of this worktree's own Git folder.

use crate::config::Config;
use crate::ditsconfig;
use crate::index::HashKind;
use crate::{Git, RepoError, head};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// This repository.
#[derive(Debug)]
pub struct Repository {
    /// Git at the top of the working tree, or in the Git folder of a bare repository.
    pub git: Git,
    /// Top of the working tree, unless bare.
    pub worktree: Option<PathBuf>,
    /// This worktree's Git folder.
    pub git_dir: PathBuf,
    /// The Git folder that all linked worktrees share.
    pub common_dir: PathBuf,
    /// Git's index.
    pub index: PathBuf,
    /// How Git names objects here.
    pub hash: HashKind,
    /// Whether the environment says that lockable files stay writable, whatever the settings say.
    pub keeps_writable: bool,
    config: OnceLock<Config>,
    pub(crate) ditsconfig: OnceLock<ditsconfig::Found>,
}

impl Repository {
    /// Finds the repository around `dir`.
    ///
    /// # Errors
    /// [`RepoError::NotARepository`] outside of any.
    pub fn find(dir: &Path) -> Result<Repository, RepoError> {
        Repository::of(&Git::at(dir))
    }

    /// Finds the repository around the folder of `git`.
    ///
    /// # Errors
    /// As [`Repository::find`].
    pub fn of(git: &Git) -> Result<Repository, RepoError> {
        const ASK: [&str; 6] =
            ["rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--git-path", "index"];
        let ask = |tail: &[&str]| git.run(&[&ASK[..], tail].concat());
        // In a bare repository, or inside `.git`, there is no top level to show.
        let out =
            ask(&["--show-object-format", "--show-toplevel"]).or_else(|_| ask(&["--show-object-format"]));
        let out = out.map_err(|error| match error {
            RepoError::Git { code: Some(128), stderr, .. } if stderr.contains("not a git repository") => {
                RepoError::NotARepository
            }
            other => other,
        })?;
        let mut lines = out.strip_suffix(b"\n").unwrap_or(&out).split(|b| *b == b'\n');
        let mut next = || lines.next().map(|line| line.to_vec()).ok_or(RepoError::Output("rev-parse"));
        let path = |bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes));
        let (git_dir, common_dir, index) = (path(next()?), path(next()?), path(next()?));
        let hash = match &next()?[..] {
            b"sha1" => HashKind::Sha1,
            b"sha256" => HashKind::Sha256,
            _ => return Err(RepoError::Output("rev-parse --show-object-format")),
        };
        let worktree = next().ok().map(path);
        let git = git.moved(worktree.as_deref().unwrap_or(&git_dir));
        let (config, ditsconfig) = Default::default();
        let keeps_writable = false;
        Ok(Repository { git, worktree, git_dir, common_dir, index, hash, keeps_writable, config, ditsconfig })
    }

    /// As [`Repository::of`], with the configuration read in the same time: for whoever needs it next.
    ///
    /// # Errors
    /// As [`Repository::find`].
    pub fn with_config(git: &Git) -> Result<Repository, RepoError> {
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| Config::read(git));
            let repository = Repository::of(git)?;
            // An error comes again where it is asked for.
            if let Ok(Ok(config)) = reading.join() {
                let _ = repository.config.set(config);
            }
            Ok(repository)
        })
    }

    /// The working tree.
    ///
    /// # Errors
    /// [`RepoError::Bare`] when there is none.
    pub fn worktree(&self) -> Result<&Path, RepoError> {
        self.worktree.as_deref().ok_or(RepoError::Bare)
    }

    /// Folder for files on their way into the working tree. Not the store's own `tmp`: that sweeps by its own
    /// rules.
    pub fn tmp_dir(&self) -> PathBuf {
        self.git_dir.join("dits").join("hydrate")
    }

    /// Whether the working tree is one of `git dits mount`.
    pub fn is_mount(&self) -> bool {
        self.git_dir.join("dits").join("mount").is_dir()
    }

    /// The full name of the ref that HEAD points at; `None` when that is a commit.
    pub fn head(&self) -> Result<Option<String>, RepoError> {
        head::target(&self.git, &self.git_dir)
    }

    /// The configuration, read once.
    pub fn all_config(&self) -> Result<&Config, RepoError> {
        if self.config.get().is_none() {
            let _ = self.config.set(Config::read(&self.git)?);
        }
        Ok(self.config.get_or_init(Config::default))
    }

    /// Value of a configuration variable, the last one where there are several. `key` in lower case except
    /// for a subsection.
    pub fn config(&self, key: &str) -> Result<Option<String>, RepoError> {
        Ok(self.all_config()?.get(key).map(str::to_owned))
    }

    /// Names and URLs of remotes, in no order.
    pub fn remotes(&self) -> Result<Vec<(String, String)>, RepoError> {
        let remote = |(key, url): (String, String)| {
            let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
            Some((name.to_owned(), url))
        };
        Ok(self.all_config()?.clone().into_values().into_iter().filter_map(remote).collect())
    }
}
