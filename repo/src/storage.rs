//! Where this repository's chunks are kept, and what stands beside its store.
//!
//! The store itself is `dits/` of the common Git folder: what is added here is kept there and nowhere else. Beside
//! it stand the stores of Git's alternates (`git clone --shared`, `--reference`) and a cache that clones
//! share (`dits.storage`, at most `dits.storagesize` large): both are read where the store has nothing, and
//! what remotes send goes to the cache. `dits.reserve` bytes of the disk stay free. Only Git's own
//! configuration is asked for these: a path in a file that anybody may push is not one to write to.

use crate::settings::Setting;
use crate::{Git, RepoError, Repository};
use dits_store::{Cache, Modes, Options, PackStore, Upkeep};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// How far alternates of alternates are followed; Git's own limit.
const ALTERNATES_DEPTH_MAX: usize = 5;

impl Repository {
    /// Folder of the chunk store.
    pub fn store_dir(&self) -> PathBuf {
        self.common_dir.join("dits")
    }

    /// Opens the chunk store, making it if there is none, with what stands beside it.
    pub fn store(&self) -> Result<PackStore, RepoError> {
        Ok(PackStore::open_with(&self.store_dir(), &self.storage()?)?)
    }

    /// Opens the chunk store only to read it; `None` when there is none.
    pub fn store_to_read(&self) -> Result<Option<PackStore>, RepoError> {
        Ok(PackStore::open_to_read(&self.store_dir(), &self.storage()?)?)
    }

    /// What the store is opened with.
    pub fn storage(&self) -> Result<Options, RepoError> {
        let cap = self.setting_number(Setting::new("dits.storagesize", 0))?;
        let mut alternates = Vec::new();
        read_alternates(&self.common_dir.join("objects"), ALTERNATES_DEPTH_MAX, &mut alternates);
        Ok(Options {
            modes: self.modes()?,
            reserve: self.setting_number(Setting::new("dits.reserve", 0))?,
            alternates,
            cache: self.cache_dir()?.map(|dir| (dir, cap)),
            // Whoever commits has Git or a user waiting; see `git dits gc --auto`.
            upkeep: Upkeep::Later,
        })
    }

    /// Folder of the cache that clones share, if there shall be one.
    pub fn cache_dir(&self) -> Result<Option<PathBuf>, RepoError> {
        if self.setting("dits.storage")?.is_none() {
            return Ok(None);
        }
        // Git knows what `~` and `~user` mean.
        let path = self.git.run(&["config", "--type=path", "-z", "--get", "dits.storage"])?;
        let path = path.strip_suffix(b"\0").unwrap_or(&path).to_vec();
        Ok(Some(tidy(&self.common_dir.join(OsString::from_vec(path)))))
    }

    /// Opens that cache; `None` when there shall be none.
    ///
    /// # Errors
    /// When there shall be one and it cannot be used; commands that do not ask for it go on without.
    pub fn cache(&self) -> Result<Option<Cache>, RepoError> {
        let options = self.storage()?;
        let open = |(dir, cap): (PathBuf, u64)| Cache::open(&dir, cap, options.modes);
        Ok(options.cache.map(open).transpose()?)
    }

    /// Modes of what is made in the Git folder.
    pub fn modes(&self) -> Result<Modes, RepoError> {
        // Git does nothing at all in a repository where it does not understand this value.
        let value = self.config("core.sharedrepository")?;
        Ok(value.and_then(|value| Modes::parse(&value)).unwrap_or_default())
    }
}

/// The repository that a remote with this address is, when that is a folder of this machine.
pub fn local_remote(git: &Git, url: &str) -> Option<Repository> {
    let path = match url.strip_prefix("file://") {
        Some(path) => path,
        // `host:path` is another machine, as in Git, unless a slash comes first.
        None if url.split('/').next().is_some_and(|first| first.contains(':')) => return None,
        None => url,
    };
    let path = git.dir().join(path);
    path.is_dir().then(|| Repository::of(&git.elsewhere(&path)).ok()).flatten()
}

/// Collects the stores beside the object folders that `objects` borrows from.
fn read_alternates(objects: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read(objects.join("info/alternates")) else { return };
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#') {
        let Some(path) = unquoted(line) else { continue };
        let other = tidy(&objects.join(OsString::from_vec(path)));
        let Some(store) = other.parent().map(|git_dir| git_dir.join("dits")) else { continue };
        if !found.contains(&store) {
            found.push(store);
            if depth > 1 {
                read_alternates(&other, depth - 1, found);
            }
        }
    }
}

/// A line as Git reads it: in quotes when the name holds what would end it.
fn unquoted(line: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = line.strip_prefix(b"\"") else { return Some(line.to_vec()) };
    let mut out = Vec::new();
    let mut bytes = quoted.iter().copied();
    loop {
        match bytes.next()? {
            b'"' => return Some(out),
            b'\\' => out.push(match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'v' => 11,
                b'f' => 12,
                digit @ b'0'..=b'3' => {
                    let mut next =
                        || bytes.next().filter(|byte| (b'0'..=b'7').contains(byte)).map(|b| b - b'0');
                    ((digit - b'0') << 6) | (next()? << 3) | next()?
                }
                other => other,
            }),
            other => out.push(other),
        }
    }
}

/// The same path without `.` and `..`, so that one store has one name.
fn tidy(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    path.components().fold(PathBuf::new(), |mut tidied, part| {
        match part {
            Component::ParentDir => drop(tidied.pop()),
            Component::CurDir => {}
            other => tidied.push(other),
        }
        tidied
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn lines_of_alternates_are_read_as_git_writes_them() {
        let table: [(&[u8], Option<&[u8]>); 6] = [
            (b"/a b/objects", Some(b"/a b/objects")),
            (b"../../o/objects", Some(b"../../o/objects")),
            (br#""/new\nline/\"q\" \303\251""#, Some(b"/new\nline/\"q\" \xc3\xa9")),
            (br#""/back\\slash""#, Some(br"/back\slash")),
            (br#""/no end"#, None),
            (br#""/\3""#, None),
        ];
        for (line, path) in table {
            assert_eq!(unquoted(line).as_deref(), path, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn alternates_are_followed_and_none_twice() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        for (name, lines) in
            [("a", "../../b/objects\n# no\n"), ("b", "../../c/objects\n"), ("c", "../../b/objects\n")]
        {
            fs::create_dir_all(top.join(name).join("objects/info")).unwrap();
            fs::write(top.join(name).join("objects/info/alternates"), lines).unwrap();
        }
        let mut found = Vec::new();
        read_alternates(&top.join("a/objects"), ALTERNATES_DEPTH_MAX, &mut found);
        assert_eq!(found, [top.join("b/dits"), top.join("c/dits")]);
    }

    #[test]
    fn names_that_are_not_utf8_are_paths_too() {
        let odd = OsString::from_vec(b"/caf\xe9/./x/../objects".to_vec());
        assert_eq!(tidy(Path::new(&odd)).as_os_str().as_bytes(), b"/caf\xe9/objects");
    }
}
