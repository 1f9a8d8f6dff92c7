//! Requests to a host's LFS File Locking API: where it is, who we are there, and what its answers mean.
//!
//! Git's settings for the host (`http.*`, its proxy and certificates) count as for all else. The first request says nobody's name, unless
//! `http.extraHeader`, the address or `.netrc` give one; to a 401 `git credential` is asked, and told how it went. All further
//! requests say what was accepted, and share one connection where the host speaks HTTP/2.
//!
//! Always holds: no redirection is followed, as a password must not go elsewhere; an answer is at most [`ANSWER_BYTES_MAX`] bytes; every
//! request has a deadline. Fails as [`HostError`].

use crate::lfs_locks_error::HostError;
use crate::lfs_locks_wire::Complaint;
use crate::lock_url::shown;
use crate::options::options;
use crate::{Here, RemoteError, Settings, netrc};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dits_net::TransportError;
use dits_net::web::Web;
use dits_repo::Git;
use dits_repo::credential::{self, Wanted};
use dits_sync::Address;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Method, StatusCode};
use reqwest::blocking::{Client, Response};
use reqwest::{Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What both ends write.
const KIND: &str = "application/vnd.git-lfs+json";
/// Header that asks who we are where a browser should not.
const LFS_AUTHENTICATE: &str = "lfs-authenticate";
/// Bytes of an answer.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// How long a request and its answer may take.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// Characters of a host's own words that are shown.
const WORDS_MAX: usize = 300;

/// What an answer with success or a conflict holds.
pub enum Said<T> {
    /// It was done.
    Done(T),
    /// 409: somebody holds a lock.
    Conflict(T),
    /// 403: not for us, in the host's words.
    No(HostError),
    /// 404.
    Absent(HostError),
}

/// A host's lock API.
pub struct Api {
    client: Client,
    base: String,
    url: Url,
    git: Git,
    settings: Settings,
    /// What the host has accepted, or may.
    login: Mutex<Option<HeaderValue>>,
    /// The name in it.
    user: Mutex<Option<String>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The address without name and password, and these.
fn parse(text: &str) -> Result<Url, HostError> {
    let bad = || HostError::Url(shown(text));
    let url = Url::parse(text).map_err(|_| bad())?;
    let fits = ["http", "https"].contains(&url.scheme()) && url.has_host() && url.query().is_none();
    if fits && !text.contains(char::is_control) { Ok(url) } else { Err(bad()) }
}

impl Api {
    /// The API at `address`; nothing is asked yet.
    pub fn at(git: &Git, address: &str, settings: &Settings) -> Result<Api, HostError> {
        let url = parse(address)?;
        let base = shown(address).trim_end_matches('/').to_owned();
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(str::to_owned);
        let place = Address {
            user: user.clone(),
            host: url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(443),
            repository: url.path().trim_matches('/').to_owned(),
            named_by_repository: false,
        };
        let failed = |error: RemoteError| HostError::Settings(Box::new(error));
        let (options, _) = options(Here::from(git), &place, settings).map_err(failed)?;
        let of_net = |error: TransportError| HostError::Settings(Box::new(error.into()));
        let web = Web::of(&options).map_err(of_net)?;
        let unusable =
            |error: reqwest::Error| HostError::Unreachable { url: base.clone(), why: words(error) };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(web.tls)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_MAX)
            .timeout(REQUEST_MAX)
            .default_headers(options.headers.clone())
            .user_agent(concat!("git-dits/", env!("CARGO_PKG_VERSION")))
            .no_proxy();
        if let Some(proxy) = web.proxy {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(unusable)?;
        let known = url.password().map(|password| (user.clone().unwrap_or_default(), password.to_owned()));
        let from_netrc =
            || netrc::login(&crate::connect::netrc_text(settings)?, &place.host, user.as_deref());
        // A header that the settings give is the user's word already.
        let told = options.headers.contains_key(AUTHORIZATION);
        let known = known.or_else(|| if told { None } else { from_netrc() });
        let login = known.as_ref().and_then(|(user, password)| basic(user, password));
        let user = known.map(|(user, _)| user).or(user).filter(|user| !user.is_empty());
        let (git, settings) = (git.clone(), settings.clone());
        Ok(Api { client, base, url, git, settings, login: Mutex::new(login), user: Mutex::new(user) })
    }

    /// Its address, without a password.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The name that we log in with, if one is known.
    pub fn user(&self) -> Option<String> {
        lock(&self.user).clone()
    }

    /// Asks for what is at `path`.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, HostError> {
        self.only(self.send(Method::GET, path, query, None)?)
    }

    /// Sends `body` to `path`.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, HostError> {
        self.only(self.send(Method::POST, path, &[], Some(json(body)))?)
    }

    /// The same where a no of the host is an answer too.
    pub fn try_post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Said<T>, HostError> {
        let response = self.send(Method::POST, path, &[], Some(json(body)))?;
        Ok(match response.status() {
            StatusCode::CONFLICT => Said::Conflict(self.read(response)?),
            StatusCode::FORBIDDEN => Said::No(self.refused(response)),
            StatusCode::NOT_FOUND => Said::Absent(self.refused(response)),
            status if status.is_success() => Said::Done(self.read(response)?),
            _ => return Err(self.refused(response)),
        })
    }

    fn only<T: DeserializeOwned>(&self, response: Response) -> Result<T, HostError> {
        if response.status().is_success() { self.read(response) } else { Err(self.refused(response)) }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Response, HostError> {
        let mut url = self.url.clone();
        // Neither can fail for an address with a host.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let once = |login: Option<&HeaderValue>| {
            let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(KIND))]);
            headers.extend(login.map(|login| (AUTHORIZATION, login.clone())));
            let mut request = self.client.request(method.clone(), url.clone()).headers(headers);
            if let Some(body) = &body {
                request = request.header(CONTENT_TYPE, KIND).body(body.clone());
            }
            request
                .send()
                .map_err(|error| HostError::Unreachable { url: self.base.clone(), why: words(error) })
        };
        let login = lock(&self.login).clone();
        let response = once(login.as_ref())?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.log_in(response.headers(), &once)
    }

    /// Asks `git credential`, and tells it how it went.
    fn log_in(
        &self,
        headers: &HeaderMap,
        once: &dyn Fn(Option<&HeaderValue>) -> Result<Response, HostError>,
    ) -> Result<Response, HostError> {
        let challenges: Vec<String> = [WWW_AUTHENTICATE.as_str(), LFS_AUTHENTICATE]
            .iter()
            .flat_map(|name| headers.get_all(*name))
            .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
            .collect();
        let host = match (self.url.host_str().unwrap_or_default(), self.url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let user = self.user();
        let wanted = Wanted {
            protocol: self.url.scheme(),
            host: &host,
            path: self.url.path().trim_matches('/'),
            user: user.as_deref(),
            challenges: &challenges,
            interactive: self.settings.interactive,
        };
        let failed = |error: dits_repo::RepoError| HostError::Settings(Box::new(error.into()));
        let credential = credential::fill(&self.git, &wanted).map_err(failed)?;
        let credential = credential.ok_or_else(|| HostError::NoLogin(self.base.clone()))?;
        let header = match credential.user() {
            Some(user) => basic(user, &credential.token),
            None => secret(&format!("Bearer {}", credential.token)),
        };
        let header = header.ok_or_else(|| HostError::NoLogin(self.base.clone()))?;
        let response = once(Some(&header))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            credential.reject(&self.git);
            return Ok(response);
        }
        credential.approve(&self.git);
        *lock(&self.user) = credential.user().map(str::to_owned).or(user);
        *lock(&self.login) = Some(header);
        Ok(response)
    }

    fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, HostError> {
        let wrong = |why: String| HostError::Answer { url: self.base.clone(), why };
        let mut bytes = Vec::new();
        let read = response.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| HostError::Unreachable { url: self.base.clone(), why: error.to_string() })?;
        if bytes.len() as u64 > ANSWER_BYTES_MAX {
            return Err(wrong(format!("it is over {ANSWER_BYTES_MAX} bytes")));
        }
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// What an answer without success means.
    fn refused(&self, response: Response) -> HostError {
        let (status, url) = (response.status(), self.base.clone());
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.replace(char::is_control, "?"));
        let (to, after) = (header(LOCATION), header(RETRY_AFTER));
        let is_json = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        let complaint = self.read::<Complaint>(response).ok().filter(|_| is_json);
        let why = complaint.map(|complaint| complaint.message).filter(|message| !message.is_empty());
        let why: String = why.unwrap_or_else(|| status.to_string()).chars().take(WORDS_MAX).collect();
        let why = why.replace(char::is_control, " ");
        match status {
            StatusCode::UNAUTHORIZED => HostError::Login { url, why },
            StatusCode::FORBIDDEN => HostError::Forbidden { url, why },
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::GONE => HostError::NoApi { url, status },
            StatusCode::TOO_MANY_REQUESTS => HostError::TooMany { url, after },
            status if status.is_redirection() => match to {
                Some(to) => HostError::Moved { url, to: shown(&to) },
                None => HostError::Failed { url, status, why },
            },
            _ => HostError::Failed { url, status, why },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Texts and options of ours: it cannot fail.
    serde_json::to_vec(body).unwrap_or_default()
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why there was no answer, without the address, which is told anyway.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(next) = cause.filter(|_| words.len() < 8) {
        words.push(next.to_string());
        cause = next.source();
    }
    words.dedup();
    words.join(": ").replace(char::is_control, " ")
}
