//! The twin: the same scripts with Git alone.
//!
//! Its results do not depend on how an index is kept, so shapes share them: they are computed by the first
//! that needs them.

use crate::boxes::Box;
use crate::run::snapshot;
use crate::shapes::{BUILT, Origin, Shape};
use crate::snapshot::Snapshot;
use crate::steps::Story;
use dits_tests::{InstalledGit, World, gits};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

/// A snapshot for each step of each story.
pub type Results = Vec<Vec<Snapshot>>;

type Key = ((u32, u32), &'static str);
type Shared = Mutex<HashMap<Key, Arc<OnceLock<Results>>>>;

static KNOWN: LazyLock<Shared> = LazyLock::new(Shared::default);

/// What plain Git makes of `stories` in the twin of `shape`.
pub fn results(git: &InstalledGit, shape: &Shape, stories: &[Story]) -> Arc<OnceLock<Results>> {
    let cell =
        KNOWN.lock().expect("nobody panics with it").entry((git.version, shape.twin)).or_default().clone();
    cell.get_or_init(|| compute(git.version, shape, stories));
    cell
}

fn compute(version: (u32, u32), shape: &Shape, stories: &[Story]) -> Results {
    let world = World::in_memory();
    let git = gits(&world).into_iter().find(|git| git.version == version).expect("it was there");
    let user = world.plain_user("twin");
    user.git(&["config", "--global", "protocol.file.allow", "always"]);
    let url = |name: &str| {
        let path = world.path().join(format!("{name}.git"));
        git.used_by(&user).git(&["init", "-q", "--bare", &path.display().to_string()]);
        format!("file://{}", path.display())
    };
    let own = [Origin::Bare, Origin::Super].contains(&shape.origin) || shape.twin == "sparse";
    let shape = if own { *shape } else { BUILT };
    let made = Box::build(&world, &user, &git, &shape, &url);
    let (mut results, mut failed) = (Results::new(), Vec::new());
    for story in stories {
        made.refill(&shape);
        let mut snapshots = Vec::new();
        for step in *story {
            let ran = made.run(step);
            if ran.code != Some(0) {
                failed.push(format!("'{}': {}{}", step.name, ran.text(), ran.said()));
                break;
            }
            snapshots.push(snapshot(&made, step));
        }
        results.push(snapshots);
    }
    assert!(failed.is_empty(), "scripts that fail with {} alone:\n{}", git.name(), failed.join("\n"));
    results
}
