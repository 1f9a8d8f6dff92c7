//! Where the files of a store are.
//!
//! ```text
//! format                  "git-dits store 1\n", or "git-dits cache 1\n"
//! objects/<aa>/<id>.pack  packs; aa = first byte of the id
//! index/<random>.seg      index segments, a cache of the packs' footers
//! tmp/                    files without a final name (see `durable`)
//! consolidate.lock        held while packs are merged or removed
//! listed                  what objects/ held when it was read last; a cache (see `listing`)
//! packed                  names of packs that `gc` need not pack again; a cache
//! sweep.lock              held while what dead writers left in tmp/ is taken up
//! users.lock              shared by whoever relies on what is here; exclusive while contents are forgotten
//! trash/<seconds>/        a store with what was forgotten at that time
//! ```
//!
//! Fails with [`StoreError`]: when a folder cannot be made, and when there is a store of another kind.
//!

use crate::{Modes, StoreError, durable};
use dits_format::PackId;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Whether what is in a store may be the only copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It may: the store of a repository or server.
    Store,
    /// Everything in it is at a remote too, so it may be thrown away. Never opened as a store, nor a store as
    /// a cache: eviction must not meet a repository's own chunks because of a slip in a setting.
    Cache,
}

impl Role {
    fn format(self) -> &'static str {
        match self {
            Role::Store => "git-dits store 1\n",
            Role::Cache => "git-dits cache 1\n",
        }
    }
}

/// The folders of one store.
#[derive(Debug)]
pub struct Layout {
    /// The store itself.
    pub root: PathBuf,
    /// Packs.
    pub objects: PathBuf,
    /// Index segments.
    pub index: PathBuf,
    /// Temporary files.
    pub temp: PathBuf,
    /// What new files and folders get.
    pub modes: Modes,
    /// Whether anything may be written here. Not in the store of another repository.
    pub writable: bool,
}

impl Layout {
    fn at(root: &Path, modes: Modes, writable: bool) -> Layout {
        let [objects, index, temp] = ["objects", "index", "tmp"].map(|name| root.join(name));
        Layout { root: root.to_owned(), objects, index, temp, modes, writable }
    }

    /// Creates what is missing of the store at `root` and checks its format.
    pub fn open(root: &Path, role: Role, modes: Modes) -> Result<Layout, StoreError> {
        let layout = Layout::at(root, modes, true);
        let format = root.join("format");
        if !has_format(root, role)? {
            durable::create_shared_dir(&layout.temp, modes)?;
            durable::write_file(&layout.temp, &format, role.format().as_bytes(), modes)?;
        }
        for dir in [&layout.temp, &layout.index, &layout.objects] {
            durable::create_shared_dir(dir, modes)?;
            modes.apply(dir);
        }
        [root, &format].into_iter().for_each(|path| modes.apply(path));
        Ok(layout)
    }

    /// The store at `root` as it is, only to be read; `None` when there is none.
    pub fn look(root: &Path, role: Role) -> Result<Option<Layout>, StoreError> {
        Ok(has_format(root, role)?.then(|| Layout::at(root, Modes::default(), false)))
    }

    /// The folder of a pack.
    pub fn pack_dir(&self, id: &PackId) -> PathBuf {
        self.objects.join(format!("{:02x}", id.0[0]))
    }

    /// The file of a pack.
    pub fn pack(&self, id: &PackId) -> PathBuf {
        self.pack_dir(id).join(format!("{id}.pack"))
    }

    /// Makes the name of a pack durable, and that of its folder, whoever created them.
    pub fn sync_pack(&self, id: &PackId) -> Result<(), StoreError> {
        durable::sync_dir(&self.pack_dir(id))?;
        durable::sync_dir(&self.objects)
    }

    /// A lock of the whole store, not yet locked: see the file head for names.
    pub fn lock_file(&self, name: &str) -> Result<(PathBuf, File), StoreError> {
        let path = self.root.join(name);
        let file = durable::lock_file(&path, self.modes)?;
        Ok((path, file))
    }
}

/// Whether there is a store in `root`; one of another kind is an error.
fn has_format(root: &Path, role: Role) -> Result<bool, StoreError> {
    let format = root.join("format");
    match fs::read(&format) {
        Ok(found) if found == role.format().as_bytes() => Ok(true),
        Ok(found) if found == Role::Store.format().as_bytes() => Err(StoreError::WrongRole {
            path: root.to_owned(),
            found: "a repository's or server's own store, no cache",
        }),
        Ok(found) if found == Role::Cache.format().as_bytes() => {
            Err(StoreError::WrongRole { path: root.to_owned(), found: "a cache, no store" })
        }
        Ok(found) => {
            let found = String::from_utf8_lossy(&found[..found.len().min(64)]).trim_end().to_owned();
            Err(StoreError::StoreFormat { path: root.to_owned(), found })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("read", &format)(error)),
    }
}
