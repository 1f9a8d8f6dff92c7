//! The commands as users and scripts meet them: words, exit codes, and files before and after.
//!
//! Hermetic: every test has its own HOME and configuration, and no other is read. Cargo builds the binary
//! because of this test; whole workflows with servers are in the package `tests`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

#[path = "cli/install.rs"]
mod install;

const DITS: &str = env!("CARGO_BIN_EXE_git-dits");
const MACRO: &str = "[attr]dits filter=dits diff=dits -merge -text -delta\n";

/// A HOME with a repository in it.
struct World {
    dir: TempDir,
    path: std::ffi::OsString,
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl World {
    /// `git-dits` and a `git-remote-dits` are on PATH.
    fn new() -> World {
        let world = World::without_path();
        let bin = world.dir.path().join("bin");
        fs::create_dir(&bin).expect("new folder");
        std::os::unix::fs::symlink(DITS, bin.join("git-dits")).expect("link");
        std::os::unix::fs::symlink(DITS, bin.join("git-remote-dits")).expect("link");
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&world.path)))
            .expect("no colon in folders");
        World { path, ..world }
    }

    /// Only the system's own programs are.
    fn without_path() -> World {
        let dir = tempfile::tempdir().expect("temporary folder");
        let system = std::env::var_os("PATH").expect("PATH is set");
        let clean = std::env::split_paths(&system).filter(|dir| !dir.join("git-dits").exists());
        let world = World { path: std::env::join_paths(clean).expect("came from PATH"), dir };
        fs::create_dir(world.home()).expect("new folder");
        world.git(&world.home(), &["init", "-q", "-b", "main", "repo"]);
        world
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn repo(&self) -> PathBuf {
        self.home().join("repo")
    }

    fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear().env("HOME", self.home()).env("PATH", &self.path);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", self.home().join(".gitconfig"));
        command.env("GIT_CEILING_DIRECTORIES", self.dir.path()).env("LC_ALL", "C");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
            command.env(format!("GIT_{who}_DATE"), "2030-01-01T00:00:00Z");
        }
        command
    }

    fn git(&self, dir: &Path, args: &[&str]) -> String {
        let done = run(self.command("git", dir).args(args));
        assert_eq!(done.code, 0, "git {args:?}: {done:?}");
        done.out
    }

    fn dits_in<S: AsRef<OsStr>>(&self, dir: &Path, args: &[S]) -> Done {
        run(self.command(DITS, dir).args(args))
    }

    fn dits(&self, args: &[&str]) -> Done {
        self.dits_in(&self.repo(), args)
    }

    fn config(&self, args: &[&str]) -> String {
        run(self.command("git", &self.repo()).arg("config").args(args)).out
    }

    fn attributes(&self) -> String {
        fs::read_to_string(self.repo().join(".gitattributes")).unwrap_or_default()
    }

    /// Whether Git says that we manage `path`.
    fn is_managed(&self, path: &str) -> bool {
        self.git(&self.repo(), &["check-attr", "-z", "filter", "--", path]).ends_with("filter\0dits\0")
    }
}

fn run(command: &mut Command) -> Done {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    // `install` warns about a Git below 2.43, and some run these tests with one.
    let about_git =
        |line: &&str| line.contains("is older than 2.43") || *line == "hint: update git to 2.43 or newer\n";
    let err: String = text(stderr).split_inclusive('\n').filter(|line| !about_git(line)).collect();
    Done { code: status.code().unwrap_or(-1), out: text(stdout), err }
}

fn printed(out: &str) -> Done {
    Done { code: 0, out: out.into(), err: String::new() }
}

#[test]
fn version_is_the_first_word() {
    let world = World::new();
    let version = world.dits_in(&world.home(), &["version"]);
    assert!(version.out.starts_with(concat!("git-dits/", env!("CARGO_PKG_VERSION"), " (")), "{version:?}");
    assert_eq!(world.dits(&["--version"]), version);
    assert_eq!(world.dits(&["-v"]), version);
    assert_eq!(run(world.command("git", &world.home()).args(["dits", "version"])), version);
}

#[test]
fn unknown_words_exit_127() {
    let world = World::new();
    for args in [&["nonsense"][..], &["track", "--nonsense"], &["--nonsense"], &["untrack"]] {
        let done = world.dits(args);
        assert_eq!((done.code, done.out.as_str()), (127, ""), "{args:?}");
        assert!(done.err.starts_with("error: "), "{done:?}");
    }
}

#[test]
fn help_names_the_commands_and_hides_the_plumbing() {
    let world = World::new();
    for args in [&[][..], &["--help"], &["help"]] {
        let help = world.dits(args);
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Usage: git dits") && help.out.contains("  hydrate"), "{help:?}");
        assert!(!help.out.contains("filter-process"));
    }
    assert_eq!(world.dits(&["help", "track"]).out, world.dits(&["track", "--help"]).out);
}

#[test]
fn outside_of_a_repository_is_128() {
    let world = World::new();
    let commands: [&[&str]; 8] = [
        &["track"],
        &["untrack", "x"],
        &["ls-files"],
        &["status"],
        &["hydrate"],
        &["fsck"],
        &["du"],
        &["install", "--local"],
    ];
    for args in commands {
        let done = world.dits_in(&world.home(), args);
        let expected = Done { code: 128, out: String::new(), err: "Not in a Git repository.\n".into() };
        assert_eq!(done, expected, "{args:?}");
    }
    let env = world.dits_in(&world.home(), &["env"]);
    assert!(env.code == 0 && env.out.contains("\nLocalWorkingDir=\n"), "{env:?}");
}

#[test]
fn track_writes_the_macro_once_and_keeps_every_other_byte() {
    let world = World::new();
    let file = world.repo().join(".gitattributes");
    fs::write(&file, "# mine\n\n*.txt text\n\n\n*.c text").unwrap();
    assert_eq!(world.dits(&["track", "*.mov"]), printed("Tracking \"*.mov\"\n"));
    let expected = format!("# mine\n\n*.txt text\n\n\n*.c text\n{MACRO}*.mov dits\n");
    assert_eq!(world.attributes(), expected);
    assert_eq!(world.dits(&["track", "*.mov"]), printed("\"*.mov\" already supported\n"));
    assert_eq!(world.attributes(), expected);
    assert_eq!(
        world.dits(&["track", "-l", "*.mov", "*.psd"]),
        printed("Tracking \"*.mov\"\nTracking \"*.psd\"\n")
    );
    let locked = expected.replace("*.mov dits\n", "*.mov dits lockable\n*.psd dits lockable\n");
    assert_eq!(world.attributes(), locked);
    assert_eq!(world.dits(&["track", "--not-lockable", "./*.psd"]), printed("Tracking \"*.psd\"\n"));
    assert_eq!(world.attributes(), locked.replace("*.psd dits lockable", "*.psd dits"));
    assert_eq!(
        world.dits(&["untrack", "*.mov", "*.psd"]),
        printed("Untracking \"*.mov\"\nUntracking \"*.psd\"\n")
    );
    assert_eq!(world.attributes(), expected.replace("*.mov dits\n", ""));
}

#[test]
fn dry_run_writes_nothing() {
    let world = World::new();
    let done = world.dits(&["track", "--dry-run", "*.mov"]);
    assert_eq!(done, printed("Tracking \"*.mov\"\n"));
    assert!(!world.repo().join(".gitattributes").exists());
    fs::write(world.repo().join(".gitattributes"), "*.mov dits").unwrap();
    world.dits(&["track", "-d", "--lockable", "*.mov"]);
    assert_eq!(world.attributes(), "*.mov dits");
}

#[test]
fn odd_patterns_mean_to_git_what_they_say() {
    let world = World::new();
    for name in ["a b.mov", "#1.mov", "!important.mov", "\"quoted\".mov", "tab\tbed.mov", "[attr]x.mov"] {
        let done = world.dits(&["track", "--filename", name]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(world.is_managed(name), "{name:?}: {}", world.attributes());
    }
    assert!(!world.is_managed("b.mov") && !world.is_managed("1.mov") && !world.is_managed("a"));
    world.dits(&["track", "--filename", "shot[1]*.mov"]);
    assert!(world.is_managed("shot[1]*.mov") && !world.is_managed("shot1.mov"));
    world.dits(&["track", "clip [0-9].mov"]);
    assert!(world.is_managed("clip 7.mov") && !world.is_managed("clip x.mov"));
    // Each can be taken out by the name it was given with.
    for name in ["a b.mov", "#1.mov", "!important.mov", "\"quoted\".mov", "shot[1]*.mov"] {
        assert_eq!(world.dits(&["untrack", name]), printed(&format!("Untracking {name:?}\n")));
        assert!(!world.is_managed(name));
    }
}

#[test]
fn in_a_folder_patterns_stay_there_and_the_macro_goes_up() {
    let world = World::new();
    let folder = world.repo().join("art");
    fs::create_dir(&folder).unwrap();
    assert_eq!(world.dits_in(&folder, &["track", "*.psd"]), printed("Tracking \"*.psd\"\n"));
    assert_eq!(world.attributes(), MACRO);
    assert_eq!(fs::read_to_string(folder.join(".gitattributes")).unwrap(), "*.psd dits\n");
    assert!(world.is_managed("art/a.psd") && !world.is_managed("a.psd"));
    world.dits(&["track", "-l", "*.mov"]);
    fs::write(world.repo().join(".git/info/attributes"), "old/* -dits\n*.raw filter=dits -text\n").unwrap();
    let listed = "Listing tracked patterns\n    *.raw (.git/info/attributes)\n    art/*.psd (art/.gitattributes)\n    \
                  *.mov [lockable] (.gitattributes)\nListing excluded patterns\n    old/* (.git/info/attributes)\n";
    assert_eq!(world.dits(&["track"]), printed(listed));
    assert!(!world.dits(&["track", "--no-excluded"]).out.contains("excluded"));
    let json: serde_json::Value = serde_json::from_str(&world.dits(&["track", "--json"]).out).unwrap();
    let first = serde_json::json!({ "pattern": "*.mov", "source": ".gitattributes", "lockable": true, "tracked": true });
    assert_eq!(json["patterns"][3], first);
    assert_eq!(json["patterns"].as_array().unwrap().len(), 4);
}

#[test]
fn files_added_before_are_named_with_the_way_to_convert_them() {
    let world = World::new();
    fs::write(world.repo().join("a.mov"), "content").unwrap();
    world.git(&world.repo(), &["add", "a.mov"]);
    let done = world.dits(&["track", "*.mov"]);
    assert_eq!(done.out, "Tracking \"*.mov\"\n");
    assert!(done.err.contains("hint: 1 file(s) are stored whole: 'git add' them"), "{done:?}");
    let raw =
        "pointer: unexpectedGitObject: \"a.mov\" (in the index) should have been a pointer but was not\n";
    assert_eq!(world.dits(&["fsck"]), Done { code: 1, out: raw.into(), err: String::new() });
}

#[test]
fn the_scan_kernel_is_told_and_can_be_named() {
    let world = World::new();
    let env = world.dits(&["env"]).out;
    let value =
        |key: &str| env.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    let usable = value("ScanKernels=");
    assert!(usable.split(',').any(|name| name == value("ScanKernel=")), "{env}");

    let with = |cpu: &str| run(world.command(DITS, &world.repo()).arg("env").env("DITS_CPU", cpu));
    for name in usable.split(',') {
        let done = with(name);
        assert!(done.code == 0 && done.out.contains(&format!("\nScanKernel={name}\n")), "{done:?}");
    }
    let done = with("abacus");
    assert_eq!((done.code, done.out.as_str()), (128, ""));
    let said =
        "DITS_CPU names no scan kernel that this processor has: 'abacus'\nhint: set it to one of: scalar";
    assert!(done.err.contains(said), "{done:?}");
}

#[test]
fn passwords_of_remotes_are_not_shown() {
    let world = World::new();
    world.git(&world.repo(), &["remote", "add", "origin", "dits://me:geheim@example.org/a/b"]);
    let env = world.dits(&["env"]).out;
    assert!(
        env.contains("Endpoint=dits://example.org:4880/a/b (auth=token)\n") && !env.contains("geheim"),
        "{env}"
    );
}

#[test]
fn an_internal_error_is_one_line_and_a_log_without_secrets() {
    let world = World::new();
    world.git(&world.repo(), &["config", "dits.pruneremotetocheck", "https://me:geheim@example.org/a"]);
    let mut command = world.command(DITS, &world.repo());
    command.args(["logs", "boomtown"]).env("GIT_DITS_TOKEN", "geheim");
    let done = run(&mut command);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines[0], "error: internal error: sample error of 'git dits logs boomtown'");
    let path =
        lines[2].strip_prefix("Errors logged to '").and_then(|rest| rest.strip_suffix("'.")).expect("a path");
    assert_eq!((lines[3], lines.len()), ("Use `git dits logs last` to view the log.", 4));
    let name = Path::new(path).file_name().and_then(OsStr::to_str).expect("a name");
    assert_eq!(world.dits(&["logs"]), printed(&format!("{name}\n")));
    let log = world.dits(&["logs", "last"]);
    assert_eq!(world.dits(&["logs", "show", name]), log);
    for part in ["git-dits/", "\ngit version ", "\n$ git-dits logs boomtown\n", "logs.rs:", "\nLocalGitDir="]
    {
        assert!(log.out.contains(part), "{part}: {log:?}");
    }
    assert!(!log.out.contains("geheim") && log.out.contains("PruneRemoteName=https://***@example.org/a\n"));
    let other = world.repo().join(".git/dits/logs/mine.txt");
    fs::write(&other, "kept").unwrap();
    for odd in ["../../config", "mine.txt", ""] {
        assert_eq!(world.dits(&["logs", "show", odd]).code, 2);
    }
    let folder = Path::new(path).parent().expect("a folder").display().to_string();
    assert_eq!(world.dits(&["logs", "clear"]), printed(&format!("Cleared {folder}\n")));
    assert_eq!(world.dits(&["logs"]), printed(""));
    assert!(other.exists());
    // Outside of a repository there is no place for a file.
    let outside = world.dits_in(&world.home(), &["logs", "boomtown"]);
    assert_eq!(outside.code, 128);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let world = World::new();
    let mut command = world.command(DITS, &world.home());
    let mut child = command.arg("version").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before anything is written, or the test has not seen it fail: both must end quietly.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!([Some(141), Some(0)].contains(&output.status.code()) && output.stderr.is_empty(), "{output:?}");
}
