//! Who gets in: tokens, roles, scopes, and what strangers may learn. Also starting twice, and Git streams as
//! far as they go without a repository's worth of data.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_server::layout::LayoutError;
use dits_server::{Role, Scope, ServeError, Server, ServerConfig, add_token};
use dits_store::MemoryStore;
use dits_sync::SyncError;
use dits_sync::message::{Purpose, Reason};
use std::io::{Read, Write};

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
