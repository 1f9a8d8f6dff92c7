//! `git dits checkout`: puts content that is here in place of pointers, without any network.
//!
//! What is not here stays a pointer and is named, as by git-lfs; only a file that could not be written is a
//! failure. With `--to`, the content of one side of a conflict goes to a file beside, so that both can be
//! looked at; that content is fetched if it is not here.

use crate::context::Context;
use crate::hydration::{self, From};
use crate::report::{self, FAILED, Failure};
use crate::{outcome, stages};
use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Put content that is here in place of pointers
#[derive(Debug, Parser)]
#[command(after_help = "With --to: exactly one of --base, --ours and --theirs, and one path in conflict.")]
pub struct Args {
    /// Only files that match, seen from the current folder
    pathspec: Vec<String>,
    /// Write the content of one side of a conflict to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    side: Side,
}

/// Which side of a conflict
#[derive(Debug, Parser)]
#[group(multiple = false)]
struct Side {
    /// The version that both sides come from
    #[arg(long)]
    base: bool,
    /// The version of the current branch
    #[arg(long)]
    ours: bool,
    /// The version of the other branch
    #[arg(long)]
    theirs: bool,
}

impl Side {
    fn stage(&self) -> Option<u8> {
        let sides = [(self.base, 1), (self.ours, 2), (self.theirs, 3)];
        sides.into_iter().find_map(|(given, stage)| given.then_some(stage))
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    let together = || {
        Failure::new(
            "--to and exactly one of --theirs, --ours, and --base must be used together",
            "as in 'git dits checkout --to theirs.psd --theirs art.psd'",
        )
    };
    match (&args.to, args.side.stage(), &args.pathspec[..]) {
        (None, None, _) => in_place(&context, &args.pathspec),
        (Some(to), Some(stage), [path]) => {
            stages::write(&context, path, stage, &context.cwd.join(to))?;
            Ok(ExitCode::SUCCESS)
        }
        (Some(_), Some(_), _) => {
            Err(Failure::new("--to requires exactly one path", "name the file in conflict").into())
        }
        _ => Err(together().into()),
    }
}

fn in_place(context: &Context, pathspec: &[String]) -> Result<ExitCode> {
    if hydration::is_mount(context) {
        return Ok(ExitCode::SUCCESS);
    }
    let done = hydration::run(context, hydration::ghosts(context, pathspec)?, From::Here)?;
    for (path, _) in &done.missing {
        let path = String::from_utf8_lossy(path);
        report::notice(&format!(
            "Skipped checkout for \"{path}\", content not local. Use fetch to download."
        ));
    }
    let rest = dits_repo::hydrate::Outcome { missing: Vec::new(), ..done };
    outcome::tell(&rest);
    Ok(if rest.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
