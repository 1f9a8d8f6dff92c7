//! Where a server keeps what, in one folder.
//!
//! ```text
//! DIR/format                      "git-dits server 1\n"; anything else is refused
//! DIR/lock                        held exclusively while a server runs
//! DIR/cert.der key.der            the key for the owner's eyes only
//! DIR/access                      users, tokens, grants, issuers; for the owner's eyes only, too
//! DIR/locks                       locks of all repositories (redb)
//! DIR/audit.log audit.log.1 …     what happened; the same
//! DIR/hooks/…                     rewritten at each start
//! DIR/empty/<format>.git          repositories that stay empty, one an object format
//! DIR/realms/<realm>/store        chunks
//! DIR/realms/<realm>/leases       ledger: contents that somebody was told are here
//! DIR/realms/<realm>/pushes/…     ledgers: contents of pushes between the hook's yes and the end of Git
//! DIR/realms/<realm>/contents/…   ledgers of repositories: `team/a/b` has `a/b/@contents` and `a/b/@arrived`
//! DIR/realms/<realm>/git/…/x.git  repositories: `team/a/b` is `realms/team/git/a/b.git`
//! ```
//!
//! Always holds: two repository paths never share a folder, and none lies inside another. A path that is only
//! a realm is kept as `@.git`, a name no path can spell; a `.git` at the end of an inner name is refused, for
//! `team/a.git/x` would lie inside the repository `team/a`. A folder that holds something else is not taken.
//!
//! Fails as [`LayoutError`]; nothing is left half written under a final name.

use dits_store::{StoreError, durable};
use dits_sync::address::{AddressError, check_repository, realm};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the format file says.
const FORMAT: &str = "git-dits server 1\n";
/// Name of the repository of a path that is only a realm, and start of names that no path can spell.
const UNSPELLABLE: &str = "@";
/// Names of a repository's ledgers, which no path can spell.
const ATTACHED: &str = "@contents";
const ARRIVED: &str = "@arrived";
/// Mode of files that hold secrets.
pub(crate) const PRIVATE: u32 = 0o600;
/// Mode of programs.
pub(crate) const EXECUTABLE: u32 = 0o755;

/// Why a folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Another process serves it.
    #[error("'{}' is already being served by another process", .0.display())]
    Locked(PathBuf),
    /// It holds something, but no server.
    #[error("'{}' is neither empty nor the folder of a git-dits server", .0.display())]
    NotAServer(PathBuf),
    /// It was made by a newer git-dits.
    #[error("'{}' has server format '{found}', which this git-dits does not know", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// First line of its format file.
        found: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// An exclusive right among processes, held as a lock on a file that stays, empty.
#[derive(Debug)]
pub struct Claim {
    lock: File,
}

impl Claim {
    /// Takes the right; `None` when somebody else holds it.
    pub(crate) fn take(path: &Path) -> Result<Option<Claim>, StoreError> {
        let open = || OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(path);
        let lock = open().map_err(StoreError::io("open", path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Claim { lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked a moment ago holds a copy until it runs its program.
        // If it fails, closing does it a little later.
        let _ = self.lock.unlock();
    }
}

/// The paths of one server.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Takes a folder for serving: creates it if need be, and locks it as long as the claim lives.
    pub fn claim(dir: &Path) -> Result<(Layout, Claim), LayoutError> {
        durable::create_dir(dir)?;
        let layout = Layout { root: dir.canonicalize().map_err(StoreError::io("resolve", dir))? };
        let fresh = !layout.has_format()?;
        if fresh && !layout.is_empty()? {
            return Err(LayoutError::NotAServer(layout.root));
        }
        let Some(claim) = Claim::take(&layout.root.join("lock"))? else {
            return Err(LayoutError::Locked(layout.root));
        };
        durable::create_dir(&layout.hooks())?;
        durable::create_dir(&layout.realms())?;
        if fresh {
            write_file(&layout.root.join("format"), 0o644, FORMAT.as_bytes())?;
        }
        Ok((layout, claim))
    }

    /// The folder of a server that was started before.
    pub fn existing(dir: &Path) -> Result<Layout, LayoutError> {
        let layout = Layout { root: dir.canonicalize().map_err(StoreError::io("open", dir))? };
        if layout.has_format()? { Ok(layout) } else { Err(LayoutError::NotAServer(layout.root)) }
    }

    fn has_format(&self) -> Result<bool, LayoutError> {
        let path = self.root.join("format");
        match fs::read(&path) {
            Ok(bytes) if bytes == FORMAT.as_bytes() => Ok(true),
            Ok(bytes) => {
                let found = String::from_utf8_lossy(&bytes);
                let found = found.lines().next().unwrap_or_default().escape_debug().to_string();
                Err(LayoutError::Format { path: self.root.clone(), found })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("read", &path)(error).into()),
        }
    }

    /// Whether nothing is here but what a start that was cut short leaves.
    fn is_empty(&self) -> Result<bool, StoreError> {
        for entry in fs::read_dir(&self.root).map_err(StoreError::io("list", &self.root))? {
            let name = entry.map_err(StoreError::io("list", &self.root))?.file_name();
            if !["lock", "hooks", "realms", "format.new"].iter().any(|ours| name == *ours) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folder itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Hooks that Git runs in every repository.
    pub fn hooks(&self) -> PathBuf {
        self.root.join("hooks")
    }

    /// A repository that stays empty, of an object format: what it says stands for those that do not exist yet.
    pub(crate) fn empty(&self, object_format: &str) -> PathBuf {
        self.root.join("empty").join(format!("{object_format}.git"))
    }

    /// Who may do what.
    pub fn access(&self) -> PathBuf {
        self.root.join("access")
    }

    /// Locks of all repositories.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// The same as servers of older versions kept it.
    pub fn tokens(&self) -> PathBuf {
        self.root.join("tokens")
    }

    /// The folder of all realms.
    pub(crate) fn realms(&self) -> PathBuf {
        self.root.join("realms")
    }

    /// The chunk store of a realm.
    pub fn store(&self, realm: &str) -> PathBuf {
        self.realms().join(realm).join("store")
    }

    /// Contents that somebody in a realm was told are here.
    pub(crate) fn leases(&self, realm: &str) -> PathBuf {
        self.realms().join(realm).join("leases")
    }

    /// A folder for what pushes under way are about to refer to.
    pub(crate) fn pushes(&self, realm: &str) -> PathBuf {
        self.realms().join(realm).join("pushes")
    }

    /// The ledgers of a repository, there or not: what is attached to it, and which chunks arrived through it.
    pub(crate) fn ledgers(&self, path: &str) -> (PathBuf, PathBuf) {
        let realm = realm(path);
        let folder =
            self.realms().join(realm).join("contents").join(path[realm.len()..].trim_start_matches('/'));
        (folder.join(ATTACHED), folder.join(ARRIVED))
    }

    /// The paths of all repositories of a realm: those with refs here, and those with contents only.
    pub fn repositories(&self, realm: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut found = BTreeSet::new();
        let base = self.realms().join(realm);
        walk(&base.join("git"), realm, &mut |path, name| {
            let is_repository = name.strip_suffix(".git").filter(|name| !name.starts_with("@new-"));
            if let Some(name) = is_repository {
                found.insert(if name == UNSPELLABLE { path.to_owned() } else { format!("{path}/{name}") });
            }
            name.ends_with(".git")
        })?;
        walk(&base.join("contents"), realm, &mut |path, name| {
            if name == ATTACHED {
                found.insert(path.to_owned());
            }
            name.starts_with(UNSPELLABLE)
        })?;
        Ok(found)
    }

    /// The realms that have a store.
    pub fn realms_present(&self) -> Result<Vec<String>, StoreError> {
        let realms = self.realms();
        let mut found = Vec::new();
        for entry in fs::read_dir(&realms).map_err(StoreError::io("list", &realms))? {
            let name = entry.map_err(StoreError::io("list", &realms))?.file_name();
            if let Some(name) = name.to_str().filter(|name| self.store(name).is_dir()) {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// The bare repository of a path such as `team/project`, there or not.
    pub fn repository(&self, path: &str) -> Result<PathBuf, AddressError> {
        check_repository(path)?;
        let realm = realm(path);
        let base = self.realms().join(realm).join("git");
        let rest = path[realm.len()..].trim_start_matches('/');
        let (folders, name) = rest.rsplit_once('/').unwrap_or(("", rest));
        // Some file systems do not tell case apart.
        if folders.split('/').any(|folder| folder.to_ascii_lowercase().ends_with(".git")) {
            return Err(AddressError::Path(path.into()));
        }
        let name = if name.is_empty() { UNSPELLABLE } else { name };
        Ok(base.join(folders).join(format!("{name}.git")))
    }

    /// The path, as in an address, of the repository folder `name.git` in the folder of `parent`.
    pub(crate) fn address(parent: &str, name: &str) -> String {
        if name == UNSPELLABLE { parent.to_owned() } else { format!("{parent}/{name}") }
    }

    /// A name beside `repository` for building it, which no path can spell.
    pub fn beside(repository: &Path, unique: &str) -> PathBuf {
        repository.with_file_name(format!("{UNSPELLABLE}new-{unique}"))
    }
}

/// Shows each name below `folder` with the path of its folder, and goes into those that `each` does not take.
fn walk(folder: &Path, path: &str, each: &mut dyn FnMut(&str, &str) -> bool) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(StoreError::io("list", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !each(path, &name) && entry.path().is_dir() {
            walk(&entry.path(), &format!("{path}/{name}"), each)?;
        }
    }
    Ok(())
}

/// Writes a whole file with a mode, durably; no other process may write the same one meanwhile.
pub(crate) fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), StoreError> {
    let temp = path.with_extension("new");
    durable::remove_file(&temp)?;
    let create = || OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp);
    let mut file = create().map_err(StoreError::io("create", &temp))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(StoreError::io("write", &temp))?;
    durable::rename(&temp, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_never_share_a_folder_or_contain_each_other() {
        let layout = Layout { root: "/s".into() };
        let paths = ["team", "team/_", "team/a", "team/a.git", "team/a/b", "team/a/b/c", "a.git/b", "a.git"];
        let folders: Vec<_> = paths.iter().map(|path| layout.repository(path).unwrap()).collect();
        assert_eq!(folders[4], Path::new("/s/realms/team/git/a/b.git"));
        for (i, one) in folders.iter().enumerate() {
            for (j, other) in folders.iter().enumerate() {
                assert!(i == j || !other.starts_with(one), "{} {}", one.display(), other.display());
            }
        }
        for path in ["team/a.git/hooks", "team/x/a.GIT/b", "../x", "team//x", ""] {
            assert!(layout.repository(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_folder_with_something_else_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("holiday.mov"), "x").unwrap();
        assert!(matches!(Layout::claim(dir.path()), Err(LayoutError::NotAServer(_))));
        fs::write(dir.path().join("format"), "git-dits server 2\n").unwrap();
        assert!(matches!(Layout::claim(dir.path()), Err(LayoutError::Format { .. })));
        fs::write(dir.path().join("format"), FORMAT).unwrap();
        let (_, lock) = Layout::claim(dir.path()).unwrap();
        assert!(matches!(Layout::claim(dir.path()), Err(LayoutError::Locked(_))));
        drop(lock);
        assert!(Layout::claim(dir.path()).is_ok());
    }
}
