//! What `git status` reads and starts after a clone and after a checkout: nothing, if all is well.
//!
//! Git's own trace tells which filters it started, `strace` which files below `data` were opened.

use std::fs;

use super::super::peers::{OURS, Peer, What};
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
    let starts = place.join("starts");
    for when in ["clone", "checkout"] {
        if when == "checkout" {
            life.user.run(&life.copy, &["git", "checkout", "-q", "HEAD~1"])?;
        }
        // The first is what counts; what is asked for how long is another one, of the same state.
        let (filters, reads) = count(rig, &life.user, &life.copy, &starts)?;
        row.fact(
            &format!("filter starts after {when}"),
            "",
            vec![filters as f64],
            goal(rig, Goal::AtMost(0.0)),
        );
        if let Some(reads) = reads {
            row.fact(
                &format!("contents opened after {when}"),
                "",
                vec![reads as f64],
                goal(rig, Goal::AtMost(0.0)),
            );
        }
        row.add(
            &format!("status after {when}"),
            "dits",
            rig.measure(&Step::new(&life.user, &life.copy, vec![words("git status --porcelain")]))?,
        );
    }
    drop(life);
    rig.clear(&place)
}

/// Filters that a status starts, and files below `data` that it opens.
fn count(
    rig: &Rig,
    user: &User,
    copy: &std::path::Path,
    to: &std::path::Path,
) -> anyhow::Result<(usize, Option<usize>)> {
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
