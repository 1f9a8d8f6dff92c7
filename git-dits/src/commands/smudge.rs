//! `git dits smudge`: one pointer on standard input becomes its content on standard output.
//!
//! For scripts, and for Git where `filter.dits.smudge` is configured. What is no pointer goes through as it is.
//! Content that cannot be had leaves standard output empty and makes exit code 2, so it is never mistaken for
//! a file; a chunk that turns out damaged on the way does too, but what went out before it stays out.

use super::clean::no_input;
use crate::context::{self, Context};
use crate::report;
use anyhow::{Result, ensure};
use clap::Parser;
use dits_filter::once::{self, OnceError};
use dits_remote::RemoteSource;
use dits_remote::meter::DOWNLOADING;
use dits_repo::RepoError;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the content of the pointer on standard input
#[derive(Debug, Parser)]
pub struct Args {
    /// Print the pointer itself
    #[arg(short, long)]
    skip: bool,
    /// Its path from the top of the working tree, for messages
    path: Option<PathBuf>,
}

const BUFFER_BYTES: usize = 256 << 10;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find_quietly(false)?;
    ensure!(!std::io::stdin().is_terminal(), no_input("smudge"));
    let store = context.store()?;
    let mut source = RemoteSource::new(&context.repository, &store, &context.settings);
    let meter = context.meter();
    let mut observe = |progress: dits_repo::FetchProgress| {
        meter.show_files(DOWNLOADING, progress.contents, progress.bytes, progress.bytes_total)
    };
    // Not the line-buffered handle of the standard library: content is no text.
    let mut output =
        BufWriter::with_capacity(BUFFER_BYTES, File::from(std::io::stdout().as_fd().try_clone_to_owned()?));
    let skip = args.skip || context::skip_smudge();
    let smudged =
        once::smudge(&store, &mut source, skip, &mut std::io::stdin().lock(), &mut output, &mut observe);
    match smudged {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(OnceError::Repo(RepoError::Content(error))) if error.kind() == ErrorKind::BrokenPipe => {
            Err(report::closed())
        }
        Err(error) => {
            // What is still in the buffer must not follow the error.
            drop(output.into_parts());
            let path = args.path.as_ref().map(|path| format!("cannot smudge '{}'", path.display()));
            Err(match path {
                Some(path) => anyhow::Error::from(error).context(path),
                None => error.into(),
            })
        }
    }
}
