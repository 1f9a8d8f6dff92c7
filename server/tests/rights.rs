//! Who gets in: tokens, roles, scopes, and what strangers may learn. Also starting twice, and Git streams as
//! far as they go without a repository's worth of data.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_server::access::change::{NewToken, Owner};
use dits_server::access::rate;
use dits_server::audit::{AuditLog, Event};
use dits_server::inventory;
use dits_server::layout::{Layout, LayoutError};
use dits_server::{Role, Scope, ServeError, Server, ServerConfig, add_token};
use dits_store::MemoryStore;
use dits_sync::SyncError;
use dits_sync::message::{Purpose, Reason};
use std::io::{Read, Write};
use std::sync::Arc;

fn git(service: &str) -> Purpose {
    Purpose::Git { service: service.into(), protocol: "version=2".into(), object_format: "sha1".into() }
}

/// Makes a bare repository in the server's folder.
fn make(rig: &Rig, path: &str) {
    let path = rig.server_dir().join(path);
    let init = std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(&path).status();
    assert!(init.unwrap().success());
}

/// Opens a Git stream, sends `input` and reads everything.
fn talk(rig: &Rig, token: &str, repository: &str, service: &str, input: &[u8]) -> Result<String, SyncError> {
    let client = rig.client(repository);
    let opened = client.git(token, git(service));
    let Ok((mut writer, mut reader)) = opened else {
        client.close();
        return opened.map(|_| String::new());
    };
    writer.write_all(input).unwrap();
    writer.finish();
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap();
    client.close();
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn a_token_allows_what_it_says_and_no_more() {
    let rig = Rig::new();
    let dir = rig.server_dir();
    let store = MemoryStore::new();
    let item = add(&store, b"content");
    let push = |token: &str, repository| rig.push_as(token, repository, &store, vec![item]);
    let pull = |token: &str, repository| rig.pull_as(token, repository, &[item.oid]).map(drop);
    push(&rig.token, "team/a").unwrap();
    for token in ["", "dits_0000", &rig.token[1..]] {
        assert_eq!(reason(push(token, "team/a")), Reason::Unauthorized);
        assert_eq!(reason(pull(token, "team/a")), Reason::Unauthorized);
    }
    // The server is running: it learns of new tokens by itself.
    let reader = add_token(&dir, "reader", Role::Read, &Scope::All).unwrap();
    let writer = add_token(&dir, "writer", Role::Write, &"team/a".parse().unwrap()).unwrap();
    pull(&reader, "team/a").unwrap();
    assert_eq!(reason(push(&reader, "team/a")), Reason::Forbidden);
    push(&writer, "team/a").unwrap();
    push(&writer, "team/a/below").unwrap();
    for elsewhere in ["team/ab", "team", "other/a"] {
        assert_eq!(reason(push(&writer, elsewhere)), Reason::Forbidden);
        assert_eq!(reason(pull(&writer, elsewhere)), Reason::Forbidden);
    }
}

/// What a stream may be opened for, and the role that it takes.
const PURPOSES: [(&str, Role); 4] = [
    ("pull", Role::Read),
    ("push", Role::Write),
    ("git-upload-pack", Role::Read),
    ("git-receive-pack", Role::Write),
];

/// Opens a stream and says whether that was allowed.
fn attempt(rig: &Rig, token: &str, repository: &str, purpose: &str) -> Result<(), Reason> {
    let client = rig.client(repository);
    let result = match purpose {
        "pull" => client.ask(token, vec![]).map(drop),
        "push" => client.push(token, Arc::new(MemoryStore::new()), vec![], &mut |_| {}).map(drop),
        service => client.git(token, git(service)).map(drop),
    };
    client.close();
    result.map_err(|error| reason::<()>(Err(error)))
}

fn owner(rig: &Rig) -> Owner {
    Owner::of(&rig.server_dir(), "test", dits_server::now()).unwrap()
}

/// Makes a repository as its owner does.
fn create(rig: &Rig, repository: &str) {
    let dir = rig.server_dir();
    let made = inventory::create(&dir, repository, "sha1", std::env::var_os("PATH"));
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(made).unwrap();
}

#[test]
fn rights_are_the_table_of_role_purpose_and_scope() {
    let rig = Rig::new();
    let owner = owner(&rig);
    for repository in ["team/a", "team/b", "open/x"] {
        create(&rig, repository);
    }
    owner.grant("anonymous", Role::Read, &"open".parse().unwrap()).unwrap();
    let scopes = ["*", "team", "team/a"];
    for (n, role) in [Role::Read, Role::Write, Role::Admin].into_iter().enumerate() {
        for (m, scope) in scopes.into_iter().enumerate() {
            let name = format!("u{n}{m}");
            let token = owner.add_token(&name, role, &scope.parse().unwrap()).unwrap();
            let cap = NewToken {
                role: Some(Role::Read),
                scope: Some("team/a".parse().unwrap()),
                ..NewToken::default()
            };
            let (_, weak) = owner.add_token_of(&name, &cap).unwrap();
            for repository in ["team/a", "team/b", "open/x"] {
                let inside =
                    scope == "*" || repository == scope || repository.starts_with(&format!("{scope}/"));
                for (purpose, needed) in PURPOSES {
                    let public = repository == "open/x" && needed == Role::Read;
                    let expected =
                        |allowed: bool| if allowed || public { Ok(()) } else { Err(Reason::Forbidden) };
                    let row = format!("{role} {scope}: {purpose} {repository}");
                    assert_eq!(
                        attempt(&rig, &token, repository, purpose),
                        expected(inside && role >= needed),
                        "{row}"
                    );
                    let weak_may = inside && repository == "team/a" && needed == Role::Read;
                    assert_eq!(attempt(&rig, &weak, repository, purpose), expected(weak_may), "capped {row}");
                }
            }
        }
    }
}

#[test]
fn what_is_over_unknown_disabled_or_not_shown_at_all_is_unauthorized() {
    let rig = Rig::new();
    create(&rig, "open/x");
    let owner = owner(&rig);
    owner.grant("anonymous", Role::Read, &"open".parse().unwrap()).unwrap();
    let disabled = owner.add_token("off", Role::Admin, &Scope::All).unwrap();
    owner.set_disabled("off", true).unwrap();
    let path = rig.server_dir().join("access");
    let text = std::fs::read_to_string(&path).unwrap();
    let hash = blake3::hash(b"dits_old").to_hex();
    let line =
        format!("token told admin blake3:{hash} created=2001-01-01T00:00:00Z expires=2002-01-01T00:00:00Z\n");
    std::fs::write(&path, text + &line).unwrap();
    // One purpose each: a handful of failures, before their number counts.
    for token in [&disabled, "dits_old", "dits_unknown"] {
        assert_eq!(
            attempt(&rig, token, "open/x", "pull"),
            Err(Reason::Unauthorized),
            "even where none is needed"
        );
        assert_eq!(attempt(&rig, token, "open/x", "push"), Err(Reason::Unauthorized));
    }
    for (purpose, needed) in PURPOSES {
        let expected = if needed == Role::Read { Ok(()) } else { Err(Reason::Unauthorized) };
        assert_eq!(attempt(&rig, "", "open/x", purpose), expected, "{purpose}");
        assert_eq!(attempt(&rig, "", "team/a", purpose), Err(Reason::Unauthorized), "{purpose}");
    }
}

#[test]
fn a_refusal_says_how_to_log_in_and_no_more_than_is_so() {
    let rig = Rig::new();
    let challenges = || match rig.client("team/a").ask("", vec![]) {
        Err(SyncError::Refused { reason: Reason::Unauthorized, challenges, .. }) => challenges,
        other => panic!("{other:?}"),
    };
    assert_eq!(challenges(), ["Bearer realm=\"git-dits\""]);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    owner(&rig).add_user("ann", Some(key)).unwrap();
    assert_eq!(challenges(), ["Bearer realm=\"git-dits\"", "SSH"]);
    // A key that nobody has, one of somebody else's name, and one that signs nothing.
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAi9iWFkBqRVX6qMeX9LPSuVHnenc16Ti4NlWEJZ2DG7";
    let log_in = |user: &str, key: &str, sign: &str| {
        let signature = sign.to_owned();
        rig.client("team/a").log_in(user, key, &mut |_| Some(signature.clone())).unwrap_err().to_string()
    };
    let unknown = log_in("", other, "x");
    assert_eq!(log_in("ben", key, "x"), unknown, "it is not said which of both is wrong");
    assert_eq!(log_in("", "nonsense", "x"), unknown);
    assert_eq!(log_in("a\nuser ann", key, "x"), unknown);
    assert_eq!(log_in("ann", key, "x"), "the signature is not valid");
}

#[test]
fn failures_shut_an_address_out_but_not_those_who_were_let_in() {
    let rig = Rig::new();
    let newcomer = owner(&rig).add_token("new", Role::Read, &Scope::All).unwrap();
    owner(&rig).grant("anonymous", Role::Read, &"open".parse().unwrap()).unwrap();
    attempt(&rig, &rig.token, "team/a", "pull").unwrap();
    for n in 0..rate::BURST {
        assert_eq!(attempt(&rig, &format!("dits_{n}"), "team/a", "pull"), Err(Reason::Unauthorized));
    }
    // In the time that this takes a try may grow back: the next bad one uses it up.
    let shut = |token: &str| (0..3).any(|_| attempt(&rig, token, "team/a", "pull") == Err(Reason::TooMany));
    assert!(shut("dits_bad"));
    assert_eq!(attempt(&rig, &rig.token, "team/a", "pull"), Ok(()), "it was good from here before");
    assert_eq!(attempt(&rig, "", "open/x", "pull"), Ok(()), "nothing was tried");
    assert!(matches!(attempt(&rig, &newcomer, "team/a", "pull"), Err(Reason::TooMany) | Ok(())));
}

#[test]
fn a_stream_that_runs_goes_on_when_its_token_is_revoked_and_the_next_does_not() {
    let rig = Rig::new();
    let owner = owner(&rig);
    owner.add_user("ann", None).unwrap();
    owner.grant("ann", Role::Write, &Scope::All).unwrap();
    let (id, token) = owner.add_token_of("ann", &NewToken::default()).unwrap();
    let client = rig.client("team/a");
    let (mut writer, mut reader) = client.git(&token, git("git-receive-pack")).unwrap();
    reader.read_exact(&mut [0; 4]).unwrap();
    owner.revoke_token(&id).unwrap();
    assert_eq!(attempt(&rig, &token, "team/a", "pull"), Err(Reason::Unauthorized));
    writer.write_all(b"0000").unwrap();
    writer.finish();
    reader.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn odd_and_huge_tokens_are_only_wrong() {
    let rig = Rig::new();
    let huge = "x".repeat(dits_sync::message::STRING_BYTES_MAX);
    for token in ["\0", "a\r\nb", "eyJ..", "eyJhbGciOiJub25lIn0.e30.", &huge, "\u{1f512}"] {
        assert_eq!(attempt(&rig, token, "team/a", "pull"), Err(Reason::Unauthorized), "{token:?}");
    }
}

#[test]
fn the_log_says_who_did_what_and_holds_no_token() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let item = add(&store, b"content");
    rig.push("team/a", &store, vec![item]).unwrap();
    rig.pull("team/a", &[item.oid]);
    assert!(rig.push_as("dits_guess", "team/a", &store, vec![item]).is_err());
    let token = rig.token.clone();
    let (dir, _) = rig.stop();
    let folder = dir.path().join("server");
    let mut events = Vec::new();
    let log = AuditLog::of(&Layout::existing(&folder).unwrap());
    log.read(0, &mut |event| {
        events.push(event);
        true
    })
    .unwrap();
    let all: Vec<_> = events.iter().map(|event| (event.event.as_str(), event.result.as_str())).collect();
    assert_eq!(
        all,
        [
            ("admin", "adds user admin with admin in * and a token"),
            ("start", all[1].1),
            ("push", "begins"),
            ("push", "ok"),
            ("pull", "ok"),
            ("denied", "the access token is not valid"),
            ("stop", "ok"),
        ]
    );
    let Event { who, from, repository, received, .. } = &events[3];
    assert_eq!((who.as_deref(), repository.as_deref()), (Some("admin"), Some("team/a")));
    assert!(from.unwrap().is_loopback() && received.unwrap() > 7);
    let text = std::fs::read_to_string(folder.join("audit.log")).unwrap();
    for secret in [&token[5..], "guess"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn without_a_log_nothing_is_written_and_all_can_be_read() {
    let rig = Rig::new();
    let store = MemoryStore::new();
    let item = add(&store, b"content");
    rig.push("team/a", &store, vec![item]).unwrap();
    // As on a full disk, for root too: the log cannot be opened.
    std::fs::remove_file(rig.server_dir().join("audit.log")).unwrap();
    std::fs::create_dir(rig.server_dir().join("audit.log")).unwrap();
    assert_eq!(reason(rig.push("team/a", &store, vec![item])), Reason::DiskFull);
    rig.pull("team/a", &[item.oid]);
    let told: Vec<String> = rig.problems.try_iter().collect();
    assert!(told.len() == 1 && told[0].contains("nothing can be pushed"), "{told:?}");
    std::fs::remove_dir(rig.server_dir().join("audit.log")).unwrap();
    rig.push("team/a", &store, vec![item]).unwrap();
}

#[test]
fn strangers_do_not_learn_what_exists() {
    let rig = Rig::new();
    let other = add_token(&rig.server_dir(), "other", Role::Admin, &"other".parse().unwrap()).unwrap();
    let reader = add_token(&rig.server_dir(), "reader", Role::Read, &"team".parse().unwrap()).unwrap();
    let open = |token: &str, service| reason(talk(&rig, token, "team/a", service, b"0000"));
    assert_eq!(open("", "git-upload-pack"), Reason::Unauthorized);
    assert_eq!(open(&other, "git-upload-pack"), Reason::Forbidden);
    assert_eq!(open(&reader, "git-receive-pack"), Reason::Forbidden);
    assert_eq!(open(&reader, "git-upload-pack"), Reason::NotFound);
    assert_eq!(open(&reader, "git-shell"), Reason::BadRequest);

    make(&rig, "realms/team/git/a.git");
    assert_eq!(open("", "git-upload-pack"), Reason::Unauthorized);
    assert_eq!(open(&other, "git-upload-pack"), Reason::Forbidden);
    let inside = talk(&rig, &rig.token, "team/a.git/hooks", "git-receive-pack", b"0000");
    assert_eq!(reason(inside), Reason::BadRequest);
}

#[test]
fn git_answers_at_the_other_end() {
    let rig = Rig::new();
    let pushed = talk(&rig, &rig.token, "team/a", "git-receive-pack", b"0000").unwrap();
    assert!(pushed.contains("push-options"), "{pushed}");
    let repository = rig.server_dir().join("realms/team/git/a.git");
    assert!(!repository.exists(), "a push of nothing made a repository");
    make(&rig, "realms/team/git/a.git");
    assert_eq!(talk(&rig, &rig.token, "team/a", "git-receive-pack", b"0000").unwrap(), pushed);
    let listed = talk(&rig, &rig.token, "team/a", "git-upload-pack", b"0014command=ls-refs\n0000").unwrap();
    assert!(
        listed.starts_with("000eversion 2\n") && listed.contains("fetch=shallow wait-for-done filter"),
        "{listed}"
    );
    assert!(listed.ends_with("00000000"), "no refs: {listed}");
    let nonsense = talk(&rig, &rig.token, "team/a", "git-upload-pack", b"zzzz");
    assert!(nonsense.is_ok(), "git ends, and so does the stream");
}

#[test]
fn a_client_that_leaves_in_the_middle_takes_its_child_along() {
    let rig = Rig::new();
    make(&rig, "realms/team/git/a.git");
    let client = rig.client("team/a");
    let (_writer, mut reader) = client.git(&rig.token, git("git-receive-pack")).unwrap();
    reader.read_exact(&mut [0; 4]).unwrap();
    client.close();
    // Stopping waits for the stream; it must not need the whole grace.
    let started = std::time::Instant::now();
    rig.stop();
    assert!(started.elapsed() < dits_server::serve::SHUTDOWN_GRACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_served_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(config(dir.path())).unwrap();
    assert!(first.admin_token().is_some());
    let second = Server::start(config(dir.path())).unwrap_err();
    assert!(matches!(second, ServeError::Layout(LayoutError::Locked(_))), "{second}");
    first.run(async {}).await.unwrap();
    let third = Server::start(config(dir.path())).unwrap();
    assert!(third.admin_token().is_none(), "shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_only_this_machine_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let open = |listen: &str| ServerConfig {
        anonymous: true,
        listen: listen.parse().unwrap(),
        ..config(dir.path())
    };
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        assert!(matches!(Server::start(open(listen)), Err(ServeError::AnonymousNetwork(_))), "{listen}");
    }
    let server = Server::start(open("127.0.0.1:0")).unwrap();
    assert!(server.admin_token().is_none());
}
