//! Random operations through the kernel agree with a real folder.
//!
//! What only the core knows (restarts, kills, handles past the mount) is modelled beside it; here caches, pages and the kernel's own
//! checks take part. A kernel with FUSE and leave to mount are needed; `DITS_TEST_NO_FUSE=1` leaves it out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod world;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use world::{BLOB, Mounted, blob, byte_at, ghost};

const SEEDS: u64 = 6;
const STEPS: usize = 250;
const GHOST_BYTES: u64 = 300_000;
const GHOSTS: [&str; 4] = ["a/a", "a/c/a", "b/b", "c"];
const BLOBS: [&str; 3] = ["a/b", "b/a", "d"];

/// Random numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn path(&mut self) -> PathBuf {
        (0..=self.below(3)).map(|_| ["a", "b", "c", "d"][self.below(4) as usize]).collect()
    }
}

/// The two folders, and files that are open in both.
struct Model {
    random: Random,
    tops: [PathBuf; 2],
    open: Vec<[File; 2]>,
}

impl Model {
    /// Does the same to both, and wants the same of it.
    fn both<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &str,
        path: &Path,
        work: impl Fn(&Path) -> io::Result<T>,
    ) -> Option<T> {
        let [mine, real] = [0, 1].map(|side: usize| {
            work(&self.tops[side].join(path)).map_err(|error| error.raw_os_error().unwrap_or_default())
        });
        assert_eq!(mine, real, "{what} {}", path.display());
        mine.ok()
    }

    fn step(&mut self) {
        let path = self.random.path();
        match self.random.below(100) {
            0..15 => self.open(&path),
            15..50 => self.use_file(),
            50..58 if !self.open.is_empty() => {
                let at = self.random.below(self.open.len() as u64) as usize;
                self.open.swap_remove(at);
            }
            50..62 => drop(self.both("mkdir", &path, |path| fs::create_dir(path))),
            62..67 => drop(self.both("unlink", &path, |path| fs::remove_file(path))),
            67..72 => drop(self.both("rmdir", &path, |path| fs::remove_dir(path))),
            72..82 => self.rename(&path),
            82..84 => drop(self.both("symlink", &path, |path| symlink("a/c/a", path))),
            84..88 => {
                let mode = 0o600 + self.random.below(64) as u32;
                self.both("chmod", &path, |path| fs::set_permissions(path, fs::Permissions::from_mode(mode)));
            }
            88..93 => {
                let size = self.random.below(GHOST_BYTES);
                let cut = |path: &Path| OpenOptions::new().write(true).open(path)?.set_len(size);
                self.both("truncate", &path, cut);
            }
            _ => self.compare(Path::new("")),
        }
    }

    fn open(&mut self, path: &Path) {
        let [write, create, truncate, append] =
            [70, 50, 10, 15].map(|chance| self.random.below(100) < chance);
        let mut options = OpenOptions::new();
        options.read(true).write(write && !append).append(write && append);
        options.create(create && write).truncate(truncate && write && !append);
        if self.open.len() < 8 && self.both("open", path, |path| options.open(path).map(drop)).is_some() {
            options.truncate(false);
            self.open.push([0, 1].map(|side: usize| options.open(self.tops[side].join(path)).unwrap()));
        }
    }

    fn use_file(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let (offset, length) = (self.random.below(GHOST_BYTES), 1 + self.random.below(60_000) as usize);
        let (what, first) = (self.random.below(100), self.random.below(251));
        let bytes: Vec<u8> = (0..length as u64).map(|at| ((first + at * 3) % 251) as u8).collect();
        let files = &self.open[self.random.below(self.open.len() as u64) as usize];
        let [mine, real] = files.each_ref().map(|file| {
            match what {
                0..45 => {
                    let mut out = vec![0; length];
                    let have = file.read_at(&mut out, offset)?;
                    out.truncate(have);
                    return Ok(out);
                }
                45..85 => file.write_all_at(&bytes, offset)?,
                85..90 => file.set_len(offset)?,
                90..95 => file.sync_all()?,
                _ => {
                    use rustix::fs::{FallocateFlags as Flags, fallocate};
                    let flags =
                        if first % 2 == 0 { Flags::PUNCH_HOLE | Flags::KEEP_SIZE } else { Flags::empty() };
                    fallocate(file, flags, offset, length as u64)?;
                }
            }
            let meta = file.metadata()?;
            let size = if meta.is_dir() { 0 } else { meta.len() };
            Ok(format!("{size} {}", meta.nlink()).into_bytes())
        });
        let code = |result: io::Result<Vec<u8>>| result.map_err(|error| error.raw_os_error());
        let (mine, real) = (code(mine), code(real));
        let short = |side: &Result<Vec<u8>, _>| {
            side.as_ref()
                .map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned())
                .map_err(Clone::clone)
        };
        assert!(mine == real, "{what}: {length} at {offset}: {:?} {:?}", short(&mine), short(&real));
    }

    fn rename(&mut self, path: &Path) {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let to = self.random.path();
        let flags = match self.random.below(4) {
            0 => RenameFlags::NOREPLACE,
            1 => RenameFlags::EXCHANGE,
            _ => RenameFlags::empty(),
        };
        let [mine, real] =
            self.tops.each_ref().map(|top| renameat_with(CWD, top.join(path), CWD, top.join(&to), flags));
        assert_eq!(mine, real, "rename {} to {} {flags:?}", path.display(), to.display());
    }

    fn compare(&self, path: &Path) {
        let look = |path: &Path| -> io::Result<(u32, u64, Vec<u8>)> {
            let meta = fs::symlink_metadata(path)?;
            let bytes = match meta.file_type() {
                kind if kind.is_symlink() => fs::read_link(path)?.into_os_string().into_encoded_bytes(),
                kind if kind.is_file() => fs::read(path)?,
                _ => Vec::new(),
            };
            Ok((meta.mode(), if meta.is_dir() { 0 } else { meta.len() }, bytes))
        };
        let (_, _, bytes) = self.both("look", path, look).unwrap();
        let list = |path: &Path| -> io::Result<Vec<_>> {
            let mut names =
                fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        };
        let is_folder = bytes.is_empty() && fs::symlink_metadata(self.tops[1].join(path)).unwrap().is_dir();
        for name in is_folder.then(|| self.both("list", path, list)).flatten().unwrap_or_default() {
            self.compare(&path.join(name));
        }
    }
}

#[test]
fn random_operations_through_the_kernel_agree_with_a_real_folder() {
    for seed in 1..=SEEDS {
        println!("seed {seed}");
        let mut base: Vec<_> =
            GHOSTS.map(|path| ghost(path, GHOST_BYTES)).into_iter().chain(BLOBS.map(blob)).collect();
        base.sort_by(|one, other| one.path.cmp(&other.path));
        let Some(mounted) = Mounted::new(base) else { return };
        let real = tempfile::tempdir().unwrap();
        for path in GHOSTS.iter().chain(&BLOBS) {
            let path = real.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, BLOB).unwrap();
        }
        let content: Vec<u8> = (0..GHOST_BYTES).map(byte_at).collect();
        for path in GHOSTS {
            fs::write(real.path().join(path), &content).unwrap();
        }
        fs::set_permissions(real.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let tops = [mounted.path(""), real.path().to_owned()];
        let mut model = Model { random: Random(seed), tops, open: Vec::new() };
        for _ in 0..STEPS {
            model.step();
        }
        model.open.clear();
        model.compare(Path::new(""));
    }
}
