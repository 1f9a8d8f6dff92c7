//! A large file into the store: by `git dits add` beside `cp`, through the filter's pipe beside a filter that only
//! drains it, and again after small edits.
//!
//! What is compared runs by turns, so the ratios are of neighbours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::corpus;
use super::super::peers::Peer;
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Step, User, path, say, words};
use super::super::stats::ratios;
use super::{goal, small};

const WALL: fn(&Sample) -> Option<f64> = |s| Some(s.wall);
const CPU: fn(&Sample) -> Option<f64> = |s| Some(s.cpu);

/// A repository in which a large file is new each time.
pub(super) struct Fresh {
    pub(super) user: User,
    place: PathBuf,
}

impl Fresh {
    pub(super) fn new(rig: &Rig) -> anyhow::Result<Fresh> {
        let place = rig.place("add")?;
        Ok(Fresh { user: super::repository(rig, &place)?, place })
    }

    pub(super) fn work(&self) -> PathBuf {
        self.place.join("work")
    }

    /// Leaves nothing in the store.
    pub(super) fn empty(&self, rig: &Rig) -> anyhow::Result<()> {
        ["objects", "index"].iter().try_for_each(|name| rig.clear(&self.work().join(".git/dits").join(name)))
    }

    /// Puts the file where the store has nothing of it.
    fn reset(&self, rig: &Rig, file: &Path) -> anyhow::Result<()> {
        self.empty(rig)?;
        // Whether the file is the index's is nobody's question here, and the drain's never is.
        self.user.run(&self.work(), &["git", "rm", "-qf", "--cached", "--ignore-unmatch", "large.bin"])?;
        Ok(fs::copy(file, self.work().join("large.bin")).map(drop)?)
    }

    fn measure(
        &self,
        rig: &Rig,
        row: &mut Row,
        step: &str,
        peer: &str,
        commands: &[&str],
    ) -> anyhow::Result<()> {
        let commands = commands.iter().map(|line| words(line)).collect();
        let sample = rig.measure(&Step::new(&self.user, &self.work(), commands))?;
        say(peer, step, &sample);
        row.add(step, peer, sample);
        Ok(())
    }
}

pub(in super::super) fn ingest(rig: &Rig, others: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let [v1, _] = rig.large()?;
    row.note(format!(
        "{} bytes by 'git dits add', 'cp', and 'cp' with the copy synced, by turns.",
        fs::metadata(&v1)?.len()
    ));
    let fresh = Fresh::new(rig)?;
    let (cp, sync) = (format!("cp {} ../copy", path(&v1)), "sync ../copy");
    let lfs = others.iter().any(|peer| peer.name == "git-lfs");
    for _ in 0..rig.sizes.runs {
        fresh.reset(rig, &v1)?;
        fresh.measure(rig, row, "copy", "cp", &[&cp])?;
        fs::remove_file(fresh.place.join("copy"))?;
        fresh.measure(rig, row, "add", "dits", &["git dits add large.bin"])?;
        fresh.measure(rig, row, "copy", "cp + sync", &[&cp, sync])?;
        fs::remove_file(fresh.place.join("copy"))?;
        if lfs {
            lfs_add(rig, row, &v1)?;
        }
    }
    let of = |step: &str, peer: &str, number| row.of(step, peer, number);
    let facts = [
        ("cp ÷ dits, wall", ratios(&of("copy", "cp", WALL), &of("add", "dits", WALL)), Goal::AtLeast(0.85)),
        (
            "cp + sync ÷ dits, wall",
            ratios(&of("copy", "cp + sync", WALL), &of("add", "dits", WALL)),
            Goal::AtLeast(0.85),
        ),
        (
            "git-lfs ÷ dits, CPU",
            ratios(&of("add", "git-lfs", CPU), &of("add", "dits", CPU)),
            Goal::AtLeast(5.0),
        ),
    ];
    for (what, values, wanted) in facts {
        row.fact(what, "", values, goal(rig, wanted));
    }
    rig.clear(&fresh.place)
}

/// The same file into a repository of git-lfs.
fn lfs_add(rig: &Rig, row: &mut Row, file: &Path) -> anyhow::Result<()> {
    let place = rig.place("add-lfs")?;
    let (user, work) = (rig.user(&place)?, place.join("work"));
    user.run(&place, &["git", "lfs", "install", "--skip-repo"])?;
    user.run(&place, &["git", "init", "-q", "work"])?;
    user.run(&work, &["git", "lfs", "track", "*.bin"])?;
    fs::copy(file, work.join("large.bin"))?;
    let sample = rig.measure(&Step::new(&user, &work, vec![words("git add large.bin")]))?;
    say("git-lfs", "add", &sample);
    row.add("add", "git-lfs", sample);
    rig.clear(&place)
}

pub(in super::super) fn filter(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let [v1, _] = rig.large()?;
    let drain = rig.example("dits-filter", "drain")?;
    row.note("'git add' of the large file, by turns with our filter and with one that reads the pipe to its end and does nothing.");
    let fresh = Fresh::new(rig)?;
    let drained = format!("git -c filter.dits.process={} add large.bin", path(&drain));
    for _ in 0..rig.sizes.runs {
        fresh.reset(rig, &v1)?;
        fresh.measure(rig, row, "git add", "drain", &[&drained])?;
        fresh.reset(rig, &v1)?;
        fresh.measure(rig, row, "git add", "dits", &["git add large.bin"])?;
    }
    let ratio = ratios(&row.of("git add", "drain", WALL), &row.of("git add", "dits", WALL));
    row.fact("drain ÷ dits, wall", "", ratio, goal(rig, Goal::AtLeast(0.8)));
    row.fact(
        "our filter's peak RSS",
        "MiB",
        row.of("git add", "dits", |s| Some(s.own_rss? as f64 / 1_048_576.0)),
        None,
    );
    through_one_filter(rig, &fresh, row, path(&drain))?;
    rig.clear(&fresh.place)
}

/// Small files, for which `git add` would be the larger part.
fn through_one_filter(rig: &Rig, fresh: &Fresh, row: &mut Row, drain: &str) -> anyhow::Result<()> {
    let count = rig.sizes.small_files;
    row.note(format!("{count} files of {} bytes to one filter process over its pipes, without Git, from its start to its end.", small::BYTES));
    for _ in 0..rig.sizes.runs {
        small::run(rig, fresh, row, "drain", &[drain])?;
        small::run(rig, fresh, row, "dits", &["git-dits", "filter-process"])?;
    }
    let ms = |peer: &str| row.of(small::STEP, peer, |s| Some(s.wall * 1000.0 / count as f64));
    let (ours, drained) = (ms("dits"), ms("drain"));
    row.fact("a small file through the filter", "ms", ours, goal(rig, Goal::AtMost(0.1)));
    row.fact("a small file through the drain", "ms", drained, None);
    Ok(())
}

pub(in super::super) fn edits(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let [v1, _] = rig.large()?;
    let fresh = Fresh::new(rig)?;
    let (user, work) = (&fresh.user, fresh.work());
    fresh.reset(rig, &v1)?;
    user.run(&work, &["git", "add", "large.bin"])?;
    user.run(&work, &["git", "commit", "-qm", "v1"])?;
    let (count, edits) = (rig.sizes.edits, rig.sizes.edits as f64);
    row.note(format!("{count} edits of 1 to 4096 bytes, each time others of the same first version. Nodes are the tree above the content's chunks, its manifest among them. Counted by 'git dits du'."));
    let bytes = || corpus::count(&work.join(".git/dits/objects")).map(|(_, bytes)| bytes as f64 / 1e6);
    let first = bytes()?;
    for round in 0..rig.sizes.runs as u64 {
        // The index knows the first version again, and nothing is read for it.
        user.run(&work, &["git", "read-tree", "HEAD"])?;
        corpus::edited(&v1, &work.join("large.bin"), count, round)?;
        let before = (chunks(user, &work)?, bytes()?);
        fresh.measure(rig, row, "git add edited", "dits", &["git add large.bin"])?;
        let after = (chunks(user, &work)?, bytes()?);
        let contents = (after.0.content - before.0.content) / edits;
        let nodes = (after.0.nodes - before.0.nodes) / edits;
        row.fact("chunks of content stored for each edit", "", vec![contents], goal(rig, Goal::AtMost(2.0)));
        row.fact("nodes stored for each edit", "", vec![nodes], None);
        row.fact("store with both versions", "MB", vec![first + after.1 - before.1], None);
    }
    rig.clear(&fresh.place)
}

/// What a store holds: pieces of content, and what says how these make up contents.
#[derive(Debug, PartialEq)]
pub(super) struct Chunks {
    pub(super) content: f64,
    nodes: f64,
}

pub(super) fn chunks(user: &User, work: &Path) -> anyhow::Result<Chunks> {
    let said = user.run(work, &["git", "dits", "du", "--json"])?;
    let json: serde_json::Value = serde_json::from_str(&said)?;
    let number = |name: &str| json.get(name).and_then(serde_json::Value::as_f64);
    let both = number("chunks").zip(number("data_chunks"));
    let (all, content) = both.with_context(|| format!("no chunks in 'git dits du --json': {said}"))?;
    Ok(Chunks { content, nodes: all - content })
}
