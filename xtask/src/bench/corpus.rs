//! The data that is measured on: Debian's game data, or something made up.
//!
//! The first is fetched once with apt, as files of the packages that it names, and kept in a folder outside of the
//! repository. What is made up is always the same: a third of it compresses well, the rest not at all, in files of many sizes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::edits::{self, Chance};

/// Textures, sounds, models, maps and translations of four games.
const PACKAGES: [&str; 4] = ["supertuxkart-data", "torcs-data", "megaglest-data", "widelands-data"];
const EDIT_SEED: u64 = 20_261_123;

/// Where the files lie, and what they are.
#[derive(Debug, Clone)]
pub(super) struct Corpus {
    pub(super) tree: PathBuf,
    pub(super) about: String,
}

/// Debian's data, fetched if it is not in `cache` yet.
pub(super) fn debian(cache: &Path) -> anyhow::Result<Corpus> {
    let (tree, about) = (cache.join("debian"), cache.join("debian.txt"));
    if !about.exists() {
        fetch(cache, &tree).context("cannot have Debian's game data")?;
        let versions = fs::read_dir(cache.join("deb"))?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut versions: Vec<_> =
            versions.iter().map(|name| name.to_string_lossy().replace("%3a", ":")).collect();
        versions.sort();
        let (files, bytes) = count(&tree)?;
        fs::remove_dir_all(cache.join("deb"))?;
        // Written last: with it the data is complete.
        fs::write(
            &about,
            format!("{}: {files} files, {bytes} bytes", versions.join(", ").replace("_all.deb", "")),
        )?;
    }
    Ok(Corpus { tree, about: fs::read_to_string(about)? })
}

fn fetch(cache: &Path, tree: &Path) -> anyhow::Result<()> {
    let deb = cache.join("deb");
    fs::create_dir_all(&deb)?;
    run(Command::new("apt-get").args(["-q", "download"]).args(PACKAGES).current_dir(&deb))?;
    for entry in fs::read_dir(&deb)? {
        run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(tree))?;
    }
    // Regular files with something in them, as the contents of a project. Git keeps no empty folder, so a clone would lack it.
    run(Command::new("find")
        .arg(tree)
        .args(["(", "!", "-type", "d", "!", "-type", "f", "-o", "-empty", ")", "-delete"]))
}

/// About `bytes` in `files` files.
pub(super) fn made_up(tree: &Path, files: u64, bytes: u64) -> anyhow::Result<Corpus> {
    let mut chance = Chance(EDIT_SEED);
    let mut left = bytes;
    for i in 0..files {
        let folder = tree.join(format!("d{}", i % 50));
        fs::create_dir_all(&folder)?;
        // Many small, few large, and the last takes what is left.
        let size = if i + 1 == files { left } else { left / (files - i) / 4 * chance.below(5) };
        left -= size;
        let mut file = BufWriter::new(File::create(folder.join(format!("f{i}.bin")))?);
        write_made_up(&mut file, size, i % 3 == 0, &mut chance)?;
        file.flush()?;
    }
    let (files, bytes) = count(tree)?;
    Ok(Corpus {
        tree: tree.to_owned(),
        about: format!("made up: {files} files, {bytes} bytes, a third of the files compressible"),
    })
}

fn write_made_up(
    file: &mut impl std::io::Write,
    size: u64,
    text: bool,
    chance: &mut Chance,
) -> std::io::Result<()> {
    let mut left = size;
    while left > 0 {
        let piece = left.min(64 << 10) as usize;
        let mut bytes = chance.bytes(piece);
        if text {
            bytes.iter_mut().for_each(|byte| *byte = b"etaoin shrdlu\n.,"[usize::from(*byte % 16)]);
        }
        file.write_all(&bytes)?;
        left -= piece as u64;
    }
    Ok(())
}

/// A file of `size` bytes that do not compress.
pub(super) fn random(path: &Path, size: u64, seed: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    write_made_up(&mut file, size, false, &mut Chance(seed))?;
    Ok(file.flush()?)
}

/// One file that holds all of them, uncompressed and always the same.
pub(super) fn tar(corpus: &Corpus, file: &Path) -> anyhow::Result<()> {
    let how = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"];
    run(Command::new("tar").args(how).arg("-cf").arg(file).arg("-C").arg(&corpus.tree).arg("."))
}

/// The same file after some edits, other ones for each `variant`.
pub(super) fn edited(old: &Path, new: &Path, count: usize, variant: u64) -> anyhow::Result<()> {
    let plan = edits::plan(fs::metadata(old)?.len(), count, EDIT_SEED + variant);
    Ok(edits::apply(File::open(old)?, BufWriter::new(File::create(new)?), &plan)?)
}

/// Files and bytes below a folder.
pub(super) fn count(folder: &Path) -> anyhow::Result<(u64, u64)> {
    let (mut folders, mut files, mut bytes) = (vec![folder.to_owned()], 0, 0);
    while let Some(folder) = folders.pop() {
        // A server may take files away meanwhile.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => (files, bytes) = (files + 1, bytes + meta.len()),
                Err(_) => {}
            }
        }
    }
    Ok((files, bytes))
}

pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let out = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        out.status.success(),
        "{command:?}: {}: {}",
        out.status,
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_as_large_as_asked_and_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        let corpus = made_up(&a, 20, 100_000).unwrap();
        assert_eq!(count(&a).unwrap(), (20, 100_000), "{}", corpus.about);
        made_up(&b, 20, 100_000).unwrap();
        let [x, y] = [&a, &b].map(|tree| fs::read(tree.join("d19/f19.bin")).unwrap());
        assert_eq!(x, y);
    }
}
