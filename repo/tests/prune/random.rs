//! Whatever the sequence of commands, nothing that a root reaches is ever pruned.
//!
//! Random sequences of real git commands in a small repository with a linked worktree, some of which end in
//! conflicts, then a prune with a remote that claims to have everything. What must be whole then is found out
//! here with other commands than those of the code under test. Some of what is old and pushed must have gone in
//! the end, or nothing was tried. Each sequence comes from a seed, which is printed.

use crate::world::{DAY, World, pointer};
use dits_repo::index::{HashKind, blob_id};
use dits_repo::roots::Scope;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Contents that sequences draw from.
const CONTENTS: u64 = 40;
const FILES: u8 = 3;
const WORKTREES: [&str; 2] = ["repo", "linked"];
const BRANCHES: [&str; 3] = ["main", "one", "two"];
/// Seeds and sequences for each: a sequence takes about a second.
const SEEDS: std::ops::Range<u64> = 1..4;
const CASES: u32 = 4;

/// A command, in one of the worktrees.
#[derive(Debug, Clone)]
enum Step {
    Write(u8, u64),
    Add(u8, u64),
    Commit,
    Amend,
    Branch(u8),
    Checkout(u8),
    Detach,
    Stash,
    Unstash(bool),
    ResetHard(u8),
    Merge(u8),
    Rebase(u8),
    CherryPick(u8),
    Revert,
    Tag,
    Note(u64),
    Push(u8),
    /// Commits a content and pushes it at once.
    Publish(u8, u64),
    DeleteBranch(u8),
    Bisect,
    ExpireReflog,
    Days(u64),
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    let file = || 0..FILES;
    let branch = || 0..BRANCHES.len() as u8;
    let content = || 0..CONTENTS;
    let step = prop_oneof![
        2 => (file(), content()).prop_map(|(file, n)| Step::Write(file, n)),
        5 => (file(), content()).prop_map(|(file, n)| Step::Add(file, n)),
        5 => Just(Step::Commit),
        1 => Just(Step::Amend),
        2 => branch().prop_map(Step::Branch),
        2 => branch().prop_map(Step::Checkout),
        1 => Just(Step::Detach),
        2 => Just(Step::Stash),
        1 => any::<bool>().prop_map(Step::Unstash),
        2 => (1..3u8).prop_map(Step::ResetHard),
        2 => branch().prop_map(Step::Merge),
        1 => branch().prop_map(Step::Rebase),
        1 => branch().prop_map(Step::CherryPick),
        1 => Just(Step::Revert),
        1 => Just(Step::Tag),
        1 => content().prop_map(Step::Note),
        3 => branch().prop_map(Step::Push),
        10 => (file(), content()).prop_map(|(file, n)| Step::Publish(file, n)),
        1 => branch().prop_map(Step::DeleteBranch),
        1 => Just(Step::Bisect),
        1 => Just(Step::ExpireReflog),
        6 => (1..12u64).prop_map(Step::Days),
    ];
    (proptest::bool::weighted(0.3), step)
}

/// Does it; commands that do not fit the moment fail, as they would for anybody.
fn act(world: &mut World, linked: bool, step: &Step) {
    let worktree = WORKTREES[usize::from(linked)];
    let branch = |n: &u8| BRANCHES[usize::from(*n)];
    let name = |file: &u8| format!("{file}.bin");
    world.now += 60;
    let now = world.now.to_string();
    let commit = ["commit", "-q", "-a", "-m", "x"];
    let args: &[&str] = match step {
        Step::Write(file, n) => return world.write_pointer(worktree, &name(file), *n),
        Step::Add(file, n) => {
            world.write_pointer(worktree, &name(file), *n);
            &["add", "."]
        }
        Step::Days(days) => {
            world.now += days * DAY;
            return;
        }
        Step::Push(n) => {
            let (tracking, branch) = (format!("refs/remotes/origin/{}", branch(n)), branch(n));
            drop(world.try_git_in(worktree, &["update-ref", &tracking, &format!("refs/heads/{branch}")]));
            return;
        }
        Step::Publish(file, n) => {
            world.write_pointer(worktree, &name(file), *n);
            drop(world.try_git_in(worktree, &["add", "."]));
            drop(world.try_git_in(worktree, &commit));
            &["update-ref", "refs/remotes/origin/main", "HEAD"]
        }
        Step::Note(n) => {
            world.write_pointer(worktree, "note", *n);
            &["notes", "add", "-f", "-F", "note"]
        }
        Step::Commit => &commit,
        Step::Amend => &["commit", "-q", "--amend", "-m", "y"],
        Step::Branch(n) => &["branch", "-f", branch(n)],
        Step::Checkout(n) => &["checkout", "-q", branch(n)],
        Step::Detach => &["checkout", "-q", "--detach"],
        Step::Stash => &["stash", "push", "-q", "-u"],
        Step::Unstash(true) => &["stash", "pop", "-q"],
        Step::Unstash(false) => &["stash", "drop", "-q"],
        Step::ResetHard(n) => &["reset", "-q", "--hard", ["HEAD", "HEAD~1", "HEAD~2"][usize::from(*n)]],
        Step::Merge(n) => &["merge", "-q", "-m", "m", branch(n)],
        Step::Rebase(n) => &["rebase", "-q", branch(n)],
        Step::CherryPick(n) => &["cherry-pick", branch(n)],
        Step::Revert => &["revert", "--no-edit", "HEAD~1"],
        Step::Tag => &["tag", "-f", "-m", "x", &now],
        Step::DeleteBranch(n) => &["branch", "-q", "-D", branch(n)],
        Step::Bisect => &["bisect", "start", "HEAD", "HEAD~2"],
        Step::ExpireReflog => &["reflog", "expire", "--expire=now", "--all"],
    };
    drop(world.try_git_in(worktree, args));
}

/// What Git says, if it says anything.
fn lines(world: &World, worktree: &str, args: &[&str]) -> Vec<String> {
    let out = world.try_git_in(worktree, args);
    if !out.status.success() {
        return Vec::new();
    }
    String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
}

/// Blobs of commits and trees, each read once.
struct Blobs<'a> {
    world: &'a World,
    known: BTreeMap<String, BTreeSet<String>>,
}

impl Blobs<'_> {
    fn of(&mut self, worktree: &str, revision: &str) -> BTreeSet<String> {
        let read = || {
            let list = lines(self.world, worktree, &["ls-tree", "-r", revision]);
            list.iter().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect()
        };
        self.known.entry(format!("{worktree} {revision}")).or_insert_with(read).clone()
    }

    fn of_all(&mut self, revisions: &[String]) -> BTreeSet<String> {
        revisions.iter().flat_map(|revision| self.of("repo", revision)).collect()
    }
}

/// The blobs that must stay, by root.
fn roots(world: &World) -> Vec<(&'static str, BTreeSet<String>)> {
    let mut blobs = Blobs { world, known: BTreeMap::new() };
    let mut roots = Vec::new();
    for worktree in WORKTREES {
        roots.push(("HEAD", blobs.of(worktree, "HEAD")));
        let staged = lines(world, worktree, &["ls-files", "--stage"]);
        let ids = staged.iter().filter_map(|line| line.split_whitespace().nth(1));
        roots.push(("index", ids.map(str::to_owned).collect()));
        for name in
            ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "REVERT_HEAD", "ORIG_HEAD", "BISECT_HEAD"]
        {
            roots.push((name, blobs.of(worktree, name)));
        }
        for name in ["orig-head", "onto", "stopped-sha"] {
            let path = lines(world, worktree, &["rev-parse", "--git-path", &format!("rebase-merge/{name}")]);
            let file = world.path(worktree).join(&path[0]);
            let id = std::fs::read_to_string(file).unwrap_or_default();
            roots.push((name, blobs.of(worktree, id.trim())));
        }
    }
    for stash in lines(world, "repo", &["stash", "list", "--format=%H"]) {
        for part in ["", "^2", "^3"] {
            roots.push(("stash", blobs.of("repo", &format!("{stash}{part}"))));
        }
    }
    let since = world.now - 10 * DAY;
    let young = |line: &String| {
        let (time, id) = line.split_once(' ').expect("two words");
        (time.parse::<u64>().unwrap_or(0) > since).then(|| id.to_owned())
    };
    let heads = [
        "for-each-ref",
        "--format=%(creatordate:unix) %(objectname)",
        "refs/heads",
        "refs/tags",
        "refs/remotes",
    ];
    let recent: Vec<String> = lines(world, "repo", &heads).iter().filter_map(young).collect();
    roots.push(("recent", blobs.of_all(&recent)));
    for worktree in WORKTREES {
        let reflog = lines(world, worktree, &["reflog", "--all", "--date=unix", "--format=%gd %H"]);
        let time = |line: &String| Some(line.split_once("@{")?.1.replacen('}', "", 1));
        let recent: Vec<String> = reflog.iter().filter_map(time).filter_map(|line| young(&line)).collect();
        roots.push(("reflog", blobs.of_all(&recent)));
    }
    let pushed = blobs.of_all(&lines(world, "repo", &["rev-list", "--remotes=origin"]));
    let mut unpushed = lines(world, "repo", &["rev-list", "--all", "--reflog", "--not", "--remotes=origin"]);
    unpushed.extend(lines(world, "linked", &["rev-list", "HEAD", "--not", "--remotes=origin"]));
    let unpushed = blobs.of_all(&unpushed);
    roots.push(("unpushed", unpushed.difference(&pushed).cloned().collect()));
    roots
}

#[test]
fn nothing_that_a_root_reaches_is_ever_pruned() {
    let known: BTreeMap<String, u64> = (0..CONTENTS)
        .map(|n| (blob_id(HashKind::Sha1, &pointer(n)).iter().map(|byte| format!("{byte:02x}")).collect(), n))
        .collect();
    let (pruned, kept) = (Cell::new(0), Cell::new(0));
    for seed in SEEDS {
        println!("seed {seed}");
        let config = ProptestConfig {
            cases: CASES,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            max_shrink_iters: 60,
            ..ProptestConfig::default()
        };
        let steps = (proptest::collection::vec(step(), 20..45), any::<bool>(), any::<bool>());
        let result = TestRunner::new(config).run(&steps, |(steps, recent, aged)| {
            let mut world = World::new();
            world.fill(CONTENTS);
            world.commit("0.bin", 0);
            world.git(&["worktree", "add", "-q", "-b", "one", "../linked"]);
            steps.iter().for_each(|(linked, step)| act(&mut world, *linked, step));
            world.now += if aged { 20 * DAY } else { 0 };
            let roots = roots(&world);
            let pushed = lines(&world, "repo", &["rev-list", "--objects", "--remotes=origin"]);
            world.prune(if recent { Scope::NotRecent } else { Scope::Usual });
            for (root, blobs) in
                roots.iter().filter(|(root, _)| !(recent && ["recent", "reflog"].contains(root)))
            {
                for n in blobs.iter().filter_map(|blob| known.get(blob)) {
                    prop_assert!(world.is_whole(*n), "content {} of root '{}' was pruned", n, root);
                    kept.set(kept.get() + 1);
                }
            }
            let old = pushed.iter().filter_map(|line| known.get(line.split(' ').next()?));
            pruned.set(pruned.get() + old.filter(|n| !world.is_whole(**n)).count());
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(why, steps)) => panic!("seed {seed}: {why}\n{steps:#?}"),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    println!("{} pushed contents pruned, {} found whole", pruned.get(), kept.get());
    assert!(pruned.get() > 10 && kept.get() > 150, "too little was tried");
}
