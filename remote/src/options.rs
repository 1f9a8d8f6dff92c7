//! How to connect: what Git's configuration and the program's settings say, in the words of `dits-net`.
//! Read for each connection, so that a setting counts from the next one on.

use crate::{RemoteError, Settings};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_repo::settings::TRANSPORT;
use dits_repo::{Git, RepoError};
use dits_sync::client::CONNECT_MAX;
use std::sync::Arc;

/// The options for a connection of this repository.
///
/// # Errors
/// [`RepoError::Setting`] for a transport that there is none of.
pub fn options(git: &Git, settings: &Settings) -> Result<Options, RemoteError> {
    let pins = FilePins { path: settings.known_hosts.clone() };
    let mut options = Options::new(Arc::new(pins), CONNECT_MAX);
    options.routes = Some(settings.routes.clone());
    if let Some(value) = git.line(&["config", "--get", TRANSPORT.key])?.filter(|value| !value.is_empty()) {
        options.transport =
            value.parse().map_err(|()| RepoError::Setting { key: TRANSPORT.key.to_owned(), value })?;
    }
    Ok(options)
}
