//! A snapshot says of every path what a checkout by Git makes of it.
//!
//! The oracle is Git: the same repository is cloned with the same settings, and each file of the clone is compared.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_format::{Oid, Pointer};
use dits_repo::snapshot::{self, Snapshot, What};
use dits_repo::{Git, RepoError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct World {
    dir: TempDir,
    config: Vec<(&'static str, &'static str)>,
}

impl World {
    fn new(format: &str, config: &[(&'static str, &'static str)]) -> World {
        let world = World { dir: tempfile::tempdir().unwrap(), config: config.to_vec() };
        let format = format!("--object-format={format}");
        world.git(world.dir.path(), &["init", "-q", "-b", "main", &format, "repo"]);
        world
    }

    fn top(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn at(&self, dir: &Path) -> Git {
        let git =
            Git::at(dir).with_env("GIT_CONFIG_GLOBAL", "/dev/null").with_env("GIT_CONFIG_NOSYSTEM", "1");
        let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
        let git = names.into_iter().fold(git, |git, name| git.with_env(name, "n"));
        git.with_env("GIT_COMMITTER_DATE", "1600000000 +0000")
    }

    fn git(&self, dir: &Path, args: &[&str]) -> Vec<u8> {
        let settings: Vec<String> = self.config.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        self.at(dir).run(&settings.chain(args.iter().copied()).collect::<Vec<_>>()).unwrap()
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn commit(&self) {
        // The index gets what stands there: no filter, no conversion.
        self.at(&self.top()).run(&["-c", "core.attributesFile=/dev/null", "add", "-A"]).unwrap();
        self.at(&self.top()).run(&["commit", "-q", "-m", "one"]).unwrap();
    }

    /// The snapshot, with Git as whoever serves a mount runs it.
    fn snapshot(&self) -> Result<Snapshot, RepoError> {
        for (key, value) in &self.config {
            self.at(&self.top()).run(&["config", key, value]).unwrap();
        }
        let git_dir = self.top().join(".git");
        let git = self.at(&git_dir).with_env("GIT_DIR", &git_dir);
        snapshot::of(&git, "HEAD", &self.converted())
    }

    fn converted(&self) -> PathBuf {
        self.dir.path().join("state/converted")
    }

    /// Compares every path with a clone.
    fn is_as_cloned(&self, snapshot: &Snapshot) {
        self.git(self.dir.path(), &["clone", "-q", "repo", "twin"]);
        let twin = self.dir.path().join("twin");
        let listed = self.git(&twin, &["ls-files", "-z"]);
        let listed: Vec<&[u8]> = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
        let paths: Vec<&[u8]> = snapshot.entries.iter().map(|entry| &entry.path[..]).collect();
        assert_eq!(paths, listed);
        for entry in &snapshot.entries {
            let path = snapshot::converted_file(&twin, &entry.path);
            let meta = fs::symlink_metadata(&path).unwrap();
            let is_executable = meta.permissions().mode() & 0o100 != 0;
            match &entry.what {
                What::Blob { id, bytes, executable } => {
                    assert!(meta.is_file(), "{path:?}");
                    assert_eq!((*bytes, *executable), (meta.len(), is_executable), "{path:?}");
                    if id.len() > 32 || ![20, 32].contains(&id.len()) {
                        let made =
                            fs::read(snapshot::converted_file(&self.converted(), &entry.path)).unwrap();
                        assert_eq!(made, fs::read(&path).unwrap(), "{path:?}");
                    }
                }
                What::Ghost { oid, bytes, executable } => {
                    let pointer = fs::read(&path).unwrap();
                    assert_eq!(pointer, Pointer::new(*oid, *bytes).encode(), "{path:?}");
                    assert_eq!(*executable, is_executable);
                }
                What::Symlink { target } => {
                    assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes(), target);
                }
                What::Submodule => assert!(meta.is_dir()),
            }
        }
    }
}

fn pointer(n: u8) -> Vec<u8> {
    Pointer::new(Oid([n; 32]), 1_000_000 + u64::from(n)).encode()
}

/// Files of all kinds; attribute files below the top, too.
fn with_everything(format: &str, config: &[(&'static str, &'static str)]) -> World {
    let world = World::new(format, config);
    world.write("empty", "");
    world.write("dir/run.sh", "#!/bin/sh\n");
    fs::set_permissions(world.top().join("dir/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    // In Git's order: 'a.b' stands before 'a/…'.
    world.write("a/x.txt", "one\ntwo\n");
    world.write("a.b", "beside\n");
    world.write("a/crlf.bat", "one\ntwo\n");
    world.write("a/same.bat", "one\ntwo\n");
    world.write("a/id.c", "/* $Id$ */\n");
    world.write("a/wide.utf16", "text\n");
    world.write("m/one.bin", pointer(1));
    world.write("m/two.bin", pointer(2));
    world.write("m/empty.bin", "");
    world.write("m/whole.bin", "not a pointer\n");
    world.write("m/damaged.bin", [&pointer(3)[..40], b"<<<<<<< x\n"].concat());
    world.write("m/long.bin", vec![7; 3 << 20]);
    world.write("plain/pointer.txt", pointer(4));
    std::os::unix::fs::symlink("../m/one.bin", world.top().join("a/link")).unwrap();
    let name =
        Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd \xff\n\t\"name"));
    fs::write(world.top().join(name), "odd\n").unwrap();
    world.commit();
    world.write(".gitattributes", "*.bin filter=dits -text\n");
    world
        .write("a/.gitattributes", "*.bat eol=crlf\n*.c ident\n*.utf16 working-tree-encoding=UTF-16LE-BOM\n");
    let git = world.at(&world.top());
    // The blob that is to be there, whatever the attributes say.
    git.run(&["add", ".gitattributes", "a/.gitattributes"]).unwrap();
    git.run(&["commit", "-q", "-m", "two"]).unwrap();
    world
}

fn what<'a>(snapshot: &'a Snapshot, path: &str) -> &'a What {
    &snapshot.entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap().what
}

#[test]
fn every_path_is_as_git_checks_it_out() {
    for format in ["sha1", "sha256"] {
        let world = with_everything(format, &[]);
        let snapshot = world.snapshot().unwrap();
        assert!(snapshot.unconverted.is_empty());
        assert_eq!(snapshot.time, 1_600_000_000);
        world.is_as_cloned(&snapshot);
        let ghosts = snapshot.entries.iter().filter(|entry| matches!(entry.what, What::Ghost { .. })).count();
        assert_eq!(ghosts, 2);
        assert!(
            matches!(what(&snapshot, "plain/pointer.txt"), What::Blob { .. }),
            "no attribute makes it ours"
        );
        assert!(matches!(what(&snapshot, "a/crlf.bat"), What::Blob { bytes: 10, .. }));
        assert_eq!(world.snapshot().unwrap(), snapshot, "it is always the same");
    }
}

#[test]
fn settings_count_as_in_a_checkout() {
    for config in [
        &[("core.autocrlf", "true")][..],
        &[("core.eol", "crlf")],
        &[("core.autocrlf", "input")],
        &[("core.symlinks", "false")],
        &[("core.fileMode", "false")],
        &[("index.version", "4"), ("core.splitIndex", "true")],
    ] {
        let world = with_everything("sha1", config);
        let snapshot = world.snapshot().unwrap();
        world.is_as_cloned(&snapshot);
    }
}

#[test]
fn it_stays_as_it_was_when_settings_change() {
    let world = with_everything("sha1", &[]);
    let before = world.snapshot().unwrap();
    world.at(&world.top()).run(&["config", "core.autocrlf", "true"]).unwrap();
    assert_eq!(world.snapshot().unwrap(), before);
}

#[test]
fn other_filters_run_once_and_may_fail() {
    let count = "filter.up.smudge";
    let script = "echo x >> \"$(git rev-parse --git-dir)/count\"; grep -v never && :";
    let world = World::new("sha1", &[(count, script), ("filter.up.required", "true")]);
    world.write("a.up", "good\n");
    world.write("b.up", "never\n");
    world.commit();
    world.write(".gitattributes", "*.up filter=up\n");
    world.at(&world.top()).run(&["add", ".gitattributes"]).unwrap();
    world.at(&world.top()).run(&["commit", "-q", "-m", "two"]).unwrap();
    let snapshot = world.snapshot().unwrap();
    assert_eq!(snapshot.unconverted, [b"b.up".to_vec()]);
    assert!(matches!(what(&snapshot, "b.up"), What::Blob { bytes: 6, .. }), "as Git has it");
    let again = world.snapshot().unwrap();
    assert_eq!(again.entries, snapshot.entries);
    assert_eq!(fs::read_to_string(world.top().join(".git/count")).unwrap().lines().count(), 2);
}

#[test]
fn a_submodule_is_a_folder() {
    let world = World::new("sha1", &[]);
    world.write("a", "a");
    world.commit();
    let id = String::from_utf8(world.git(&world.top(), &["rev-parse", "HEAD"])).unwrap();
    let entry = format!("160000,{},sub", id.trim());
    world.git(&world.top(), &["update-index", "--add", "--cacheinfo", &entry]);
    world.git(&world.top(), &["commit", "-q", "-m", "two"]);
    let snapshot = world.snapshot().unwrap();
    assert_eq!(what(&snapshot, "sub"), &What::Submodule);
    world.is_as_cloned(&snapshot);
}

#[test]
fn a_tree_without_files_or_attributes_is_fine() {
    let world = World::new("sha1", &[]);
    world.git(&world.top(), &["commit", "-q", "--allow-empty", "-m", "none"]);
    assert_eq!(world.snapshot().unwrap().entries, []);
    world.write("a", "a");
    world.commit();
    assert_eq!(world.snapshot().unwrap().entries.len(), 1);
}

#[test]
fn a_tree_that_reaches_for_git_is_refused() {
    let world = World::new("sha1", &[]);
    world.write("a", "a");
    world.commit();
    let blob = String::from_utf8(world.git(&world.top(), &["rev-parse", "HEAD:a"])).unwrap();
    let git = world.at(&world.top());
    let tree =
        git.run_with_input(&["mktree"], format!("100644 blob {}\t.Git\n", blob.trim()).as_bytes()).unwrap();
    let tree = String::from_utf8(tree).unwrap();
    let commit = git.run(&["commit-tree", "-m", "evil", tree.trim()]).unwrap();
    git.run(&["update-ref", "refs/heads/main", String::from_utf8(commit).unwrap().trim()]).unwrap();
    assert!(matches!(world.snapshot(), Err(RepoError::InvalidPath(path)) if path == ".Git"));
}

#[test]
fn a_missing_blob_is_named() {
    let world = World::new("sha1", &[]);
    world.write("dir/gone", "gone");
    world.commit();
    let id = String::from_utf8(world.git(&world.top(), &["rev-parse", "HEAD:dir/gone"])).unwrap();
    let (folder, name) = id.trim().split_at(2);
    fs::remove_file(world.top().join(".git/objects").join(folder).join(name)).unwrap();
    let error = world.snapshot().unwrap_err().to_string();
    assert_eq!(error, format!("cannot read 'dir/gone': object {} is missing", id.trim()));
}

#[test]
fn an_unknown_commit_is_an_error() {
    let world = World::new("sha1", &[]);
    assert!(matches!(world.snapshot(), Err(RepoError::Git { .. })));
}

#[test]
fn a_partial_clone_fetches_what_is_missing_at_once() {
    let origin = with_everything("sha1", &[("uploadpack.allowFilter", "true")]);
    let snapshot = origin.snapshot().unwrap();
    let url = format!("file://{}", origin.top().display());
    let git = origin.at(origin.dir.path());
    git.run(&["clone", "-q", "--no-checkout", "--filter=blob:none", &url, "partial"]).unwrap();
    let git_dir = origin.dir.path().join("partial/.git");
    let trace = origin.dir.path().join("trace");
    let git = origin.at(&git_dir).with_env("GIT_DIR", &git_dir).with_env("GIT_TRACE2_PERF", &trace);
    let partial = snapshot::of(&git, "HEAD", &origin.dir.path().join("other/converted")).unwrap();
    assert_eq!(partial, snapshot);
    let trace = fs::read_to_string(trace).unwrap();
    assert_eq!(
        trace.lines().filter(|line| line.contains("cmd_name") && line.contains("| fetch ")).count(),
        1
    );
}
