//! The demonstration: a story in real commands, then a table.
//!
//! [`world`] is the temporary place with its server and its two users, [`corpus`] the files, [`table`] what
//! is printed at the end. After every step that ends with files at the second user, each file is compared
//! byte for byte, and `git status` must be clean: a demonstration that lied would fail.

mod corpus;
mod table;
mod world;

use crate::report;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use table::Row;
use world::World;

const EDIT_BYTES: usize = 100;
const APPEND_BYTES: usize = 1 << 20;

/// Runs the story with the files of `dir`, or with the system's.
pub fn run(dir: Option<&Path>, keep: bool) -> Result<()> {
    let mut world = World::new(keep)?;
    let result = story(&mut world, dir);
    world.finish()?;
    result
}

fn story(world: &mut World, dir: Option<&Path>) -> Result<()> {
    let files = corpus::choose(dir)?;
    let total: u64 = files.iter().map(|file| file.bytes).sum();
    report::line(&format!("{} files, {}, in {}", files.len(), table::bytes(total), world.root().display()))?;
    let first = world.root().join("first");
    let second = world.root().join("second");
    let mut rows = Vec::new();

    world.start_server()?;
    world.user_a(world.root(), &["init", "-q", "-b", "main", "first"])?;
    world.user_a(&first, &["dits", "track", "assets/**"])?;
    let url = world.url("team/demo");
    world.user_a(&first, &["remote", "add", "origin", &url])?;
    corpus::copy(&files, &first.join("assets"))?;

    rows.push(step(world, "add + commit", total, |world| {
        world.user_a(&first, &["add", "."])?;
        world.user_a(&first, &["commit", "-q", "-m", "All assets"])
    })?);
    rows.push(step(world, "push", total, |world| {
        world.user_a(&first, &["push", "-q", "-u", "origin", "main"])
    })?);
    let clone = [&url[..], "second"];
    rows.push(step(world, "clone", total, |world| {
        world.user_b(world.root(), &[&["clone", "-q"], &clone[..]].concat())
    })?);
    check_same(world, &first, &second)?;

    let (name, bytes) = corpus::largest(&files);
    let largest = first.join("assets").join(&name);
    edit_middle(&largest)?;
    rows.push(publish(world, &first, &format!("edit {EDIT_BYTES} bytes in {}", table::bytes(bytes)), bytes)?);
    let relative = PathBuf::from("assets").join(&name);
    let renamed = "assets/renamed.bin";
    world.user_a(&first, &["mv", &relative.to_string_lossy(), renamed])?;
    rows.push(publish(world, &first, "rename that file", 0)?);
    fs::copy(first.join(renamed), first.join("assets/copy.bin"))?;
    rows.push(publish(world, &first, "copy that file", 0)?);
    append(&first.join(renamed))?;
    rows.push(publish(world, &first, "append 1 MiB to it", bytes + APPEND_BYTES as u64)?);
    rows.push(step(world, "push with nothing new", 0, |world| world.user_a(&first, &["push", "-q"]))?);
    rows.push(step(world, "pull all of that", 3 * bytes + APPEND_BYTES as u64, |world| {
        world.user_b(&second, &["pull", "-q"])
    })?);
    check_same(world, &first, &second)?;
    report::line("\nboth working trees are identical, and 'git status' is clean in both\n")?;
    table::print(&rows)
}

/// Adds, commits and pushes what changed.
fn publish(world: &mut World, dir: &Path, name: &str, whole: u64) -> Result<Row> {
    step(world, &format!("{name}, push"), whole, |world| {
        world.user_a(dir, &["add", "-A"])?;
        world.user_a(dir, &["commit", "-q", "-m", name])?;
        world.user_a(dir, &["push", "-q"])
    })
}

/// Times `work` and counts what it sent and stored.
fn step(
    world: &mut World,
    name: &str,
    whole: u64,
    work: impl FnOnce(&mut World) -> Result<()>,
) -> Result<Row> {
    let (wire, stored) = (world.wire_bytes()?, world.stored_bytes()?);
    let start = std::time::Instant::now();
    work(world)?;
    Ok(Row {
        name: name.into(),
        seconds: start.elapsed().as_secs_f64(),
        wire: world.wire_bytes()? - wire,
        stored: world.stored_bytes()?.saturating_sub(stored),
        whole,
    })
}

fn check_same(world: &World, a: &Path, b: &Path) -> Result<()> {
    for dir in [a, b] {
        let status = world.output(dir, &["status", "--porcelain"])?;
        ensure!(status.is_empty(), "'git status' is not clean in {}:\n{status}", dir.display());
    }
    let list = world.output(a, &["ls-files", "-z"])?;
    for name in list.split_terminator('\0') {
        let same =
            corpus::same(&a.join(name), &b.join(name)).with_context(|| format!("cannot compare '{name}'"))?;
        ensure!(same, "'{name}' differs between the two users");
    }
    Ok(())
}

fn edit_middle(path: &Path) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len / 2))?;
    Ok(file.write_all(&[0x5a; EDIT_BYTES])?)
}

/// Appends bytes that are nowhere else yet and do not compress.
fn append(path: &Path) -> Result<()> {
    let mut bytes = Vec::with_capacity(APPEND_BYTES);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while bytes.len() < APPEND_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    Ok(fs::OpenOptions::new().append(true).open(path)?.write_all(&bytes)?)
}
