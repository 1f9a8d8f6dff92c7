//! Progress: lines for programs that follow a file, and the line for people where it is forced.

use dits_tests::{Repo, World, bytes};
use std::path::Path;

/// The lines of the file, taken out of it.
fn taken(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.lines().map(str::to_owned).collect()
}

/// That the line is `<direction> <n>/<total> <bytes>/<total> <name>`, and its direction and name.
#[track_caller]
fn parts(line: &str) -> (String, String) {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let &[direction, files, bytes, name] = &words[..] else { panic!("'{line}' has other parts") };
    for pair in [files, bytes] {
        let (done, all) = pair.split_once('/').expect("a slash");
        let (done, all): (u64, u64) = (done.parse().expect("a number"), all.parse().expect("a number"));
        assert!(done <= all && all > 0, "{line}");
    }
    (direction.to_owned(), name.to_owned())
}

#[test]
fn a_program_can_follow_every_direction() {
    let world = World::new();
    let server = world.server();
    let file = world.path().join("progress");
    let user = world.user("ann").with_env("GIT_DITS_PROGRESS", &file);
    let repo = user.init("project");
    repo.write("a b.bin", &bytes(300_000, 1));
    repo.write("c.bin", &bytes(200_000, 2));
    repo.commit("one");
    assert_eq!(taken(&file), ["clean 1/1 300000/300000 a b.bin", "clean 2/2 200000/200000 c.bin"]);
    repo.publish(&server.url("team/project"));
    let lines = taken(&file);
    assert!(lines.iter().all(|line| parts(line) == ("upload".to_owned(), "content".to_owned())), "{lines:?}");
    let last = lines.last().expect("a line");
    assert!(last.starts_with("upload 2/2 5"), "{lines:?}");
    let other = world.user("bob").with_env("GIT_DITS_PROGRESS", &file);
    other.clone_from(&server.url("team/project"), "clone");
    let lines = taken(&file);
    let (download, checkout): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| parts(line).0 == "download");
    assert!(download.last().is_some_and(|line| line.starts_with("download 2/2 ")), "{lines:?}");
    assert_eq!(checkout, ["checkout 1/2 300000/300000 a b.bin", "checkout 2/2 200000/200000 c.bin"]);
}

#[test]
fn a_path_that_cannot_be_used_is_told_and_stops_nothing() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(10_000, 1));
    for (path, said) in [
        ("relative/path", "error: GIT_DITS_PROGRESS must be an absolute path"),
        ("/nowhere/at/all", "error: cannot write to '/nowhere/at/all', which GIT_DITS_PROGRESS names: "),
    ] {
        let repo = repo.with_env("GIT_DITS_PROGRESS", path);
        repo.git(&["add", "--renormalize", "."]);
        repo.write("a.bin", &bytes(10_000, 2));
        repo.git(&["add", "a.bin"]).says(&[said]);
        assert!(!repo.at("relative").exists());
    }
}

/// What a terminal would show at the end of a line that is drawn over.
fn shown(said: &str, words: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains(words))?;
    line.rsplit('\r').next().map(str::to_owned)
}

#[track_caller]
fn is_shown(repo: &Repo, args: &[&str], words: &str, files: &str) {
    let said = repo.git(args).said();
    let line = shown(&said, words).unwrap_or_else(|| panic!("'{words}' is not shown:\n{said}"));
    // `Uploading DITS objects: 100% (2/2), 12 MB | 3 MB/s, done.`
    let rest = line.strip_prefix(&format!("{words}: 100%{files}, ")).expect(&line);
    let (bytes, rate) = rest.split_once(" | ").expect(&line);
    let is_bytes = |text: &str| text.split_once(' ').is_some_and(|(number, _)| number.parse::<f64>().is_ok());
    assert!(is_bytes(bytes) && rate.trim_end().ends_with("/s, done.") && is_bytes(rate), "{line}");
}

#[test]
fn progress_is_drawn_when_it_is_forced_and_only_then() {
    let world = World::new();
    let server = world.server();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(300_000, 1));
    repo.commit("one");
    repo.git(&["remote", "add", "origin", &server.url("team/project")]);
    let forced = repo.with_env("GIT_DITS_FORCE_PROGRESS", "1");
    is_shown(&forced, &["push", "-q", "origin", "main"], "Uploading DITS objects", " (1/1)");
    let other = world.user("bob");
    let url = server.url("team/project");
    other.git(&["clone", "-q", &url, "clone"]);
    let clone = other.repo("clone");
    clone.git(&["push", "-q", "origin", "main"]).says_nothing();
    clone.git(&["config", "dits.forceprogress", "true"]);
    std::fs::remove_file(clone.at("a.bin")).expect("it is there");
    is_shown(&clone, &["checkout", "-q", "--", "a.bin"], "Checking out DITS objects", "");
    let never = clone.with_env("GIT_DITS_FORCE_PROGRESS", "0");
    never.git(&["config", "--unset", "dits.forceprogress"]);
    std::fs::remove_file(clone.at("a.bin")).expect("it is there");
    never.git(&["checkout", "-q", "--", "a.bin"]).says_nothing();
}
