//! Attribute files outside of a mount's tree: the system's, the user's, and `info/attributes` of the repository.
//!
//! They are no part of the mount, so nothing tells when they change: [`OuterAttributes::changed`] looks. One that cannot be read counts as
//! empty, as for Git.

use dits_mount::attributes::{FILE_BYTES_MAX, Outer};
use dits_repo::{RepoError, Repository};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a file was when it was read; `None` when there was none.
type Stamp = Option<(SystemTime, u64)>;

/// Where they are, and what they were.
#[derive(Debug)]
pub struct OuterAttributes {
    /// System, user, repository.
    files: [PathBuf; 3],
    ignore_case: bool,
    stamps: Option<[Stamp; 3]>,
}

impl OuterAttributes {
    /// Finds those of `repository`; `env` is the environment.
    pub fn find(
        repository: &Repository,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<OuterAttributes, RepoError> {
        let git = &repository.git;
        let line = |args: &[&str]| {
            let out = git.run(args).ok()?;
            let line = out.strip_suffix(b"\n").unwrap_or(&out).to_vec();
            Some(PathBuf::from(OsString::from_vec(line))).filter(|path| !path.as_os_str().is_empty())
        };
        let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let no_system = path("GIT_ATTR_NOSYSTEM")
            .is_some_and(|value| !["0", "false"].contains(&&*value.to_string_lossy()));
        // Git below 2.41 does not say.
        let system = || line(&["var", "GIT_ATTR_SYSTEM"]).unwrap_or_else(|| "/etc/gitattributes".into());
        let usual = || {
            let config = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
            config.map(|config| config.join("git").join("attributes"))
        };
        let user = line(&["config", "--type=path", "core.attributesfile"]).or_else(usual);
        let info = repository.common_dir.join("info").join("attributes");
        let files = [if no_system { PathBuf::new() } else { system() }, user.unwrap_or_default(), info];
        let ignore_case = line(&["config", "--type=bool", "core.ignorecase"])
            .is_some_and(|value| value.as_os_str() == "true");
        Ok(OuterAttributes { files, ignore_case, stamps: None })
    }

    /// What they say, the first time and whenever one of them is another than it was.
    pub fn changed(&mut self) -> Option<Outer> {
        let stamps = self.files.each_ref().map(|file| {
            let meta = fs::metadata(file).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        });
        if self.stamps.replace(stamps) == Some(stamps) {
            return None;
        }
        let [system, user, info] = self.files.each_ref().map(|file| {
            let mut text = Vec::new();
            let read = File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text));
            if read.is_ok() { text } else { Vec::new() }
        });
        Some(Outer { system, user, info, ignore_case: self.ignore_case })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_repo::Git;

    #[test]
    fn what_lies_outside_of_the_tree_is_read_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        Git::at(dir.path()).run(&["init", "-q"]).unwrap();
        let repository = Repository::find(dir.path()).unwrap();
        let env = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(dir.path().into()),
            "GIT_ATTR_NOSYSTEM" => Some("1".into()),
            _ => None,
        };
        fs::create_dir(dir.path().join("git")).unwrap();
        fs::write(dir.path().join("git/attributes"), "usual").unwrap();
        let mut outer = OuterAttributes::find(&repository, env).unwrap();
        assert_eq!(outer.changed(), Some(Outer { user: b"usual".to_vec(), ..Outer::default() }));
        assert_eq!(outer.changed(), None);
        fs::create_dir_all(dir.path().join(".git/info")).unwrap();
        fs::write(dir.path().join(".git/info/attributes"), "info").unwrap();
        assert_eq!(outer.changed().unwrap().info, b"info");
        fs::remove_file(dir.path().join("git/attributes")).unwrap();
        assert_eq!(outer.changed(), Some(Outer { info: b"info".to_vec(), ..Outer::default() }));
        let named = dir.path().join("named");
        fs::write(&named, "named").unwrap();
        repository.git.run(&["config", "core.attributesFile", named.to_str().unwrap()]).unwrap();
        repository.git.run(&["config", "core.ignoreCase", "yes"]).unwrap();
        let outer = OuterAttributes::find(&repository, env).unwrap().changed().unwrap();
        assert!(outer.user == b"named" && outer.ignore_case);
    }
}
