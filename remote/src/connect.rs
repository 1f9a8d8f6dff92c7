//! One server, with the token question settled.
//!
//! Which token it is shown is decided in [`crate::login`]; a header of `http.extraHeader` or `.netrc` may give one. A server seen for the first time is pinned; the caller learns of it
//! and may say so.
//!
//! What ran on a connection that is lost runs again on a new one, as long as that brings something; if only its stream broke, on
//! the same one ([`retry`](crate::retry)); counts of all tries add up. Only the first connection is not tried twice: a wrong address should be told at
//! once.

mod elsewhere;
mod pause;

use crate::filters::{KeptFilter, worth};
use crate::options::options;
use crate::retry::{Moves, Next, Retry, may_pass, sum};
use crate::{Here, Settings, login, meter, netrc, proxy_login};
use dits_format::Oid;
use dits_net::TransportError;
use dits_net::connection::WireBytes;
use dits_repo::{Git, RepoError, Repository};
use dits_store::{ChunkRead, ChunkWrite, FolderError};
use dits_sync::address::AddressError;
use dits_sync::client::{CONNECT_MAX, Client, GitReader, GitWriter, Observer, Pull, Push, Report};
use dits_sync::message::Purpose;
use dits_sync::push::PushItem;
use dits_sync::{Address, SyncError, Tally};
use elsewhere::MOVES_MAX;
pub(crate) use pause::chance;
use pause::wait;
use serde_json::json;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As much of a `.netrc` is read.
const NETRC_BYTES_MAX: u64 = 1 << 20;

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
    /// The server wants a token and nobody has one.
    #[error("authentication failed for '{0}': no access token is known")]
    NoToken(Address),
    /// The server does not accept the token of the environment.
    #[error("the token in DITS_TOKEN was refused: {0}")]
    TokenRefused(String),
    /// The token of the environment would begin a line of its own somewhere.
    #[error("the value of DITS_TOKEN holds a line break, or another control character")]
    UnsafeToken,
}

/// What `.netrc` gives for this server, if there is such a file.
pub(crate) fn netrc_token(settings: &Settings, address: &Address) -> Option<String> {
    netrc::token(&netrc_text(settings)?, &address.host, address.user.as_deref())
}

/// What stands in `.netrc`.
pub(crate) fn netrc_text(settings: &Settings) -> Option<String> {
    let path = settings.network.netrc()?;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(NETRC_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A connection to one repository's server.
#[derive(Debug)]
pub struct Remote {
    git: Git,
    address: Address,
    client: Client,
    settings: Settings,
    first_use: Option<String>,
    /// What connections have cost that were lost.
    earlier: WireBytes,
    /// Whether a Git stream runs on the connection.
    has_git: bool,
    /// Connections that Git streams ran on.
    lost: Vec<Client>,
    /// Where the server's filter is kept, if a push may use one.
    filter: Option<KeptFilter>,
    /// Bytes of chunks that were pushed.
    pushed_bytes: u64,
    /// The token that a header or `.netrc` gives.
    given: Option<String>,
}

impl Remote {
    /// Connects to `address` from `here`, whose Git is asked for credentials.
    pub fn connect<'a>(
        here: impl Into<Here<'a>>,
        address: Address,
        settings: &Settings,
    ) -> Result<Remote, RemoteError> {
        let here = here.into();
        let (client, told) = dial(here, &address, settings, CONNECT_MAX)?;
        let given = told.or_else(|| netrc_token(settings, &address));
        let (git, settings) = (here.git.clone(), settings.clone());
        let first_use = client.first_use().map(ToString::to_string);
        let (earlier, has_git, lost, filter, pushed_bytes) = Default::default();
        Ok(Remote {
            git,
            address,
            client,
            settings,
            first_use,
            earlier,
            has_git,
            lost,
            filter,
            pushed_bytes,
            given,
        })
    }

    /// Lets pushes use, and later renew, the filter of the server's chunks that `repository` keeps.
    pub fn use_filter(&mut self, repository: &Repository) {
        self.filter = Some(KeptFilter::of(repository, &self.address));
    }

    /// What the program brought along.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What to tell the user when the server was seen for the first time.
    pub fn first_use_notice(&self) -> Option<String> {
        let fingerprint = self.first_use.as_ref()?;
        Some(format!("trusting {} on first use, certificate {fingerprint}", self.address.authority()))
    }

    /// Sends `items` from `store`.
    pub fn push(
        &mut self,
        store: &Arc<dyn ChunkRead>,
        items: &[PushItem],
        observe: Observer<'_>,
    ) -> Result<Report, RemoteError> {
        // An edit finds its way without.
        let is_new = items.iter().any(|item| item.base.is_none());
        let filter = self.filter.as_ref().filter(|_| is_new).and_then(KeptFilter::load);
        let there = Arc::new(self.filter.as_ref().map(KeptFilter::there).unwrap_or_default());
        let push = Push { items: items.to_vec(), filter, there };
        let (report, ()) = self.retrying(Moves::There, observe, |client, token, observe| {
            Ok((client.push(token, store.clone(), push.clone(), observe)?, ()))
        })?;
        self.pushed_bytes += report.tally.chunk_bytes;
        if let Some(kept) = &self.filter {
            let oids: Vec<Oid> =
                items.iter().map(|item| item.oid).filter(|oid| !push.there.has(oid)).collect();
            kept.note(&oids);
        }
        self.report("push", &report);
        Ok(report)
    }

    /// Fetches contents into `store`; returns those the server does not have.
    pub fn pull(
        &mut self,
        store: &(impl ChunkWrite + Clone + 'static),
        pull: &Pull,
        observe: Observer<'_>,
    ) -> Result<Vec<Oid>, RemoteError> {
        let mut pull = pull.clone();
        let (report, absent) = self.retrying(Moves::Here, observe, |client, token, observe| {
            let pulled = client.pull(token, store, pull.clone(), observe);
            // What a broken try has brought need not come again, so from then on the server must ask.
            pull.cold &= matches!(pulled, Ok(_) | Err(SyncError::Refused { .. }));
            pulled
        })?;
        self.report("pull", &report);
        Ok(absent)
    }

    /// Counts what [`Remote::pull`] would move beyond what is in `here`; also returns what the server does not have.
    pub fn weigh(
        &mut self,
        here: &Arc<dyn ChunkRead>,
        oids: &[Oid],
    ) -> Result<(Tally, Vec<Oid>), RemoteError> {
        let (report, absent) = self.retrying(Moves::Here, &mut |_| {}, |client, token, _| {
            client.weigh(token, here.clone(), oids.to_vec())
        })?;
        self.report("weigh", &report);
        Ok((report.tally, absent))
    }

    /// Which of `oids` the server holds whole and proved: what it promised to keep, as long as a ref needs it.
    pub fn proves(&mut self, oids: &[Oid]) -> Result<Vec<bool>, RemoteError> {
        let (_, proved) = self.retrying(Moves::Here, &mut |_| {}, |client, token, _| {
            Ok((Report::default(), client.ask(token, oids.to_vec())?))
        })?;
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
        let (report, ()) = self.retrying(Moves::Here, &mut |_| {}, |client, token, _| {
            Ok((client.weigh_push(token, store.clone(), items.to_vec())?, ()))
        })?;
        self.report("weigh", &report);
        Ok(report.tally)
    }

    /// Opens a stream to a Git service.
    pub fn git(&mut self, purpose: &Purpose) -> Result<(GitWriter, GitReader), RemoteError> {
        // Nothing has been said on it yet, so a stream that could not be opened may be opened again.
        let (_, stream) = self.retrying(Moves::Here, &mut |_| {}, |client, token, _| {
            Ok((Report::default(), client.git(token, purpose.clone())?))
        })?;
        self.has_git = true;
        Ok(stream)
    }

    /// Fetches the server's filter for later pushes, if that costs little against what was pushed. Nobody waits for
    /// this: it is done at the end.
    fn renew_filter(&mut self) {
        let (Some(kept), Some(most)) = (self.filter.clone(), worth(self.pushed_bytes)) else { return };
        let epoch = kept.load().map_or(0, |filter| filter.epoch());
        if let Ok(Some(filter)) = self.authorized(|client, token| client.filter(token, epoch, most)) {
            kept.store(&filter);
            let bytes = filter.encode().len();
            self.settings.trace.event(
                "server_filter",
                json!({ "remote": self.address.to_string(), "received_bytes": bytes }),
            );
        }
    }

    /// Ends the connection.
    pub fn close(mut self) {
        self.renew_filter();
        let (wire, earlier) = (self.client.wire(), self.earlier);
        self.settings.trace.event(
            "connection",
            json!({
                "transport": self.client.way().name(),
                "wire_sent_bytes": earlier.tx + wire.tx,
                "wire_received_bytes": earlier.rx + wire.rx,
            }),
        );
        self.client.close();
    }

    /// Runs something to its end, over as many connections as it takes.
    fn retrying<T>(
        &mut self,
        moves: Moves,
        observe: Observer<'_>,
        mut run: impl FnMut(&Client, &str, Observer<'_>) -> Result<(Report, T), SyncError>,
    ) -> Result<(Report, T), RemoteError> {
        let (mut retry, mut before, mut spent) = (Retry::new(moves), Tally::default(), (0, 0));
        let mut moved = 0;
        self.client.set_leaving(true);
        loop {
            let (mut last, from) = (Tally::default(), self.client.spent());
            let result = self.authorized(|client, token| {
                run(client, token, &mut |tally| {
                    last = tally;
                    observe(sum(&before, tally));
                })
            });
            let error = match result {
                Ok((report, value)) => {
                    let wire = (spent.0 + report.wire.0, spent.1 + report.wire.1);
                    return Ok((Report { tally: sum(&before, report.tally), wire }, value));
                }
                Err(error) if may_pass(&error) => error,
                Err(error) => return Err(error),
            };
            let all = self.client.spent();
            spent = (spent.0 + all.0 - from.0, spent.1 + all.1 - from.1);
            match error {
                RemoteError::Sync(SyncError::Elsewhere) => {
                    moved += 1;
                    self.elsewhere(moved < MOVES_MAX);
                }
                error => self.reconnect(&mut retry, last, error)?,
            }
            before = sum(&before, last);
        }
    }

    /// Makes a new connection after `error`, if `retry` allows for it.
    fn reconnect(
        &mut self,
        retry: &mut Retry,
        mut tally: Tally,
        mut error: RemoteError,
    ) -> Result<(), RemoteError> {
        loop {
            let Next::Again { pause, number, anew } = retry.failed(tally, chance()) else {
                return Err(error);
            };
            self.settings.trace.event(
                "retry",
                json!({
                    "remote": self.address.to_string(),
                    "number": number,
                    "why": error.to_string(),
                    "chunk_bytes": tally.chunk_bytes,
                }),
            );
            if self.settings.terminal || self.settings.progress.forced {
                meter::notice(&format!("connection lost, trying again ({number})…"));
            }
            wait(pause);
            if self.client.is_open() && !anew {
                return Ok(());
            }
            match dial(Here::from(&self.git), &self.address, &self.settings, CONNECT_MAX) {
                Ok((client, _)) => {
                    self.go_on_with(client);
                    return Ok(());
                }
                Err(again) if may_pass(&again) => (error, tally) = (again, Tally::default()),
                Err(again) => return Err(again),
            }
        }
    }

    pub(crate) fn authorized<T>(
        &mut self,
        mut run: impl FnMut(&Client, &str) -> Result<T, SyncError>,
    ) -> Result<T, RemoteError> {
        let told = self.given.as_deref();
        login::authorized(&self.git, &self.client, &self.address, &self.settings, told, &mut run)
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
                // The form in which they travelled.
                "stored_bytes": tally.stored_bytes,
                "sent_bytes": report.wire.0,
                "received_bytes": report.wire.1,
            }),
        );
    }
}

/// A new connection, and the token that settings tell. Resolving and handshake take at most `within`.
pub(crate) fn dial(
    here: Here<'_>,
    address: &Address,
    settings: &Settings,
    within: Duration,
) -> Result<(Client, Option<String>), RemoteError> {
    let started = Instant::now();
    let (mut options, told) = options(here, address, settings)?;
    options.deadline = within;
    let client = proxy_login::connect(here.git, address, options, settings.interactive)?;
    settings.trace.event(
        "connected",
        json!({
            "remote": address.to_string(),
            "transport": client.way().name(),
            "connect_ms": started.elapsed().as_millis() as u64,
        }),
    );
    Ok((client, told))
}
