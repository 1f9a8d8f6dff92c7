//! The hook's end of the talk, against a server that says what the test wants.

use super::*;
use dits_lock::{LockId, LockPath};

const ZERO: &str = "0000000000000000000000000000000000000000";

fn lock(owner: &str) -> Lock {
    Lock::taken(LockId(1), LockPath::parse("maps/").unwrap(), Branch::parse("main").unwrap(), owner, 100)
}

/// Asks a server that has said all of this already; what it was told, and what came of it.
fn talk(moves: &[Move], heard: &str) -> (Vec<Said>, Result<Verdict, AskError>) {
    let mut told = Vec::new();
    let dir = tempfile::tempdir().unwrap();
    let result = ask(moves, &Git::at(dir.path()), "k", (heard.as_bytes(), &mut told));
    let told = told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (told.map(|line| serde_json::from_slice(line).unwrap()).collect(), result)
}

fn gone(name: &str) -> Move {
    Move { branch: Branch::parse(name).unwrap(), old: Some("1".repeat(40)), new: None }
}

#[test]
fn only_branches_count() {
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    let input = format!(
        "{one} {two} refs/heads/a/b\n{ZERO} {two} refs/tags/v1\n{one} {ZERO} refs/heads/x\n{one} {two} refs/notes/n\n"
    );
    let found = moves(input.as_bytes()).unwrap();
    let both = Move { branch: Branch::parse("a/b").unwrap(), old: Some(one.clone()), new: Some(two) };
    assert_eq!(found, [both, gone("x")]);
    assert!(moves(&b"nonsense\n"[..]).is_err());
}

#[test]
fn without_locks_nothing_is_compared() {
    let one = Move { new: Some("7".repeat(40)), ..gone("main") };
    let (told, verdict) = talk(std::slice::from_ref(&one), "\"free\"\n");
    assert_eq!(verdict.unwrap(), Verdict::default());
    assert_eq!(told, [Said::Begin { key: "k".into() }, Said::Moves(vec![one]), Said::Look]);
}

#[test]
fn in_doubt_the_answer_is_no() {
    for heard in [
        "",
        "\"free\"",
        "nonsense\n",
        "{\"verdict\":{\"refused\":{\"named\":[],\"count\":0},\"warned\":{\"named\":[],\"count\":0}}}\n",
        "{\"no\":\"the server failed\"}\n",
        "{\"targets\":[\"main\"]}\n",
        "{\"targets\":[\"main\"]}\n\"free\"\n",
        "{\"something_new\":1}\n",
    ] {
        assert!(talk(&[gone("x")], heard).1.is_err(), "{heard}");
    }
    let fine = "{\"targets\":[\"main\"]}\n{\"verdict\":{\"refused\":{\"named\":[],\"count\":0},\"warned\":{\"named\":[],\"count\":0}}}\n";
    let (told, verdict) = talk(&[gone("x")], fine);
    assert!(verdict.is_ok() && told.last() == Some(&Said::Decide));
}

#[test]
fn what_git_lists_is_read() {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let raw = format!(":100644 100644 {a} {b} M\0x y\0:100644 000000 {a} {ZERO} D\0z\0");
    let files = parse_raw(raw.as_bytes()).unwrap();
    assert_eq!(files, [(b"x y".to_vec(), Some(b)), (b"z".to_vec(), None)]);
    assert_eq!(parse_raw(b"").unwrap(), []);
    assert!(parse_raw(b"100644\0x\0").is_none() && parse_raw(b":1 2 3 4 M").is_none());
}

#[test]
fn a_refusal_names_path_holder_and_age() {
    let mut refused = Objections::default();
    for i in 0..12 {
        refused.add(Some(&format!("maps/{i}\x1b.umap")), &lock("ann"));
    }
    let text = refusal(&refused, 100 + 3 * 3600);
    assert!(text.contains("\n  maps/0?.umap: locked by ann for main, 3 hours ago\n"), "{text}");
    assert!(text.ends_with("\n  ... and 2 more"), "{text}");
    let mut refused = Objections::default();
    refused.add(None, &lock("a\nnn"));
    let text = refusal(&refused, 50);
    assert!(
        text.contains("delete") && text.contains("\n  maps/: locked by a?nn for main, 0 seconds ago"),
        "{text}"
    );
    let mut warned = Objections::default();
    warned.add(Some("maps/x"), &lock("ann"));
    assert_eq!(warnings(&warned, 160), ["ann holds 'maps/x' for main (locked 1 minute ago)"]);
}
