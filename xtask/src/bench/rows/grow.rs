//! How costs grow: with the size of a file, the number of files, the number of chunks in a store.
//!
//! Each size is measured once: what is looked for is the slope, and a bad sample stands out of it. What is found is
//! written down at once, as a run may be cut off among the large ones.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::super::corpus;
use super::super::edits::Chance;
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
    let sizes: Vec<(f64, String)> =
        rig.sizes.grow_bytes.iter().map(|&bytes| (bytes as f64 / GIB, name(bytes))).collect();
    let sum_up = |row: &mut Row| curves(row, &["git add", "git dits add", "git checkout"], &sizes, "GiB");
    for &bytes in &rig.sizes.grow_bytes {
        let place = rig.place("grow-file")?;
        let user = super::repository(rig, &place)?;
        let work = place.join("work");
        let mut take = |step: &str, command: &str| -> anyhow::Result<()> {
            let sample = rig.measure(&Step::new(&user, &work, vec![words(command)]))?;
            say(&name(bytes), step, &sample);
            row.add(step, &name(bytes), sample);
            rig.keep_part(row, sum_up)
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
    sum_up(row);
    Ok(())
}

pub(in super::super) fn tree(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    row.note(format!(
        "Files of {SMALL_BYTES} bytes that do not compress, 100 in a folder. Each number once."
    ));
    let sizes: Vec<(f64, String)> =
        rig.sizes.grow_files.iter().map(|&files| (files as f64, format!("{files} files"))).collect();
    let sum_up =
        |row: &mut Row| curves(row, &["add+commit", "push", "clone", "status again"], &sizes, "files");
    for (&files, (_, name)) in rig.sizes.grow_files.iter().zip(&sizes) {
        let place = rig.place("grow-tree")?;
        let life = (OURS.open)(rig, &place)?;
        write_files(&life.work.join("data"), files)?;
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
            say(name, what.name(false), &sample);
            row.add(what.name(false), name, sample);
            rig.keep_part(row, sum_up)?;
        }
        drop(life);
        rig.clear(&place)?;
    }
    sum_up(row);
    Ok(())
}

fn write_files(to: &Path, files: u64) -> anyhow::Result<()> {
    for i in 0..files {
        let folder = to.join(format!("d{}", i / 100));
        if i % 100 == 0 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("f{i}")), Chance(i).bytes(SMALL_BYTES as usize))?;
    }
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

/// What the example of the store says of itself, a JSON object for each number of chunks, when it is done with it.
pub(in super::super) fn store(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let program = rig.example("dits-store", "index_growth")?;
    rig.settle();
    row.note("One store that grows; what the example 'index_growth' of dits-store measures.");
    let said = rig.tmp.join("said");
    let counts = rig.sizes.grow_chunks.iter().map(u64::to_string);
    // It works below the folder of the run, so that it ends with what a killed run has left.
    let mut child = Command::new(program)
        .args(counts)
        .current_dir(&rig.tmp)
        .env("TMPDIR", &rig.tmp)
        .stdout(Stdio::piped())
        .stderr(File::create(&said)?)
        .spawn()?;
    let mut lines: Vec<Value> = Vec::new();
    for line in BufReader::new(child.stdout.take().context("a pipe")?).lines() {
        lines.extend(serde_json::from_str::<Value>(&line?));
        rig.keep_part(row, |row| sum_up_store(row, &lines))?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "index_growth: {status}: {}", fs::read_to_string(&said)?);
    sum_up_store(row, &lines);
    ensure!(!row.curves.is_empty(), "index_growth printed no JSON lines with 'chunks'");
    Ok(())
}

fn sum_up_store(row: &mut Row, lines: &[Value]) {
    for (name, points) in numbers(lines) {
        let told: Vec<String> =
            points.iter().map(|(x, y)| format!("{} at {}", short(*y), short(*x))).collect();
        row.note(format!("{name}: {}", told.join(", ")));
        row.curve(&name, "chunks", &name, vec![(name.clone(), points)]);
    }
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
