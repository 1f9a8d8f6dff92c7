//! The hooks of a push: ours, and beside them those of a repository's owner.
//!
//! Git runs the hooks of one folder, and one that is set by configuration (`core.hooksPath`) takes the place of the repository's
//! own. So a repository that has hooks of its owner gets a folder of shims, `dits-hooks`: ours hands over to the owner's
//! when it says yes, each other starts the owner's. It is looked at before each push, so hooks come and go as its owner
//! likes. A repository without hooks uses the server's folder. Only hooks that a server runs count, and only those
//! that can be executed, as with Git.
//!
//! Git 2.54 and newer run hooks that configuration names beside the repository's own: then no folder is set. Whether
//! Git does so is not guessed from its version: [`Way::probe`] asks it to list its hooks, and in doubt it is the folder.
//!
//! Always holds: ours runs first, and if it says no, nobody else's does.

use crate::git::Git;
use crate::layout::{EXECUTABLE, write_file};
use dits_store::{StoreError, durable};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The hook that is ours.
pub(crate) const OURS: &str = "pre-receive";
/// Hooks of an owner that Git runs at a server.
const OWNERS: [&str; 8] = [
    "pre-receive",
    "update",
    "post-receive",
    "post-update",
    "reference-transaction",
    "proc-receive",
    "push-to-checkout",
    "pre-auto-gc",
];
/// Folder of the shims in a repository.
const SHIMS: &str = "dits-hooks";
/// Name of our hook in the configuration.
const NAME: &str = "dits";

/// How Git is told of our hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By `hook.dits.command`.
    Configuration,
    /// By `core.hooksPath`.
    Folder,
}

impl Way {
    /// Asks Git, in this repository, whether configuration alone makes it run our hook.
    pub async fn probe(git: &Git, repository: &Path, exe: &Path) -> Way {
        let mut command = git.command(&configured(exe));
        command.arg("--git-dir").arg(repository).args(["hook", "list", OURS]);
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        match command.output().await {
            Ok(output) if output.status.success() && lists_us(&output.stdout) => Way::Configuration,
            _ => Way::Folder,
        }
    }

    /// What is configured for a push to `repository`, whose shims are put in order.
    pub async fn configure(
        self,
        git: &Git,
        repository: &Path,
        exe: &Path,
    ) -> Result<Vec<(&'static str, OsString)>, StoreError> {
        if self == Way::Configuration {
            return Ok(configured(exe));
        }
        let folder = own_folder(git, repository).await?;
        let folder = tokio::task::block_in_place(|| shims(git, repository, &folder, exe))?;
        Ok(vec![("core.hooksPath", folder.into_os_string())])
    }
}

fn configured(exe: &Path) -> Vec<(&'static str, OsString)> {
    let mut command = quoted(exe.as_os_str());
    command.push(format!(" hook {OURS}"));
    vec![("hook.dits.command", command), ("hook.dits.event", OURS.into())]
}

fn lists_us(listing: &[u8]) -> bool {
    String::from_utf8_lossy(listing).split_whitespace().any(|word| word == NAME)
}

/// Where the owner's hooks are.
async fn own_folder(git: &Git, repository: &Path) -> Result<PathBuf, StoreError> {
    let ask = ["config", "--local", "--type=path", "--get", "core.hooksPath"];
    let (status, out) =
        git.run(Some(repository), &ask).await.map_err(StoreError::io("read the settings of", repository))?;
    let out = out.strip_suffix(b"\n").unwrap_or(&out);
    let set = (status.success() && !out.is_empty()).then(|| Path::new(OsStr::from_bytes(out)));
    // As Git does: what is relative is so to where hooks run, which is the repository.
    Ok(repository.join(set.unwrap_or(Path::new("hooks"))))
}

/// Makes the shims of a repository say what they should; the folder to use.
fn shims(git: &Git, repository: &Path, own: &Path, exe: &Path) -> Result<PathBuf, StoreError> {
    let is_hook = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let mut wanted = BTreeMap::new();
    for name in OWNERS {
        let path = own.join(name);
        if is_hook(&path) {
            wanted.insert(name, if name == OURS { script(exe, Some(&path)) } else { handing_over(&path) });
        }
    }
    if wanted.is_empty() {
        return Ok(git.layout().hooks());
    }
    wanted.entry(OURS).or_insert_with(|| script(exe, None));
    let folder = repository.join(SHIMS);
    // Two pushes at once would write the same files.
    let _one = git.writing_hooks();
    durable::create_dir(&folder)?;
    for (name, text) in &wanted {
        let path = folder.join(name);
        if std::fs::read(&path).ok().as_ref() != Some(text) {
            write_file(&path, EXECUTABLE, text)?;
        }
    }
    for name in OWNERS.iter().filter(|name| !wanted.contains_key(**name)) {
        durable::remove_file(&folder.join(name))?;
    }
    Ok(folder)
}

/// What our hook's file says: it hands over to `git-dits`, which starts `then` after a yes.
pub(crate) fn script(exe: &Path, then: Option<&Path>) -> Vec<u8> {
    let mut line = quoted(exe.as_os_str());
    line.push(format!(" hook {OURS}"));
    if let Some(then) = then {
        line.push(" --then ");
        line.push(quoted(then.as_os_str()));
    }
    shim(&line)
}

fn handing_over(own: &Path) -> Vec<u8> {
    let mut line = quoted(own.as_os_str());
    line.push(" \"$@\"");
    shim(&line)
}

fn shim(line: &OsStr) -> Vec<u8> {
    [b"#!/bin/sh\nexec ", line.as_bytes(), b"\n"].concat()
}

/// A word of the shell, whatever characters are in it.
fn quoted(word: &OsStr) -> OsString {
    let mut out = b"'".to_vec();
    for byte in word.as_bytes() {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    OsStr::from_bytes(&out).to_owned()
}

/// Writes our hook into the server's own folder; its file.
pub(crate) fn install(git: &Git, exe: &Path) -> Result<PathBuf, StoreError> {
    let path = git.layout().hooks().join(OURS);
    write_file(&path, EXECUTABLE, &script(exe, None))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn executable(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_hook_survives_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("it's $HOME \"x\" `y`\n\\z");
        executable(&exe, "#!/bin/sh\nprintf '%s|' \"$@\"\n");
        let hook = dir.path().join("hook");
        std::fs::write(&hook, script(&exe, Some(&exe))).unwrap();
        let output = std::process::Command::new("/bin/sh").arg(&hook).output().unwrap();
        assert_eq!(output.stdout, format!("hook|pre-receive|--then|{}|", exe.display()).as_bytes());
    }

    #[test]
    fn hooks_are_listed_by_name() {
        assert!(lists_us(b"dits\nhook from hookdir\n") && lists_us(b"other\nlocal\tdits\n"));
        assert!(!lists_us(b"") && !lists_us(b"hook from hookdir\nother-dits\n"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_repository_with_hooks_gets_shims_that_follow_them() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _claim) = Layout::claim(&dir.path().join("server")).unwrap();
        let git = Git::new(layout, std::env::var_os("PATH"));
        let repository = dir.path().join("r.git");
        git.run(None, &["init", "-q", "--bare", repository.to_str().unwrap()]).await.unwrap();
        let exe = Path::new("/bin/true");
        let folder = async || {
            let set = Way::Folder.configure(&git, &repository, exe).await.unwrap();
            PathBuf::from(&set[0].1)
        };
        let names = |folder: &Path| {
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        std::fs::remove_dir_all(repository.join("hooks")).unwrap();
        assert_eq!(folder().await, git.layout().hooks());
        executable(&repository.join("hooks/update"), "#!/bin/sh\n");
        std::fs::write(repository.join("hooks/post-receive"), "not executable").unwrap();
        assert_eq!(folder().await, repository.join(SHIMS));
        assert_eq!(names(&repository.join(SHIMS)), ["pre-receive", "update"]);
        // Others, elsewhere, by the repository's own setting.
        executable(&repository.join("mine/post-receive"), "#!/bin/sh\n");
        git.run(Some(&repository), &["config", "core.hooksPath", "mine"]).await.unwrap();
        folder().await;
        assert_eq!(names(&repository.join(SHIMS)), ["post-receive", "pre-receive"]);
        let text = std::fs::read_to_string(repository.join(SHIMS).join("post-receive")).unwrap();
        assert!(text.contains("/r.git/mine/post-receive' \"$@\""), "{text}");
    }
}
