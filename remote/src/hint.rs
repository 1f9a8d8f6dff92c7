//! What a user can do about an error: one answer for every program.
//!
//! Errors of the libraries say what is wrong; the way out depends on what people can run, so it is known
//! here, next to the programs. An error without an entry has no hint, rather than an empty phrase.

use crate::locks::LockError;
use crate::source::NoRemote;
use crate::upload::UploadError;
use crate::{EndpointError, RemoteError};
use dits_format::pointer::Damage;
use dits_net::TransportError;
use dits_repo::RepoError;
use dits_repo::index::IndexError;
use dits_store::{FolderError, StoreError};
use dits_sync::{Address, SyncError};
use std::error::Error;

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

/// What a client is told that has no certificate.
const CERTIFICATE_WORDS: &str = "client certificate";
const CERTIFICATE_HINT: &str = "name a certificate that the server knows: 'git config http.sslCert FILE' and 'git config http.sslKey FILE'";

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
        .or_else(|| cause.downcast_ref().and_then(lock_hint))
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
        RemoteError::Transport(TransportError::ProxyAuthentication { .. }) => {
            "put user and password into the proxy's address ('git config http.proxy http://USER:PASSWORD@HOST:PORT'), or only \
             the user, and store the password with 'git credential approve'; if it was there, the proxy does not accept it"
        }
        RemoteError::Transport(TransportError::Proxy { .. }) => {
            "the proxy must allow CONNECT to the server's port: ask its owner, serve on port 443, or name the server in 'no_proxy'"
        }
        RemoteError::Transport(TransportError::NotOurs { .. }) => {
            "a network that wants a login answers like this: open any page in a browser first; else a proxy does not pass \
             requests on"
        }
        RemoteError::Transport(TransportError::Untrusted { .. }) => {
            "if your network inspects TLS, name its authority: 'git config http.sslCAInfo FILE'"
        }
        RemoteError::Transport(TransportError::Version) => "update git-dits on the older side",
        RemoteError::Transport(TransportError::ClientCertificate) => CERTIFICATE_HINT,
        // With TLS 1.3 a client learns of it after the handshake, when it reads.
        RemoteError::Sync(SyncError::Lost(why)) if why.contains(CERTIFICATE_WORDS) => CERTIFICATE_HINT,
        RemoteError::Transport(TransportError::PinMismatch { host, .. }) => {
            return Some(format!(
                "if the server's certificate was changed on purpose, remove the line of {host} from the known_hosts \
                 file of git-dits (see 'git dits env')"
            ));
        }
        // The server's own hint, if it gave one, is in its words already.
        RemoteError::Sync(SyncError::Refused { text, .. }) if text.contains("hint: ") => return None,
        RemoteError::NoToken(address) => return Some(no_token(address)),
        RemoteError::TokenRefused(_) | RemoteError::UnsafeToken => {
            "set DITS_TOKEN to a token of this server, or unset it to use the stored one"
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

/// What to run, to be copied.
fn no_token(address: &Address) -> String {
    let user = address.user.as_deref().unwrap_or("token");
    format!(
        "with a token of this server (its owner can make one), store it once:\n  printf 'protocol=dits\\nhost={}\\nusername={user}\\npassword=%s\\n' \
         \"$TOKEN\" | git credential approve\nor set DITS_TOKEN{}; 'git config credential.helper' says where Git keeps it",
        address.authority(),
        match address.named_by_repository {
            true => format!(" and DITS_TOKEN_HOST={}, as only '.ditsconfig' names this server", address.host),
            false => String::new(),
        }
    )
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

fn lock_hint(error: &LockError) -> Option<String> {
    match error {
        LockError::NoRemote(_) => Some("'git remote' lists the names".to_owned()),
        LockError::NoServer(_) | LockError::Folder { .. } => {
            Some("locks need a server: 'git config dits.url dits://HOST/TEAM/PROJECT'".to_owned())
        }
        LockError::Refused { hint, .. } => hint.clone(),
        LockError::Remote(error) => remote_hint(error),
        LockError::Host(error) => error.hint(),
        LockError::UntrustedHost { url } => Some(format!("if you trust it: 'git config dits.lockurl {url}'")),
        LockError::Endpoint(error) => endpoint_hint(error),
        LockError::Repo(error) => repo_hint(error),
        LockError::Answer => None,
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
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::FileTooLarge => {
            "let files grow larger ('ulimit -f unlimited'), or use a file system that takes larger ones"
        }
        StoreError::Io { .. } => return None,
        _ => "run 'git dits fsck --repair', then 'git dits hydrate' fetches it again",
    };
    Some(text.to_owned())
}
