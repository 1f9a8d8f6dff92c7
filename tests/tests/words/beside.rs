//! Two users with the same repository, one with git-lfs and one with git-dits, and the comparison of what they see.
//!
//! What is mapped before texts are compared, and nothing else:
//! - hashes of seven digits and more, and folders of the world, are masked;
//! - in git-lfs's text `LFS`, `Lfs` and `lfs` become `DITS`, `Dits` and `dits`; `sha256` becomes `blake3`, and the version
//!   of its pointers becomes ours;
//! - `hint:` lines on our standard error are left out: git-lfs has none;
//! - so is our warning of an old git;
//! - of a failure only standard output and the exit code are compared. Both must say something on standard error,
//!   each in its own words: ours are worded like Git's. Where an argument is unknown (127) git-lfs prints its help
//!   on standard output, and only the exit code counts;
//! - one line of JSON may have more keys than git-lfs's, never fewer.

use dits_tests::{Ran, Repo, User, World, masked};
use serde_json::Value;
use std::fmt::Write;

/// The two repositories.
pub struct Beside {
    pub world: World,
    pub lfs: Repo,
    pub dits: Repo,
}

impl Beside {
    /// Two empty repositories whose users have the product installed.
    #[track_caller]
    pub fn new() -> Beside {
        let world = World::new();
        let dits = world.user("dits");
        let lfs = with_git_lfs(&world);
        for user in [&lfs, &dits] {
            user.git(&["init", "-q", "repo"]);
        }
        Beside { lfs: lfs.repo("repo"), dits: dits.repo("repo"), world }
    }

    /// The same with `*.bin` tracked.
    #[track_caller]
    pub fn tracked() -> Beside {
        let beside = Beside::new();
        beside.git(&["{}", "track", "*.bin"]);
        beside
    }

    /// Does the same in both.
    #[track_caller]
    pub fn each(&self, work: impl Fn(&Repo)) {
        work(&self.lfs);
        work(&self.dits);
    }

    /// Runs Git in both, with the product's name for `{}`.
    #[track_caller]
    pub fn git(&self, args: &[&str]) {
        self.lfs.git(&named(args, "lfs"));
        self.dits.git(&named(args, "dits"));
    }

    /// Runs a command of the product in both, and asserts that it does the same.
    #[track_caller]
    pub fn same(&self, args: &[&str]) {
        self.same_with(args, "", b"");
    }

    /// [`Beside::same`] for several commands, of one word or more.
    #[track_caller]
    pub fn same_all(&self, commands: &[&str]) {
        for command in commands {
            self.same(&command.split(' ').collect::<Vec<_>>());
        }
    }

    /// [`Beside::same`] in a folder of the repository, with something on standard input.
    #[track_caller]
    pub fn same_with(&self, args: &[&str], dir: &str, input: &[u8]) {
        let (lfs, dits) = self.both(args, dir, input);
        let (expected, seen) = (self.seen(&lfs, true), self.seen(&dits, false));
        if let (Ok(theirs), Ok(ours)) =
            (serde_json::from_slice(&lfs.stdout), serde_json::from_slice(&dits.stdout))
            && lfs.text().lines().count() == 1
        {
            let (theirs, ours): (Value, Value) = (theirs, ours);
            assert!(contains(&ours, &theirs), "'{}' lacks what git-lfs has:\n{lfs}\n{dits}", args.join(" "));
            assert_eq!((lfs.code, dits.code, dits.text().lines().count()), (Some(0), Some(0), 1));
            return;
        }
        assert!(expected == seen, "'{}' differs from git-lfs:\n{}", args.join(" "), diff(&expected, &seen));
    }

    /// Runs a command of the product in both.
    #[track_caller]
    pub fn both(&self, args: &[&str], dir: &str, input: &[u8]) -> (Ran, Ran) {
        let run = |repo: &Repo, product: &str| {
            let call = repo.user().call("git", &repo.at(dir)).args([product]).args(named(args, product));
            call.input(input).run()
        };
        (run(&self.lfs, "lfs"), run(&self.dits, "dits"))
    }

    /// What is compared of a command that has ended.
    pub fn seen(&self, ran: &Ran, is_lfs: bool) -> String {
        let said = self.mapped(&ran.said(), is_lfs);
        let mut seen = if ran.code == Some(127) { String::new() } else { self.mapped(&ran.text(), is_lfs) };
        if ran.code == Some(0) {
            seen.extend(said.split_inclusive('\n').filter(|line| !line.starts_with("hint: ")));
        } else {
            seen.push_str(if said.is_empty() { "[says nothing]\n" } else { "[says why]\n" });
        }
        let _ = writeln!(seen, "[exit {:?}]", ran.code);
        seen
    }

    /// A text as it is compared.
    pub fn mapped(&self, text: &str, is_lfs: bool) -> String {
        let text = masked(&self.world, text);
        if !is_lfs {
            let is_about_git = |line: &str| {
                line.starts_with("warning: git version ") || line.starts_with("hint: update git ")
            };
            return text.split_inclusive('\n').filter(|line| !is_about_git(line)).collect();
        }
        let maps = [
            ("https://git-lfs.github.com/spec/v1", "git-dits/1"),
            ("sha256", "blake3"),
            ("LFS", "DITS"),
            ("Lfs", "Dits"),
            ("lfs", "dits"),
        ];
        maps.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
    }
}

/// A user with git-lfs. Its absence must never look like success.
#[track_caller]
fn with_git_lfs(world: &World) -> User {
    let user = world.plain_user("lfs");
    let found = user.call("git", &user.home()).args(["lfs", "install"]).run();
    assert!(
        found.code == Some(0),
        "git-lfs is not installed, and these tests compare with it: install Debian's git-lfs \
         ('apt-get install git-lfs')\n{found}"
    );
    user
}

fn named<'a>(args: &[&'a str], product: &'a str) -> Vec<&'a str> {
    args.iter().map(|arg| if *arg == "{}" { product } else { arg }).collect()
}

/// Whether `ours` has every key of `theirs`, with the same value.
pub fn contains(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            theirs.iter().all(|(key, value)| ours.get(key).is_some_and(|own| contains(own, value)))
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && theirs.iter().zip(ours).all(|(value, own)| contains(own, value))
        }
        _ => ours == theirs,
    }
}

/// The lines of both, with those that only git-lfs has marked `-` and those that only we have `+`.
fn diff(expected: &str, seen: &str) -> String {
    let (expected, seen): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), seen.lines().collect());
    let start = expected.iter().zip(&seen).take_while(|(a, b)| a == b).count();
    let rest = expected[start..].iter().rev().zip(seen[start..].iter().rev());
    let end = rest.take_while(|(a, b)| a == b).count();
    let part =
        |mark: char, lines: &[&str]| lines.iter().map(|line| format!("{mark} {line}\n")).collect::<String>();
    [
        part(' ', &expected[..start]),
        part('-', &expected[start..expected.len() - end]),
        part('+', &seen[start..seen.len() - end]),
        part(' ', &expected[expected.len() - end..]),
    ]
    .concat()
}

#[test]
fn a_difference_is_shown_by_line() {
    assert_eq!(diff("a\nb\nc\n", "a\nx\ny\nc\n"), "  a\n- b\n+ x\n+ y\n  c\n");
    assert_eq!(diff("a\n", "a\na\n"), "  a\n+ a\n");
}
