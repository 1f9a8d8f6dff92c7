//! Settings that a repository brings along: from where they are read, and which are refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_repo::settings::Setting;
use dits_repo::{Git, RepoError, Repository};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn git(dir: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(dir).args(["-c", "user.name=n", "-c", "user.email=e"]).args(args);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn repository(dir: &Path) -> Repository {
    let git = Git::at(dir)
        .with_env("GIT_CONFIG_NOSYSTEM", "1")
        .with_env("GIT_CONFIG_GLOBAL", "/dev/null")
        .with_env("HOME", dir.as_os_str());
    Repository::of(&git).unwrap()
}

fn url(dir: &Path) -> Option<String> {
    repository(dir).setting("dits.url").unwrap()
}

#[test]
fn working_tree_then_index_then_head() {
    let dir = TempDir::new().unwrap();
    let (top, file) = (dir.path(), dir.path().join(".ditsconfig"));
    git(top, &["init", "-q"]);
    assert_eq!(url(top), None);
    fs::write(&file, "[dits]\n\turl = dits://head/a\n").unwrap();
    git(top, &["add", ".ditsconfig"]);
    git(top, &["commit", "-q", "-m", "x"]);
    fs::write(&file, "[dits]\n\turl = dits://index/a\n").unwrap();
    git(top, &["add", ".ditsconfig"]);
    fs::write(&file, "[dits]\n\turl = dits://tree/a\n").unwrap();
    assert_eq!(url(top).unwrap(), "dits://tree/a");
    fs::remove_file(&file).unwrap();
    assert_eq!(url(top).unwrap(), "dits://index/a");
    git(top, &["rm", "-q", "--cached", "-f", ".ditsconfig"]);
    assert_eq!(url(top).unwrap(), "dits://head/a");
    assert_eq!(url(&top.join(".git")).unwrap(), "dits://head/a", "also where there is no working tree");
    // What the user says himself is stronger, also when he says "nothing".
    git(top, &["config", "dits.url", "dits://mine/a"]);
    assert_eq!(url(top).unwrap(), "dits://mine/a");
    git(top, &["config", "dits.url", ""]);
    assert_eq!(url(top), None);
}

#[test]
fn nothing_dangerous_comes_from_a_repository() {
    let dir = TempDir::new().unwrap();
    git(dir.path(), &["init", "-q"]);
    let text = "[core]\n\tsshCommand = evil\n[dits]\n\tstorage = /\n\tthreshold = 5m\n\turl\n[include]\n\tpath = other\n";
    fs::write(dir.path().join(".ditsconfig"), text).unwrap();
    fs::write(dir.path().join("other"), "[dits]\n\tfetchexclude = *\n").unwrap();
    let repository = repository(dir.path());
    assert_eq!(repository.setting("core.sshcommand").unwrap(), None);
    assert_eq!(repository.setting("dits.storage").unwrap(), None);
    assert_eq!(repository.setting("dits.fetchexclude").unwrap(), None, "no other file is included");
    assert_eq!(repository.setting_number(Setting::new("dits.threshold", 0)).unwrap(), 5 << 20);
    assert_eq!(repository.ditsconfig().unwrap().ignored, ["core.sshcommand", "dits.storage", "include.path"]);
}

#[test]
fn what_cannot_be_read_is_said_and_stops_nobody() {
    let dir = TempDir::new().unwrap();
    git(dir.path(), &["init", "-q"]);
    let file = dir.path().join(".ditsconfig");
    fs::write(&file, "[dits\n").unwrap();
    let broken = repository(dir.path());
    assert_eq!(broken.setting("dits.url").unwrap(), None);
    assert!(broken.ditsconfig().unwrap().unreadable.as_ref().unwrap().contains("bad config line 1"));
    fs::write(&file, "[dits]\n\tthreshold = soon\n").unwrap();
    let error = repository(dir.path()).setting_number(Setting::new("dits.threshold", 0)).unwrap_err();
    assert!(matches!(&error, RepoError::Setting { .. }));
    assert_eq!(error.to_string(), "bad value 'soon' for 'dits.threshold'");
    // A link could lead anywhere; a folder is no file.
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert_eq!(*repository(dir.path()).ditsconfig().unwrap(), Default::default());
}
