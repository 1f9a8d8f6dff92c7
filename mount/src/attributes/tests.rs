//! Random attribute files, and Git's own answers.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn of(cache: &Cache, files: &BTreeMap<String, String>, path: &str) -> Attributes {
    let read = |path: &[u8]| {
        let text = files.get(std::str::from_utf8(path).unwrap());
        Ok::<_, Infallible>(text.map(|text| text.clone().into_bytes()))
    };
    cache.of(path.as_bytes(), read).unwrap()
}

/// The least that Git takes for a repository: to make one costs more than the question.
fn repository(dir: &Path, ignore_case: bool) {
    let git = dir.join(".git");
    ["objects", "refs", "info"].iter().for_each(|name| std::fs::create_dir_all(git.join(name)).unwrap());
    std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let user = git.join("user");
    let config = format!("[core]\nattributesFile = {}\nignoreCase = {ignore_case}\n", user.display());
    std::fs::write(git.join("config"), config).unwrap();
}

/// What `git check-attr` says.
fn ask_git(dir: &Path, paths: &[&str]) -> Vec<Attributes> {
    let mut git = Command::new("git");
    let none = dir.join("none");
    for (key, value) in [("HOME", &none), ("XDG_CONFIG_HOME", &none), ("GIT_CONFIG_GLOBAL", &none)] {
        git.env(key, value);
    }
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_ATTR_NOSYSTEM", "1");
    git.args(["check-attr", "--stdin", "-z", "filter", "lockable"]).current_dir(dir);
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut git = git.spawn().unwrap();
    git.stdin.take().unwrap().write_all(paths.join("\0").as_bytes()).unwrap();
    let out = git.wait_with_output().unwrap();
    assert!(out.status.success());
    let out = String::from_utf8(out.stdout).unwrap();
    let fields: Vec<&str> = out.split('\0').collect();
    let answer = |fields: &[&str]| Attributes {
        managed: fields[2] == "dits",
        lockable: ["set", "true"].contains(&fields[5]),
    };
    fields.chunks_exact(6).map(answer).collect()
}

const PATHS: [&str; 12] = [
    "x.mov",
    "y.MOV",
    "a/x.mov",
    "a/b/x.mov",
    "a/b/y.bin",
    "b/x",
    "a b",
    "a/b/c/x.mov",
    "[x].bin",
    "!x",
    "b/a/x.mov",
    "#x.mov",
];
const PATTERNS: [&str; 24] = [
    "*",
    "*.mov",
    "x.mov",
    "/x.mov",
    "a/*",
    "a/**",
    "**/x.mov",
    "b/",
    "a/b/*.mov",
    "**/b/**",
    "?.bin",
    "[xy].*",
    "\"a b\"",
    "\\[x\\].bin",
    "\\!x",
    "!x",
    "*.M*",
    "/a/b/x.mov",
    "b/x*",
    "x",
    "*/x.mov",
    "[!x].mov",
    "#x.mov",
    "\\#x.mov",
];
const STATES: [&str; 20] = [
    "filter=dits",
    "-filter",
    "!filter",
    "filter",
    "filter=lfs",
    "lockable",
    "-lockable",
    "!lockable",
    "lockable=true",
    "lockable=false",
    "dits",
    "-dits",
    "!dits",
    "dits=1",
    "m",
    "-m",
    "text",
    "builtin_x",
    "lockable=",
    "-",
];

fn line() -> impl Strategy<Value = String> {
    let states = || proptest::collection::vec(proptest::sample::select(&STATES[..]), 0..4);
    let blank = proptest::sample::select(&[" ", "\t", "  ", " \r"][..]);
    let rule = (proptest::sample::select(&PATTERNS[..]), states(), blank.clone(), blank);
    let rule =
        rule.prop_map(|(pattern, states, blank, end)| format!("{pattern}{blank}{}{end}", states.join(blank)));
    let name = proptest::sample::select(&["dits", "m", "text", "lockable", "-x"][..]);
    let defined = (name, states()).prop_map(|(name, states)| format!("[attr]{name} {}", states.join(" ")));
    let long = (rule.clone(), 2000..2100usize).prop_map(|(rule, length)| format!("{rule:<length$}"));
    prop_oneof![8 => rule, 2 => defined, 1 => Just(String::new()), 1 => long]
}

fn text() -> impl Strategy<Value = String> {
    let lines = proptest::collection::vec(line(), 0..6).prop_map(|lines| lines.join("\n"));
    (lines, any::<bool>(), proptest::bool::weighted(0.1)).prop_map(|(text, end, mark)| {
        format!("{}{text}{}", if mark { "\u{feff}" } else { "" }, if end { "\n" } else { "" })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_those_of_git(
        texts in proptest::collection::vec(text(), 4),
        user in text(), info in text(), ignore_case: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        repository(dir.path(), ignore_case);
        let mut files = BTreeMap::new();
        for (folder, text) in ["", "a/", "a/b/", "b/"].iter().zip(texts) {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
            std::fs::write(dir.path().join(folder).join(".gitattributes"), &text).unwrap();
            files.insert(format!("{folder}.gitattributes"), text);
        }
        std::fs::write(dir.path().join(".git/info/attributes"), &info).unwrap();
        std::fs::write(dir.path().join(".git/user"), &user).unwrap();
        let cache = Cache::default();
        let outer = Outer { system: Vec::new(), user: user.into(), info: info.into(), ignore_case };
        cache.set_outer(&outer);
        for (path, expected) in PATHS.iter().zip(ask_git(dir.path(), &PATHS)) {
            prop_assert_eq!(of(&cache, &files, path), expected, "{}", path);
        }
    }
}

#[test]
fn files_are_read_again_when_they_change_and_only_then() {
    let cache = Cache::default();
    let reads = std::cell::Cell::new(0);
    let of = |text: &'static str| {
        let read = |path: &[u8]| {
            reads.set(reads.get() + 1);
            Ok::<_, Infallible>((path == b"a/.gitattributes").then(|| text.as_bytes().to_vec()))
        };
        cache.of(b"a/x.mov", read).unwrap()
    };
    assert!(of("*.mov filter=dits").managed);
    assert!(of("").managed, "from memory");
    assert_eq!(reads.get(), 2);
    cache.changed(b"a/x.mov");
    cache.changed(b"a/.gitattributes.tmp");
    assert!(of("").managed, "another file changed");
    cache.changed(b"a/.gitattributes");
    assert_eq!(of("*.mov lockable"), Attributes { managed: false, lockable: true });
    cache.changed(b"b/");
    assert!(!of("").lockable, "a folder was moved");
    // A change while it is read: the text may be that of before.
    cache.changed(b"a/.gitattributes");
    let racing = cache.of(b"a/x.mov", |_| {
        cache.changed(b"a/.gitattributes");
        Ok::<_, Infallible>(Some(b"*.mov filter=dits".to_vec()))
    });
    assert!(racing.unwrap().managed && !of("").managed);
    cache.set_outer(&Outer { info: b"x.mov filter=dits".to_vec(), ..Outer::default() });
    assert!(of("").managed);
}
