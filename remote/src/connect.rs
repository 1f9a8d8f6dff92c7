//! One server, with the token question settled.
//!
//! The first try goes without a token (an anonymous server needs none) unless one is known; when the server
//! says "unauthorized", `git credential` is asked once, and told how it went. In a filter nobody is asked on
//! the terminal. A server seen for the first time is pinned; the caller learns of it and may say so.

use crate::Settings;
use dits_format::Oid;
use dits_net::file_pins::FilePins;
use dits_net::{Options, TransportError};
use dits_repo::credential::{self, Credential};
use dits_repo::{Git, RepoError};
use dits_store::{ChunkRead, ChunkWrite, FolderError};
use dits_sync::address::AddressError;
use dits_sync::client::{CONNECT_MAX, Client, GitReader, GitWriter, Observer, Report};
use dits_sync::message::{Purpose, Reason};
use dits_sync::push::PushItem;
use dits_sync::{Address, SyncError, Tally};
use serde_json::json;
use std::sync::Arc;

/// Why a remote could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL is not ours.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A stream failed.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A folder could not be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Git or the repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// A connection to one repository's server.
#[derive(Debug)]
pub struct Remote {
    git: Git,
    address: Address,
    client: Client,
    settings: Settings,
    credential: Option<Credential>,
}

impl Remote {
    /// Connects to `address`; `git` is asked for credentials.
    pub fn connect(git: &Git, address: Address, settings: &Settings) -> Result<Remote, RemoteError> {
        let pins = FilePins { path: settings.known_hosts.clone() };
        let client = Client::connect(&address, &Options::new(Arc::new(pins), CONNECT_MAX))?;
        Ok(Remote { git: git.clone(), address, client, settings: settings.clone(), credential: None })
    }

    /// What the program brought along.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Uses this token and asks for none.
    pub fn use_token(&mut self, token: String) {
        self.credential = Some(Credential::given(self.address.authority(), token));
    }

    /// What to tell the user when the server was seen for the first time.
    pub fn first_use_notice(&self) -> Option<String> {
        let fingerprint = self.client.first_use()?;
        Some(format!("trusting {} on first use, certificate {fingerprint}", self.address.authority()))
    }

    /// Sends `items` from `store`.
    pub fn push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
        observe: Observer<'_>,
    ) -> Result<Report, RemoteError> {
        let report =
            self.authorized(|client, token| client.push(token, store.clone(), items.to_vec(), observe))?;
        self.report("push", &report);
        Ok(report)
    }

    /// Fetches `oids` into `store`; returns those the server does not have.
    pub fn pull(
        &mut self,
        store: &(impl ChunkWrite + Clone + 'static),
        oids: &[Oid],
        observe: Observer<'_>,
    ) -> Result<Vec<Oid>, RemoteError> {
        let (report, absent) =
            self.authorized(|client, token| client.pull(token, store, oids.to_vec(), observe))?;
        self.report("pull", &report);
        Ok(absent)
    }

    /// Counts what [`Remote::pull`] would move beyond what is in `here`; also returns what the server does not have.
    pub fn weigh(
        &mut self,
        here: &Arc<dyn ChunkRead>,
        oids: &[Oid],
    ) -> Result<(Tally, Vec<Oid>), RemoteError> {
        let (report, absent) =
            self.authorized(|client, token| client.weigh(token, here.clone(), oids.to_vec()))?;
        self.report("weigh", &report);
        Ok((report.tally, absent))
    }

    /// Which of `oids` the server holds whole and proved: what it promised to keep, as long as a ref needs it.
    pub fn proves(&mut self, oids: &[Oid]) -> Result<Vec<bool>, RemoteError> {
        let proved = self.authorized(|client, token| client.ask(token, oids.to_vec()))?;
        let count = proved.iter().filter(|proved| **proved).count();
        self.settings.trace.event(
            "ask",
            json!({ "remote": self.address.to_string(), "contents": oids.len(), "proved": count }),
        );
        Ok(proved)
    }

    /// Counts what [`Remote::push`] would send, and sends nothing. It takes the rights of a reader.
    pub fn weigh_push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
    ) -> Result<Tally, RemoteError> {
        let report =
            self.authorized(|client, token| client.weigh_push(token, store.clone(), items.to_vec()))?;
        self.report("weigh", &report);
        Ok(report.tally)
    }

    /// Opens a stream to a Git service.
    pub fn git(&mut self, purpose: &Purpose) -> Result<(GitWriter, GitReader), RemoteError> {
        self.authorized(|client, token| client.git(token, purpose.clone()))
    }

    /// Ends the connection.
    pub fn close(self) {
        let wire = self.client.wire();
        self.settings
            .trace
            .event("connection", json!({ "udp_sent_bytes": wire.tx, "udp_received_bytes": wire.rx }));
        self.client.close();
    }

    fn authorized<T>(
        &mut self,
        mut run: impl FnMut(&Client, &str) -> Result<T, SyncError>,
    ) -> Result<T, RemoteError> {
        let token = self.credential.as_ref().map_or("", |credential| &credential.token).to_owned();
        match run(&self.client, &token) {
            Err(SyncError::Refused { reason: Reason::Unauthorized, .. }) if token.is_empty() => {}
            other => return Ok(other?),
        }
        let (host, user) = (self.address.authority(), self.address.user.as_deref());
        let unauthorized = SyncError::Refused {
            reason: Reason::Unauthorized,
            text: format!("authentication failed for '{}'", self.address),
        };
        let credential = credential::fill(&self.git, &host, user, self.settings.interactive)?;
        let credential = credential.ok_or(unauthorized)?;
        match run(&self.client, &credential.token) {
            Err(SyncError::Refused { reason: Reason::Unauthorized, text }) => {
                credential.reject(&self.git);
                Err(SyncError::Refused { reason: Reason::Unauthorized, text }.into())
            }
            other => {
                credential.approve(&self.git);
                self.credential = Some(credential);
                Ok(other?)
            }
        }
    }

    fn report(&self, event: &str, report: &Report) {
        let tally = report.tally;
        self.settings.trace.event(
            event,
            json!({
                "remote": self.address.to_string(),
                "contents": tally.contents,
                "content_bytes": tally.content_bytes,
                "contents_had": tally.contents_had,
                "chunks": tally.chunks,
                "chunk_bytes": tally.chunk_bytes,
                "sent_bytes": report.wire.0,
                "received_bytes": report.wire.1,
            }),
        );
    }
}
