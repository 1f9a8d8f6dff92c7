//! The table of who may push what: two clones, two branches, and what can be done in them.

use super::studio::{Studio, change, push};
use dits_lock::Ask;
use dits_lock::ask::{Release, Which};

/// Who has 'a' locked for which branch; who pushes what to which branch; what comes of it. `edit` changes 'a', `other`
/// changes 'b', `merge` merges the other branch, on which 'a' was changed.
const TABLE: [(&str, &str, &str, &str, &str); 36] = [
    ("-", "ann", "main", "edit", "yes"),
    ("-", "ann", "main", "other", "yes"),
    ("-", "ann", "main", "merge", "yes"),
    ("-", "ann", "release", "edit", "yes"),
    ("-", "ann", "release", "other", "yes"),
    ("-", "ann", "release", "merge", "yes"),
    ("-", "bob", "main", "edit", "yes"),
    ("-", "bob", "main", "other", "yes"),
    ("-", "bob", "main", "merge", "yes"),
    ("-", "bob", "release", "edit", "yes"),
    ("-", "bob", "release", "other", "yes"),
    ("-", "bob", "release", "merge", "yes"),
    ("ann main", "ann", "main", "edit", "yes"),
    ("ann main", "ann", "main", "other", "yes"),
    ("ann main", "ann", "main", "merge", "yes"),
    ("ann main", "ann", "release", "edit", "yes, retained"),
    ("ann main", "ann", "release", "other", "yes"),
    ("ann main", "ann", "release", "merge", "yes"),
    ("ann main", "bob", "main", "edit", "no"),
    ("ann main", "bob", "main", "other", "yes"),
    ("ann main", "bob", "main", "merge", "no"),
    ("ann main", "bob", "release", "edit", "warned"),
    ("ann main", "bob", "release", "other", "yes"),
    ("ann main", "bob", "release", "merge", "yes"),
    ("ann release", "ann", "main", "edit", "yes, retained"),
    ("ann release", "ann", "main", "other", "yes"),
    ("ann release", "ann", "main", "merge", "yes"),
    ("ann release", "ann", "release", "edit", "yes"),
    ("ann release", "ann", "release", "other", "yes"),
    ("ann release", "ann", "release", "merge", "yes"),
    ("ann release", "bob", "main", "edit", "warned"),
    ("ann release", "bob", "main", "other", "yes"),
    ("ann release", "bob", "main", "merge", "yes"),
    ("ann release", "bob", "release", "edit", "no"),
    ("ann release", "bob", "release", "other", "yes"),
    ("ann release", "bob", "release", "merge", "no"),
];

#[test]
fn the_table_of_who_may_push_what() {
    let studio = Studio::new();
    let start = studio.ann.id("main");
    studio.ann.git(&["push", "-q", "origin", "main:release"]);
    // On each branch somebody changes 'a', before it is locked.
    let [on_main, on_release] = ["main", "release"].map(|branch| {
        studio.ann.git(&["switch", "-q", "-C", branch, &start]);
        studio.ann.write("a", format!("a of {branch}\n").as_bytes());
        studio.ann.commit("change a");
        studio.ann.git(&["push", "-q", "origin", &format!("HEAD:refs/keep/{branch}")]);
        studio.ann.id("HEAD")
    });
    let bare = studio.bare();
    for (lock, who, branch, what, expected) in TABLE {
        let (other, changed) = if branch == "main" { ("release", &on_release) } else { ("main", &on_main) };
        let is_merge = what == "merge";
        for (name, id) in [(branch, &start), (other, if is_merge { changed } else { &start })] {
            let args = ["--git-dir", bare.to_str().unwrap(), "update-ref", &format!("refs/heads/{name}"), id];
            studio.ann.user().git(&args);
        }
        if let Some((owner, target)) = lock.split_once(' ') {
            studio.lock_for(owner, "a", Some(target));
        }
        let repo = if who == "ann" { &studio.ann } else { &studio.bob };
        repo.git(&["fetch", "-q"]);
        repo.git(&["switch", "-q", "-C", branch, &format!("origin/{branch}")]);
        match what {
            "edit" => change(repo, "a"),
            "other" => change(repo, "b"),
            _ => drop(repo.git(&["merge", "-q", "--no-ff", "-m", "merge", &format!("origin/{other}")])),
        }
        let ran = push(repo, &[branch]);
        let is_warned = ran.said().contains(&format!("warning: ann holds 'a' for {other} (locked "));
        let retained = studio.locks().iter().any(|lock| lock.ends_with(" retained"));
        let outcome = match (ran.code, is_warned, retained) {
            (Some(0), false, false) => "yes",
            (Some(0), false, true) => "yes, retained",
            (Some(0), true, false) => "warned",
            (Some(1), false, false) => "no",
            _ => "something else",
        };
        assert_eq!(outcome, expected, "{lock}: {who} pushes {what} to {branch}:\n{ran}");
        if outcome == "no" {
            ran.says(&[&format!("a: locked by ann for {branch}, ")]);
        }
        let ask = Release { which: vec![Which::Path("a".into())], force: true, ..Release::default() };
        studio.ask("eve", &Ask::Release(ask));
        assert!(studio.locks().is_empty());
    }
}
