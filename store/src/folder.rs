//! A folder that is a remote without a server: a store, and a mark that somebody wanted one here.
//!
//! ```text
//! dits-folder   "git-dits folder 1\n", then perhaps "shared <value of core.sharedRepository>\n"
//! store/        a store of packs
//! ```
//!
//! The mark is written last, by [`Folder::create`] alone. Without it nothing is ever made: a disk that is not mounted
//! leaves an empty folder, and a fresh store there would hide what was pushed and take what comes next. It also keeps
//! a repository's own store from being used as a remote by a slip in a setting. Whoever only reads locks and writes
//! nothing, so a folder that is read-only can be pulled from.
//!
//! Fails with [`FolderError`], which tells absent from damaged.

use crate::pack::Options;
use crate::{Modes, PackStore, StoreError, durable};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the mark.
pub const MARK: &str = "dits-folder";
const FIRST_LINE: &str = "git-dits folder 1";
/// Bytes of a mark that are looked at.
const MARK_BYTES_MAX: u64 = 256;

/// A folder with contents.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    modes: Modes,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No mark: nobody made it, or its disk is not mounted.
    #[error("there is no folder of contents at '{}'", .0.display())]
    Absent(PathBuf),
    /// The mark was written by a newer git-dits, or by hand.
    #[error("'{}' says '{found}', which this git-dits does not know", path.display())]
    Mark {
        /// The mark.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The mark is there, the store is not.
    #[error("the folder of contents '{}' has lost its store", .0.display())]
    Torn(PathBuf),
    /// Something else is in the place of a new folder.
    #[error("'{}' is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// The folder above a new one is absent.
    #[error("there is no folder '{}'", .0.display())]
    NoParent(PathBuf),
    /// No such value of `core.sharedRepository`.
    #[error("'{0}' does not say who shares a folder")]
    Shared(String),
    /// The store or the disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Folder {
    /// Makes a folder at `path`, which must be absent or empty; the one above must be there. `shared` is a value of
    /// `core.sharedRepository`.
    pub fn create(path: &Path, shared: Option<&str>) -> Result<Folder, FolderError> {
        let unknown = |value: &str| FolderError::Shared(value.to_owned());
        let modes = shared.map(|value| Modes::parse(value).ok_or_else(|| unknown(value))).transpose()?;
        let modes = modes.unwrap_or_default();
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(FolderError::NotEmpty(path.to_owned()));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(path);
                if !parent.is_dir() {
                    return Err(FolderError::NoParent(parent.to_owned()));
                }
            }
            Err(error) => return Err(StoreError::io("read", path)(error).into()),
        }
        durable::create_shared_dir(path, modes)?;
        modes.apply(path);
        let folder = Folder { path: path.to_owned(), modes };
        let store = folder.store_dir();
        PackStore::open_with(&store, &folder.options())?;
        let text = match shared {
            Some(value) => format!("{FIRST_LINE}\nshared {value}\n"),
            None => format!("{FIRST_LINE}\n"),
        };
        durable::write_file(&store.join("tmp"), &path.join(MARK), text.as_bytes(), modes)?;
        Ok(folder)
    }

    /// The folder at `path`.
    pub fn find(path: &Path) -> Result<Folder, FolderError> {
        let mark = path.join(MARK);
        // Never something that opening could wait for.
        let is_mark = |meta: &fs::Metadata| meta.is_file() && meta.len() <= MARK_BYTES_MAX;
        match fs::symlink_metadata(&mark) {
            Ok(meta) if is_mark(&meta) => {}
            Err(error) if ![ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Err(StoreError::io("look at", &mark)(error).into());
            }
            _ => return Err(FolderError::Absent(path.to_owned())),
        }
        let text = fs::read(&mark).map_err(StoreError::io("read", &mark))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let found = || text.trim_end().replace(char::is_control, " ");
        let modes = parse(&text).ok_or_else(|| FolderError::Mark { path: mark.clone(), found: found() })?;
        Ok(Folder { path: path.to_owned(), modes })
    }

    /// Opens its store for writing, which takes up what dead writers left.
    pub fn open(&self) -> Result<PackStore, FolderError> {
        if !self.store_dir().join("format").is_file() {
            return Err(FolderError::Torn(self.path.clone()));
        }
        Ok(PackStore::open_with(&self.store_dir(), &self.options())?)
    }

    /// Opens its store only for reading: nothing is locked, made or mended.
    pub fn look(&self) -> Result<PackStore, FolderError> {
        let store = PackStore::open_to_read(&self.store_dir(), &self.options())?;
        store.ok_or_else(|| FolderError::Torn(self.path.clone()))
    }

    /// Where its store is.
    pub fn store_dir(&self) -> PathBuf {
        self.path.join("store")
    }

    fn options(&self) -> Options {
        Options { modes: self.modes, ..Options::default() }
    }
}

fn parse(text: &str) -> Option<Modes> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return None;
    }
    let modes =
        lines.next().map_or(Some(Modes::default()), |line| Modes::parse(line.strip_prefix("shared ")?));
    modes.filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn marks_are_read_strictly() {
        assert_eq!(parse("git-dits folder 1\n"), Some(Modes::default()));
        assert_eq!(parse("git-dits folder 1\nshared group\n"), Modes::parse("group"));
        for wrong in [
            "",
            "git-dits folder 1",
            "git-dits folder 2\n",
            "git-dits folder 1\nshared everyone\n",
            "git-dits folder 1\ngroup\n",
            "git-dits folder 1\nshared group\nmore\n",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn nothing_is_made_where_no_mark_is() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        for path in [&empty, &dir.path().join("absent")] {
            assert!(matches!(Folder::find(path), Err(FolderError::Absent(_))), "{}", path.display());
        }
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
        // A mark that leads elsewhere is none.
        Folder::create(&dir.path().join("real"), None).unwrap();
        symlink(dir.path().join("real").join(MARK), empty.join(MARK)).unwrap();
        assert!(matches!(Folder::find(&empty), Err(FolderError::Absent(_))));
        // Nor does a store that was lost come back by itself.
        let real = Folder::find(&dir.path().join("real")).unwrap();
        fs::remove_dir_all(real.store_dir()).unwrap();
        assert!(matches!(real.open(), Err(FolderError::Torn(_))));
        assert!(matches!(real.look(), Err(FolderError::Torn(_))));
        assert!(!real.store_dir().exists());
    }

    #[test]
    fn a_new_folder_takes_nobodys_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        assert!(matches!(Folder::create(&path.join("below"), None), Err(FolderError::NoParent(_))));
        assert!(matches!(Folder::create(&path, Some("everyone")), Err(FolderError::Shared(_))));
        assert!(!path.exists());
        Folder::create(&path, Some("group")).unwrap();
        assert!(matches!(Folder::create(&path, None), Err(FolderError::NotEmpty(_))));
        let found = Folder::find(&path).unwrap();
        assert_eq!(Some(found.modes), Modes::parse("group"));
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(found.store_dir().join("objects")) & 0o2070, 0o2070);
        assert_eq!(mode(path.join(MARK)) & 0o040, 0o040);
    }
}
