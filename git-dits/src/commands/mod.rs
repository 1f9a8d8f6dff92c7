//! The list of commands, and the way from arguments to an exit code.
//!
//! Each command is a file here: its `Args` are the help, its `run` gives an exit code or an error for
//! [`report::failure`]. What clap refuses exits with 127, as git-lfs does, so scripts can tell "unknown" from
//! "failed". Nothing happens before the command is known: starting up costs one parse.

mod add;
mod cache;
mod check;
mod checkout;
mod clean;
mod clone;
mod completion;
mod demo;
mod doctor;
mod du;
pub mod env;
mod fetch;
mod filter_process;
mod fsck;
mod fsmonitor;
mod gc;
mod get;
mod ghost;
mod hook;
mod hydrate;
mod init_folder;
mod install;
mod lock;
mod locks;
mod logs;
mod ls_files;
mod man;
mod migrate;
mod mount;
mod mount_serve;
mod mounts;
mod pointer;
mod post_checkout;
mod post_commit;
mod post_merge;
mod pre_push;
mod prefetch;
mod prune;
mod pull;
mod push;
mod serve;
mod smudge;
mod status;
mod track;
mod uninstall;
mod unlock;
mod unmount;
mod untrack;
mod update;
mod verify_push;
pub mod version;
mod whereis;
mod whoami;

use crate::{context, lfs_name, report};
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Exit code for arguments we do not know.
pub const UNKNOWN: u8 = 127;

/// Large files in Git: stored as chunks, moved as differences
#[derive(Debug, Parser)]
// A line stays a line, also where another package of a build turns on wrapping.
#[command(name = "git-dits", bin_name = "git dits", disable_version_flag = true, term_width = 0)]
struct Cli {
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::SetTrue)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
    Uninstall(uninstall::Args),
    Update(update::Args),
    Track(track::Args),
    Untrack(untrack::Args),
    Add(add::Args),
    LsFiles(ls_files::Args),
    Migrate(migrate::Args),
    Status(status::Args),
    Clone(clone::Args),
    Fetch(fetch::Args),
    Pull(pull::Args),
    Get(get::Args),
    Prefetch(prefetch::Args),
    Checkout(checkout::Args),
    Hydrate(hydrate::Args),
    Ghost(ghost::Args),
    Mount(mount::Args),
    Unmount(unmount::Args),
    Mounts(mounts::Args),
    Whereis(whereis::Args),
    Check(check::Args),
    Push(push::Args),
    Lock(lock::Args),
    Unlock(unlock::Args),
    Locks(locks::Args),
    Whoami(whoami::Args),
    Fsck(fsck::Args),
    Prune(prune::Args),
    Gc(gc::Args),
    Du(du::Args),
    Cache(cache::Args),
    Env(env::Args),
    Doctor(doctor::Args),
    Logs(logs::Args),
    Completion(completion::Args),
    Man(man::Args),
    Pointer(pointer::Args),
    Version(version::Args),
    Serve(serve::Args),
    InitFolder(init_folder::Args),
    VerifyPush(verify_push::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    Clean(clean::Args),
    #[command(hide = true)]
    Smudge(smudge::Args),
    #[command(hide = true)]
    FilterProcess(filter_process::Args),
    #[command(hide = true)]
    Hook(hook::Args),
    #[command(hide = true)]
    MountServe(mount_serve::Args),
    #[command(hide = true)]
    PrePush(pre_push::Args),
    #[command(hide = true)]
    PostCheckout(post_checkout::Args),
    #[command(hide = true)]
    PostMerge(post_merge::Args),
    #[command(hide = true)]
    PostCommit(post_commit::Args),
}

/// Runs what the arguments of this process say.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if lfs_name::is_lfs(&args)
        && let Some(code) = lfs_name::answer(&args)
    {
        return code;
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = match &cli.command {
        None if cli.version => version::run(),
        None => report::stdout(definition().render_help().to_string()).map(|()| ExitCode::SUCCESS),
        Some(command) => context::set_up_cpu().and_then(|()| command.run()),
    };
    result.unwrap_or_else(|error| report::failure(&error))
}

impl Command {
    fn run(&self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Install(args) => install::run(args),
            Command::Uninstall(args) => uninstall::run(args),
            Command::Update(args) => update::run(args),
            Command::Track(args) => track::run(args),
            Command::Untrack(args) => untrack::run(args),
            Command::Add(args) => add::run(args),
            Command::LsFiles(args) => ls_files::run(args),
            Command::Migrate(args) => migrate::run(args),
            Command::Status(args) => status::run(args),
            Command::Clone(args) => clone::run(args),
            Command::Fetch(args) => fetch::run(args),
            Command::Pull(args) => pull::run(args),
            Command::Get(args) => get::run(args),
            Command::Prefetch(args) => prefetch::run(args),
            Command::Checkout(args) => checkout::run(args),
            Command::Hydrate(args) => hydrate::run(args),
            Command::Ghost(args) => ghost::run(args),
            Command::Mount(args) => mount::run(args),
            Command::Unmount(args) => unmount::run(args),
            Command::Mounts(args) => mounts::run(args),
            Command::Whereis(args) => whereis::run(args),
            Command::Check(args) => check::run(args),
            Command::Push(args) => push::run(args),
            Command::Lock(args) => lock::run(args),
            Command::Unlock(args) => unlock::run(args),
            Command::Locks(args) => locks::run(args),
            Command::Whoami(args) => whoami::run(args),
            Command::Fsck(args) => fsck::run(args),
            Command::Prune(args) => prune::run(args),
            Command::Gc(args) => gc::run(args),
            Command::Du(args) => du::run(args),
            Command::Cache(args) => cache::run(args),
            Command::Env(_) => env::run(),
            Command::Doctor(args) => doctor::run(args),
            Command::Logs(args) => logs::run(args),
            Command::Completion(args) => completion::run(args),
            Command::Man(args) => man::run(args),
            Command::Pointer(args) => pointer::run(args),
            Command::Clean(args) => clean::run(args),
            Command::Smudge(args) => smudge::run(args),
            Command::Version(_) => version::run(),
            Command::Serve(args) => serve::run(args),
            Command::InitFolder(args) => init_folder::run(args),
            Command::VerifyPush(args) => verify_push::run(args),
            Command::Demo(args) => demo::run(args),
            Command::FilterProcess(args) => filter_process::run(args),
            Command::Hook(args) => hook::run(args),
            Command::MountServe(args) => mount_serve::run(args),
            Command::PrePush(args) => pre_push::run(args),
            Command::PostCheckout(args) => post_checkout::run(args),
            Command::PostMerge(args) => post_merge::run(args),
            Command::PostCommit(args) => post_commit::run(args),
        }
    }
}

/// All commands, with their names as users type them.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

/// Prints help where it was asked for, else what is wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => ExitCode::SUCCESS,
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::from(141),
        _ => ExitCode::from(UNKNOWN),
    }
}
