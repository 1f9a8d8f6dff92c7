//! Folders of many files that nobody needs any more, kept until the row is over.
//!
//! For five minutes after a file was deleted, ext4 does not give its inode to a new one, and looks at each such inode again for every file that
//! is created: for 33,891 empty files `cp -r` took 12 s of system time right after as many had been removed, and 0.6 s else. So a folder of many files is moved
//! away and its files lose their bytes, which gives the disk back and frees no inode. What has few files is removed at once.

use std::cell::Cell;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::corpus;

/// Deleting so many files harms nobody.
const FEW: u64 = 500;

#[derive(Debug)]
pub(super) struct Graves {
    folder: PathBuf,
    next: Cell<u64>,
}

impl Graves {
    /// Below `folder`, on the same disk as whatever is put there.
    pub(super) fn new(folder: PathBuf) -> Graves {
        Graves { folder, next: Cell::new(0) }
    }

    /// Takes `place` out of the way; nothing there is fine.
    pub(super) fn bury(&self, place: &Path) -> anyhow::Result<()> {
        if corpus::count(place)?.0 <= FEW {
            return removed(place);
        }
        fs::create_dir_all(&self.folder)?;
        let number = self.next.replace(self.next.get() + 1);
        let grave = self.folder.join(number.to_string());
        #[expect(clippy::disallowed_methods, reason = "nothing of it has to outlive this run")]
        fs::rename(place, &grave)?;
        Ok(empty(&grave)?)
    }

    /// Removes all that was put there.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        removed(&self.folder)
    }
}

fn removed(place: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Takes the bytes of all files below `folder`, and follows no links.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            empty(&entry)?;
        } else if kind.is_file() {
            // Git's objects and packs may not be written to.
            fs::set_permissions(&entry, Permissions::from_mode(0o600))?;
            File::create(&entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_many_files_stays_without_its_bytes_until_the_row_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let [place, elsewhere] = ["place", "elsewhere"].map(|name| folder.path().join(name));
        fs::write(&elsewhere, "keep").unwrap();
        let graves = Graves::new(folder.path().join("graves"));
        let fill = |files: u64| {
            fs::create_dir_all(place.join("d")).unwrap();
            std::os::unix::fs::symlink(&elsewhere, place.join("link")).unwrap();
            for i in 1..files {
                fs::write(place.join(format!("d/f{i}")), "some").unwrap();
            }
        };
        let buried = || corpus::count(&graves.folder).unwrap();
        fill(FEW);
        graves.bury(&place).unwrap();
        assert_eq!((place.exists(), buried()), (false, (0, 0)));
        for round in 1..3 {
            fill(FEW + 1);
            let file = place.join("d/f1");
            fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
            graves.bury(&place).unwrap();
            let link = elsewhere.as_os_str().len() as u64;
            assert_eq!((place.exists(), buried()), (false, (round * (FEW + 1), round * link)));
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"keep");
        graves.clear().unwrap();
        graves.bury(&place).unwrap();
        assert!(!graves.folder.exists());
    }
}
