//! Who comes in: rights, how often one may fail, and the audit log, for the streams and requests of a running server.
//!
//! The order of checks is part of the promise to people without rights: form of the request (by the caller), then how often
//! this address has failed, then the token, then the right. Nothing about a repository is looked at before. Whoever shows nothing may
//! do what `anonymous` was granted and is asked to log in for the rest. A token that is not good is refused even where none is
//! needed, so that a mistake is seen.

use crate::access::{Access, Caller, Denied, Role, key, rate::Limiter};
use crate::audit::{AuditLog, Event, sample::Sampler};
use crate::prover::Tell;
use crate::refusal::Refusal;
use dits_net::certificate::ServerTls;
use dits_sync::driver::{Channel, drive};
use dits_sync::login::{Challenger, to_be_signed};
use dits_sync::message::{Hello, Message};
use ssh_key::PublicKey;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::block_in_place;

/// The time, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What guards all streams of a server.
pub(crate) struct Door {
    access: Access,
    limiter: Mutex<Limiter>,
    denied: Mutex<Sampler>,
    anonymous: Mutex<Sampler>,
    audit: AuditLog,
    /// Whether the owner has been told that the log cannot be written.
    audit_fails: AtomicBool,
    tell: Tell,
    /// What clients are shown: a login is bound to it.
    tls: ServerTls,
}

impl Door {
    pub fn new(access: Access, audit: AuditLog, tls: ServerTls, tell: Tell) -> Door {
        let (limiter, denied, anonymous, audit_fails) = Default::default();
        Door { access, limiter, denied, anonymous, audit, audit_fails, tell, tls }
    }

    /// Who says this hello, if that one may do what takes the role `needed`.
    pub async fn let_in(&self, hello: &Hello, needed: Role, from: IpAddr) -> Result<Caller, Refusal> {
        let caller = self.recognize(&hello.token, Some(&hello.repository), from).await?;
        self.allow(&caller, needed, &hello.repository, from)?;
        Ok(caller)
    }

    /// Who shows this token; about which repository is for the log.
    pub async fn recognize(
        &self,
        token: &str,
        repository: Option<&str>,
        from: IpAddr,
    ) -> Result<Caller, Refusal> {
        let now = now();
        let hash: [u8; 32] = blake3::hash(token.as_bytes()).into();
        if !token.is_empty() && !self.limiter().allows(from, &hash, now) {
            return Err(Refusal::too_many());
        }
        let caller = match self.access.caller(token, now).await {
            Ok(caller) => caller,
            Err(Denied::Bad(why)) => {
                self.failed(repository, &why, from, &hash, now);
                return Err(self.unauthorized(&why));
            }
            Err(Denied::NoKeys(why)) => return Err(Refusal::no_keys(&why)),
            Err(Denied::Trouble(error)) => return Err(self.trouble(&error)),
        };
        if !token.is_empty() {
            self.limiter().welcome(from, &hash, now);
        }
        Ok(caller)
    }

    /// Whether somebody who was recognized may do what takes the role `needed`.
    pub fn allow(
        &self,
        caller: &Caller,
        needed: Role,
        repository: &str,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        if caller.role_in(repository) >= Some(needed) {
            return Ok(());
        }
        // Logging in may help.
        if caller.is_anonymous() {
            return Err(self.unauthorized("an access token is needed"));
        }
        let result = format!("may not {needed}");
        self.sampled(&self.denied, Event { result, ..event("denied", caller, repository, from) }, now());
        Err(Refusal::forbidden(needed, repository))
    }

    /// Writes down that `caller` begins to write; without this it must not.
    pub fn writes(&self, what: &str, caller: &Caller, hello: &Hello, from: IpAddr) -> Result<(), Refusal> {
        let event = Event { result: "begins".into(), ..event(what, caller, &hello.repository, from) };
        if self.note(event) { Ok(()) } else { Err(Refusal::no_audit()) }
    }

    /// Writes down how a stream or a request ended: nothing, or what went wrong; of a stream the bytes sent and received.
    pub fn ended(
        &self,
        what: &str,
        caller: &Caller,
        repository: &str,
        from: IpAddr,
        failure: Option<String>,
        bytes: Option<(u64, u64)>,
    ) {
        let result = failure.unwrap_or_else(|| "ok".into());
        let (sent, received) = bytes.unzip();
        let event = Event { result, sent, received, ..event(what, caller, repository, from) };
        if caller.is_anonymous() && event.event != "push" && event.event != "git-receive-pack" {
            self.sampled(&self.anonymous, event, now());
        } else {
            self.note(event);
        }
    }

    /// Writes an event down. Returns whether that worked.
    pub fn note(&self, event: Event) -> bool {
        let written = block_in_place(|| self.audit.write(event, now()));
        let failed_before = self.audit_fails.swap(written.is_err(), Ordering::Relaxed);
        if let Err(error) = &written
            && !failed_before
        {
            (self.tell)(&format!("{error}; nothing can be pushed until it can be written"));
        }
        written.is_ok()
    }

    /// Lets somebody log in with a key, over the stream that said so.
    pub async fn log_in(&self, mut channel: Channel, hello: &Hello, user: &str, key: &str, from: IpAddr) {
        let found = block_in_place(|| self.access.user_of_key(user, key));
        let (name, key) = match found {
            Ok(Some(found)) => found,
            // Not counted as a try: a client offers all keys that it has, and a public key is no secret.
            Ok(None) => {
                return channel.refuse(&self.unauthorized("this key is not known here").into_message()).await;
            }
            Err(error) => return channel.refuse(&self.trouble(&error).into_message()).await,
        };
        let mut nonce = [0; 32];
        if let Err(error) = getrandom::fill(&mut nonce) {
            return channel.refuse(&self.trouble(&error).into_message()).await;
        }
        if !self.limiter().allows(from, &hash_of(&key), now()) {
            return channel.refuse(&Refusal::too_many().into_message()).await;
        }
        let shown = match self.tls.shown() {
            Ok(shown) => shown.to_string(),
            Err(error) => return channel.refuse(&self.trouble(&error).into_message()).await,
        };
        let message = to_be_signed(&nonce, user, &hello.repository, &shown);
        let check = |pem: &str| self.check_signature(hello, &name, &key, pem, &message, from);
        if channel.send(&Message::Welcome).await.is_ok() {
            // What went wrong is written down by the check, or is nothing but a client that left.
            let _ = drive(&mut Challenger::new(nonce, check), channel, &mut |_| {}).await;
        }
    }

    fn check_signature(
        &self,
        hello: &Hello,
        name: &str,
        key: &PublicKey,
        pem: &str,
        message: &[u8],
        from: IpAddr,
    ) -> Option<(String, u32)> {
        let now = now();
        let by = format!("key {}", key.fingerprint(ssh_key::HashAlg::Sha256));
        let caller = Caller { name: name.into(), by, rights: Vec::new() };
        if !key::is_signed(key, pem, message) {
            let why = "the signature of a login is not valid";
            self.failed(Some(&hello.repository), why, from, &hash_of(key), now);
            return None;
        }
        let granted = self.access.log_in(name, key, now).map_err(|error| self.trouble(&error)).ok()?;
        let token: [u8; 32] = blake3::hash(granted.0.as_bytes()).into();
        for good in [hash_of(key), token] {
            self.limiter().welcome(from, &good, now);
        }
        self.note(Event { result: "ok".into(), ..event("login", &caller, &hello.repository, from) });
        Some(granted)
    }

    fn failed(&self, repository: Option<&str>, why: &str, from: IpAddr, hash: &[u8; 32], now: u64) {
        let last = self.limiter().failed(from, hash, now);
        let result = if last { format!("{why}; no more tries from here for now") } else { why.to_owned() };
        let (from, repository) = (Some(from), repository.map(str::to_owned));
        self.sampled(&self.denied, Event { from, repository, ..Event::of("denied", &result) }, now);
    }

    fn sampled(&self, sampler: &Mutex<Sampler>, event: Event, now: u64) {
        let taken = sampler.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if let Some(left_out) = taken {
            self.note(Event { left_out: Some(left_out).filter(|count| *count > 0), ..event });
        }
    }

    fn limiter(&self) -> std::sync::MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unauthorized(&self, why: &str) -> Refusal {
        Refusal::unauthorized(why, block_in_place(|| self.access.takes_keys()))
    }

    fn trouble(&self, error: &dyn std::fmt::Display) -> Refusal {
        (self.tell)(&format!("cannot check who somebody is: {error}"));
        Refusal::internal()
    }
}

/// What a key is known by to the limiter.
fn hash_of(key: &PublicKey) -> [u8; 32] {
    // The fingerprint names the whole key.
    blake3::hash(key.fingerprint(ssh_key::HashAlg::Sha256).as_bytes()).into()
}

fn event(what: &str, caller: &Caller, repository: &str, from: IpAddr) -> Event {
    Event {
        who: Some(caller.name.clone()),
        by: Some(caller.by.clone()),
        from: Some(from),
        repository: Some(repository.to_owned()),
        ..Event::of(what, "")
    }
}
