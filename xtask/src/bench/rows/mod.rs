//! The kinds of work that are measured, in the order of the report: one file for each idea.
//!
//! A row that fails is told at the end, and leaves what an earlier run knew of it; of a long one, what it has found until then.

mod add;
mod grow;
mod hydrate;
mod life;
mod locks;
mod many;
mod scan;
mod small;
mod sparse;
mod startup;
mod status;
mod transfer;

use std::path::Path;

use super::peers::Peer;
use super::report::{Goal, Row};
use super::rig::Rig;

/// A row by its name: what it is, and how it is measured beside the others.
pub(super) struct Work {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) run: fn(&Rig, &[Peer], &mut Row) -> anyhow::Result<()>,
}

pub(super) const ALL: [Work; 16] = [
    Work { name: "file", title: "The life of one large file", run: life::file },
    Work { name: "tree", title: "The life of many files", run: life::tree },
    Work { name: "locks", title: "Locks", run: locks::run },
    Work { name: "scan", title: "Finding cut points", run: scan::run },
    Work { name: "ingest", title: "A new large file into the store", run: add::ingest },
    Work { name: "filter", title: "git add of a large file through the filter's pipe", run: add::filter },
    Work { name: "edits", title: "git add after small edits", run: add::edits },
    Work { name: "hydrate", title: "A large file out of the store", run: hydrate::run },
    Work { name: "status", title: "git status after clone and checkout", run: status::run },
    Work { name: "transfer", title: "Push and pull beside bare transports", run: transfer::run },
    Work { name: "sparse", title: "Push of one edit in a huge file", run: sparse::run },
    Work { name: "noop", title: "A push with nothing to do in a long history", run: many::noop },
    Work { name: "startup", title: "Start of git dits", run: startup::run },
    Work { name: "grow-file", title: "Growth with the size of a file", run: grow::file },
    Work { name: "grow-tree", title: "Growth with the number of files", run: grow::tree },
    Work { name: "grow-store", title: "Growth with the chunks of a store", run: grow::store },
];

/// The names of all, and of the micro-benches, in the order of the report.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|work| work.name).chain(["micro"]).collect()
}

/// Goals are for the sizes that they were set for.
fn goal(rig: &Rig, goal: Goal) -> Option<Goal> {
    (rig.sizes.name == "full").then_some(goal)
}

/// A repository of ours without a server, which manages `*.bin`.
fn repository(rig: &Rig, place: &Path) -> anyhow::Result<super::rig::User> {
    let user = rig.user(place)?;
    user.run(place, &["git-dits", "install"])?;
    user.run(place, &["git", "init", "-q", "work"])?;
    let work = place.join("work");
    user.run(&work, &["git", "dits", "track", "*.bin"])?;
    user.run(&work, &["git", "add", "."])?;
    user.run(&work, &["git", "commit", "-qm", "start"])?;
    Ok(user)
}
