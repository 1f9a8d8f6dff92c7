//! Asks a real server about locks over a connection of one's own.

use dits_lock::ask::{Acquire, Acquired, Item, List, Release, Released, Which};
use dits_lock::{Answer, Ask, Event, Lock};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_sync::SyncError;
use dits_sync::address::Address;
use dits_sync::client::Client;
use dits_tests::{Server, World};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
pub const TEAM: &str = "team/a";

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct Person {
    pub token: String,
    pins: PathBuf,
    url: String,
}

/// Somebody who is connected.
pub struct Asking {
    client: Client,
    token: String,
}

impl Person {
    pub fn new(world: &World, server: &Server, repository: &str, token: String) -> Person {
        Person { token, pins: world.path().join("pins"), url: server.url(repository) }
    }

    pub fn options(&self) -> Options {
        Options::new(Arc::new(FilePins { path: self.pins.clone() }), PATIENCE)
    }

    pub fn connect(&self) -> Asking {
        let client = Client::connect(&Address::parse(&self.url).unwrap(), &self.options());
        Asking { client: client.unwrap(), token: self.token.clone() }
    }
}

/// A wish for these places.
pub fn wish<S: AsRef<str>>(paths: &[S]) -> Acquire {
    let item = |path: &S| Item { path: path.as_ref().to_owned(), seen: None };
    Acquire { items: paths.iter().map(item).collect(), ..Acquire::default() }
}

impl Asking {
    /// All answers.
    pub fn ask(&self, ask: &Ask) -> Result<Vec<Answer>, SyncError> {
        let mut heard = Vec::new();
        self.hear(ask, &mut |answer| {
            heard.push(answer);
            true
        })?;
        Ok(heard)
    }

    pub fn hear(&self, ask: &Ask, hear: &mut (dyn FnMut(Answer) -> bool + Send)) -> Result<(), SyncError> {
        self.client.locks(&self.token, ask, hear)
    }

    /// The only answer.
    #[track_caller]
    pub fn one(&self, ask: &Ask) -> Answer {
        let mut answers = self.ask(ask).unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    pub fn try_lock(&self, acquire: Acquire) -> Result<Vec<Acquired>, SyncError> {
        match self.ask(&Ask::Acquire(acquire))?.remove(0) {
            Answer::Acquired { outcomes, .. } => Ok(outcomes),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn lock(&self, path: &str) -> Acquired {
        self.try_lock(wish(&[path])).unwrap().remove(0)
    }

    pub fn try_unlock(&self, paths: &[String]) -> Result<Vec<Released>, SyncError> {
        let which = paths.iter().cloned().map(Which::Path).collect();
        match self.ask(&Ask::Release(Release { which, ..Release::default() }))?.remove(0) {
            Answer::Released { outcomes, .. } => Ok(outcomes),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn unlock(&self, which: Which, force: bool) -> Released {
        match self.one(&Ask::Release(Release { which: vec![which], force, ..Release::default() })) {
            Answer::Released { mut outcomes, .. } => outcomes.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// All locks, and news.
    #[track_caller]
    pub fn list(&self) -> (Vec<Lock>, Vec<Event>) {
        let (mut all, mut news) = (Vec::new(), Vec::new());
        for answer in self.ask(&Ask::List(List::default())).unwrap() {
            let Answer::Locks { locks, news: some, .. } = answer else { panic!("{answer:?}") };
            all.extend(locks);
            news.extend(some);
        }
        (all, news)
    }
}
