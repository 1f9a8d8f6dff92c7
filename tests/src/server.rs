//! A real server process, started, stopped and killed as in life.
//!
//! Its address is on the first line it prints, so nothing guesses when it is ready. A restart uses the same
//! folder and the same port: clients keep their URL and their pin.

use crate::run::{Call, Ran, Started, wait_for};
use crate::{programs, repo::files_in};
use dits_store::PackStore;
use rustix::process::Signal;
use std::path::{Path, PathBuf};

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody on this machine.
    Anonymous,
    /// Those with a token.
    Tokens,
}

/// A server.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    access: Access,
    port: u16,
    /// More arguments of `git dits serve`.
    args: Vec<String>,
    running: Option<Started>,
}

impl Server {
    /// Starts a server on `dir` and a free port.
    #[track_caller]
    pub fn start(dir: PathBuf, access: Access) -> Server {
        Server::start_with(dir, access, &[])
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn start_with(dir: PathBuf, access: Access, args: &[&str]) -> Server {
        let args = args.iter().map(ToString::to_string).collect();
        let mut server = Server { dir, access, port: 0, args, running: None };
        server.restart();
        server
    }

    /// Most memory that its process ever had, in bytes.
    #[track_caller]
    pub fn peak_bytes(&self) -> u64 {
        let pid = self.running.as_ref().expect("it runs").pid().as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") << 10
    }

    /// Starts it again, on the same folder and port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn restart_with(&mut self, more: &[&str]) {
        assert!(self.running.is_none(), "it still runs");
        let listen = format!("127.0.0.1:{}", self.port);
        let mut call = self.call(&["serve"]).args([&self.dir]).args(["--listen", &listen]).args(more);
        if self.access == Access::Anonymous {
            call = call.args(["--anonymous"]);
        }
        call = call.args(&self.args);
        let mut started = call.start();
        wait_for("the server's address", || started.has_ended() || started.printed().contains('\n'));
        let printed = started.printed();
        let address =
            printed.lines().next().and_then(|line| line.strip_prefix("listening on dits://127.0.0.1:"));
        let Some(address) = address else { panic!("the server did not start:\n{printed}{}", started.said()) };
        self.port = address.parse().expect("a port is a number");
        self.running = Some(started);
    }

    fn call(&self, args: &[&str]) -> Call {
        let home = self.dir.parent().expect("a server's folder is in a world");
        let program = programs::folder().join("git-dits");
        let call = Call::new(program.as_os_str()).args(args).env("PATH", programs::path()).env("HOME", home);
        call.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
    }

    /// Makes a token; `scope` is `*` or a path.
    #[track_caller]
    pub fn token(&self, name: &str, role: &str, scope: &str) -> String {
        let call = self.call(&["serve"]).args([&self.dir]);
        call.args(["--add-token", name, "--role", role, "--scope", scope]).ok().line()
    }

    /// Collects garbage in its folder, whether it runs or not.
    pub fn gc(&self, args: &[&str]) -> Call {
        self.call(&["serve", "gc"]).args([&self.dir]).args(args)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// URL of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("dits://127.0.0.1:{}/{repository}", self.port)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The bare repository of `realm/name`.
    pub fn bare(&self, realm: &str, name: &str) -> PathBuf {
        self.dir.join("realms").join(realm).join("git").join(format!("{name}.git"))
    }

    /// The chunk store of a realm.
    pub fn store(&self, realm: &str) -> PathBuf {
        self.dir.join("realms").join(realm).join("store")
    }

    /// Names of temporary files in the store of a realm.
    pub fn leftovers(&self, realm: &str) -> Vec<String> {
        files_in(&self.store(realm).join("tmp"))
    }

    /// Checks the whole store of a realm, whether the server runs or not.
    #[track_caller]
    pub fn is_sound(&self, realm: &str) {
        let dir = self.store(realm);
        assert!(dir.join("format").is_file(), "no store at {}", dir.display());
        let store = PackStore::open(&dir).expect("the server's store can be opened");
        let mut found = Vec::new();
        let stats =
            store.fsck(&mut |finding| found.push(finding.to_string())).expect("a store can be checked");
        assert!(found.is_empty(), "the server's store is damaged: {found:#?}");
        assert!(stats.chunks > 0, "the server's store is empty");
    }

    /// Stops it with SIGTERM; asserts that it ends well.
    #[track_caller]
    pub fn stop(&mut self) -> Ran {
        let running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        let ran = running.wait();
        assert_eq!(ran.code, Some(0), "the server did not stop well:\n{ran}");
        ran
    }

    /// Kills it (-9) with everything it started.
    pub fn kill(&mut self) {
        self.running.take().expect("it runs").kill();
    }
}
