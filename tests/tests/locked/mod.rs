//! Asking about locks as a user does, without a command: what stories about pushes need.

use dits_lock::ask::{Acquire, Acquired, Item, List};
use dits_lock::{Answer, Ask, Lock};
use dits_remote::locks::LockError;
use dits_remote::{LockPeer, LockPlace, Settings};
use dits_repo::{Git, Repository};
use dits_tests::Repo;
use std::ffi::OsString;

/// Asks whoever keeps the locks of `origin`, with the token of this user.
pub fn ask(repo: &Repo, token: &str, ask: &Ask) -> Result<Answer, LockError> {
    let home = repo.user().home();
    let env = |name: &str| match name {
        "HOME" => Some(home.clone().into_os_string()),
        "DITS_TOKEN" => Some(OsString::from(token)),
        _ => None,
    };
    let git = Git::at(repo.path())
        .with_env("HOME", &home)
        .with_env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
        .with_env("GIT_CONFIG_NOSYSTEM", "1");
    let repository = Repository::of(&git).unwrap();
    let settings = Settings::from_env(env, false);
    let place = LockPlace::find(&repository, Some("origin"), None)?;
    let mut peer = LockPeer::connect(&repository, &place, &settings)?;
    let answer = peer.ask_once(ask);
    peer.close();
    answer
}

/// A wish to lock these.
pub fn wish(paths: &[&str]) -> Acquire {
    let item = |path: &&str| Item { path: (*path).to_owned(), seen: None };
    Acquire { items: paths.iter().map(item).collect(), ..Acquire::default() }
}

/// Locks; returns what became of each.
pub fn acquire(repo: &Repo, token: &str, paths: &[&str]) -> Vec<Acquired> {
    match ask(repo, token, &Ask::Acquire(wish(paths))) {
        Ok(Answer::Acquired { outcomes, .. }) => outcomes,
        other => panic!("{other:?}"),
    }
}

/// Locks; all of them.
pub fn lock(repo: &Repo, token: &str, paths: &[&str]) {
    let outcomes = acquire(repo, token, paths);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Acquired::Locked(_))), "{outcomes:?}");
}

/// Which locks there are: path and owner.
pub fn list(repo: &Repo, token: &str) -> Vec<(String, String)> {
    let Ok(Answer::Locks { locks, .. }) = ask(repo, token, &Ask::List(List::default())) else {
        panic!("no list")
    };
    let mut found: Vec<_> =
        locks.iter().map(|lock: &Lock| (lock.path.to_string(), lock.owner.clone())).collect();
    found.sort();
    found
}
