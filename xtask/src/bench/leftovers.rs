//! What runs that were killed have left: their folders, and servers that still listen.
//!
//! The folder of a run says which process it is of, by its id and when that started, as ids come again. Only where that process is gone the
//! folder goes too, after whatever still runs in it. A folder that says nothing is left alone: it may be a run's that has
//! just begun.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{corpus, proc};

/// How the folders of runs begin.
pub(super) const PREFIX: &str = "dits-bench.";
/// The file in them that says whose they are.
const OWNER: &str = "pid";

/// Writes down that a folder is this process's.
pub(super) fn sign(folder: &Path) -> std::io::Result<()> {
    let own = std::process::id();
    fs::write(folder.join(OWNER), format!("{own} {}", proc::started(own).unwrap_or(0)))
}

/// Removes what dead runs left below `tmp`; what cannot be removed is told, and no reason to stop.
pub(super) fn remove(tmp: &Path) {
    for entry in fs::read_dir(tmp).into_iter().flatten().flatten() {
        let folder = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) || !is_dead(&folder) {
            continue;
        }
        eprintln!("removing '{}', which a killed run has left", folder.display());
        let gone = end_all_in(&folder).and_then(|()| Ok(fs::remove_dir_all(&folder)?));
        if let Err(error) = gone {
            eprintln!("warning: cannot remove '{}': {error:#}", folder.display());
        }
    }
}

fn is_dead(folder: &Path) -> bool {
    let owner = fs::read_to_string(folder.join(OWNER)).unwrap_or_default();
    let numbers = owner.split_once(' ').and_then(|(id, at)| Some((id.parse().ok()?, at.parse().ok()?)));
    numbers.is_some_and(|(id, at): (u32, u64)| proc::started(id) != Some(at))
}

/// Servers run in a folder of their run.
fn end_all_in(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.canonicalize()?;
    let runs_there = |pid: &u32| {
        let at = fs::read_link(PathBuf::from(format!("/proc/{pid}/cwd")));
        at.is_ok_and(|at| at.starts_with(&folder))
    };
    let pids: Vec<String> = proc::all().filter(runs_there).map(|pid| pid.to_string()).collect();
    if pids.is_empty() {
        return Ok(());
    }
    corpus::run(Command::new("sh").args(["-c", "kill -9 \"$@\"", "sh"]).args(pids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn only_what_dead_runs_left_is_removed_with_its_servers() {
        let tmp = tempfile::tempdir().unwrap();
        let [dead, alive, unsigned, other] =
            ["dits-bench.a", "dits-bench.b", "dits-bench.c", "other"].map(|name| tmp.path().join(name));
        for folder in [&dead, &alive, &unsigned, &other] {
            fs::create_dir_all(folder.join("place")).unwrap();
        }
        sign(&alive).unwrap();
        // The id is somebody else's by now.
        fs::write(dead.join(OWNER), format!("{} 1", std::process::id())).unwrap();
        fs::copy(dead.join(OWNER), other.join(OWNER)).unwrap();
        let server = |folder: &Path| {
            Command::new("cat").current_dir(folder.join("place")).stdin(Stdio::piped()).spawn().unwrap()
        };
        let (mut lost, mut kept) = (server(&dead), server(&alive));
        remove(tmp.path());
        assert_eq!(
            [&dead, &alive, &unsigned, &other].map(|folder| folder.exists()),
            [false, true, true, true]
        );
        // The other ends with its input.
        assert!(!lost.wait().unwrap().success() && kept.wait().unwrap().success());
    }
}
