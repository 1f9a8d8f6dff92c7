//! What happens to a project's files, step by step, with everybody who can do it: the rows of the peers' baseline.
//!
//! Lives come one after the other, ours before each of the others that are measured several times, since the disk does not
//! hold all of them at once, and each is taken away before the next; inside a life `cp` of the same data runs right before
//! every big step.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::Context as _;

use super::super::corpus;
use super::super::peers::{Life, OURS, OURS_BY_ADD, Peer, What};
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Server, Step, path, say};
use super::super::stats::{ratios, sums};
use super::super::table::{MB, MIB};
use super::goal;

const LFS: &str = "git-lfs";
const DITS: &str = OURS.name;
const BY_ADD: &str = OURS_BY_ADD.name;

/// One large file, and the same after small edits.
pub(in super::super) fn file(rig: &Rig, others: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let [v1, v2] = rig.large()?;
    row.note(format!(
        "A tar of the corpus, {} bytes, and the same after {} edits of 1 to 4096 bytes.",
        fs::metadata(&v1)?.len(),
        rig.sizes.edits
    ));
    let put = |life: &Life, what: What| -> anyhow::Result<()> {
        let from = if what == What::Edit { &v2 } else { &v1 };
        Ok(fs::copy(from, life.work.join("data/big.bin")).map(drop)?)
    };
    let lives = Lives { ours: &[OURS], times: rig.sizes.file_lives, steps: &What::ALL, cp: &v1, put: &put };
    lives.measure(rig, others, row, &|row| facts_of_file(rig, row))
}

/// All files of the corpus.
pub(in super::super) fn tree(rig: &Rig, others: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let corpus = rig.corpus()?;
    row.note(format!("The corpus: {}.", corpus.about));
    let put = |life: &Life, _| {
        corpus::run(
            Command::new("cp").args(["-r", "--", path(&corpus.tree)]).arg(life.work.join("data/tree")),
        )
    };
    let steps = [What::Add, What::Push, What::Clone, What::Status, What::StatusAgain];
    row.note(format!(
        "'{BY_ADD}' is that life with 'git dits add .' in the place of 'git add .', until its push."
    ));
    let ours = &[OURS, OURS_BY_ADD];
    let lives = Lives { ours, times: rig.sizes.tree_lives, steps: &steps, cp: &corpus.tree, put: &put };
    lives.measure(rig, others, row, &|row| facts_of_tree(rig, row))
}

fn facts_of_tree(rig: &Rig, row: &mut Row) {
    let wall = |row: &Row, step, peer| row.of(step, peer, |s| Some(s.wall));
    for (peer, by) in [(DITS, ", dits"), (BY_ADD, " by git dits add"), (LFS, ", git-lfs")] {
        let both = sums(&wall(row, "add+commit", peer), &wall(row, "push", peer));
        for (what, values, most) in [
            ("add + push", both, (8.2, 5.0)),
            ("clone", wall(row, "clone", peer), (10.8, 6.0)),
            ("second status", wall(row, "status again", peer), (0.33, 0.1)),
        ] {
            let goal = goal(rig, Goal::Beat(most.0, most.1)).filter(|_| peer != LFS);
            row.fact(&format!("10 {what}{by}"), "s", values, goal);
        }
    }
}

type Put<'a> = &'a dyn Fn(&Life, What) -> anyhow::Result<()>;

/// What is lived through, by whom, and how often by us.
struct Lives<'a> {
    ours: &'a [Peer],
    times: usize,
    steps: &'a [What],
    cp: &'a Path,
    put: Put<'a>,
}

impl Lives<'_> {
    fn measure(
        &self,
        rig: &Rig,
        others: &[Peer],
        row: &mut Row,
        sum_up: &dyn Fn(&mut Row),
    ) -> anyhow::Result<()> {
        row.note("Lives one after the other; cp of the same data right before each big step. The page cache is warm.");
        let ours = self.ours.iter().map(|peer| (peer, true, self.times));
        let others = others
            .iter()
            .map(|peer| (peer, false, if peer.again { self.times.min(rig.sizes.peer_lives) } else { 1 }));
        let all: Vec<_> = ours.chain(others).collect();
        for round in 0..self.times {
            for (peer, is_ours, _) in all.iter().filter(|(.., times)| round < *times) {
                let place = rig.place("life")?;
                // Somebody else's failure is no reason to know nothing of the rest; ours is.
                let done = self.live(rig, peer, &place, row);
                rig.clear(&place)?;
                match done {
                    Err(error) if !is_ours => row.note(format!("{} failed: {error:#}", peer.name)),
                    done => done?,
                }
                rig.keep_part(row, sum_up)?;
            }
        }
        sum_up(row);
        Ok(())
    }

    fn live(&self, rig: &Rig, peer: &Peer, place: &Path, row: &mut Row) -> anyhow::Result<()> {
        let life = (peer.open)(rig, place)?;
        for &what in self.steps {
            let commands = (life.commands)(what);
            if commands.is_empty() {
                continue;
            }
            match what {
                What::Add | What::Edit => (self.put)(&life, what)?,
                What::StatusTouched => {
                    File::open(life.copy.join("data/big.bin"))?.set_modified(SystemTime::now())?
                }
                _ => {}
            }
            let dir = match what {
                _ if life.joint => place,
                What::Clone => place,
                What::Status | What::StatusAgain | What::StatusTouched => &life.copy,
                _ => &life.work,
            };
            let step = Step {
                server: life.server.as_ref(),
                client: life.client.as_deref(),
                stored: Some(&life.stored),
                // A copy of many files takes long.
                cp: (what.is_big() && (peer.again || what == What::Add)).then_some(self.cp),
                ..Step::new(&life.user, dir, commands)
            };
            let name = what.name(life.joint);
            let sample = rig.measure(&step).with_context(|| name)?;
            say(peer.name, name, &sample);
            row.add(name, peer.name, sample);
            if what == What::Clone {
                check(&life)?;
            }
        }
        if let (true, Some(bytes)) = (peer.name == DITS, life.server.as_ref().and_then(Server::peak_rss)) {
            row.fact("peak RSS of the server", "MiB", vec![bytes as f64 / MIB], None);
        }
        Ok(())
    }
}

/// What came back is what was kept, wherever the peer has put it.
fn check(life: &Life) -> anyhow::Result<()> {
    let places = [life.copy.join("work/data"), life.copy.join("data"), life.copy.clone()];
    let copy = places.iter().find(|place| place.exists()).context("nothing came back")?;
    corpus::run(Command::new("diff").args(["-rq", path(&life.work.join("data")), path(copy)]))
}

/// The rows of the baseline that one file has, by their numbers.
fn facts_of_file(rig: &Rig, row: &mut Row) {
    let of = |row: &Row, step: &str, number: fn(&Sample) -> Option<f64>| row.of(step, DITS, number);
    let (wall, cpu): (Number, Number) = (|s| Some(s.wall), |s| Some(s.cpu));
    let loopback: Number = |s| Some(s.loopback? as f64 / MB);
    let rss: Number = |s| Some(s.rss as f64 / MIB);
    let both = |row: &Row, number: Number| sums(&of(row, "add+commit", number), &of(row, "push", number));
    let facts = [
        ("1 add + commit, new", "s", of(row, "add+commit", wall), (5.4, 2.8)),
        ("2 add + commit, edited", "s", of(row, "add+commit edited", wall), (1.6, 0.8)),
        ("3 bytes of the edits on the wire", "MB", of(row, "push edited", loopback), (4.6, 1.5)),
        ("4 add + push, new", "s", both(row, wall), (6.4, 4.2)),
        ("4 bytes on the wire, new", "MB", both(row, loopback), (1760.0, 1711.0)),
        ("5 clone", "s", of(row, "clone", wall), (6.2, 3.9)),
        ("5 bytes on the wire, clone", "MB", of(row, "clone", loopback), (1800.0, 1800.0)),
        ("6 peak RSS, clone", "MiB", of(row, "clone", rss), (180.0, 64.0)),
        ("6 peak RSS, switch", "MiB", of(row, "switch back", rss), (180.0, 64.0)),
        ("6 peak RSS, add", "MiB", of(row, "add+commit", rss), (100.0, 64.0)),
        ("7 first status after clone", "s", of(row, "status", wall), (0.03, 0.01)),
        ("7 status after touch", "s", of(row, "status after touch", wall), (1.4, 0.7)),
        ("8 switch back", "s", of(row, "switch back", wall), (4.0, f64::MIN)),
        ("8 switch forth", "s", of(row, "switch forth", wall), (4.0, f64::MIN)),
        ("9 both versions at the client", "MB", stored(row, |s| s.client), (1787.0, 1750.0)),
        ("9 both versions at the server", "MB", stored(row, |s| s.server), (1760.0, 1750.0)),
    ];
    for (what, unit, values, (beat, remarkable)) in facts {
        // A switch is remarkable by a ratio, below.
        let wanted = if remarkable == f64::MIN { Goal::AtMost(beat) } else { Goal::Beat(beat, remarkable) };
        row.fact(what, unit, values, goal(rig, wanted));
    }
    for step in ["switch back", "switch forth"] {
        let ratio = of(row, step, |s| Some(s.wall / s.cp?.0));
        row.fact(&format!("8 {step} ÷ cp, wall"), "", ratio, goal(rig, Goal::AtMost(1.5)));
        row.fact(
            &format!("8 bytes on the wire, {step}"),
            "MB",
            of(row, step, loopback),
            goal(rig, Goal::AtMost(0.0)),
        );
    }
    for step in What::ALL.map(|what| what.name(false)) {
        for (name, number) in [("wall", wall), ("CPU", cpu)] {
            let ratio = ratios(&row.of(step, LFS, number), &of(row, step, number));
            row.fact(&format!("{step}: git-lfs ÷ dits, {name}"), "", ratio, None);
        }
    }
}

type Number = fn(&Sample) -> Option<f64>;

/// Megabytes that a folder has grown by until both versions were pushed, life by life.
fn stored(row: &Row, number: fn(&Sample) -> Option<i64>) -> Vec<f64> {
    let of = |step| row.of(step, DITS, |s| number(s).map(|bytes| bytes as f64 / MB));
    let steps = ["add+commit", "push", "add+commit edited", "push edited"];
    steps.into_iter().map(of).reduce(|all, more| sums(&all, &more)).unwrap_or_default()
}
