//! The repositories in a server's folder: a list for the owner, and making one before its first push.
//!
//! Works whether the server runs or not, and changes nothing that is there. Sizes are those of Git's own data; chunks belong to the
//! realm ([`RealmSize`]), whatever repository brought them. Fails as [`InventoryError`].

use crate::git::Git;
use crate::layout::{Layout, LayoutError};
use crate::locks::branches::{self, LOCK_BRANCHES_MAX, Pattern};
use crate::repositories;
use dits_lock::model::NotABranch;
use dits_store::StoreError;
use dits_sync::address::AddressError;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why the folder could not be looked through, or a repository not be made.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The folder is no server's.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Not a path of a repository.
    #[error(transparent)]
    Path(#[from] AddressError),
    /// It is there already.
    #[error("repository '{0}' exists already")]
    Exists(String),
    /// Not a format of Git's.
    #[error("'{0}' is not an object format: expected sha1 or sha256")]
    Format(String),
    /// It is not there.
    #[error("there is no repository '{0}'")]
    Absent(String),
    /// Not a branch, nor a pattern of branches.
    #[error(transparent)]
    Branch(#[from] NotABranch),
    /// Too many of them.
    #[error("a repository has at most {LOCK_BRANCHES_MAX} lock branches")]
    Branches,
    /// Git failed to say or to set something.
    #[error("cannot use the settings of the repository: {0}")]
    Settings(#[source] io::Error),
    /// Git failed.
    #[error("cannot make the repository: {0}")]
    Git(#[source] io::Error),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As in an address.
    pub path: String,
    /// Bytes on disk, of Git's data.
    pub bytes: u64,
    /// When a ref was last moved, in seconds since 1970.
    pub last_push: Option<u64>,
}

/// The chunks of a realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmSize {
    /// Its name.
    pub realm: String,
    /// Bytes on disk.
    pub bytes: u64,
}

/// All repositories, by path, and the sizes of the realms' chunks.
pub fn list(dir: &Path) -> Result<(Vec<Entry>, Vec<RealmSize>), InventoryError> {
    let layout = Layout::existing(dir)?;
    let (mut repositories, mut realms) = (Vec::new(), Vec::new());
    for realm in names(&layout.realms())? {
        let (bytes, _) = measure(&layout.store(&realm))?;
        realms.push(RealmSize { realm: realm.clone(), bytes });
        find(&layout.realms().join(&realm).join("git"), &realm, &mut repositories)?;
    }
    repositories.sort_by(|one, two| one.path.cmp(&two.path));
    realms.sort_by(|one, two| one.realm.cmp(&two.realm));
    Ok((repositories, realms))
}

/// The repositories that `fits` takes, also those with contents only, by path, and when a ref of each was last moved.
pub(crate) fn seen(
    layout: &Layout,
    fits: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Option<u64>>, InventoryError> {
    let mut found = BTreeMap::new();
    for realm in names(&layout.realms())? {
        for path in layout.repositories(&realm)?.into_iter().filter(|path| fits(path)) {
            // A folder whose name is no path of a repository is somebody else's.
            let Ok(folder) = layout.repository(&path) else { continue };
            found.insert(path, last_push(&folder)?);
        }
    }
    Ok(found)
}

/// Makes an empty repository.
pub async fn create(
    dir: &Path,
    path: &str,
    object_format: &str,
    search: Option<std::ffi::OsString>,
) -> Result<(), InventoryError> {
    let layout = Layout::existing(dir)?;
    let folder = layout.repository(path)?;
    if !repositories::is_object_format(object_format) {
        return Err(InventoryError::Format(object_format.into()));
    }
    if repositories::exists(&folder) {
        return Err(InventoryError::Exists(path.into()));
    }
    repositories::create(&Git::new(layout, search), &folder, object_format).await.map_err(InventoryError::Git)
}

/// The lock branches of a repository, after they were set to `branches`, if that is given.
pub async fn lock_branches(
    dir: &Path,
    path: &str,
    branches: Option<&[String]>,
    search: Option<std::ffi::OsString>,
) -> Result<Vec<String>, InventoryError> {
    let layout = Layout::existing(dir)?;
    let folder = layout.repository(path)?;
    if !repositories::exists(&folder) {
        return Err(InventoryError::Absent(path.into()));
    }
    let git = Git::new(layout, search);
    if let Some(texts) = branches {
        let patterns = texts.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if patterns.len() > LOCK_BRANCHES_MAX {
            return Err(InventoryError::Branches);
        }
        branches::write(&git, &folder, &patterns).await.map_err(InventoryError::Settings)?;
    }
    let patterns = branches::read(&git, &folder).await.map_err(InventoryError::Settings)?;
    Ok(patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect())
}

/// Looks for repositories below `folder`, whose path as in an address is `path`.
fn find(folder: &Path, path: &str, found: &mut Vec<Entry>) -> Result<(), StoreError> {
    for name in names(folder)? {
        let below = folder.join(&name);
        match name.strip_suffix(".git") {
            Some(name) if repositories::exists(&below) => {
                let path = Layout::address(path, name);
                let (bytes, _) = measure(&below)?;
                found.push(Entry { path, bytes, last_push: last_push(&below)? });
            }
            // What a crash left half made.
            Some(_) => {}
            None => find(&below, &format!("{path}/{name}"), found)?,
        }
    }
    Ok(())
}

/// When a ref of a repository was last moved.
fn last_push(repository: &Path) -> Result<Option<u64>, StoreError> {
    let mut last = None;
    for place in ["refs", "packed-refs", "reftable"] {
        last = last.max(measure(&repository.join(place))?.1);
    }
    Ok(last)
}

/// Names of the folders in a folder that may not be there.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(StoreError::io("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        names.extend(entry.file_name().into_string().ok().filter(|_| is_folder));
    }
    Ok(names)
}

/// Bytes of files in a folder, or of a file, and the youngest time of a file. What goes away meanwhile does not count.
fn measure(path: &Path) -> Result<(u64, Option<u64>), StoreError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, None)),
        meta => meta.map_err(StoreError::io("stat", path))?,
    };
    if !meta.is_dir() {
        return Ok((meta.blocks() * 512, u64::try_from(meta.mtime()).ok()));
    }
    let (mut bytes, mut youngest) = (0, None);
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let (more, time) = measure(&entry.path())?;
        bytes += more;
        youngest = youngest.max(time);
    }
    Ok((bytes, youngest))
}
