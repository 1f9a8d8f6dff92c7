//! What a program brings along when it talks to remotes: everything from the environment, read once.
//! Two programs use it, so that both agree on where pins are and what is traced.

use crate::login::Keyring;
use crate::network::Environment;
use crate::{Progress, Trace};
use std::path::PathBuf;

/// Settings of one process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// File of known servers, a line `HOST:PORT blake3:<hex>` each.
    pub known_hosts: PathBuf,
    /// File that remembers which transport worked from which network.
    pub routes: PathBuf,
    /// Whether the user may be asked for a token on the terminal.
    pub interactive: bool,
    /// Where to write what happened.
    pub trace: Trace,
    /// How progress is told.
    pub progress: Progress,
    /// Whether stderr is a terminal.
    pub terminal: bool,
    /// What there is to log in with.
    pub keyring: Keyring,
    /// What the environment says about the network.
    pub network: Environment,
}

impl Settings {
    /// Reads `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`, `HOME`, `GIT_DITS_TRACE` and what [`Progress`], [`Keyring`] and [`Environment`] read through `env`, so that only a `main` touches the
    /// real environment.
    pub fn from_env(env: impl Fn(&str) -> Option<std::ffi::OsString>, interactive: bool) -> Settings {
        let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = path("XDG_CONFIG_HOME").or_else(|| Some(path("HOME")?.join(".config")));
        let config = config.unwrap_or_else(|| PathBuf::from("."));
        let cache = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
        let cache = cache.unwrap_or_else(|| PathBuf::from("."));
        Settings {
            known_hosts: config.join("git-dits").join("known_hosts"),
            routes: cache.join("git-dits").join("routes"),
            interactive,
            trace: Trace::to(path("GIT_DITS_TRACE")),
            progress: Progress::from_env(&env),
            terminal: false,
            keyring: Keyring::from_env(&env),
            network: Environment::read(&env),
        }
    }

    /// The same with what is known of stderr.
    pub fn on_terminal(self, terminal: bool) -> Settings {
        Settings { terminal, ..self }
    }
}
