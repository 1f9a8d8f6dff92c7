//! Rights of a running server: changes count at once, damage lets nobody in, the file of an older server is taken over.

use super::change::{NewToken, Owner};
use super::*;

fn tell() -> Tell {
    Arc::new(|_| {})
}

fn open(layout: &Layout) -> Result<(Access, Option<String>), AccessError> {
    Access::open(layout, false, tell(), 1000)
}

async fn role(access: &Access, token: &str, repository: &str) -> Option<Option<Role>> {
    access.caller(token, 1000).await.ok().map(|caller| caller.role_in(repository))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_come_and_go_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, _lock) = Layout::claim(dir.path()).unwrap();
    let (access, first) = open(&layout).unwrap();
    let admin = first.unwrap();
    assert_eq!(role(&access, &admin, "team/a").await, Some(Some(Role::Admin)));
    assert_eq!(role(&access, "", "team/a").await, Some(None));

    let owner = Owner::of(dir.path(), "me", 1000).unwrap();
    let scope: Scope = "team".parse().unwrap();
    let reader = owner.add_token("reader", Role::Read, &scope).unwrap();
    assert_eq!(role(&access, &reader, "team/a").await, Some(Some(Role::Read)));
    assert_eq!(role(&access, &reader, "other").await, Some(None));
    assert!(matches!(owner.add_token("reader", Role::Read, &scope), Err(AccessError::Change(_))));
    let (id, second) = owner.add_token_of("reader", &NewToken::default()).unwrap();
    owner.set_disabled("reader", true).unwrap();
    assert!(role(&access, &second, "team").await.is_none() && role(&access, &reader, "team").await.is_none());
    owner.set_disabled("reader", false).unwrap();
    owner.revoke_token(&id).unwrap();
    assert!(role(&access, &second, "team").await.is_none() && role(&access, &reader, "team").await.is_some());
    owner.remove_user("reader").unwrap();
    assert!(role(&access, &reader, "team").await.is_none());
    assert_eq!(owner.look().unwrap().entries().count(), 3, "user, grant and token of the admin");

    let text = fs::read_to_string(layout.access()).unwrap();
    assert!(!text.contains(&admin[5..]), "a token is kept");
    fs::write(layout.access(), format!("{text}nonsense\n")).unwrap();
    assert!(access.caller(&admin, 1000).await.is_err());
    assert!(access.caller(&admin, 1000).await.is_err(), "a failed reading is not remembered as good");
    assert!(open(&layout).is_err() && owner.add_user("x", None).is_err());
    fs::write(layout.access(), text).unwrap();
    assert!(open(&layout).unwrap().1.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_an_older_server_are_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, _lock) = Layout::claim(dir.path()).unwrap();
    let old = "dits_0123";
    let line = format!("write team blake3:{} ann\n", blake3::hash(old.as_bytes()).to_hex());
    fs::write(layout.tokens(), &line).unwrap();
    let (access, first) = open(&layout).unwrap();
    assert!(first.is_none(), "there are tokens");
    assert_eq!(role(&access, old, "team/x").await, Some(Some(Role::Write)));
    assert_eq!(fs::read_to_string(layout.access()).unwrap(), line);
    // Somebody puts the old file back.
    fs::write(layout.tokens(), &line).unwrap();
    assert!(matches!(open(&layout), Err(AccessError::Both)));
    fs::remove_file(layout.tokens()).unwrap();
    Owner::of(dir.path(), "me", 1000).unwrap().revoke_token("ann").unwrap();
    assert!(role(&access, old, "team/x").await.is_none());
}

#[test]
fn nothing_changes_that_is_not_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, _lock) = Layout::claim(dir.path()).unwrap();
    // A folder in its place: nobody can write there, root neither.
    fs::create_dir(dir.path().join("audit.log")).unwrap();
    let owner = Owner::of(dir.path(), "me", 1000).unwrap();
    assert!(matches!(owner.add_user("ann", None), Err(AccessError::Audit(_))));
    assert!(!layout.access().exists());
    fs::remove_dir(dir.path().join("audit.log")).unwrap();
    owner.add_user("ann", None).unwrap();
    assert!(fs::read_to_string(dir.path().join("audit.log")).unwrap().contains("adds user ann"));
}

#[test]
fn changes_that_make_no_sense_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, _lock) = Layout::claim(dir.path()).unwrap();
    let owner = Owner::of(dir.path(), "me", 1000).unwrap();
    owner.add_user("ann", None).unwrap();
    let before = fs::read(layout.access()).unwrap();
    let expired = NewToken { expires: Some(1000), ..NewToken::default() };
    for refused in [
        owner.add_user("ann", None).is_err(),
        owner.add_user("everyone", None).is_err(),
        owner.add_user("a b", None).is_err(),
        owner.add_user("a\nuser eve", None).is_err(),
        owner.add_user("zoe", Some("ssh-ed25519 nonsense")).is_err(),
        owner.add_key("ann", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti x\nuser eve").is_err(),
        owner.remove_key("ann", "SHA256:x").is_err(),
        owner.remove_user("zoe").is_err(),
        owner.set_disabled("zoe", true).is_err(),
        owner.grant("zoe", Role::Read, &Scope::All).is_err(),
        owner.grant("anonymous", Role::Write, &Scope::All).is_err(),
        owner.revoke_grant("ann", None, &Scope::All).is_err(),
        owner.add_token_of("zoe", &NewToken::default()).is_err(),
        owner.add_token_of("ann", &expired).is_err(),
        owner.revoke_token("t1").is_err(),
        owner.remove_issuer("ci").is_err(),
    ] {
        assert!(refused);
    }
    assert_eq!(fs::read(layout.access()).unwrap(), before);
}
