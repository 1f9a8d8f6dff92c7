//! `git dits whoami`: the name that locks are held under, exactly as `git dits locks` shows it.
//!
//! Tools compare it with the owners in the list, so the text is the name and nothing else.

use crate::context;
use crate::locking::Locking;
use crate::report;
use anyhow::Result;
use clap::Parser;
use serde_json::json;
use std::process::ExitCode;

/// Show the name by which the server knows you
#[derive(Debug, Parser)]
pub struct Args {
    /// The remote whose server is asked; else the one that pushes go to
    #[arg(short, long)]
    remote: Option<String>,
    /// Print name, role and server as JSON
    #[arg(short, long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let locking = Locking::find(args.remote.as_deref())?;
    let mut peer = locking.connect()?;
    let (name, role) = locking.who_am_i(&mut peer)?;
    peer.close();
    locking.know(|known| known.who = Some(name.clone()))?;
    if args.json {
        let server = locking.place.name();
        report::stdout(context::json_lines(&json!({ "name": name, "role": role, "server": server }))?)?;
    } else {
        report::line(&name)?;
    }
    Ok(ExitCode::SUCCESS)
}
