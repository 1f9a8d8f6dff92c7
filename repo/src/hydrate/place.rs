//! Putting files that were rebuilt in the places of their pointers.
//!
//! A file and its pointer are exchanged in one step, and what came out is looked at: if somebody put something else there since
//! we looked, it goes back, and our file goes. A crash leaves the one or the other in place, and the pointer or the file among
//! the temporary ones, which are removed later.
//!
//! What must hold: nothing that is not the pointer we looked at is ever removed or overwritten. Where a file system cannot exchange
//! files (NFS), only up to the moment between our last look and the rename.

use super::Outcome;
use super::draft::Written;
use super::parts::in_parts;
use crate::RepoError;
use crate::index::Stat;
use dits_format::Pointer;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that has its content.
#[derive(Debug)]
pub struct Placed {
    /// Path from the top of the working tree.
    pub path: Vec<u8>,
    /// What Git has for it: the pointer, or nothing for the empty content.
    pub blob: Vec<u8>,
    /// What Git shall find in its index.
    pub stat: Stat,
}

/// Puts all files in the places of their pointers, unless those changed meanwhile.
pub fn place_all(written: Vec<Written>, outcome: &mut Outcome) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(written.len());
    for (path, done) in in_parts(written, place_each) {
        match done {
            Ok(file) => placed.extend(file),
            Err(error) => outcome.failed.push((path, error)),
        }
    }
    placed
}

type Done = (Vec<u8>, Result<Option<Placed>, RepoError>);

fn place_each(written: Vec<Written>) -> Vec<Done> {
    let place = |mut file: Written| {
        let done = place(&mut file);
        let path = std::mem::take(&mut file.due.path);
        let blob = file.due.pointer.as_ref().map_or_else(Vec::new, Pointer::encode);
        let placed = done.map(|stat| stat.map(|stat| Placed { path: path.clone(), blob, stat }));
        (path, placed)
    };
    written.into_iter().map(place).collect()
}

/// `None` when the path is no longer the pointer we looked at.
fn place(file: &mut Written) -> Result<Option<Stat>, RepoError> {
    let target = file.due.full.clone();
    let same = |a: &fs::Metadata, b: &fs::Metadata| {
        let key = |m: &fs::Metadata| (m.ino(), m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        key(a) == key(b)
    };
    if !fs::symlink_metadata(&target).is_ok_and(|now| same(&now, &file.due.meta)) {
        return Ok(None);
    }
    let mut moved = move_to(file, &target);
    if moved.as_ref().is_err_and(|error| error.kind() == ErrorKind::CrossesDevices) {
        file.temporary = copy_beside(&target, &file.temporary).map_err(RepoError::io("write", &target))?;
        file.meta = look(&file.temporary)?;
        moved = move_to(file, &target);
    }
    if !moved.map_err(RepoError::io("write", &target))? {
        return Ok(None);
    }
    let now = look(&target)?;
    // Somebody who replaced it at once has a modified file, and Git must see that.
    let before = &file.meta;
    let ours = (now.ino(), now.len(), now.mtime()) == (before.ino(), before.len(), before.mtime());
    Ok(ours.then(|| Stat::from_metadata(&now)))
}

/// Exchanges a file for its pointer, which goes; false when something else was put there since we looked, which stays. Where
/// nothing can be exchanged the file is renamed over the pointer.
///
/// A rename is slower, too: ext4 begins to write out a file that is renamed over another, for programs that forget to sync, so a
/// large file, or many, would wait for the disk here.
fn move_to(file: &mut Written, target: &Path) -> std::io::Result<bool> {
    move_by(swap, file, target)
}

/// The same, given how two files are exchanged here.
fn move_by(
    swap: impl Fn(&Path, &Path) -> Result<(), Errno>,
    file: &mut Written,
    target: &Path,
) -> std::io::Result<bool> {
    match swap(&file.temporary, target) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            rename(&file.temporary, target)?;
            file.placed = true;
            return Ok(true);
        }
        Err(Errno::NOENT) if file.temporary.exists() => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let key = |meta: &fs::Metadata| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
    let is_pointer = fs::symlink_metadata(&file.temporary).is_ok_and(|old| key(&old) == key(&file.due.meta));
    if !is_pointer && swap(&file.temporary, target).is_err() {
        rename(&file.temporary, target)?;
    }
    Ok(is_pointer)
}

#[expect(
    clippy::disallowed_methods,
    reason = "Git does not sync working tree files either; chunks are safe in the store"
)]
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)
}

/// Exchanges two files in one step.
pub(crate) fn swap(one: &Path, other: &Path) -> Result<(), Errno> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

/// Moves a temporary file to beside its target. A folder that is a mount of the same file system has the same
/// device, and yet no rename reaches into it.
fn copy_beside(target: &Path, from: &Path) -> std::io::Result<PathBuf> {
    let to = target.with_file_name(from.file_name().unwrap_or_default());
    let set_time = || File::open(&to)?.set_modified(fs::metadata(from)?.modified()?);
    let done = fs::copy(from, &to).and_then(|_| set_time());
    let _ = fs::remove_file(if done.is_ok() { from } else { &to });
    done.map(|()| to)
}

/// What lies at `path`, a link itself and not what it leads to.
pub(crate) fn look(path: &Path) -> Result<fs::Metadata, RepoError> {
    fs::symlink_metadata(path).map_err(RepoError::io("look at", path))
}

#[cfg(test)]
mod tests {
    use super::super::parts::PART_FILES_MIN;
    use super::super::plan::Due;
    use super::*;

    /// A file to be placed at `at`, over the pointer that stands there.
    fn written(dir: &Path, at: &str) -> Written {
        let (full, temporary) = (dir.join(at), dir.join(format!("{at}.tmp")));
        fs::write(&full, "pointer").unwrap();
        fs::write(&temporary, "content").unwrap();
        let due =
            Due { path: at.into(), meta: fs::metadata(&full).unwrap(), full, pointer: None, mode: 0o644 };
        Written { due, meta: fs::metadata(&temporary).unwrap(), temporary, placed: false }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_stand_for_their_pointers_in_the_order_they_came() {
        let dir = tempfile::tempdir().unwrap();
        let count = 2 * PART_FILES_MIN + 7;
        let files = (0..count).map(|at| written(dir.path(), &format!("{at:04}"))).collect();
        let mut outcome = Outcome::default();
        let placed = place_all(files, &mut outcome);
        assert!(outcome.failed.is_empty());
        assert!(
            placed
                .iter()
                .map(|file| file.path.clone())
                .eq((0..count).map(|at| format!("{at:04}").into_bytes()))
        );
        assert_eq!(names(dir.path()).len(), count, "pointers are gone");
        assert!(names(dir.path()).iter().all(|name| fs::read(dir.path().join(name)).unwrap() == b"content"));
    }

    #[test]
    fn what_somebody_put_there_after_we_looked_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = written(dir.path(), "a");
        fs::remove_file(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a"), "work of hours").unwrap();
        assert!(!move_to(&mut file, &dir.path().join("a")).unwrap());
        drop(file);
        assert_eq!(
            (names(dir.path()), fs::read(dir.path().join("a")).unwrap()),
            (vec!["a".to_owned()], b"work of hours".to_vec())
        );
        let mut file = written(dir.path(), "b");
        fs::remove_file(dir.path().join("b")).unwrap();
        assert!(!move_to(&mut file, &dir.path().join("b")).unwrap(), "what was deleted stays so");
        drop(file);
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn where_nothing_can_be_exchanged_the_file_is_renamed_over_its_pointer() {
        let dir = tempfile::tempdir().unwrap();
        for error in [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP] {
            let mut file = written(dir.path(), "a");
            assert!(move_by(|_, _| Err(error), &mut file, &dir.path().join("a")).unwrap());
            drop(file);
            assert_eq!(
                (names(dir.path()), fs::read(dir.path().join("a")).unwrap()),
                (vec!["a".to_owned()], b"content".to_vec())
            );
        }
        let mut file = written(dir.path(), "b");
        let refused = move_by(|_, _| Err(Errno::ACCESS), &mut file, &dir.path().join("b")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        drop(file);
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"pointer", "any other error leaves it");
        assert_eq!(names(dir.path()), ["a", "b"]);
    }
}
