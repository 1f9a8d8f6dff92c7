//! What is in a store's folders right now, without reading those that did not change.
//!
//! Looking for what other processes added means looking at 257 folders. [`Listing`] remembers each by its
//! [`Stamp`], so the usual answer "nothing new" costs one stat a folder, and one folder is read where one
//! changed. A folder that changed within the last two seconds is not remembered: within the clock's tick a later
//! change might leave the same time (Git has the same problem with its index and the same remedy, "racily clean").
//!
//! A new process would have to read all folders, and to ask for the size of each pack, which with 100,000 packs takes
//! longer than most commands. So who read many writes down what it found (file `listed`), and the next one
//! believes it where stamps agree. Packs never change, so their sizes are asked for once. Fails with
//! [`StoreError`] when a folder cannot be read; the file is only a cache and never an error.

use super::layout::Layout;
use crate::StoreError;
use crate::durable;
use dits_format::PackId;
use dits_format::listed::{self, Listed, Stamp};
use std::fs::{self, DirEntry, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Coarsest clock of a common file system (FAT).
const SETTLED: Duration = Duration::from_secs(2);
/// Packs that may be read by name before that is worth writing down.
const READ_MAX: usize = 2048;

/// A folder when it was last read; without a stamp it is read again.
#[derive(Debug, Clone)]
struct Folder<T> {
    stamp: Option<Stamp>,
    entries: Arc<[T]>,
}

impl<T> Folder<T> {
    fn empty() -> Folder<T> {
        Folder { stamp: None, entries: Arc::new([]) }
    }
}

/// What the folders held when they were last read.
#[derive(Debug)]
pub struct Listing {
    segments: Folder<String>,
    packs: Vec<Folder<Listed>>,
    /// Rises when other packs were found.
    generation: u64,
    /// Whether the file was looked for.
    asked: bool,
    /// Packs that were read and are not in the file.
    read: usize,
}

impl Default for Listing {
    fn default() -> Listing {
        let packs = vec![Folder::empty(); 256];
        Listing { segments: Folder::empty(), packs, generation: 0, asked: false, read: 0 }
    }
}

impl Listing {
    /// Reads every folder anew next time.
    pub fn forget(&mut self) {
        self.segments.stamp = None;
        self.packs.iter_mut().for_each(|folder| folder.stamp = None);
        self.asked = true;
    }

    /// A number that is the same for as long as the same packs were found.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All packs that were found by the last [`Self::look`], by id.
    pub fn packs(&self) -> impl Iterator<Item = &Listed> {
        self.packs.iter().flat_map(|folder| folder.entries.iter())
    }

    /// Whether the last look found this pack.
    pub fn has(&self, id: &PackId) -> bool {
        let packs = &self.packs[usize::from(id.0[0])].entries;
        packs.binary_search_by_key(id, |pack| pack.id).is_ok()
    }

    /// Names of the index segments.
    pub fn segments(&mut self, layout: &Layout) -> Result<Arc<[String]>, StoreError> {
        let found = look(&layout.index, &self.segments, |entry| {
            let name = entry.file_name();
            Ok(name.to_str().and_then(|name| name.strip_suffix(".seg")).map(str::to_owned))
        })?;
        self.segments = found.unwrap_or_else(|| self.segments.clone());
        Ok(self.segments.entries.clone())
    }

    /// Looks which packs there are.
    pub fn look(&mut self, layout: &Layout) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.asked, true) {
            self.load(layout);
        }
        for (first, folder) in self.packs.iter_mut().enumerate() {
            let known = folder.entries.clone();
            let found =
                look(&layout.objects.join(format!("{first:02x}")), folder, |entry| listed(entry, &known))?;
            if let Some(found) = found {
                if found.entries != known {
                    self.generation += 1;
                }
                self.read += found.entries.len();
                *folder = found;
            }
        }
        if layout.writable && self.read > READ_MAX {
            self.save(layout);
        }
        Ok(())
    }

    fn load(&mut self, layout: &Layout) {
        let Ok(bytes) = fs::read(layout.root.join("listed")) else { return };
        for found in listed::decode(&bytes).unwrap_or_default() {
            self.packs[usize::from(found.first)] =
                Folder { stamp: Some(found.stamp), entries: found.packs.into() };
        }
    }

    /// What changed just now is left out. Not synced: a damaged file is as good as none.
    fn save(&mut self, layout: &Layout) {
        let settled = |(first, folder): (usize, &'_ Folder<Listed>)| Some((first as u8, folder.stamp?));
        let stamped = self.packs.iter().enumerate().filter_map(settled);
        let bytes = listed::encode(
            stamped.map(|(first, stamp)| (first, stamp, &self.packs[usize::from(first)].entries[..])),
        );
        // Tried again when as much was read once more.
        let _ = durable::write_copy(&layout.temp, &layout.root.join("listed"), &bytes, layout.modes);
        self.read = 0;
    }
}

/// Reads a folder; `None` when it is what it was.
fn look<T: Clone + Ord>(
    dir: &Path,
    known: &Folder<T>,
    entry: impl Fn(&DirEntry) -> std::io::Result<Option<T>>,
) -> Result<Option<Folder<T>>, StoreError> {
    let failed = |error| StoreError::io("read", dir)(error);
    let meta = match fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let was_empty = known.stamp.is_none() && known.entries.is_empty();
            return Ok((!was_empty).then(Folder::empty));
        }
        result => result.map_err(failed)?,
    };
    let stamp = stamp(&meta);
    if known.stamp == Some(stamp) {
        return Ok(None);
    }
    let changed = meta.modified().map_err(failed)?;
    let settled = changed.elapsed().is_ok_and(|age| age > SETTLED);
    let mut entries = Vec::new();
    for found in fs::read_dir(dir).map_err(failed)? {
        match found.and_then(|found| entry(&found)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => entries.extend(result.map_err(failed)?),
        }
    }
    entries.sort_unstable();
    Ok(Some(Folder { stamp: settled.then_some(stamp), entries: entries.into() }))
}

fn stamp(meta: &Metadata) -> Stamp {
    [meta.ino() as i64, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]
}

/// A pack by its file, unless it is something else. What is known of it is not asked for again.
fn listed(entry: &DirEntry, known: &[Listed]) -> std::io::Result<Option<Listed>> {
    let name = entry.file_name();
    let id = name.to_str().and_then(|name| PackId::from_hex(name.strip_suffix(".pack")?.as_bytes()));
    let Some(id) = id else { return Ok(None) };
    if let Ok(at) = known.binary_search_by_key(&id, |pack| pack.id) {
        return Ok(Some(known[at]));
    }
    let meta = entry.metadata()?;
    let written = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(Listed { id, bytes: meta.len(), written: u64::try_from(written.as_nanos()).unwrap_or(u64::MAX) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Modes;
    use crate::pack::layout::Role;
    use std::fs::File;

    fn id(number: u16) -> PackId {
        PackId(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn add(layout: &Layout, number: u16) {
        let id = id(number);
        fs::create_dir_all(layout.pack_dir(&id)).unwrap();
        fs::write(layout.pack(&id), [0; 7]).unwrap();
        age(&layout.pack_dir(&id));
    }

    /// So that it counts as settled.
    fn age(dir: &Path) {
        File::open(dir).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    }

    fn looked(layout: &Layout) -> (Listing, usize) {
        let mut listing = Listing::default();
        listing.look(layout).unwrap();
        let read = listing.read;
        (listing, read)
    }

    #[test]
    fn a_new_process_reads_only_folders_that_changed_since_they_were_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path(), Role::Store, Modes::default()).unwrap();
        (0..2000).for_each(|number| add(&layout, number));
        assert_eq!(looked(&layout).1, 2000, "not worth a file");
        assert!(!dir.path().join("listed").exists());
        (2000..2200).for_each(|number| add(&layout, number));
        assert_eq!(looked(&layout).0.packs().count(), 2200);
        let (known, read) = looked(&layout);
        assert_eq!((known.packs().count(), read), (2200, 0), "nothing was read");
        assert!(known.packs().all(|pack| pack.bytes == 7));

        add(&layout, 5000);
        fs::remove_file(layout.pack(&id(3))).unwrap();
        age(&layout.pack_dir(&id(3)));
        let (now, read) = looked(&layout);
        assert!(now.has(&id(5000)) && !now.has(&id(3)) && read < 60, "two folders: {read}");

        fs::write(dir.path().join("listed"), b"DITSLIST damaged").unwrap();
        assert!(looked(&layout).0.packs().eq(now.packs()));
        assert!(listed::decode(&fs::read(dir.path().join("listed")).unwrap()).is_ok(), "made anew");
    }

    #[test]
    fn a_store_copied_with_its_times_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(&dir.path().join("a"), Role::Store, Modes::default()).unwrap();
        (0..2200).for_each(|number| add(&layout, number));
        drop(looked(&layout));
        let copy = Layout::open(&dir.path().join("b"), Role::Store, Modes::default()).unwrap();
        (1..2200).for_each(|number| add(&copy, number));
        fs::copy(layout.root.join("listed"), copy.root.join("listed")).unwrap();
        assert!(!looked(&copy).0.has(&id(0)), "as old as the folder that had it");
    }

    #[test]
    fn the_generation_rises_with_other_packs_and_not_with_another_look() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::open(dir.path(), Role::Store, Modes::default()).unwrap();
        add(&layout, 1);
        let (mut listing, _) = looked(&layout);
        let first = listing.generation();
        listing.forget();
        listing.look(&layout).unwrap();
        assert_eq!(listing.generation(), first);
        add(&layout, 2);
        listing.look(&layout).unwrap();
        assert!(listing.generation() > first);
    }
}
