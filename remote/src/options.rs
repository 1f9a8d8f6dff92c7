//! How to connect: what Git's configuration and the environment say, in the words of `dits-net`.
//! A setting counts from the next connection on: what a caller hands in he has just read, else it is read anew. Git is asked for
//! the match of a URL only where a key names one.

use crate::network::{self, Network};
use crate::{Here, RemoteError, Settings};
use dits_net::file_pins::FilePins;
use dits_net::options::{ClientIdentity, Roots};
use dits_net::{Options, TransportError};
use dits_repo::{Config, Git, RepoError};
use dits_sync::Address;
use dits_sync::client::CONNECT_MAX;
use http::HeaderMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file of certificates, bytes: a system's own has a quarter of this.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most files of a folder of certificates.
const FILES_MAX: usize = 1000;
/// How Git exits when nothing matches.
const NOTHING: i32 = 1;

/// The options for a connection to `address`, and the token that the settings tell.
///
/// # Errors
/// [`RepoError::Setting`] for a value that is none; [`TransportError::CertificateFile`].
pub fn options(
    here: Here<'_>,
    address: &Address,
    settings: &Settings,
) -> Result<(Options, Option<String>), RemoteError> {
    let read;
    let config = match here.config {
        Some(config) => config,
        None => {
            read = Config::read(here.git)?;
            &read
        }
    };
    let matched = match network::matched_everywhere(config) {
        Some(matched) => matched,
        None => {
            let url = network::place(address).url();
            Config::parse(&ask(here.git, &["config", "-z", "--get-urlmatch", "http", &url])?)
                .entries()
                .to_vec()
        }
    };
    let listed = network::listed(config);
    let found = network::read(address, &settings.network, &matched, &listed)?;
    let pins = FilePins { path: settings.known_hosts.clone() };
    let mut options = Options::new(Arc::new(pins), CONNECT_MAX);
    options.routes = Some(settings.routes.clone());
    options.roots = roots(&found)?;
    options.client_identity = found.identity.as_ref().map(identity).transpose()?;
    options.headers = headers(&found);
    let Network { transport, verify, proxy, limits, token, .. } = found;
    Ok((Options { transport, verify, proxy, limits, ..options }, token))
}

/// What Git says; nothing when it found nothing.
fn ask(git: &Git, args: &[&str]) -> Result<Vec<u8>, RepoError> {
    match git.run(args) {
        Err(RepoError::Git { code: Some(NOTHING), .. }) => Ok(Vec::new()),
        other => other,
    }
}

fn roots(network: &Network) -> Result<Roots, TransportError> {
    let (file, folder) = &network.authorities;
    let mut text = Vec::new();
    if let Some(path) = file {
        text.extend(read(path).map_err(|why| unusable(path, why))?);
    }
    if let Some(path) = folder {
        let files = fs::read_dir(path).map_err(|why| unusable(path, why))?;
        for found in files.take(FILES_MAX).flatten() {
            // What is no certificate there is passed over.
            text.extend(read(&found.path()).unwrap_or_default());
            text.push(b'\n');
        }
    }
    match file.as_ref().or(folder.as_ref()) {
        None => Ok(Roots::System),
        Some(path) => Roots::from_pem(&text).map_err(|error| unusable(path, why(error))),
    }
}

fn identity((certificate, key): &(PathBuf, PathBuf)) -> Result<ClientIdentity, TransportError> {
    let text = |path: &Path| read(path).map_err(|why| unusable(path, why));
    ClientIdentity::from_pem(&text(certificate)?, &text(key)?)
        .map_err(|error| unusable(certificate, why(error)))
}

fn headers(network: &Network) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &network.headers {
        // What cannot be a header is left out, as curl does.
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("the file is too large"));
    }
    fs::read(path)
}

fn why(error: TransportError) -> String {
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn unusable(path: &Path, why: impl fmt::Display) -> TransportError {
    TransportError::CertificateFile { path: path.to_owned(), why: why.to_string() }
}
