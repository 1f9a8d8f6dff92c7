//! The attribute `dits-profile` of many paths, asked for only where it may be set.
//!
//! To ask Git costs two switches to another process for each file, as much as storing a small one. Nearly nobody uses this
//! attribute, so the attribute files that count for a path are looked at first: those of its folders, each once, and those
//! outside of the working tree, whose places Git tells (`git var`, from 2.42 on; older ones are always asked). Where none
//! has the word, Git would say "unspecified". One that Git would read from its index, as the file is not there, is not
//! looked at: the attribute only tunes, it never decides what is stored.

use crate::attributes::AttributeReader;
use crate::hydrate::plan::full_path;
use crate::{Git, RepoError, Repository};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const WORD: &str = "dits-profile";
/// Bytes of an attribute file; Git itself ignores larger ones.
const BYTES_MAX: u64 = 100 << 20;

/// See the file head.
#[derive(Debug)]
pub struct ProfileReader {
    git: Git,
    worktree: Option<PathBuf>,
    info: PathBuf,
    reader: AttributeReader,
    /// Whether files outside of the working tree may set it; found out with the first question.
    outside: Option<bool>,
    /// Whether the attribute file of a folder, or of one above it, may.
    folders: HashMap<Vec<u8>, bool>,
}

impl ProfileReader {
    /// For paths seen from the top of `repository`.
    pub fn new(repository: &Repository) -> ProfileReader {
        ProfileReader {
            git: repository.git.clone(),
            worktree: repository.worktree.clone(),
            info: repository.common_dir.join("info").join("attributes"),
            reader: AttributeReader::new(&repository.git, WORD),
            outside: None,
            folders: HashMap::new(),
        }
    }

    /// The attribute's value for `path`; `None` when it has none.
    pub fn get(&mut self, path: &[u8]) -> Option<String> {
        if self.may_be_set(path) { self.reader.get(path) } else { None }
    }

    fn may_be_set(&mut self, path: &[u8]) -> bool {
        let ProfileReader { git, info, outside, .. } = self;
        if *outside.get_or_insert_with(|| holds(info) || is_set_outside(git)) {
            return true;
        }
        let Some(worktree) = self.worktree.clone() else { return true };
        let mut slashes: Vec<usize> =
            path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).collect();
        slashes.insert(0, 0);
        for at in slashes {
            let folder = &path[..at];
            let known = self.folders.get(folder).copied();
            let may = known.unwrap_or_else(|| {
                let may = holds(&full_path(&worktree, folder).join(".gitattributes"));
                self.folders.insert(folder.to_vec(), may);
                may
            });
            if may {
                return true;
            }
        }
        false
    }
}

/// Whether a file of the user or of the system may set it; yes when Git does not tell where they are.
fn is_set_outside(git: &Git) -> bool {
    ["GIT_ATTR_GLOBAL", "GIT_ATTR_SYSTEM"].iter().any(|place| match git.run(&["var", place]) {
        Ok(file) => holds(&git.dir().join(OsStr::from_bytes(file.trim_ascii_end()))),
        // There is no such file; an older Git says that it does not know the question.
        Err(RepoError::Git { code: Some(1), .. }) => false,
        Err(_) => true,
    })
}

/// Whether the file has the word. One that is there and cannot be read may have it.
fn holds(file: &Path) -> bool {
    let Ok(meta) = fs::metadata(file) else { return false };
    let has = |text: Vec<u8>| text.windows(WORD.len()).any(|part| part == WORD.as_bytes());
    meta.is_file() && meta.len() <= BYTES_MAX && fs::read(file).map_or(true, has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_asked_where_some_file_has_the_word() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path())
            .with_env("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_env("GIT_CONFIG_NOSYSTEM", "1");
        let git = git.with_env("XDG_CONFIG_HOME", "/nowhere").with_env("GIT_ATTR_NOSYSTEM", "1");
        git.run(&["init", "-q"]).unwrap();
        let repository = Repository::of(&git).unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/.gitattributes"), "*.x dits-profile=small\n").unwrap();
        fs::write(dir.path().join(".gitattributes"), "*.x filter=dits\n").unwrap();
        let value = |reader: &mut ProfileReader, path: &str| reader.get(path.as_bytes());
        let mut reader = ProfileReader::new(&repository);
        assert_eq!(value(&mut reader, "c.x"), None);
        assert_eq!(value(&mut reader, "b/c.x"), None);
        let tells =
            git.run(&["var", "GIT_ATTR_SYSTEM"]).is_ok() || git.run(&["var", "GIT_ATTR_GLOBAL"]).is_ok();
        println!("git tells where attribute files are: {tells}; asked: {:?}", reader.outside);
        for path in ["a/c.x", "a/b/c.x"] {
            assert_eq!(value(&mut reader, path).as_deref(), Some("small"), "{path}");
        }
        assert_eq!(value(&mut reader, "a/c.y"), None);
        for file in [dir.path().join(".git/info/attributes"), dir.path().join("mine")] {
            fs::write(&file, "c.* dits-profile=project\n").unwrap();
            if file.ends_with("mine") {
                git.run(&["config", "core.attributesFile", file.to_str().unwrap()]).unwrap();
            }
            let mut reader = ProfileReader::new(&repository);
            assert_eq!(value(&mut reader, "c.x").as_deref(), Some("project"), "{file:?}");
            fs::remove_file(file).unwrap();
        }
    }
}
