//! `git dits init-folder`: makes a folder that is a remote for contents without a server.
//!
//! The only way such a folder comes into being: a push never makes one, so that a disk which is not mounted cannot
//! be taken for a new folder.

use crate::context;
use crate::report::{self, Failure};
use anyhow::Result;
use clap::Parser;
use dits_store::{Folder, FolderError};
use dits_sync::Location;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a folder for contents, on a shared disk for example, to be used without a server
#[derive(Debug, Parser)]
pub struct Args {
    /// The folder: empty, or not there yet; the one above it must be there
    folder: PathBuf,
    /// Who may use its files: 'group', 'all', 'umask' or a mode as of core.sharedRepository; 'group' without a value
    #[arg(long, value_name = "WHO", num_args = 0..=1, default_missing_value = "group", require_equals = true)]
    shared: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let path = context::cwd()?.join(&args.folder);
    match Folder::create(&path, args.shared.as_deref()) {
        Ok(_) => {}
        Err(FolderError::NotEmpty(_)) if Folder::find(&path).is_ok() => {
            let hint = "it can be used as it is";
            return Err(
                Failure::new(format!("'{}' is a folder of contents already", path.display()), hint).into()
            );
        }
        Err(error) => return Err(error.into()),
    }
    // By its real name: the setting is read elsewhere.
    let location = Location::Folder(path.canonicalize().unwrap_or(path));
    report::line(&format!("Initialized folder of contents '{}'", location))?;
    report::hint(&format!("to use it in a repository: 'git config dits.url {location}'"));
    Ok(ExitCode::SUCCESS)
}
