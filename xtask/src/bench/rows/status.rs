//! What `git status` reads and starts after a clone and after a checkout: nothing, if all is well.
//!
//! Git's own trace tells which filters it started, `strace` which files below `data` were opened.

use std::fs;
use std::path::Path;

use super::super::peers::{Life, OURS, Peer, What};
use super::super::report::{Goal, Row};
use super::super::rig::{Rig, Step, User, path, words};
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let place = rig.place("status")?;
    let life = (OURS.open)(rig, &place)?;
    let corpus = rig.corpus()?;
    super::super::corpus::run(
        std::process::Command::new("cp")
            .args(["-r", "--", path(&corpus.tree)])
            .arg(life.work.join("data/tree")),
    )?;
    row.note(format!("The corpus: {}. Counted for the whole of each status.", corpus.about));
    row.note("One clone, of which each status finds the index as it was left by it; and checkouts of two commits by turns, which differ in one file.");
    for what in [What::Add, What::Push] {
        for command in (life.commands)(what) {
            life.user.measured(&life.work, &command)?;
        }
    }
    fs::write(life.work.join("data/tree/new.bin"), "one more")?;
    for line in ["git add .", "git commit -qm more", "git push -q origin main"] {
        life.user.measured(&life.work, &words(line))?;
    }
    for command in (life.commands)(What::Clone) {
        life.user.measured(&place, &command)?;
    }
    for when in ["clone", "checkout"] {
        for round in 0..rig.sizes.runs {
            if when == "checkout" {
                let commit = ["main~1", "main"][round % 2];
                life.user.run(&life.copy, &["git", "checkout", "-q", commit])?;
            }
            if when == "checkout" || round == 0 {
                keep_index(&life, "../copy/.git/index", "../index")?;
            }
            status(rig, &life, row, when, &place)?;
        }
    }
    drop(life);
    rig.clear(&place)
}

/// A status may write down in the index what it has found: then the next one would have less to do. The time of the index counts.
fn keep_index(life: &Life, from: &str, to: &str) -> anyhow::Result<()> {
    life.user.run(&life.copy, &["cp", "-p", from, to]).map(drop)
}

/// One status that is counted, and one that is not looked at but by the clock.
fn status(rig: &Rig, life: &Life, row: &mut Row, when: &str, place: &Path) -> anyhow::Result<()> {
    let again = || keep_index(life, "../index", "../copy/.git/index");
    again()?;
    let (filters, reads) = count(rig, &life.user, &life.copy, &place.join("starts"))?;
    let none = goal(rig, Goal::AtMost(0.0));
    row.fact(&format!("filter starts after {when}"), "", vec![filters as f64], none);
    let reads = reads.into_iter().map(|reads| reads as f64).collect();
    row.fact(&format!("contents opened after {when}"), "", reads, none);
    again()?;
    let step = Step::new(&life.user, &life.copy, vec![words("git status --porcelain")]);
    row.add(&format!("status after {when}"), "dits", rig.measure(&step)?);
    Ok(())
}

/// Filters that a status starts, and files below `data` that it opens.
fn count(rig: &Rig, user: &User, copy: &Path, to: &Path) -> anyhow::Result<(usize, Option<usize>)> {
    let (perf, calls) = (to.with_extension("perf"), to.with_extension("strace"));
    let traced = format!("GIT_TRACE2_PERF={}", path(&perf));
    let mut line = vec!["env", &traced];
    let strace = rig.find("strace").is_some();
    if strace {
        line.extend(["strace", "-f", "-qq", "-e", "trace=open,openat", "-o", path(&calls)]);
    }
    line.extend(["git", "status", "--porcelain"]);
    let said = user.run(copy, &line)?;
    anyhow::ensure!(said.is_empty(), "a fresh clone is not clean: {said}");
    let filters = fs::read_to_string(&perf)?.lines().filter(|line| line.contains("class:subprocess")).count();
    fs::remove_file(&perf)?;
    let opened =
        |line: &&str| line.contains("data/") && !line.contains("O_DIRECTORY") && !line.contains("ENOENT");
    let reads = if strace { Some(fs::read_to_string(&calls)?.lines().filter(opened).count()) } else { None };
    Ok((filters, reads))
}
