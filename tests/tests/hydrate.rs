//! What hydrating takes and shares: bounded memory, one damaged file among many, and blocks of the disk.
//!
//! That hydrated files hold the right bytes is shown wherever something is checked out. Here a damaged chunk is made
//! by finding its bytes in a pack. The story of shared blocks makes a Btrfs file system in a file and mounts it, which
//! takes root and `mkfs.btrfs`; only `DITS_TEST_NO_REFLINK=1` in the environment leaves it out.

use dits_tests::{Repo, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest resident memory of a process that hydrates, whatever the size of the file.
const PEAK_BYTES_MAX: u64 = 64 << 20;
const DISK_BYTES: u64 = 300 << 20;

/// All packs of a repository.
fn packs(repo: &Repo) -> Vec<PathBuf> {
    let list = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = list(repo.store().join("objects"));
    folders.flat_map(list).filter(|path| path.extension().is_some_and(|kind| kind == "pack")).collect()
}

/// Changes one byte of the pack that holds `chunk` as it is.
fn damage(repo: &Repo, chunk: &[u8]) {
    for pack in packs(repo) {
        let mut content = fs::read(&pack).expect("it is there");
        if let Some(at) = content.windows(chunk.len()).position(|window| window == chunk) {
            content[at] ^= 1;
            fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).expect("it is ours");
            fs::write(&pack, content).expect("it is ours");
            return;
        }
    }
    panic!("no pack holds the chunk");
}

#[test]
fn memory_is_the_same_for_a_file_of_any_size() {
    let world = World::in_memory();
    let repo = world.user("ann").init("project");
    // Chunks of the second half are those of the first, in other blocks.
    let piece = bytes(20_000_001, 1);
    let content = piece.repeat(15);
    repo.write("large.bin", &content);
    repo.commit("large");
    fs::remove_file(repo.at("large.bin")).expect("it is there");
    let watch = repo.watch(|| drop(repo.git(&["checkout", "-q", "--", "."])));
    println!("{} MiB: at most {} MiB", content.len() >> 20, watch.peak_bytes >> 20);
    assert!(watch.peak_bytes > 0 && watch.peak_bytes < PEAK_BYTES_MAX, "it took {} bytes", watch.peak_bytes);
    repo.holds("large.bin", &content);
    repo.is_clean_at_once();
}

#[test]
fn one_file_that_fails_concerns_no_other() {
    let world = World::in_memory();
    let repo = world.user("ann").init("project");
    let content = |n: u64| bytes(20_000 + 1000 * n as usize, n);
    let name = |n: u64| format!("dir{}/{n}.bin", n % 7);
    (1..=100).for_each(|n| repo.write(name(n), &content(n)));
    repo.write("large.bin", &bytes(20 << 20, 200));
    repo.commit("many");
    let bad = [17, 63];
    bad.iter().for_each(|n| damage(&repo, &content(*n)[..200]));
    (0..7).for_each(|n| fs::remove_dir_all(repo.at(&format!("dir{n}"))).expect("it is there"));
    fs::remove_file(repo.at("large.bin")).expect("it is there");
    let ran = repo.call(&["checkout", "--", "."]).run();
    for n in 1..=100 {
        if bad.contains(&n) {
            repo.is_ghost(&name(n));
        } else {
            repo.holds(name(n), &content(n));
        }
    }
    ran.says(&[&name(bad[0]), &name(bad[1])]);
    repo.holds("large.bin", &bytes(20 << 20, 200));
    assert!(repo.leftovers().is_empty());
}

/// A mounted file system in a file; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` when the environment leaves such stories out.
    fn new(world: &World, at: &Path) -> Option<Disk> {
        if std::env::var_os("DITS_TEST_NO_REFLINK").is_some_and(|value| value == "1") {
            return None;
        }
        let image = world.path().join("disk");
        fs::File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).expect("a file can be made");
        fs::create_dir_all(at).expect("a folder can be made");
        run("mkfs.btrfs", &[Path::new("-q"), &image]);
        run("mount", &[Path::new("-o"), Path::new("loop"), &image, at]);
        Some(Disk(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn run(program: &str, args: &[&Path]) -> String {
    let ran = Command::new(program).args(args).output();
    let ran = ran.unwrap_or_else(|error| {
        panic!("cannot run {program}: {error}; DITS_TEST_NO_REFLINK=1 leaves this out")
    });
    assert!(
        ran.status.success(),
        "{program} failed; DITS_TEST_NO_REFLINK=1 leaves this out\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Whether all blocks of a file are also those of another.
fn is_shared(path: &Path) -> bool {
    run("sync", &[Path::new("-f"), path]);
    let extents = run("filefrag", &[Path::new("-v"), path]);
    let mut lines =
        extents.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    let lines: Vec<&str> = lines.by_ref().collect();
    !lines.is_empty() && lines.iter().all(|line| line.contains("shared"))
}

#[test]
fn copies_of_a_content_share_the_blocks_of_the_disk() {
    let world = World::new();
    let ann = world.user("ann");
    let Some(_disk) = Disk::new(&world, &ann.at("disk")) else { return };
    let repo = ann.init("disk/project");
    let (content, other) = (bytes(9_000_000, 1), bytes(3_000_000, 2));
    for name in ["a.bin", "b.bin", "deep/c.bin"] {
        repo.write(name, &content);
    }
    repo.write("other.bin", &other);
    repo.make_executable("b.bin");
    repo.commit("copies");
    for name in ["a.bin", "b.bin", "deep/c.bin", "other.bin"] {
        fs::remove_file(repo.at(name)).expect("it is there");
    }
    repo.git(&["checkout", "-q", "--", "."]);
    repo.is_clean_at_once();
    for name in ["a.bin", "b.bin", "deep/c.bin"] {
        repo.holds(name, &content);
        assert!(is_shared(&repo.at(name)), "{name} has blocks of its own");
    }
    assert!(!is_shared(&repo.at("other.bin")), "nothing else has its blocks");
    // To change one is to change one.
    repo.edit("a.bin", |bytes| bytes[0] ^= 1);
    repo.holds("b.bin", &content);
    assert_eq!(repo.status(), " M a.bin\n");
}
