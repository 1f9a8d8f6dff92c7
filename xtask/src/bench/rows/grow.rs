//! How costs grow: with the size of a file, the number of files, the number of chunks in a store.
//!
//! Each size is measured once: what is looked for is the slope, and a bad sample stands out of it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::super::corpus;
use super::super::peers::{OURS, Peer, What};
use super::super::report::{Row, Sample};
use super::super::rig::{Rig, Step, say, words};
use super::super::table::{MIB, short};

const GIB: f64 = 1_073_741_824.0;
/// What each file of a tree has.
const SMALL_BYTES: u64 = 2048;

type Number = fn(&Sample) -> Option<f64>;
type Points = Vec<(f64, f64)>;
const PLOTS: [(&str, Number); 3] = [
    ("wall, s", |s| Some(s.wall)),
    ("CPU, s", |s| Some(s.cpu)),
    ("peak RSS, MiB", |s| Some(s.rss as f64 / MIB)),
];

pub(in super::super) fn file(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    row.note("Files that do not compress: 'git add', 'git dits add', then 'git checkout'. Each size once.");
    // Twice the largest size is needed.
    rig.drop_large()?;
    let name = |bytes: u64| format!("{} GiB", bytes as f64 / GIB);
    for &bytes in &rig.sizes.grow_bytes {
        let place = rig.place("grow-file")?;
        let user = super::repository(rig, &place)?;
        let work = place.join("work");
        let mut take = |step: &str, command: &str| -> anyhow::Result<()> {
            let sample = rig.measure(&Step::new(&user, &work, vec![words(command)]))?;
            say(&name(bytes), step, &sample);
            row.add(step, &name(bytes), sample);
            Ok(())
        };
        corpus::random(&work.join("large.bin"), bytes, bytes)?;
        take("git add", "git add large.bin")?;
        fs::remove_file(work.join("large.bin"))?;
        take("git checkout", "git checkout -- large.bin")?;
        user.run(&work, &["git", "rm", "-q", "--cached", "large.bin"])?;
        for folder in ["objects", "index"] {
            rig.clear(&work.join(".git/dits").join(folder))?;
        }
        take("git dits add", "git dits add large.bin")?;
        rig.clear(&place)?;
    }
    let sizes: Vec<(f64, String)> =
        rig.sizes.grow_bytes.iter().map(|&bytes| (bytes as f64 / GIB, name(bytes))).collect();
    curves(row, &["git add", "git dits add", "git checkout"], &sizes, "GiB");
    Ok(())
}

pub(in super::super) fn tree(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    row.note(format!(
        "Files of {SMALL_BYTES} bytes that do not compress, 100 in a folder. Each number once."
    ));
    let name = |files: u64| format!("{files} files");
    for &files in &rig.sizes.grow_files {
        let place = rig.place("grow-tree")?;
        let life = (OURS.open)(rig, &place)?;
        for i in 0..files {
            let folder = life.work.join(format!("data/d{}", i / 100));
            if i % 100 == 0 {
                fs::create_dir_all(&folder)?;
            }
            fs::write(
                folder.join(format!("f{i}")),
                super::super::edits::Chance(i).bytes(SMALL_BYTES as usize),
            )?;
        }
        for what in [What::Add, What::Push, What::Clone, What::Status, What::StatusAgain] {
            let dir = match what {
                What::Add | What::Push => &life.work,
                What::Clone => &place,
                _ => &life.copy,
            };
            let step = Step {
                server: life.server.as_ref(),
                client: life.client.as_deref(),
                stored: Some(&life.stored),
                ..Step::new(&life.user, dir, (life.commands)(what))
            };
            let sample = rig.measure(&step)?;
            say(&name(files), what.name(false), &sample);
            row.add(what.name(false), &name(files), sample);
        }
        drop(life);
        rig.clear(&place)?;
    }
    let sizes: Vec<(f64, String)> =
        rig.sizes.grow_files.iter().map(|&files| (files as f64, name(files))).collect();
    curves(row, &["add+commit", "push", "clone", "status again"], &sizes, "files");
    Ok(())
}

fn curves(row: &mut Row, steps: &[&str], sizes: &[(f64, String)], x: &str) {
    for (y, number) in PLOTS {
        let points = |step: &str| -> Points {
            sizes
                .iter()
                .filter_map(|(size, name)| Some((*size, *row.of(step, name, number).first()?)))
                .collect()
        };
        let lines: Vec<_> = steps.iter().map(|step| ((*step).to_owned(), points(step))).collect();
        row.curve(&row.title.clone(), x, y, lines);
    }
}

/// What the example of the store says of itself, a JSON object for each number of chunks.
pub(in super::super) fn store(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let program = rig.example("dits-store", "index_growth")?;
    rig.settle();
    let counts = rig.sizes.grow_chunks.iter().map(u64::to_string);
    let out = Command::new(program).args(counts).env("TMPDIR", &rig.tmp).output()?;
    ensure!(out.status.success(), "index_growth: {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8_lossy(&out.stdout);
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let found = numbers(&lines);
    ensure!(!found.is_empty(), "index_growth printed no JSON lines with 'chunks': {said}");
    row.note("One store that grows; what the example 'index_growth' of dits-store measures.");
    for (name, points) in found {
        let told: Vec<String> =
            points.iter().map(|(x, y)| format!("{} at {}", short(*y), short(*x))).collect();
        row.note(format!("{name}: {}", told.join(", ")));
        row.curve(&name, "chunks", &name, vec![(name.clone(), points)]);
    }
    Ok(())
}

/// Each number of the objects over their `chunks`.
fn numbers(lines: &[Value]) -> Vec<(String, Points)> {
    let first = lines.first().and_then(Value::as_object).into_iter().flatten();
    let names =
        first.filter(|(name, value)| *name != "chunks" && value.is_number()).map(|(name, _)| name.clone());
    let point = |line: &Value, name: &str| Some((line.get("chunks")?.as_f64()?, line.get(name)?.as_f64()?));
    names
        .map(|name| {
            (
                name.clone(),
                lines.iter().filter_map(|line| point(line, &name).context("absent").ok()).collect::<Points>(),
            )
        })
        .filter(|(_, points)| !points.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_becomes_a_curve() {
        let lines = [r#"{"chunks":10,"ms":1.5,"name":"x"}"#, r#"{"chunks":20,"ms":3}"#, r#"{"other":1}"#];
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(numbers(&lines), [("ms".to_owned(), vec![(10.0, 1.5), (20.0, 3.0)])]);
    }
}
