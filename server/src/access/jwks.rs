//! The keys of issuers: fetched over https, or read from a file.
//!
//! Fetched keys are kept for [`FRESH_SECONDS`], and used on for [`STALE_MAX_SECONDS`] while the issuer cannot be reached. A token that
//! names a key we do not know makes us look again, but not within [`RETRY_SECONDS`] of the last look: strangers can name any key. Whoever needs
//! keys while they are on their way waits for the one request; no lock is held meanwhile. A request has [`FETCH_MAX`], follows
//! no redirect, and takes no more than [`KEYS_BYTES_MAX`]. A file is read each time.
//!
//! Fails as [`NoKeys`]; why a request failed is told to the server's owner.

use super::jwt::{KEYS_BYTES_MAX, has_key, parse_keys};
use crate::prover::Tell;
use jsonwebtoken::jwk::JwkSet;
use rustls_platform_verifier::BuilderVerifierExt;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::block_in_place;

/// Age at which keys are fetched again.
pub const FRESH_SECONDS: u64 = 3600;
/// Age beyond which keys are not used any more.
pub const STALE_MAX_SECONDS: u64 = 24 * 3600;
/// Between two requests to one issuer.
pub const RETRY_SECONDS: u64 = 30;
/// Time for a request, from connecting to the last byte.
pub const FETCH_MAX: Duration = Duration::from_secs(5);

/// The keys of an issuer cannot be had now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the token's issuer cannot be had")]
pub struct NoKeys;

/// What is known of the keys at one URL.
#[derive(Debug, Default)]
struct Slot {
    keys: Option<(Arc<JwkSet>, u64)>,
    tried: Option<u64>,
    /// Closes when the request that runs has ended.
    flying: Option<watch::Receiver<()>>,
}

/// What to do about a question.
enum Next {
    Use(Arc<JwkSet>),
    Wait(watch::Receiver<()>),
    Fetch(watch::Sender<()>),
    GiveUp,
}

/// The keys of all issuers.
#[derive(Clone)]
pub struct Keys {
    slots: Arc<Mutex<HashMap<String, Slot>>>,
    tell: Tell,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    /// None so far; `tell` hears why a request failed.
    pub fn new(tell: Tell) -> Keys {
        Keys { slots: Arc::default(), tell }
    }

    /// The keys at `place`, a URL or a file; new ones if there is none of the id in those that we have.
    pub async fn at(&self, place: &str, id: Option<&str>, now: u64) -> Result<Arc<JwkSet>, NoKeys> {
        if !place.contains("://") {
            return block_in_place(|| read(place)).map(Arc::new).map_err(|why| self.failed(place, &why));
        }
        // Once to start or join a request, once to see what came of it.
        for _ in 0..2 {
            let mut flying = match self.slot(place).next(id, now) {
                Next::Use(keys) => return Ok(keys),
                Next::GiveUp => return Err(NoKeys),
                Next::Wait(flying) => flying,
                Next::Fetch(end) => {
                    let flying = end.subscribe();
                    // On a task of its own: whoever asked may go away, others wait for it too.
                    tokio::spawn(self.clone().refresh(place.to_owned(), now, end));
                    flying
                }
            };
            // Nothing is ever sent: it is the end that counts.
            let _ = flying.changed().await;
        }
        self.slot(place).usable(now).ok_or(NoKeys)
    }

    fn slot(&self, place: &str) -> SlotGuard<'_> {
        SlotGuard {
            slots: self.slots.lock().unwrap_or_else(PoisonError::into_inner),
            place: place.to_owned(),
        }
    }

    async fn refresh(self, place: String, now: u64, end: watch::Sender<()>) {
        let fetched = fetch(&place).await.map_err(|why| self.failed(&place, &why));
        if let Ok(keys) = fetched {
            self.slot(&place).get().keys = Some((Arc::new(keys), now));
        }
        drop(end);
    }

    fn failed(&self, place: &str, why: &str) -> NoKeys {
        (self.tell)(&format!("cannot get the keys of an issuer from '{place}': {why}"));
        NoKeys
    }
}

/// One slot under the lock of all.
struct SlotGuard<'a> {
    slots: MutexGuard<'a, HashMap<String, Slot>>,
    place: String,
}

impl SlotGuard<'_> {
    fn get(&mut self) -> &mut Slot {
        self.slots.entry(self.place.clone()).or_default()
    }

    fn usable(&mut self, now: u64) -> Option<Arc<JwkSet>> {
        let (keys, fetched) = self.get().keys.as_ref()?;
        (now < fetched + STALE_MAX_SECONDS).then(|| keys.clone())
    }

    fn next(&mut self, id: Option<&str>, now: u64) -> Next {
        let slot = self.get();
        if let Some((keys, fetched)) = &slot.keys
            && now < fetched + FRESH_SECONDS
            && has_key(keys, id)
        {
            return Next::Use(keys.clone());
        }
        if let Some(flying) = slot.flying.clone().filter(|flying| flying.has_changed().is_ok()) {
            return Next::Wait(flying);
        }
        if slot.tried.is_none_or(|tried| now >= tried + RETRY_SECONDS) {
            let (end, flying) = watch::channel(());
            (slot.tried, slot.flying) = (Some(now), Some(flying));
            return Next::Fetch(end);
        }
        self.usable(now).map_or(Next::GiveUp, Next::Use)
    }
}

fn read(path: &str) -> Result<JwkSet, String> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(KEYS_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    parse_keys(&text).ok_or_else(|| "not a set of keys (JWKS)".into())
}

async fn fetch(url: &str) -> Result<JwkSet, String> {
    let words = |error: reqwest::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    };
    let tls = block_in_place(tls).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(FETCH_MAX);
    let client = client.redirect(reqwest::redirect::Policy::none()).build().map_err(words)?;
    let mut answer = client.get(url).send().await.map_err(words)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("it answered {}", answer.status()));
    }
    let mut text = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(words)? {
        if text.len() + part.len() > KEYS_BYTES_MAX {
            return Err(format!("more than {KEYS_BYTES_MAX} bytes"));
        }
        text.extend_from_slice(&part);
    }
    parse_keys(&text).ok_or_else(|| "not a set of keys (JWKS)".into())
}

/// The system's trust, with the one provider of this program.
fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_platform_verifier()?.with_no_client_auth())
}
