//! What a user can do about an error: one answer for every program.
//!
//! Errors of the libraries say what is wrong; the way out depends on what people can run, so it is known
//! here, next to the programs. An error without an entry has no hint, rather than an empty phrase.

use crate::source::NoRemote;
use crate::upload::UploadError;
use crate::{EndpointError, RemoteError};
use dits_format::pointer::Damage;
use dits_net::TransportError;
use dits_repo::RepoError;
use dits_repo::index::IndexError;
use dits_store::{FolderError, StoreError};
use dits_sync::SyncError;
use dits_sync::message::Reason;
use std::error::Error;

const CLIENT_CERTIFICATE: &str = "name a certificate that the server knows: 'git config http.sslCert FILE' and 'git config http.sslKey FILE'";

/// The hint for an error, or for the first of its causes that has one.
pub fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(hint) = own_hint(cause) {
            return Some(hint);
        }
        next = cause.source();
    }
    None
}

fn own_hint(cause: &(dyn Error + 'static)) -> Option<String> {
    if cause.is::<NoRemote>() {
        return Some(
            "name a server: 'git remote add origin dits://HOST/TEAM/PROJECT', or beside a remote of another kind \
             'git config dits.url dits://HOST/TEAM/PROJECT'"
                .to_owned(),
        );
    }
    match cause.downcast_ref() {
        Some(UploadError::Missing(_)) => {
            let text =
                "put these files back and 'git add' them, or ask whoever committed them to push them first";
            return Some(text.to_owned());
        }
        // It stands in its cause's place.
        Some(UploadError::Remote(error)) => return remote_hint(error),
        None => {}
    }
    cause
        .downcast_ref()
        .and_then(remote_hint)
        .or_else(|| cause.downcast_ref().and_then(folder_hint))
        .or_else(|| cause.downcast_ref().and_then(endpoint_hint))
        .or_else(|| cause.downcast_ref().and_then(repo_hint))
        .or_else(|| cause.downcast_ref().and_then(store_hint))
}

fn remote_hint(error: &RemoteError) -> Option<String> {
    let text = match error {
        RemoteError::Transport(TransportError::Unreachable { .. }) => {
            "check the address, that the server runs, and that its port is not blocked"
        }
        RemoteError::Transport(TransportError::NobodyListens { .. }) => {
            "check the address, and that the server runs"
        }
        RemoteError::Transport(TransportError::Version) => "update git-dits on the older side",
        RemoteError::Transport(TransportError::ClientCertificate) => CLIENT_CERTIFICATE,
        // It may come to light only when a stream is in use.
        RemoteError::Sync(SyncError::Lost(why)) if *why == TransportError::ClientCertificate.to_string() => {
            CLIENT_CERTIFICATE
        }
        RemoteError::Transport(TransportError::PinMismatch { host, .. }) => {
            return Some(format!(
                "if the server's certificate was changed on purpose, remove the line of {host} from the known_hosts \
                 file of git-dits (see 'git dits env')"
            ));
        }
        // The server's own hint, if it gave one, is in its words already.
        RemoteError::Sync(SyncError::Refused { text, .. }) if text.contains("hint: ") => return None,
        RemoteError::Sync(SyncError::Refused { reason: Reason::Unauthorized, .. }) => {
            "give the token as password when Git asks, or store it with 'git credential approve'"
        }
        RemoteError::Sync(SyncError::MissingContent { .. }) => {
            "run 'git dits fsck --verbose' to see which files are affected"
        }
        RemoteError::Folder(error) => return folder_hint(error),
        RemoteError::Sync(SyncError::Store(error)) => return store_hint(error),
        RemoteError::Repo(error) => return repo_hint(error),
        _ => return None,
    };
    Some(text.to_owned())
}

fn repo_hint(error: &RepoError) -> Option<String> {
    let text = match error {
        RepoError::Setting { key, .. } => {
            return Some(format!("see where it is set: 'git config --show-origin {key}'"));
        }
        RepoError::Spawn(_) => "install git 2.39 or newer, and make sure that it is on PATH",
        RepoError::DamagedPointer { damage, .. } => damage_hint(*damage),
        RepoError::Index(IndexError::Locked { .. }) => {
            "another git process seems to be running: try again when it is done"
        }
        RepoError::Store(error) => return store_hint(error),
        _ => return None,
    };
    Some(text.to_owned())
}

fn endpoint_hint(error: &EndpointError) -> Option<String> {
    match error {
        EndpointError::Untrusted { key, location } => {
            Some(format!("if you trust whoever can write there: 'git config {key} {location}'"))
        }
        EndpointError::Address { .. } | EndpointError::Repo(_) => None,
    }
}

fn folder_hint(error: &FolderError) -> Option<String> {
    match error {
        FolderError::Absent(path) => Some(format!(
            "if it is on another disk or machine, is that mounted? a new one is made by 'git dits init-folder {}'",
            path.display()
        )),
        FolderError::Torn(path) => {
            Some(format!("bring back '{}' from a copy, or make a new folder", path.join("store").display()))
        }
        FolderError::Mark { .. } => Some("update git-dits".to_owned()),
        FolderError::NotEmpty(_) => Some("name a folder that is empty or does not exist yet".to_owned()),
        FolderError::NoParent(_) => Some("is its disk mounted? 'mkdir -p' makes it otherwise".to_owned()),
        FolderError::Shared(_) => Some("use 'group', 'all', 'umask' or a mode like 0660".to_owned()),
        FolderError::Store(error) => store_hint(error),
    }
}

/// What to do about a damaged pointer.
pub fn damage_hint(damage: Damage) -> &'static str {
    match damage {
        Damage::ConflictMarkers => {
            "take one side: 'git checkout --ours -- <path>' or 'git checkout --theirs -- <path>'"
        }
        Damage::NewerVersion => "update git-dits",
        _ => "restore it from a commit where it is intact: 'git checkout <commit> -- <path>'",
    }
}

fn store_hint(error: &StoreError) -> Option<String> {
    let text = match error {
        StoreError::Reserve { .. } => "free some space, or let less stay free with 'dits.reserve'",
        StoreError::WrongRole { .. } => "name another folder: 'git config dits.storage <folder>'",
        error if error.is_disk_full() => "free some space and try again",
        StoreError::StoreFormat { .. } => "update git-dits",
        StoreError::Busy { .. } => "try again when no other git or git-dits command is at work here",
        StoreError::Io { .. } => return None,
        _ => "run 'git dits fsck --repair', then 'git dits hydrate' fetches it again",
    };
    Some(text.to_owned())
}
