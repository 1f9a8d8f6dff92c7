//! Locks at a host's own API (`dits.lockurl`): asked as GitHub and GitLab document it, and checked before a push.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod locked;

use dits_lock::ask::{Acquired, Denial, Release, Released, Which};
use dits_lock::{Answer, Ask, Mode};
use dits_remote::locks::LockError;
use dits_tests::{Authority, LockHost, Manners, Repo, User, World};
use locked::{acquire, ask, list, lock, wish};
use std::fs;

/// `ann:a` and `ben:b` in base64.
const LOGINS: [(&str, &str); 2] = [("ann", "YW5uOmE="), ("ben", "YmVuOmI=")];

/// A repository of somebody whose `git credential` knows the host.
fn project(world: &World, host: &LockHost, name: &str, password: &str, bare: &str) -> Repo {
    let user = world.user(name);
    knows(&user, host, name, password);
    user.git(&["config", "--global", "dits.lockurl", &host.url()]);
    let repo = if bare.is_empty() { user.init("project") } else { user.clone_from(bare, "project") };
    repo.git(&["dits", "update"]);
    repo
}

fn knows(user: &User, host: &LockHost, name: &str, password: &str) {
    let file = user.at("credentials");
    fs::write(&file, format!("http://{name}:{password}@{}\n", host.authority())).unwrap();
    user.git(&["config", "--global", "credential.helper", &format!("store --file={}", file.display())]);
}

fn host(manners: Manners) -> LockHost {
    let host = LockHost::start(manners);
    for (login, basic) in LOGINS {
        let shown = if manners == Manners::GitLab { "Sam Artist" } else { login };
        host.user(login, basic, shown);
    }
    host
}

fn held_by(host: &LockHost, login: &str) -> Vec<String> {
    host.held().into_iter().filter(|(_, holder)| holder == login).map(|(path, _)| path).collect()
}

/// Unlocks; returns what became of each.
fn release(repo: &Repo, token: &str, which: Vec<Which>, force: bool) -> Vec<Released> {
    match ask(repo, token, &Ask::Release(Release { which, force, ..Release::default() })) {
        Ok(Answer::Released { outcomes, .. }) => outcomes,
        other => panic!("{other:?}"),
    }
}

/// A day with a host; all that its manners change is how it is written.
fn day(manners: Manners) {
    let (world, host) = (World::new(), host(manners));
    let ann = project(&world, &host, "ann", "a", "");
    ann.commit("first");
    ann.git(&["remote", "add", "origin", "/nowhere"]);
    let paths: Vec<String> = (0..20).map(|i| format!("Content/{i} \u{e9}.uasset")).collect();
    let paths: Vec<&str> = paths.iter().map(|path| &path[..]).collect();
    host.hold(paths[3], "ben");
    let outcomes = acquire(&ann, "", &paths);
    let asked = host.asked();
    // One without a login, then one each, and one to see whose the conflict is: on as many pages as there are.
    assert_eq!((asked[0].as_str(), asked.len()), ("POST /locks 401", 1 + 20 + 10), "{asked:?}");
    for (at, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Acquired::Locked(lock) => {
                assert!(lock.path.as_str() == paths[at] && at != 3 && lock.at == 1_779_032_946)
            }
            Acquired::Refused(Denial::Held(lock)) => assert!(at == 3 && lock.path.as_str() == paths[3]),
            other => panic!("{other:?}"),
        }
    }
    lock(&ann, "", &[paths[0]]);
    assert_eq!((held_by(&host, "ann").len(), list(&ann, "").len()), (19, 20), "her own, again");
    let Ok(Answer::You { name, .. }) = ask(&ann, "", &Ask::WhoAmI) else { panic!("nobody") };
    assert_eq!(name, if manners == Manners::GitLab { "Sam Artist" } else { "ann" });
    // By path and by number; what is not there, and what is somebody else's.
    let which = |path: &str| Which::Path(path.into());
    let Acquired::Locked(second) = &outcomes[1] else { panic!("{outcomes:?}") };
    let released =
        release(&ann, "", vec![which(paths[0]), Which::Id(second.id), which("x"), which(paths[3])], false);
    assert!(
        matches!(&released[..], [Released::Unlocked(_), Released::Unlocked(_), Released::Refused(Denial::NotLocked), Released::Refused(Denial::NotYours(lock))] if lock.path.as_str() == paths[3]),
        "{released:?}"
    );
    let again = release(&ann, "", vec![Which::Id(second.id)], false);
    assert!(matches!(&again[..], [Released::Refused(Denial::NotLocked)]), "{again:?}");
    assert!(matches!(&release(&ann, "", vec![which(paths[3])], true)[..], [Released::Unlocked(_)]));
    assert_eq!(held_by(&host, "ben"), [""; 0]);
}

#[test]
fn github() {
    day(Manners::GitHub);
}

#[test]
fn gitlab_where_two_people_may_share_a_name() {
    day(Manners::GitLab);
}

#[test]
fn a_host_whose_ids_are_no_numbers() {
    day(Manners::Odd);
}

#[test]
fn what_a_host_cannot_do_is_said() {
    let (world, host) = (World::new(), host(Manners::GitHub));
    let ann = project(&world, &host, "ann", "a", "");
    ann.git(&["remote", "add", "origin", "/nowhere"]);
    let cases: [(Ask, &str); 5] = [
        (Ask::Acquire(dits_lock::ask::Acquire { mode: Mode::Shared, ..wish(&["a"]) }), "shared"),
        (Ask::Acquire(dits_lock::ask::Acquire { lease: Some(5), ..wish(&["a"]) }), "by itself"),
        (Ask::Acquire(dits_lock::ask::Acquire { reason: Some("x".into()), ..wish(&["a"]) }), "reason"),
        (Ask::Acquire(dits_lock::ask::Acquire { all: true, ..wish(&["a", "b"]) }), "all or nothing"),
        (Ask::Watch { branch: None }, "what happens"),
    ];
    for (question, word) in cases {
        match ask(&ann, "", &question) {
            Err(LockError::Refused { why, hint }) => assert!(why.contains(word) && hint.is_some(), "{why}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    assert_eq!(host.asked(), [""; 0], "nothing is half done");
    let outcomes = acquire(&ann, "", &["folder/", "../x", "/x", "fine"]);
    assert!(
        matches!(
            &outcomes[..],
            [
                Acquired::Refused(Denial::Path { .. }),
                Acquired::Refused(_),
                Acquired::Refused(_),
                Acquired::Locked(_)
            ]
        ),
        "{outcomes:?}"
    );
}

#[test]
fn answers_of_a_host_that_are_no_yes() {
    let (world, host) = (World::new(), host(Manners::GitHub));
    let ann = project(&world, &host, "ann", "a", "");
    ann.git(&["remote", "add", "origin", "/nowhere"]);
    let hint_of = |repo: &Repo, words: &str| {
        let error = ask(repo, "", &Ask::WhoAmI).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        dits_remote::hint(&error).unwrap_or_default()
    };
    for (status, body, words, hint) in [
        (404, "{\"message\":\"Not Found\"}", "has no locks (404", "dits.lockurl"),
        (
            403,
            "{\"message\":\"Must have\\npush access\"}",
            "does not allow it: Must have push access",
            "right to write",
        ),
        (429, "{}", "it wants to be left alone for 17 seconds", "later"),
        (500, "{\"message\":\"oops\"}", "failed (500 Internal Server Error): oops", "later"),
        (200, "{}", "none of a lock API", "dits.lockurl"),
        (200, "{\"ours\":[{\"id\":-1}]}", "none of a lock API", "dits.lockurl"),
        (200, "{\"ours\":[],\"theirs\":[],\"next_cursor\":\"1\"}", "has no end", "dits.lockurl"),
    ] {
        host.answers(status, body);
        assert!(hint_of(&ann, words).contains(hint), "{words}");
    }
    let wrong = project(&world, &host, "cy", "wrong", "");
    wrong.git(&["remote", "add", "origin", "/nowhere"]);
    host.answers(401, "{\"message\":\"Bad credentials\"}");
    assert!(hint_of(&wrong, "authentication failed").contains("git credential"));
    let known = fs::read_to_string(wrong.user().at("credentials")).unwrap();
    assert_eq!(known, "", "the helper forgets what was refused");
    assert!(hint_of(&wrong, "no user and password").contains("git credential"));
}

#[test]
fn a_repository_cannot_send_a_login_elsewhere() {
    let (world, host) = (World::new(), host(Manners::GitHub));
    let ann = project(&world, &host, "ann", "a", "");
    ann.user().git(&["config", "--global", "--unset", "dits.lockurl"]);
    ann.git(&["remote", "add", "origin", "/nowhere"]);
    ann.write(".ditsconfig", format!("[dits]\n\tlockurl = {}\n", host.url()).as_bytes());
    let error = ask(&ann, "", &Ask::WhoAmI).unwrap_err();
    assert!(matches!(&error, LockError::UntrustedHost { .. }), "{error}");
    assert!(dits_remote::hint(&error).unwrap().contains("git config dits.lockurl"));
    assert_eq!(host.asked(), [""; 0]);
}

#[test]
fn a_push_is_checked_at_the_host() {
    let (world, host) = (World::new(), host(Manners::GitLab));
    let bare = world.folder("bare.git").display().to_string();
    world.plain_user("host").git(&["init", "-q", "--bare", "-b", "main", &bare]);
    let ann = project(&world, &host, "ann", "a", "");
    ann.write("notes.txt", b"one\n");
    ann.write("mine.txt", b"one\n");
    ann.commit("first");
    ann.publish(&bare);
    let ben = project(&world, &host, "ben", "b", &bare);
    host.hold("notes.txt", "ann");
    host.hold("mine.txt", "ben");
    host.asked();
    ben.write("mine.txt", b"two\n");
    ben.commit("mine");
    ben.git(&["config", "dits.unlockOnPush", "true"]);
    let said = ben.git(&["push", "origin", "main"]).said();
    assert!(said.contains("* mine.txt"), "{said}");
    assert_eq!(host.asked(), ["POST /locks/verify 401", "POST /locks/verify 200"], "one question");
    let said = ben.git(&["dits", "fetch"]).said();
    assert!(said.contains("Unlocked mine.txt (dits.unlockonpush)"), "{said}");
    // Both are shown as 'Sam Artist': the host's own word counts.
    ben.write("notes.txt", b"two\n");
    ben.commit("notes");
    ben.git_fails(&["push", "origin", "main"])
        .says(&["Unable to push locked files:\n* notes.txt - Sam Artist\n"]);
    host.answers(404, "{}");
    let said = ben.git(&["push", "--dry-run", "origin", "main"]).said();
    assert!(!said.contains("lock"), "a host without locks: {said}");
    ben.git(&["config", &format!("dits.{}.locksverify", host.url()), "true"]);
    ben.git_fails(&["push", "origin", "main"])
        .says(&["error: locks could not be checked", "has no locks (404"]);
}

#[test]
fn settings_of_git_count_and_many_paths_take_one_connection() {
    let world = World::new();
    let authority = Authority::new(world.path());
    let host = LockHost::secure(Manners::GitHub, &authority);
    host.user("ann", LOGINS[0].1, "ann");
    let ann = world.user("ann").init("project");
    ann.commit("first");
    // The repository may name the host of a remote.
    ann.git(&["remote", "add", "origin", &format!("https://{}/org/game.git", host.authority())]);
    ann.write(".ditsconfig", format!("[dits]\n\tlockurl = {}\n", host.url()).as_bytes());
    let error = ask(&ann, "", &Ask::WhoAmI).unwrap_err();
    assert!(error.to_string().contains("cannot reach the lock API at 'https://127.0.0.1:"), "{error}");
    assert!(dits_remote::hint(&error).unwrap().contains("http.sslCAInfo"));
    assert_eq!(host.asked(), [""; 0], "nothing was said to a stranger");
    ann.git(&["config", "http.sslCAInfo", authority.file().to_str().unwrap()]);
    let error = ask(&ann, "", &Ask::WhoAmI).unwrap_err();
    assert!(error.to_string().contains("no user and password"), "{error}");
    fs::write(ann.user().home().join(".netrc"), "machine 127.0.0.1 login ann password a\n").unwrap();
    host.asked();
    host.connections();
    let paths: Vec<String> = (0..50).map(|i| format!("{i}.uasset")).collect();
    lock(&ann, "", &paths.iter().map(|path| &path[..]).collect::<Vec<_>>());
    assert_eq!((host.asked().len(), host.connections()), (50, 1), "a login that is known is said at once");
    fs::remove_file(ann.user().home().join(".netrc")).unwrap();
    ann.git(&["config", "--unset", "http.sslCAInfo"]);
    ann.git(&["config", "http.sslVerify", "false"]);
    let key = format!("http.https://{}/org/.extraHeader", host.authority());
    ann.git(&["config", &key, &format!("Authorization: Basic {}", LOGINS[0].1)]);
    assert_eq!(list(&ann, "").len(), 50);
    assert!(host.asked().iter().all(|asked| asked.ends_with(" 200")));
}
#[test]
fn commands_ask_the_host() {
    let (world, host) = (World::new(), host(Manners::GitHub));
    let ann = project(&world, &host, "ann", "a", "");
    ann.write("a.txt", b"one\n");
    ann.write("b.txt", b"one\n");
    ann.commit("first");
    ann.git(&["remote", "add", "origin", "/nowhere"]);
    assert_eq!(ann.git(&["dits", "lock", "a.txt", "b.txt"]).text(), "Locked a.txt\nLocked b.txt\n");
    host.hold("c.txt", "ben");
    assert_eq!(ann.git(&["dits", "locks"]).text(), "a.txt\tann\tID:1\nb.txt\tann\tID:2\nc.txt\tben\tID:3\n");
    let verified = ann.git(&["dits", "locks", "--verify"]).text();
    assert_eq!(verified, "O a.txt\tann\tID:1\nO b.txt\tann\tID:2\n  c.txt\tben\tID:3\n");
    ann.git_fails(&["dits", "lock", "--shared", "a.txt"]).says(&["cannot keep shared locks", "hint: "]);
    ann.git_fails(&["dits", "locks", "--watch"]).says(&["cannot tell what happens", "hint: "]);
    assert_eq!(ann.git(&["dits", "unlock", "a.txt"]).text(), "Unlocked a.txt\n");
    assert_eq!(ann.git(&["dits", "unlock", "--id", "2"]).text(), "Unlocked Lock 2\n");
    ann.git_fails(&["dits", "unlock", "--id", "3"]).says(&["ben"]);
    assert_eq!(ann.git(&["dits", "unlock", "--id", "3", "--force"]).text(), "Unlocked Lock 3\n");
    assert_eq!(host.held(), []);
}

#[test]
fn our_own_server_speaks_it_too() {
    let world = World::new();
    let server = world.closed_server();
    let user = |name: &str| {
        let repo = world.user(name).init("project");
        let netrc =
            format!("machine 127.0.0.1 login {name} password {}\n", server.token(name, "write", "team"));
        fs::write(repo.user().home().join(".netrc"), netrc).unwrap();
        repo.git(&["remote", "add", "origin", "/nowhere"]);
        repo.git(&["config", "http.sslVerify", "false"]);
        let url = format!("https://127.0.0.1:{}/team/p.git/info/lfs", server.port());
        repo.git(&["config", "dits.lockurl", &url]);
        repo
    };
    let (ann, ben) = (user("ann"), user("ben"));
    lock(&ann, "", &["a.txt", "b.txt"]);
    let Ok(Answer::You { name, .. }) = ask(&ann, "", &Ask::WhoAmI) else { panic!("nobody") };
    assert_eq!(name, "ann");
    let outcomes = acquire(&ben, "", &["a.txt", "c.txt"]);
    assert!(
        matches!(&outcomes[..], [Acquired::Refused(Denial::Held(lock)), Acquired::Locked(_)] if lock.owner == "ann"),
        "{outcomes:?}"
    );
    let released = release(&ben, "", vec![Which::Path("a.txt".into()), Which::Path("c.txt".into())], false);
    assert!(
        matches!(&released[..], [Released::Refused(Denial::NotYours(_)), Released::Unlocked(_)]),
        "{released:?}"
    );
    assert_eq!(list(&ben, ""), [("a.txt".into(), "ann".into()), ("b.txt".into(), "ann".into())]);
}
