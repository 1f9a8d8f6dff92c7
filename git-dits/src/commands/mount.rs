//! `git dits mount`: a linked worktree whose files are fetched when they are read.
//!
//! `git worktree add` makes the worktree, so its rules hold; a process of its own serves the files ([`mounting::daemon`]). The same folder again,
//! after `git dits unmount` or after that process was killed, is the same mount with all that was changed in it. When nothing can be
//! mounted, nothing was changed.

use crate::context::{self, Context};
use crate::mounting::daemon::{self, By, already};
use crate::mounting::launch::{self, Word};
use crate::mounting::state::{Info, State};
use crate::mounting::{base, control, dir, settings, start};
use crate::report::{self, FATAL, Failure};
use anyhow::{Context as _, Result};
use clap::Parser;
use dits_mount::control::Ask;
use dits_repo::linked::{self, Head};
use dits_repo::{Git, RepoError, Repository};
use rustix::fs::Mode;
use serde_json::json;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Mount a branch on a folder: its files are there at once, and fetched when they are read
///
/// Makes a linked worktree in DIR, as 'git worktree add' does: without REV for a new branch with the name of the folder. Git works in it as in any
/// other worktree. What is changed is kept in the repository, and is there again when DIR is mounted again.
#[derive(Debug, Parser)]
pub struct Args {
    /// Folder to mount on, empty or not there yet; or that of a mount which was ended or killed
    dir: PathBuf,
    /// Branch or commit to begin with
    rev: Option<String>,
    /// Make a new branch with this name
    #[arg(short, long, value_name = "NAME", conflicts_with = "detach")]
    branch: Option<String>,
    /// Check out no branch
    #[arg(short, long)]
    detach: bool,
    /// How the system gets at it: with 'nfs' an administrator mounts it with the command that is printed, where FUSE cannot be had
    #[arg(long = "type", value_enum, default_value_t = By::Fuse)]
    by: By,
    /// Let nothing be written
    #[arg(long)]
    read_only: bool,
    /// Write down in FILE what is read, for 'git dits prefetch --from-trace'
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Stay, and tell what happens; Ctrl-C unmounts
    #[arg(long)]
    foreground: bool,
    /// Print the result as JSON
    #[arg(short, long, conflicts_with = "foreground")]
    json: bool,
}

/// How long a mount may take to say that it is there.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find_around(&args.dir)?;
    if args.by == By::Fuse {
        start::check()?;
    }
    let dir = dir::resolve(&context.cwd, &args.dir);
    match State::at(&context.repository, &dir) {
        Some(state) => again(&context, args, &state)?,
        None => first(&context, args, &dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Mounts what was mounted before.
fn again(context: &Context, args: &Args, state: &State) -> Result<()> {
    // One that was killed just now holds its lock a moment longer: the next process waits for that.
    if control::ask(state, &Ask::Status, ANSWER_MAX, &mut |_| {}).is_ok() {
        return Err(already(state).into());
    }
    if args.rev.is_some() || args.branch.is_some() || args.detach {
        let text =
            format!("'{}' is a mount already, which keeps its branch and its changes", args.dir.display());
        let hint = "mount it without a revision, and 'git switch' in it; or name another folder";
        return Err(Failure::fatal(text, hint).into());
    }
    state.info()?;
    serve(context, args, state)
}

/// Makes the worktree, and mounts it.
fn first(context: &Context, args: &Args, dir: &Path) -> Result<()> {
    let repository = &context.repository;
    dir::check_new(repository, dir)?;
    if args.rev.is_none() && repository.git.commit("HEAD")?.is_none() {
        let text = "there is no commit to mount";
        return Err(Failure::fatal(text, "commit something first, or name a branch").into());
    }
    let before = Before::look(repository, dir)?;
    let head = match &args.branch {
        Some(name) => Head::New(name),
        None if args.detach => Head::Detached,
        None => Head::AsGitDoes,
    };
    let made = linked::add(repository, dir, head, args.rev.as_deref()).map_err(said_by_git)?;
    let state = State::of(&made.git_dir);
    let mounted =
        describe(repository, &state, made.commit.clone()).and_then(|()| serve(context, args, &state));
    if mounted.is_err() && !state.is_served() {
        before.restore(repository, dir);
    }
    mounted?;
    Ok(linked::claim_branch(repository, &made)?)
}

/// Writes down what the mount begins with, and gives its worktree the settings that go with it.
fn describe(repository: &Repository, state: &State, base: String) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    settings::configure(repository, state.git_dir(), &program)?;
    state.create()?;
    let git = linked::git(state.git_dir());
    let commit_time = git.line(&["show", "--no-patch", "--format=%ct", &base])?;
    let commit_time = commit_time.and_then(|text| text.parse().ok()).unwrap_or_default();
    // The only way to ask for it is to set it.
    let umask = rustix::process::umask(Mode::empty());
    rustix::process::umask(umask);
    state.write(&Info {
        base,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        umask: umask.bits() as u16,
        mtime: base::time(commit_time, context::now()? as i64),
        is_indexed: false,
        read_only: false,
        pid: None,
        nfs: None,
    })
}

fn serve(context: &Context, args: &Args, state: &State) -> Result<()> {
    let tell = context.tells_progress();
    let stage = |text: &str| {
        if tell {
            report::notice(&format!("{text} ..."));
        }
    };
    if args.foreground {
        let options = daemon::Options {
            settings: context.settings.clone(),
            read_only: args.read_only,
            by: args.by,
            trace: args.trace.clone(),
            foreground: true,
        };
        return daemon::serve(state, &options, &mut |word| {
            if let Word::Stage { text } = word {
                stage(text);
            }
        });
    }
    let mut flags: Vec<OsString> = vec!["--type".into(), args.by.word().into()];
    if args.read_only {
        flags.push("--read-only".into());
    }
    if let Some(file) = &args.trace {
        flags.extend(["--trace".into(), context.cwd.join(file).into()]);
    }
    launch::start(state, &flags, &mut |text| stage(text))?;
    let dir = state.dir().context("git does not know the folder of the mount")?;
    let Info { pid, nfs, .. } = state.info()?;
    if nfs.is_none() {
        fs::symlink_metadata(dir.join(".git"))
            .with_context(|| format!("'{}' does not answer", dir.display()))?;
    }
    if args.json {
        let view = json!({ "dir": dir, "pid": pid, "read_only": args.read_only, "nfs": nfs });
        report::stdout(context::json_lines(&view)?)
    } else if let Some(nfs) = nfs {
        report::line(&format!("Served with NFS. To mount it:\n  {}", nfs.command(&dir)))
    } else {
        report::line(&format!("Mounted at '{}'.", dir.display()))
    }
}

/// Git's own refusal, with its exit code.
fn said_by_git(error: RepoError) -> anyhow::Error {
    match error {
        RepoError::Git { code: Some(code), stderr, .. } => {
            let text = stderr.trim_end().trim_start_matches("fatal: ").to_owned();
            Failure { text, hint: None, code: u8::try_from(code).unwrap_or(FATAL) }.into()
        }
        other => other.into(),
    }
}

/// Whether worktrees have settings of their own, in lower case.
const OWN_SETTINGS: &str = "extensions.worktreeconfig";

/// What was there before a worktree was made.
struct Before {
    branches: Vec<u8>,
    dir_is_there: bool,
    /// Whether worktrees have settings of their own, or would change what is shared if they had not.
    keeps_settings: bool,
}

impl Before {
    fn look(repository: &Repository, dir: &Path) -> Result<Before> {
        let is_set = |key| repository.config(key).map(|value| value.is_some());
        let keeps_settings =
            is_set(OWN_SETTINGS)? || repository.worktree.is_none() || is_set("core.worktree")?;
        Ok(Before { branches: branches(&repository.git)?, dir_is_there: dir.exists(), keeps_settings })
    }

    /// Takes the worktree, and a branch that was made for it, away again. What fails here is not told: why nothing could be mounted is.
    fn restore(&self, repository: &Repository, dir: &Path) {
        let _ = linked::remove(repository, dir);
        if !self.keeps_settings {
            let _ = repository.git.run(&["config", "--local", "--unset", OWN_SETTINGS]);
        }
        if self.dir_is_there {
            let _ = fs::create_dir(dir);
        }
        let lines =
            |text: &[u8]| -> Vec<Vec<u8>> { text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() };
        let known = lines(&self.branches);
        for new in
            branches(&repository.git).iter().flat_map(|now| lines(now)).filter(|name| !known.contains(name))
        {
            let name = String::from_utf8_lossy(&new).into_owned();
            let _ = repository.git.run(&["branch", "--quiet", "-D", "--", &name]);
        }
    }
}

/// Names of all branches, a line each.
fn branches(git: &Git) -> Result<Vec<u8>> {
    Ok(git.run(&["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"])?)
}
