//! A server and two people with a clone each, and a way to ask for locks.

use dits_lock::ask::{Acquire, Acquired, Item, List, Release, Released, Which};
use dits_lock::{Answer, Ask, Lock};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_sync::address::Address;
use dits_sync::client::Client;
use dits_tests::{Ran, Repo, Server, World, wait_for};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub const URL: &str = "team/project";
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for an answer that should not come yet.
pub const EARLY: Duration = Duration::from_millis(300);

/// A server, and two people with a clone each.
pub struct Studio {
    pub world: World,
    pub server: Server,
    pub tokens: BTreeMap<&'static str, String>,
    pub ann: Repo,
    pub bob: Repo,
}

impl Studio {
    pub fn new() -> Studio {
        let world = World::new();
        let server = world.closed_server();
        let roles = [("ann", "write"), ("bob", "write"), ("eve", "admin")];
        let tokens: BTreeMap<_, _> =
            roles.map(|(name, role)| (name, server.token(name, role, "team"))).into_iter().collect();
        let [ann, bob] = ["ann", "bob"].map(|name| {
            let user = world.user(name);
            user.git(&["config", "--global", "credential.helper", "store"]);
            let port = server.port();
            let input =
                format!("protocol=dits\nhost=127.0.0.1:{port}\nusername=x\npassword={}\n", tokens[name]);
            user.call("git", &user.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
            user
        });
        let ann = ann.init("project");
        for name in ["a", "b", "maps/x", "maps/y"] {
            ann.write(name, format!("{name} as it was\n").as_bytes());
        }
        ann.commit("first");
        ann.publish(&server.url(URL));
        let bob = bob.clone_from(&server.url(URL), "project");
        Studio { world, server, tokens, ann, bob }
    }

    pub fn ask(&self, who: &str, ask: &Ask) -> Answer {
        self.ask_of(URL, who, ask)
    }

    /// Asks about another repository.
    pub fn ask_of(&self, repository: &str, who: &str, ask: &Ask) -> Answer {
        let address = Address::parse(&self.server.url(repository)).unwrap();
        let pins = FilePins { path: self.world.path().join("pins") };
        let client = Client::connect(&address, &Options::new(Arc::new(pins), PATIENCE)).unwrap();
        let mut heard = None;
        client.locks(&self.tokens[who], ask, &mut |answer| heard.replace(answer).is_none()).unwrap();
        heard.unwrap()
    }

    pub fn acquire(&self, who: &str, ask: Acquire) -> Vec<Acquired> {
        outcomes(self.ask(who, &Ask::Acquire(ask)))
    }

    /// Locks one place for the usual branch.
    #[track_caller]
    pub fn lock(&self, who: &str, path: &str) -> Lock {
        self.lock_for(who, path, None)
    }

    #[track_caller]
    pub fn lock_for(&self, who: &str, path: &str, branch: Option<&str>) -> Lock {
        let mut ask = wish(path, None);
        ask.branch = branch.map(str::to_owned);
        match self.acquire(who, ask).remove(0) {
            Acquired::Locked(lock) => lock,
            other => panic!("not locked: {other:?}"),
        }
    }

    #[track_caller]
    pub fn unlock(&self, who: &str, path: &str) -> Released {
        let ask = Release { which: vec![Which::Path(path.into())], ..Release::default() };
        match self.ask(who, &Ask::Release(ask)) {
            Answer::Released { mut outcomes, .. } => outcomes.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Path, holder and state of each lock.
    pub fn locks(&self) -> Vec<String> {
        let Answer::Locks { locks, .. } = self.ask("eve", &Ask::List(List::default())) else {
            panic!("no list")
        };
        let show = |lock: &Lock| {
            let state = if lock.is_retained() { "retained" } else { "held" };
            format!("{} {} {} {state}", lock.path, lock.branch, lock.owner)
        };
        locks.iter().map(show).collect()
    }

    pub fn bare(&self) -> PathBuf {
        self.server.bare("team", "project")
    }

    /// A hook of the repository's owner.
    pub fn hook(&self, name: &str, script: &str) {
        let path = self.bare().join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// A hook that holds a push, after ours has said yes.
    pub fn gate(&self, hook: &str) -> Gate {
        let (came, fifo) = (self.world.path().join("came"), self.world.path().join("fifo"));
        let _ = (fs::remove_file(&came), fs::remove_file(&fifo));
        self.ann.user().call("mkfifo", self.world.path()).args([&fifo]).ok();
        let script = format!(
            "echo > '{}'
cat '{}' > /dev/null",
            came.display(),
            fifo.display()
        );
        self.hook(hook, &script);
        Gate { came, fifo }
    }
}

pub struct Gate {
    came: PathBuf,
    fifo: PathBuf,
}

impl Gate {
    pub fn wait(&self) {
        wait_for("the push to come to the gate", || self.came.exists());
    }

    pub fn open(&self) {
        drop(fs::OpenOptions::new().write(true).open(&self.fifo).unwrap());
    }
}

pub fn outcomes(answer: Answer) -> Vec<Acquired> {
    match answer {
        Answer::Acquired { outcomes, .. } => outcomes,
        other => panic!("{other:?}"),
    }
}

/// A wish for one place, of which these versions are known.
pub fn wish(path: &str, seen: Option<&[&str]>) -> Acquire {
    let seen = seen.map(|seen| seen.iter().map(ToString::to_string).collect());
    Acquire { items: vec![Item { path: path.into(), seen }], ..Acquire::default() }
}

pub fn change(repo: &Repo, path: &str) {
    repo.edit(path, |bytes| bytes.extend_from_slice(b"more\n"));
    repo.commit(&format!("change {path}"));
}

pub fn push(repo: &Repo, args: &[&str]) -> Ran {
    repo.call(&[&["push", "origin"], args].concat()).run()
}

#[track_caller]
pub fn passes(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[track_caller]
pub fn is_refused(ran: Ran, parts: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran}");
    ran.says(parts).says(&["pre-receive hook declined", "hint: "]);
}
