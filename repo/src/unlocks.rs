//! Locks that are to be given back once a push has landed: noted before the push, settled when the tracking ref shows it.
//!
//! One JSON file, `dits/unlock.json` in Git's common folder: written whole, under a lock of its own, and durably. A push that failed leaves
//! its note, which the next push to the same branch replaces. A file that cannot be read counts as none: then locks stay until somebody
//! unlocks them, and nothing is lost.

use crate::{RepoError, Repository};
use dits_lock::LockId;
use dits_store::{StoreError, durable};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Bytes of the file.
const BYTES_MAX: u64 = 16 << 20;
/// Notes in it; the oldest go first.
const NOTES_MAX: usize = 100;

/// Locks to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlocks {
    /// Who keeps them, as in the lock cache.
    pub server: String,
    /// The remote.
    pub remote: String,
    /// The branch there, without `refs/heads/`.
    pub branch: String,
    /// What it has to contain first.
    pub commit: String,
    /// The locks.
    pub locks: Vec<LockId>,
}

/// What is noted.
pub fn load(repository: &Repository) -> Result<Vec<Unlocks>, RepoError> {
    let path = path(repository);
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(meta) if meta.len() > BYTES_MAX => return Ok(Vec::new()),
        _ => {}
    }
    let bytes = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Adds notes; those of the same remote and branch go.
pub fn add(repository: &Repository, new: Vec<Unlocks>) -> Result<(), RepoError> {
    update(repository, |notes| {
        notes
            .retain(|note| !new.iter().any(|new| (&new.remote, &new.branch) == (&note.remote, &note.branch)));
        notes.extend(new);
        let surplus = notes.len().saturating_sub(NOTES_MAX);
        notes.drain(..surplus);
    })
}

/// Takes out a note, if it is still as it was.
pub fn remove(repository: &Repository, done: &Unlocks) -> Result<(), RepoError> {
    update(repository, |notes| notes.retain(|note| note != done))
}

fn update(repository: &Repository, change: impl FnOnce(&mut Vec<Unlocks>)) -> Result<(), RepoError> {
    let (path, modes) = (path(repository), repository.modes()?);
    let folder = path.with_file_name("");
    durable::create_shared_dir(&folder, modes)?;
    let turn = durable::lock_file(&path.with_extension("lock"), modes)?;
    turn.lock().map_err(StoreError::io("lock", &path))?;
    let before = load(repository)?;
    let mut notes = before.clone();
    change(&mut notes);
    if notes != before {
        let json = serde_json::to_vec(&notes).map_err(|e| StoreError::io("write", &path)(e.into()))?;
        durable::write_file(&folder, &path, &json, modes)?;
    }
    Ok(())
}

fn path(repository: &Repository) -> PathBuf {
    repository.common_dir.join("dits").join("unlock.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Git;

    #[test]
    fn a_later_push_to_the_branch_replaces_the_note() {
        let dir = tempfile::tempdir().unwrap();
        Git::at(dir.path()).run(&["init", "-q"]).unwrap();
        let repository = Repository::find(dir.path()).unwrap();
        let note = |branch: &str, id: u64| Unlocks {
            server: "s".into(),
            remote: "origin".into(),
            branch: branch.into(),
            commit: "c".into(),
            locks: vec![LockId(id)],
        };
        add(&repository, vec![note("main", 1), note("task", 2)]).unwrap();
        add(&repository, vec![note("main", 3)]).unwrap();
        assert_eq!(load(&repository).unwrap(), [note("task", 2), note("main", 3)]);
        remove(&repository, &note("main", 1)).unwrap();
        remove(&repository, &note("task", 2)).unwrap();
        assert_eq!(load(&repository).unwrap(), [note("main", 3)], "what is no longer so is not taken out");
        add(&repository, (0..200).map(|i| note(&i.to_string(), i)).collect()).unwrap();
        assert_eq!(load(&repository).unwrap().len(), NOTES_MAX);
        std::fs::write(path(&repository), "[").unwrap();
        assert_eq!(load(&repository).unwrap(), []);
    }
}
