//! Where the files of a store are, and what is in its folders right now.
//!
//! ```text
//! format                  "git-dits store 1\n", or "git-dits cache 1\n"
//! objects/<aa>/<id>.pack  packs; aa = first byte of the id
//! index/<hash>.seg        index segments, a cache of the packs' footers
//! tmp/                    files without a final name (see `durable`)
//! consolidate.lock        held while packs are merged or removed
//! packed                  names of packs that `gc` need not pack again; a cache
//! sweep.lock              held while what dead writers left in tmp/ is taken up
//! users.lock              shared by whoever relies on what is here; exclusive while contents are forgotten
//! trash/<seconds>/        a store with what was forgotten at that time
//! ```
//!
//! Looking for what other processes added means listing 257 folders; [`Listing`] remembers each by its
//! modification time, so the usual answer "nothing new" costs one stat a folder. A folder that changed
//! within the last two seconds is not remembered: within the clock's tick a later change might leave the same time
//! (Git has the same problem with its index and the same remedy, "racily clean").

use crate::{Modes, StoreError, durable};
use dits_format::PackId;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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

/// Coarsest clock of a common file system (FAT).
const SETTLED: Duration = Duration::from_secs(2);

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

/// What the folders held when they were last read.
#[derive(Debug, Default)]
pub struct Listing {
    known: HashMap<PathBuf, (SystemTime, Arc<[String]>)>,
}

impl Listing {
    /// Reads every folder anew next time.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// The names in `dir` that end in `suffix`, without it.
    fn names(&mut self, dir: &Path, suffix: &str) -> Result<Arc<[String]>, StoreError> {
        let failed = |error| StoreError::io("read", dir)(error);
        let changed = match fs::metadata(dir).and_then(|meta| meta.modified()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::new([])),
            result => result.map_err(failed)?,
        };
        if let Some((_, names)) = self.known.get(dir).filter(|(stamp, _)| *stamp == changed) {
            return Ok(names.clone());
        }
        let settled = changed.elapsed().is_ok_and(|age| age > SETTLED);
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(suffix)).map(str::to_owned));
        }
        let names: Arc<[String]> = names.into();
        if settled {
            self.known.insert(dir.to_owned(), (changed, names.clone()));
        }
        Ok(names)
    }

    /// Names of the index segments.
    pub fn segments(&mut self, layout: &Layout) -> Result<Arc<[String]>, StoreError> {
        self.names(&layout.index, ".seg")
    }

    /// All packs, in no order.
    pub fn packs(&mut self, layout: &Layout) -> Result<Vec<PackId>, StoreError> {
        let mut packs = Vec::new();
        for first in 0..=255u8 {
            let names = self.names(&layout.objects.join(format!("{first:02x}")), ".pack")?;
            packs.extend(names.iter().filter_map(|name| PackId::from_hex(name.as_bytes())));
        }
        Ok(packs)
    }
}
