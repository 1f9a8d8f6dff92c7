//! `git dits serve DIR`: the server, and what its owner does with its folder.
//!
//! Everything it keeps is below DIR. The first line on standard output is its address, for scripts and tests
//! that start it; an admin token is printed once, when the folder is new. SIGTERM and SIGINT let running
//! transfers end (up to ten seconds) and stop it with exit code 0.
//!
//! The subcommands work on the folder, whether a server runs or not. A folder that is named like one of them is
//! served as `./user`.

mod audit;
mod gc;
mod grant;
mod issuer;
mod owner;
mod repo;
mod token;
mod user;

use crate::report;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::{Faults, Role, Scope, ServerConfig, add_token, serve_blocking};
use dits_sync::address::DEFAULT_PORT;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Serve repositories and their content from a folder, or manage such a folder
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder for everything the server keeps; made if there is none
    #[arg(required = true)]
    dir: Option<PathBuf>,
    /// Address and port to listen on, UDP and TCP; port 0 picks a free one [default: 0.0.0.0:4880, with --anonymous
    /// 127.0.0.1:4880]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Let everybody do everything; for trials, and only on a loopback address
    #[arg(long)]
    anonymous: bool,
    /// Show this certificate (a PEM chain) in place of the server's own; read again when it was renewed
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Let in only clients with a certificate of one of these authorities (PEM)
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Memory for messages that arrive, all together, in bytes or like '512m' [default: an eighth of what there is]
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    memory: Option<u64>,
    /// Fail as the rules in FILE say; for trials, and only on a loopback address
    #[arg(long, value_name = "FILE", hide = true)]
    faults: Option<PathBuf>,
    /// Make a user with this name and a token, print the token, and exit
    #[arg(long, value_name = "NAME", hide = true, conflicts_with_all = ["listen", "anonymous", "memory", "faults"])]
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
    Gc(gc::Args),
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
        Some(Command::Gc(args)) => gc::run(args),
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
    let (memory, faults) = (args.memory, args.faults.as_deref().map(read_faults).transpose()?);
    let config = ServerConfig {
        dir: dir.clone(),
        listen,
        certificate: args.cert.clone().zip(args.key.clone()),
        client_ca: args.client_ca.clone(),
        anonymous: args.anonymous,
        exe,
        memory,
        faults,
    };
    serve_blocking(config, stop_signal, |server| {
        server.on_problem(report::error);
        // Somebody who waits for this line has it, or has gone away and does not matter.
        let _ = report::line(&format!("listening on dits://{}", server.address()));
        if let Some(token) = server.admin_token() {
            report::notice(&format!("admin token, shown only once: {token}"));
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn memory(text: &str) -> Result<u64, String> {
    let bytes =
        dits_repo::settings::parse_number(text).ok_or("not a number of bytes, as 536870912 or 512m")?;
    let least = dits_sync::budget::BUDGET_BYTES_MIN as u64;
    if bytes < least { Err(format!("at least {}m are needed", least >> 20)) } else { Ok(bytes) }
}

fn read_faults(path: &Path) -> Result<Arc<Faults>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    let faults = Faults::parse(&text).with_context(|| format!("bad rules in '{}'", path.display()))?;
    Ok(Arc::new(faults))
}

/// Handles the signals from now on, and waits for one of them.
fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let handlers = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut term), Ok(mut int)) = handlers else {
            // Without handlers the signals end the process at once, which is safe too.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[test]
    fn who_hears_that_it_listens_may_stop_it_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = ServerConfig {
            dir: dir.path().to_owned(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            certificate: None,
            client_ca: None,
            anonymous: true,
            exe: std::env::current_exe().unwrap(),
            memory: None,
            faults: None,
        };
        serve_blocking(config, stop_signal, |_| kill_process(getpid(), Signal::TERM).unwrap()).unwrap();
    }
}
