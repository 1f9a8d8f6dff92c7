//! Why something about the repository could not be done.
//! Git's own words are kept: users know them, and search for them.

use crate::index::IndexError;
use dits_format::pointer::Damage;
use dits_store::StoreError;
use std::path::PathBuf;

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// `git` could not be started.
    #[error("cannot run git: {0}")]
    Spawn(#[source] std::io::Error),
    /// `git` ran and failed.
    #[error("git {command} failed: {}", stderr.trim_end())]
    Git {
        /// Its first argument.
        command: String,
        /// Exit code, if it was not killed.
        code: Option<i32>,
        /// What it said.
        stderr: String,
    },
    /// `git` printed something else than it promises.
    #[error("unexpected output of git {0}")]
    Output(&'static str),
    /// The current folder is in no repository.
    #[error("not a git repository (or any of the parent directories)")]
    NotARepository,
    /// The operation needs a working tree.
    #[error("this operation must be run in a work tree")]
    Bare,
    /// A pathspec matches nothing that Git tracks; in Git's words.
    #[error("{0}")]
    Unmatched(String),
    /// A path of a tree that no working tree may have.
    #[error("invalid path '{0}'")]
    InvalidPath(String),
    /// An object that a tree names is not here.
    #[error("cannot read '{path}': object {id} is missing")]
    MissingObject {
        /// Path in the tree, as text.
        path: String,
        /// Git's name of it.
        id: String,
    },
    /// A file that once was a pointer and is damaged.
    #[error("'{path}' is a git-dits pointer that {damage}")]
    DamagedPointer {
        /// Path in the repository, as text.
        path: String,
        /// How.
        damage: Damage,
    },
    /// A part of a credential that would begin a line of its own.
    #[error("refusing to use a credential whose '{0}' holds a line break, carriage return or NUL")]
    UnsafeCredential(String),
    /// A value in the configuration that is none for its key.
    #[error("bad value '{value}' for '{key}'")]
    Setting {
        /// The key.
        key: String,
        /// What stands there.
        value: String,
    },
    /// Content above the limit of the format.
    #[error("content is larger than git-dits can store")]
    TooLarge,
    /// The chunk store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Git's index could not be patched.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The operating system refused.
    #[error("cannot {doing} '{}': {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The stream of content from Git broke.
    #[error("cannot read content: {0}")]
    Content(#[source] std::io::Error),
    /// No remote could be asked what it holds.
    #[error("cannot verify what the remote holds: {0}")]
    Unverified(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source of chunks failed.
    #[error("{0}")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RepoError {
    /// Wraps an I/O error with what was tried on what.
    pub fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> RepoError {
        let path = path.to_owned();
        move |source| RepoError::Io { doing, path, source }
    }
}
