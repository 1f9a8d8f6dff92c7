//! Putting our hooks into a repository, taking them out, and saying how they stand.
//!
//! Git 2.54 and newer runs hooks that are named in its configuration, besides all others: then no file is
//! touched. Before that, files in the hooks folder are the only way. What must always hold:
//! - a hook of somebody else is never changed; only when forced it is put behind ours, under another name, byte for
//!   byte, and comes back when ours goes;
//! - where a [`Manager`] is, no file is touched;
//! - doing it again changes nothing; a hook file appears whole or not at all.

use crate::kind::{BEFORE, ClientHook};
use crate::manager::Manager;
use crate::shim;
use dits_repo::{RepoError, Repository};
use dits_store::{Modes, StoreError, durable};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Git from this version on runs hooks of its configuration.
const CONFIG_HOOKS_MIN: (u32, u32) = (2, 54);
/// Bytes of a hook file that may be ours.
const BYTES_MAX: u64 = 1 << 20;

/// Why hooks could not be put in or taken out.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Git or the repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] StoreError),
    /// The name that a hook would be moved to is taken.
    #[error("cannot move the hook aside: '{}' exists", .0.display())]
    InTheWay(PathBuf),
    /// Somebody wrote into our file while another hook waits behind it.
    #[error("'{}' holds lines of somebody else, and '{}{BEFORE}' waits to take its place", .0.display(), .0.display())]
    Entangled(PathBuf),
}

/// How one hook stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    /// Git's configuration names it.
    Configured,
    /// Its lines are in the hooks folder.
    Installed,
    /// Its lines are in the hooks folder, and Git does not run them, for this reason.
    Inert(&'static str),
    /// Another hook is there, with this text.
    Foreign(Vec<u8>),
    /// A manager looks after hooks; `added` says whether its file mentions ours.
    Managed {
        /// Nothing is left to be done.
        added: bool,
    },
    /// There is none.
    Absent,
}

/// How the hooks of a repository stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Who else looks after them.
    pub manager: Option<Manager>,
    /// Git's own hooks folder.
    pub folder: PathBuf,
    /// Each hook of ours.
    pub hooks: Vec<(ClientHook, HookState)>,
}

impl State {
    /// Hooks that are in our way, with their text.
    pub fn foreign(&self) -> impl Iterator<Item = (ClientHook, &[u8])> {
        self.hooks.iter().filter_map(|(hook, state)| match state {
            HookState::Foreign(text) => Some((*hook, &text[..])),
            _ => None,
        })
    }
}

/// Whether this Git (`git version 2.54.0`) runs hooks of its configuration.
pub fn runs_configured(version: &str) -> bool {
    let mut numbers =
        version.trim_start_matches("git version ").split('.').map_while(|word| word.parse().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= CONFIG_HOOKS_MIN)
}

/// The keys that make Git run a hook, and what they shall be.
pub fn config(hook: ClientHook, program: &str) -> [(String, String); 2] {
    let name = format!("hook.dits-{}", hook.name());
    [(format!("{name}.event"), hook.name().into()), (format!("{name}.command"), hook.command(program))]
}

/// How the hooks stand.
pub fn state(repository: &Repository) -> Result<State, InstallError> {
    let hooks_path = repository.config("core.hookspath")?.filter(|path| !path.is_empty());
    let worktree = repository.worktree.as_deref();
    let manager = Manager::of(worktree, hooks_path.as_deref());
    let folder = repository.common_dir.join("hooks");
    let mut hooks = Vec::new();
    for hook in ClientHook::ALL {
        let file = look(&folder.join(hook.name()))?;
        let state = match (file, &manager) {
            _ if is_configured(repository, hook)? => HookState::Configured,
            (File::Ours { .. }, Some(_)) if hooks_path.is_some() => {
                HookState::Inert("core.hooksPath leads git to another folder")
            }
            (File::Ours { executable: false, .. }, _) => HookState::Inert("the file is not executable"),
            (File::Ours { .. }, _) => HookState::Installed,
            (_, Some(manager)) => HookState::Managed { added: manager.mentions(worktree, hook) },
            (File::Foreign(text), None) => HookState::Foreign(text),
            (File::Absent, None) => HookState::Absent,
        };
        hooks.push((hook, state));
    }
    Ok(State { manager, folder, hooks })
}

fn is_configured(repository: &Repository, hook: ClientHook) -> Result<bool, RepoError> {
    let key = |name: &str| repository.config(&format!("hook.dits-{}.{name}", hook.name()));
    if key("command")?.is_none() || key("event")?.is_none() || key("enabled")?.is_some_and(|on| on == "false")
    {
        return Ok(false);
    }
    Ok(runs_configured(&repository.git.line(&["--version"])?.unwrap_or_default()))
}

/// Puts `hooks` in as files, unless Git's configuration has them: then files of ours only go. `program` is a word of
/// shell, to be tried after `git-dits` on PATH. Returns how all hooks stand now: those still foreign were left alone.
pub fn install(
    repository: &Repository,
    hooks: &[ClientHook],
    program: &str,
    force: bool,
) -> Result<State, InstallError> {
    let before = state(repository)?;
    for (hook, state) in before.hooks.iter().filter(|(hook, _)| hooks.contains(hook)) {
        let path = before.folder.join(hook.name());
        match state {
            HookState::Configured => remove(&path)?,
            HookState::Installed | HookState::Absent => write(&path, *hook, program)?,
            HookState::Inert(_) if before.manager.is_none() => write(&path, *hook, program)?,
            HookState::Foreign(_) if force => {
                move_aside(&path)?;
                write(&path, *hook, program)?;
            }
            HookState::Foreign(_) | HookState::Managed { .. } | HookState::Inert(_) => {}
        }
    }
    state(repository)
}

/// Takes our lines out of all hook files; what was there before them comes back.
pub fn uninstall(repository: &Repository) -> Result<(), InstallError> {
    let folder = repository.common_dir.join("hooks");
    ClientHook::ALL.iter().try_for_each(|hook| remove(&folder.join(hook.name())))
}

/// What lies at the place of a hook.
enum File {
    Absent,
    Ours { text: Vec<u8>, ours: shim::Ours, executable: bool },
    Foreign(Vec<u8>),
}

fn look(path: &Path) -> Result<File, RepoError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(File::Absent);
        }
        result => result.map_err(RepoError::io("look at", path))?,
    };
    // A link or a large file was made by somebody else, whatever it holds.
    if !meta.is_file() || meta.len() > BYTES_MAX {
        let text = if meta.is_symlink() { fs::read(path).unwrap_or_default() } else { Vec::new() };
        return Ok(File::Foreign(text));
    }
    let text = fs::read(path).map_err(RepoError::io("read", path))?;
    Ok(match shim::find(&text) {
        Some(ours) => File::Ours { text, ours, executable: meta.permissions().mode() & 0o111 != 0 },
        None => File::Foreign(text),
    })
}

fn write(path: &Path, hook: ClientHook, program: &str) -> Result<(), InstallError> {
    let block = shim::block(hook, program);
    let wanted = match look(path)? {
        File::Ours { text, ours, executable } => {
            let wanted = shim::renewed(&text, ours, &block);
            if wanted == text && executable {
                return Ok(());
            }
            wanted
        }
        _ => shim::fresh(&block),
    };
    put(path, &wanted)
}

/// Writes a hook file, whole and executable.
fn put(path: &Path, text: &[u8]) -> Result<(), InstallError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    durable::create_dir(folder)?;
    let mode = fs::metadata(path).map_or(0o755, |meta| meta.permissions().mode() | 0o111);
    let new = with_suffix(path, ".dits-new");
    durable::write_file(folder, &new, text, Modes::default())?;
    fs::set_permissions(&new, Permissions::from_mode(mode))
        .map_err(RepoError::io("change the mode of", &new))?;
    Ok(durable::rename(&new, path)?)
}

fn move_aside(path: &Path) -> Result<(), InstallError> {
    let aside = with_suffix(path, BEFORE);
    if fs::symlink_metadata(&aside).is_ok() {
        return Err(InstallError::InTheWay(aside));
    }
    Ok(durable::rename(path, &aside)?)
}

fn remove(path: &Path) -> Result<(), InstallError> {
    let File::Ours { text, ours, .. } = look(path)? else { return Ok(()) };
    let aside = with_suffix(path, BEFORE);
    let waits = fs::symlink_metadata(&aside).is_ok();
    match shim::without(&text, ours) {
        Some(_) if waits => Err(InstallError::Entangled(path.to_owned())),
        Some(rest) => put(path, &rest),
        None if waits => Ok(durable::rename(&aside, path)?),
        None => Ok(durable::remove_file(path)?),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
