//! This side of a connection: Git, and its configuration where that has been read.
//!
//! A command that has just read all of the configuration hands it on with the [`Repository`], so that nobody asks Git for it again. From a
//! [`Git`] alone it is read when it is needed: that is for whoever lives long, as settings change.

use dits_repo::{Config, Git, Repository};

/// This side.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// Asked for credentials, and for what is not in the configuration below.
    pub git: &'a Git,
    /// The configuration as of now.
    pub config: Option<&'a Config>,
}

impl<'a> From<&'a Git> for Here<'a> {
    fn from(git: &'a Git) -> Here<'a> {
        Here { git, config: None }
    }
}

impl<'a> From<&'a Repository> for Here<'a> {
    fn from(repository: &'a Repository) -> Here<'a> {
        // What cannot be read is an error where it is read again.
        Here { git: &repository.git, config: repository.all_config().ok() }
    }
}
