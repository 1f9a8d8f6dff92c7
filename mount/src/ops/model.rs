//! Random operations on a mount and on a real folder agree, over restarts and kills.
//!
//! The test plays the kernel: it walks paths, and reads and writes past the mount where it may. Times that were set are long ago, so
//! whether a time changed since shows without a clock: it is long ago on both sides, or on none.

use super::tests::{WRITE, World, mount_of};
use super::*;
use crate::attr::{Access, Creator, Fh, ROOT, Replace};
use crate::base::{BaseEntry, BaseKind};
use crate::outside::BlobId;
use crate::sys::{read_at, write_all_at};
use bytes::Bytes;
use dits_format::Oid;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEEDS: u64 = 48;
const STEPS: usize = 250;
const FILE_BYTES: u64 = 40_000;
/// What is before this was set.
const LONG_AGO: i64 = 1_000_000_000;
const BY: Creator = Creator { uid: 0, gid: 0, mode: 0o644 };

/// Random numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let (length, first) = (1 + self.below(most), self.below(251));
        (0..length).map(|at| ((first + at * 7) % 251) as u8).collect()
    }

    fn path(&mut self) -> String {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "\u{e9}"];
        let depth = 1 + self.below(3);
        let names: Vec<&str> = (0..depth).map(|_| NAMES[self.below(5) as usize]).collect();
        names.join("/")
    }
}

/// A file that both sides have open.
struct Pair {
    ino: Ino,
    fh: Fh,
    file: File,
    access: Access,
    backing: Option<Backing>,
}

struct Model {
    random: Random,
    mount: Mount,
    world: Arc<World>,
    base: Vec<BaseEntry>,
    dir: tempfile::TempDir,
    real: PathBuf,
    open: Vec<Pair>,
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time(since.as_nanos() as i64)
}

fn fault(error: io::Error) -> Fault {
    match rustix::io::Errno::from_io_error(&error).unwrap() {
        rustix::io::Errno::NOTDIR => Fault::NotDirectory,
        rustix::io::Errno::ISDIR => Fault::IsDirectory,
        rustix::io::Errno::NOTEMPTY => Fault::NotEmpty,
        rustix::io::Errno::INVAL => Fault::Invalid,
        _ => error.into(),
    }
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let (real, whole) = (dir.path().join("real"), dir.path().join("whole"));
        fs::create_dir(&whole).unwrap();
        let (mut base, mut world) = (Vec::new(), World { whole: Some(whole.clone()), ..World::default() });
        let paths = ["a/a", "a/b", "a/c/a", "a/c/d", "b/a", "b/\u{e9}", "c", "d"];
        for (number, path) in (0..).zip(paths) {
            let content = if random.chance(10) { Vec::new() } else { random.bytes(FILE_BYTES) };
            fs::create_dir_all(real.join(path).parent().unwrap()).unwrap();
            fs::write(real.join(path), &content).unwrap();
            let (bytes, executable) = (content.len() as u64, false);
            let what = if random.chance(50) {
                BaseKind::Ghost { oid: Oid([number; 32]), bytes, executable }
            } else {
                BaseKind::Blob { id: BlobId([number; 20].into()), bytes, executable }
            };
            if random.chance(50) {
                fs::write(whole.join(number.to_string()), &content).unwrap();
            }
            world.contents.insert(number, Bytes::from(content));
            base.push(BaseEntry { path: path.into(), what });
        }
        for path in ["a/a", "a/b", "a/c/a", "a/c/d", "a/c", "a", "b/a", "b/\u{e9}", "b", "c", "d", ""] {
            let path = real.join(path);
            let mode = if path.is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            File::open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(5)).unwrap();
        }
        let world = Arc::new(world);
        let mount = mount_of(&dir.path().join("overlay"), base.clone(), &world, now);
        mount.offer_backing(seed % 2 == 1);
        Model { random, mount, world, base, dir, real, open: Vec::new() }
    }

    /// The folder of a path and its last name, if no symbolic link or file is on the way.
    fn parent<'a>(&self, path: &'a str) -> Option<(Ino, &'a [u8])> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parts = folder.split('/').filter(|part| !part.is_empty());
        let walk = |ino, part: &str| self.mount.lookup(ino, part.as_bytes()).ok().map(|attr| attr.ino);
        let ino = parts.into_iter().try_fold(ROOT, walk)?;
        (self.mount.attr(ino).unwrap().kind == Kind::Directory).then_some((ino, name.as_bytes()))
    }

    fn there(&self, path: &str) -> Option<Attr> {
        let (parent, name) = self.parent(path)?;
        self.mount.lookup(parent, name).ok()
    }

    fn step(&mut self) {
        let path = self.random.path();
        let (Some((parent, name)), real) = (self.parent(&path), self.real.join(&path)) else { return };
        match self.random.below(100) {
            0..15 => self.open_path(&path),
            15..45 => self.use_handle(),
            45..52 => self.close(),
            52..60 => agree(
                &path,
                self.mount.make_dir(parent, name, Creator { mode: 0o755, ..BY }),
                fs::create_dir(real),
            ),
            60..65 => agree(&path, self.mount.unlink(parent, name), fs::remove_file(real)),
            65..70 => agree(&path, self.mount.remove_dir(parent, name), fs::remove_dir(real)),
            70..80 => self.rename(&path),
            80..82 => {
                let made = self.mount.make_link(parent, name, b"nowhere", BY);
                agree(&path, made, std::os::unix::fs::symlink("nowhere", real));
            }
            82..95 => self.set(&path),
            95..98 => self.compare(ROOT, &self.real),
            _ => self.restart(),
        }
    }

    fn open_path(&mut self, path: &str) {
        let attr = self.there(path);
        if self.open.len() > 8 || attr.is_some_and(|attr| attr.kind != Kind::File) {
            return;
        }
        let (write, truncate, append) =
            (self.random.chance(60), self.random.chance(15), self.random.chance(15));
        let access = Access { read: true, write, truncate: truncate && write, append: append && write };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(access.write && !access.append).append(access.append);
        let (parent, name) = self.parent(path).unwrap();
        let (opened, file) = match attr {
            None if access.write => {
                let made = self.mount.create(parent, name, access, BY, true).unwrap().1;
                let file = options.create_new(true).open(self.real.join(path)).unwrap();
                file.set_permissions(fs::Permissions::from_mode(0o644)).unwrap();
                (made, file)
            }
            None => return,
            Some(attr) => {
                let opened = self.mount.open(attr.ino, access).or_else(|fault| {
                    assert_eq!(fault, Fault::Stale, "{path}");
                    self.forget_all(attr.ino);
                    self.mount.open(self.there(path).unwrap().ino, access)
                });
                let file = options.open(self.real.join(path)).unwrap();
                if access.truncate {
                    file.set_len(0).unwrap();
                }
                (opened.unwrap(), file)
            }
        };
        let ino = self.there(path).unwrap().ino;
        for other in self.open.iter().filter(|other| other.ino == ino) {
            let is_same = match (&other.backing, &opened.backing) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            assert!(is_same, "a kernel would refuse this");
        }
        self.open.push(Pair { ino, fh: opened.fh, file, access, backing: opened.backing });
    }

    /// Closes the handles of a node that others see no more.
    fn forget_all(&mut self, ino: Ino) {
        for pair in self.open.extract_if(.., |pair| pair.ino == ino) {
            self.mount.release(pair.fh).unwrap();
        }
    }

    fn use_handle(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let Pair { ino, fh, file, access, backing } =
            &self.open[self.random.below(self.open.len() as u64) as usize];
        let (offset, length) = (self.random.below(FILE_BYTES), 1 + self.random.below(20_000));
        if !access.write || self.random.chance(40) {
            let expected = read_some(file, offset, length);
            let bytes = match backing {
                Some(backing) => read_some(backing, offset, length),
                None => self.mount.read(*fh, offset, length as u32).unwrap().to_vec(),
            };
            assert!(bytes == expected, "read of {length} at {offset}");
        } else if self.random.chance(85) {
            let most = if self.random.chance(50) { 20 } else { 20_000 };
            let bytes = self.random.bytes(most);
            let end = file.metadata().unwrap().len();
            write_all_at(file, &bytes, offset).unwrap();
            match backing {
                Some(backing) => {
                    write_all_at(backing, &bytes, if access.append { end } else { offset }).unwrap()
                }
                None => assert_eq!(self.mount.write(*fh, offset, &bytes), Ok(bytes.len() as u32)),
            }
        } else {
            use rustix::fs::FallocateFlags as Flags;
            let (what, flags) = match self.random.below(3) {
                0 => (Allocate::Room { keep_size: false }, Flags::empty()),
                1 => (Allocate::Room { keep_size: true }, Flags::KEEP_SIZE),
                _ => (Allocate::Zeros { keep_size: true }, Flags::KEEP_SIZE | Flags::PUNCH_HOLE),
            };
            rustix::fs::fallocate(file, flags, offset, length).unwrap();
            self.mount.allocate(*fh, offset, length, what).unwrap();
            // File systems differ in whether this is a change.
            self.mount.set_attr(*ino, &SetAttr { mtime: Some(Time(0)), ..SetAttr::default() }).unwrap();
            file.set_modified(UNIX_EPOCH).unwrap();
        }
        let attr = self.mount.attr(*ino).unwrap();
        let meta = file.metadata().unwrap();
        assert_eq!((attr.bytes, u64::from(attr.links)), (meta.len(), meta.nlink()));
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let at = self.random.below(self.open.len() as u64) as usize;
            self.mount.release(self.open.swap_remove(at).fh).unwrap();
        }
    }

    fn rename(&mut self, path: &str) {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let to = self.random.path();
        let (Some(from), Some(new)) = (self.parent(path), self.parent(&to)) else { return };
        let (replace, flags) = match self.random.below(4) {
            0 => (Replace::No, RenameFlags::NOREPLACE),
            1 => (Replace::Exchange, RenameFlags::EXCHANGE),
            _ => (Replace::Yes, RenameFlags::empty()),
        };
        let renamed = renameat_with(CWD, self.real.join(path), CWD, self.real.join(&to), flags);
        agree(
            &format!("{path} -> {to}"),
            self.mount.rename(from, new, replace),
            renamed.map_err(io::Error::from),
        );
    }

    fn set(&mut self, path: &str) {
        let Some(attr) = self.there(path) else { return };
        let real = self.real.join(path);
        let what = self.random.below(3);
        let size = self.random.below(FILE_BYTES);
        let set = match what {
            _ if attr.kind == Kind::Symlink => return,
            0 => {
                let mode = 0o600 + self.random.below(64) as u16;
                fs::set_permissions(&real, fs::Permissions::from_mode(mode.into())).unwrap();
                SetAttr { mode: Some(mode), ..SetAttr::default() }
            }
            1 => {
                let seconds = self.random.below(LONG_AGO as u64 / 2);
                let time = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
                File::open(&real).unwrap().set_modified(time).unwrap();
                SetAttr {
                    mtime: Some(Time(seconds as i64 * 1_000_000_000 + 123_456_789)),
                    ..SetAttr::default()
                }
            }
            _ if attr.kind == Kind::Directory => return,
            _ => {
                File::options().write(true).open(&real).unwrap().set_len(size).unwrap();
                SetAttr { bytes: Some(size), ..SetAttr::default() }
            }
        };
        let done = self.mount.set_attr(attr.ino, &set).or_else(|fault| {
            assert_eq!(fault, Fault::Stale, "{path}");
            self.forget_all(attr.ino);
            self.mount.set_attr(self.there(path).unwrap().ino, &set)
        });
        assert!(done.is_ok(), "{path}: {done:?}");
    }

    fn restart(&mut self) {
        let is_killed = self.random.chance(50);
        for pair in self.open.drain(..).filter(|_| !is_killed) {
            self.mount.release(pair.fh).unwrap();
        }
        let offers = self.mount.offers_backing.load(std::sync::atomic::Ordering::Relaxed);
        if self.random.chance(30) {
            let overlay = self.mount.overlay.as_ref().unwrap();
            lock(overlay).compact(&self.mount.state().nodes).unwrap();
        }
        self.mount = mount_of(&self.dir.path().join("overlay"), self.base.clone(), &self.world, now);
        self.mount.offer_backing(offers);
        self.compare(ROOT, &self.real);
    }

    fn compare(&self, folder: Ino, real: &Path) {
        let listed = self.mount.read_dir(folder, None, usize::MAX).unwrap();
        let mut names: Vec<_> = fs::read_dir(real).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let name = |entry: &DirEntry| String::from_utf8(entry.name.to_vec()).unwrap().into();
        assert_eq!(listed.iter().map(name).collect::<Vec<std::ffi::OsString>>(), names, "{}", real.display());
        for (entry, name) in listed.iter().zip(names) {
            let path = real.join(name);
            let meta = fs::symlink_metadata(&path).unwrap();
            let attr = self.mount.attr(entry.ino).unwrap();
            let kind = match entry.kind {
                Kind::Directory => meta.is_dir(),
                Kind::File => meta.is_file() && meta.len() == attr.bytes,
                Kind::Symlink => meta.is_symlink(),
            };
            assert!(kind, "{attr:?} is {meta:?}");
            if entry.kind != Kind::Symlink {
                assert_eq!(u32::from(attr.meta.mode), meta.mode() & 0o7777, "{}", path.display());
                let (seconds, nanoseconds) = attr.meta.mtime.parts();
                let expected = (meta.mtime(), meta.mtime_nsec() as u32);
                let is_same = if meta.mtime() < LONG_AGO {
                    (seconds, nanoseconds) == expected
                } else {
                    seconds >= LONG_AGO
                };
                assert!(is_same, "time of {}: {:?} {expected:?}", path.display(), attr.meta.mtime);
            }
            match entry.kind {
                Kind::Directory => self.compare(entry.ino, &path),
                Kind::File => {
                    let opened = self.mount.open(entry.ino, Access { write: false, ..WRITE }).unwrap();
                    let bytes = self.mount.read(opened.fh, 0, u32::MAX).unwrap();
                    self.mount.release(opened.fh).unwrap();
                    assert!(bytes[..] == fs::read(&path).unwrap(), "bytes of {}", path.display());
                }
                Kind::Symlink => assert_eq!(&*self.mount.read_link(entry.ino).unwrap(), b"nowhere"),
            }
        }
    }
}

fn read_some(file: &File, offset: u64, length: u64) -> Vec<u8> {
    let mut out = vec![0; length as usize];
    let have = read_at(file, &mut out, offset).unwrap();
    out.truncate(have);
    out
}

fn agree<T>(what: &str, mine: Result<T, Fault>, real: io::Result<()>) {
    assert_eq!(mine.map(|_| ()), real.map_err(fault), "{what}");
}

#[test]
fn random_operations_agree_with_a_real_folder() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut model = Model::new(seed);
        for _ in 0..STEPS {
            model.step();
        }
        model.restart();
    }
}
