//! `git dits serve DIR`: the server, and what its owner does with its folder.
//!
//! Everything it keeps is below DIR. The first line on standard output is its address, for scripts and tests
//! that start it; an admin token is printed once, when the folder is new. SIGTERM and SIGINT let running
//! transfers end (up to ten seconds) and stop it with exit code 0.
//!
//! The subcommands work on the folder, whether a server runs or not. A folder that is named like one of them is
//! served as `./user`.

mod audit;
mod grant;
mod issuer;
mod owner;
mod repo;
mod token;
mod user;

use crate::report;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::{Role, Scope, ServerConfig, add_token, serve_blocking};
use dits_sync::address::DEFAULT_PORT;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Serve repositories and their content from a folder, or manage such a folder
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder for everything the server keeps; made if there is none
    #[arg(required = true)]
    dir: Option<PathBuf>,
    /// Address and UDP port to listen on; port 0 picks a free one [default: 0.0.0.0:4880, with --anonymous
    /// 127.0.0.1:4880]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Let everybody do everything; for trials, and only on a loopback address
    #[arg(long)]
    anonymous: bool,
    /// Make a user with this name and a token, print the token, and exit
    #[arg(long, value_name = "NAME", hide = true, conflicts_with_all = ["listen", "anonymous"])]
    add_token: Option<String>,
    /// What the new user may do: read, write or admin
    #[arg(long, value_name = "ROLE", hide = true, default_value = "write", requires = "add_token")]
    role: Role,
    /// Where: '*' or a path like 'team' or 'team/project'
    #[arg(long, value_name = "PATH", hide = true, default_value = "*", requires = "add_token")]
    scope: Scope,
}

#[derive(Debug, Subcommand)]
enum Command {
    User(user::Args),
    Token(token::Args),
    Grant(grant::Args),
    RevokeGrant(grant::RevokeArgs),
    Repo(repo::Args),
    Issuer(issuer::Args),
    Audit(audit::Args),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Some(Command::User(args)) => user::run(args),
        Some(Command::Token(args)) => token::run(args),
        Some(Command::Grant(args)) => grant::run(args),
        Some(Command::RevokeGrant(args)) => grant::revoke(args),
        Some(Command::Repo(args)) => repo::run(args),
        Some(Command::Issuer(args)) => issuer::run(args),
        Some(Command::Audit(args)) => audit::run(args),
        None => serve(args),
    }
}

fn serve(args: &Args) -> Result<ExitCode> {
    let dir = args.dir.as_ref().context("no folder was named")?;
    if let Some(name) = &args.add_token {
        let token = add_token(dir, name, args.role, &args.scope)?;
        report::line(&token)?;
        return Ok(ExitCode::SUCCESS);
    }
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let everywhere = if args.anonymous { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let listen = args.listen.unwrap_or_else(|| (everywhere, DEFAULT_PORT).into());
    let config = ServerConfig { dir: dir.clone(), listen, anonymous: args.anonymous, exe };
    serve_blocking(config, stop_signal(), |server| {
        server.on_problem(report::error);
        // Somebody who waits for this line has it, or has gone away and does not matter.
        let _ = report::line(&format!("listening on dits://{}", server.address()));
        if let Some(token) = server.admin_token() {
            report::notice(&format!("admin token, shown only once: {token}"));
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process at once, which is safe too.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
