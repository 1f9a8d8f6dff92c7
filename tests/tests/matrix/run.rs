//! Runs all stories in one shape with each Git, and compares with the twin.
//!
//! Everything is collected before the test fails, so one run shows the whole picture.

use crate::boxes::Box;
use crate::known::{self, Exception};
use crate::shapes::Shape;
use crate::snapshot::{self, Snapshot};
use crate::steps::{Place, Step, Story};
use crate::twin;
use dits_tests::{InstalledGit, Server, User, World, gits};

/// What was done.
#[derive(Debug, Default)]
struct Counts {
    commands: usize,
    filter_starts: usize,
    cleans: u64,
    smudges: u64,
    status_reads: u64,
}

/// Asserts that everything holds in `shape`.
#[expect(clippy::print_stdout, reason = "the counts, for those who ask with --nocapture")]
pub fn shape(shape: &Shape, stories: &[Story]) {
    let world = World::in_memory();
    let server = world.server();
    let user = world.user("ann");
    let mut faults = Vec::new();
    for git in gits(&world).into_iter().filter(|git| git.version >= shape.since) {
        let counts = with_git(&world, &server, &user, &git, shape, stories, &mut faults);
        println!("{} with {}: {counts:?}", shape.name, git.name());
    }
    assert!(faults.is_empty(), "{} faults in shape '{}':\n{}", faults.len(), shape.name, faults.join("\n"));
}

fn with_git(
    world: &World,
    server: &Server,
    user: &User,
    git: &InstalledGit,
    shape: &Shape,
    stories: &[Story],
    faults: &mut Vec<String>,
) -> Counts {
    let expected = twin::results(git, shape, stories);
    let expected = expected.get().expect("it was computed just now");
    let made = Box::build(world, user, git, shape, &|name| server.url(&format!("team/{name}")));
    let mut counts = Counts::default();
    for (story, expected) in stories.iter().zip(expected) {
        made.refill(shape);
        for (step, expected) in story.iter().zip(expected) {
            let mut found = Vec::new();
            let exception = known::find(shape.name, step.name);
            let goes_on = take(&made, step, expected, exception, &mut counts, &mut found);
            faults.extend(found.into_iter().map(|fault| format!("{}, '{}': {fault}", git.name(), step.name)));
            if !goes_on {
                break;
            }
        }
    }
    counts
}

/// One step; whether the story can go on.
fn take(
    made: &Box,
    step: &Step,
    expected: &Snapshot,
    exception: Option<&Exception>,
    counts: &mut Counts,
    faults: &mut Vec<String>,
) -> bool {
    let user = made.repo(Place::Here).user().clone();
    let mut ran = None;
    let watch = user.watch(|| ran = Some(made.run(step)));
    let ran = ran.expect("it ran");
    counts.commands += 1;
    counts.filter_starts += watch.filter_starts;
    counts.cleans += watch.cleans;
    counts.smudges += watch.smudges;
    if ran.code != Some(0) {
        faults.push(format!("it failed:\n{ran}"));
        return false;
    }
    let mut now = None;
    let watch = user.watch(|| now = Some(snapshot(made, step)));
    let now = now.expect("it was taken");
    let mut differences = now.differences(expected);
    counts.status_reads += watch.cleans;
    if (watch.filter_starts, watch.cleans) != (0, 0) {
        let again = user.watch(|| drop(snapshot(made, step)));
        differences.push(match again.cleans {
            0 => format!("the first status reads {} files", watch.cleans),
            each => format!("each status reads {each} files"),
        });
    } else if now.status.is_empty() && watch.scans > 0 {
        differences.push(format!("status looks closely at {} files", watch.scans));
    }
    differences.extend(made.leftovers().into_iter().map(|path| format!("left behind: {path}")));
    match exception {
        Some(exception) => faults.extend(exception.faults(&differences)),
        None => faults.extend(differences),
    }
    true
}

/// The place of a step as it is now.
pub fn snapshot(made: &Box, step: &Step) -> Snapshot {
    let repo = made.repo(step.place);
    let status = match step.place {
        Place::Folder(_) => String::new(),
        Place::Here | Place::Tree(_) => repo.status(),
    };
    Snapshot { status, files: snapshot::files(repo.path()) }
}
