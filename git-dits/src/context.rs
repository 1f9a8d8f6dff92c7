//! What a command works with: where it was started, its repository, its settings.
//!
//! The current folder, the environment, the terminal and signals are read here and handed down as values.
//! Nothing is opened before it is needed: most commands never touch the chunk store.

use crate::report::{self, Failure};
use anyhow::{Context as _, Result};
use dits_remote::{Meter, Peer, RemoteError, Settings};
use dits_repo::settings::FORCE_PROGRESS;
use dits_repo::{Git, RepoError, Repository, cpu, ditsconfig};
use dits_store::PackStore;
use dits_sync::Location;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// Where the command was started: what the user's paths are relative to.
    pub cwd: PathBuf,
    /// The repository around it.
    pub repository: Repository,
    /// For talking to remotes.
    pub settings: Settings,
}

impl Context {
    /// Finds the repository around the current folder, and says what of its `.ditsconfig` does not count. With
    /// `interactive`, a user at a terminal may be asked for credentials.
    pub fn find(interactive: bool) -> Result<Context> {
        // Nearly all commands need settings next.
        let context = Context::found(Repository::with_config, interactive)?;
        warn_of_ditsconfig(&context.repository)?;
        Ok(context)
    }

    /// The same in silence: for filters and hooks, and for those that tell of `.ditsconfig` in their own way.
    pub fn find_quietly(interactive: bool) -> Result<Context> {
        Context::found(Repository::of, interactive)
    }

    fn found(find: fn(&Git) -> Result<Repository, RepoError>, interactive: bool) -> Result<Context> {
        let cwd = cwd()?;
        let mut repository = find(&git_at(&cwd))?;
        repository.keeps_writable = env_truth("GIT_DITS_SET_LOCKABLE_READONLY") == Some(false);
        Ok(Context { cwd, repository, settings: settings(interactive) })
    }

    /// The same as [`Context::find`]; outside of every repository that around `dir`, which may be a mount or another worktree.
    pub fn find_around(dir: &std::path::Path) -> Result<Context> {
        let at_dir = |error: anyhow::Error| {
            let cwd = cwd()?;
            let around = Repository::of(&git_at(&cwd.join(dir)));
            let repository = around.map_err(|_| error)?;
            Ok(Context { cwd, repository, settings: settings(false) })
        };
        Context::find(false).or_else(at_dir)
    }

    /// Git where the user is: pathspecs mean there what the user meant.
    pub fn git_here(&self) -> Git {
        git_at(&self.cwd)
    }

    /// Whether somebody wants to hear of progress.
    pub fn tells_progress(&self) -> bool {
        self.settings.terminal || self.repository.setting_bool(FORCE_PROGRESS).unwrap_or(false)
    }

    /// Tells progress where it is wanted: on a terminal, where it is forced, in a file for programs.
    pub fn meter(&self) -> Meter {
        if let Some(complaint) = self.settings.progress.complaint() {
            report::error(&complaint);
        }
        // A value that is no truth is for the commands that use settings to refuse.
        let forced = || self.repository.setting_bool(FORCE_PROGRESS).unwrap_or(false);
        Meter::of(&self.settings.progress, std::io::stderr().is_terminal() || forced())
    }

    /// Goes to a server or a folder, and tells whom we trust when a server is new.
    pub fn connect(&self, location: Location) -> Result<Peer, RemoteError> {
        let remote = Peer::connect(&self.repository, location, &self.settings)?;
        if let Some(notice) = remote.first_use_notice() {
            report::notice(&format!("git-dits: {notice}"));
        }
        Ok(remote)
    }

    /// The chunk store, made if there is none.
    pub fn store(&self) -> Result<PackStore> {
        Ok(self.repository.store()?)
    }

    /// The chunk store if there is one: commands that only look must not make it.
    pub fn existing_store(&self) -> Result<Option<PackStore>> {
        let exists = self.repository.store_dir().join("format").exists();
        if exists { self.store().map(Some) } else { Ok(None) }
    }
}

/// Says, once in this process and in git-lfs's words, which keys of `.ditsconfig` are ignored, or that all are.
/// Where a working tree has no such file it is not looked for elsewhere: that would cost each command a process.
pub fn warn_of_ditsconfig(repository: &Repository) -> Result<()> {
    static SAID: AtomicBool = AtomicBool::new(false);
    let absent = |top: &PathBuf| top.join(ditsconfig::NAME).symlink_metadata().is_err();
    if repository.worktree.as_ref().is_some_and(absent) || SAID.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let found = repository.ditsconfig()?;
    if let Some(why) = &found.unreadable {
        report::warning(&format!("'{}' is ignored: {why}", ditsconfig::NAME));
    }
    if !found.ignored.is_empty() {
        let keys: String = found.ignored.iter().map(|key| format!("\n  {key}")).collect();
        report::warning(&format!("These unsafe '{}' keys were ignored:\n{keys}", ditsconfig::NAME));
        report::hint("set them with 'git config'");
    }
    Ok(())
}

/// Git in `cwd`. Places that the environment names as seen from there (`git --git-dir=../.git dits …`) stay
/// those when git is started elsewhere.
fn git_at(cwd: &std::path::Path) -> Git {
    const PLACES: [&str; 3] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"];
    PLACES.into_iter().fold(Git::at(cwd), |git, name| match std::env::var_os(name) {
        Some(place) if !place.is_empty() => git.with_env(name, cwd.join(place)),
        _ => git,
    })
}

/// The time, in seconds since 1970.
pub fn now() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(now.as_secs())
}

/// The current folder.
pub fn cwd() -> Result<PathBuf> {
    std::env::current_dir().context("cannot find the current folder")
}

/// Settings from the environment.
pub fn settings(interactive: bool) -> Settings {
    let terminal = std::io::stderr().is_terminal();
    let interactive = interactive && std::io::stdin().is_terminal() && terminal;
    Settings::from_env(|name| std::env::var_os(name), interactive).on_terminal(terminal)
}

/// How many threads there is work for on this machine.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Tells which scan kernel `DITS_CPU` asks for, and lends the clock by which one is chosen otherwise.
pub fn set_up_cpu() -> Result<()> {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let wanted = std::env::var_os("DITS_CPU");
    cpu::set_up(wanted.as_deref(), || START.elapsed()).map_err(|error| {
        Failure::fatal(error.to_string(), format!("set it to one of: {}", cpu::names().join(", "))).into()
    })
}

/// Whether the environment says that pointers shall stay in the working tree. The name of git-lfs counts too: CI
/// systems set it to say "no content".
pub fn skip_smudge() -> bool {
    ["GIT_DITS_SKIP_SMUDGE", "GIT_LFS_SKIP_SMUDGE"].into_iter().any(env_is_true)
}

/// Whether a variable of the environment says yes.
pub fn env_is_true(name: &str) -> bool {
    env_truth(name).unwrap_or(false)
}

/// What a variable of the environment says, if it says yes or no.
fn env_truth(name: &str) -> Option<bool> {
    std::env::var(name).ok().and_then(|value| dits_repo::settings::parse_bool(&value))
}

/// From now on a signal that asks the process to end (SIGHUP is that of a terminal that closes) does so only
/// when nobody holds `critical`: whoever does has locked Git's index, and a lock file left behind would block
/// every later `git`.
pub fn guard_signals(critical: Arc<Mutex<()>>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).context("cannot handle signals")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            let _held = critical.lock();
            std::process::exit(128 + signal);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).context("cannot start a thread")?;
    Ok(())
}

/// What is held while files and Git's index change together; from the first call on signals wait for it. There is one for
/// the process: with two, a signal would wait for neither.
pub fn critical() -> Result<Arc<Mutex<()>>> {
    static ONE: Mutex<Option<Arc<Mutex<()>>>> = Mutex::new(None);
    let mut one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(critical) = &*one {
        return Ok(critical.clone());
    }
    let critical = Arc::new(Mutex::new(()));
    guard_signals(critical.clone())?;
    Ok(one.insert(critical).clone())
}

/// JSON with an indentation of one space, as git-lfs prints it.
pub fn json_lines(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b" ")))?;
    out.push(b'\n');
    Ok(out)
}
