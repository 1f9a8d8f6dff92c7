//! A host's LFS File Locking API, as GitHub and GitLab document and answer it: strict about what it is sent.
//!
//! A request without the media type of Git LFS, with a field that is not in the API, or without a login, is refused; each is counted. Lists
//! come in pages of two. Users are `NAME:PASSWORD` with the name they are shown by, which at GitLab is not the login.

use crate::Authority;
use crate::inspector::acceptor;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What hosts do differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Ids are texts, owners logins, and a page that is the last says so by an empty cursor.
    GitHub,
    /// Ids are numbers, owners names of persons, and the last page has a null cursor.
    GitLab,
    /// As GitHub, with ids that are no numbers.
    Odd,
}

/// Locks a page.
const PAGE: usize = 2;
const KIND: &str = "application/vnd.git-lfs+json";

#[derive(Debug, Clone)]
struct Held {
    id: String,
    path: String,
    login: String,
}

#[derive(Debug, Default)]
struct Table {
    locks: Vec<Held>,
    next: u64,
    /// `Basic …` by login, and the name that is shown.
    users: BTreeMap<String, (String, String)>,
    requests: Vec<String>,
    /// What is answered instead, if anything.
    broken: Option<(u16, String)>,
}

#[derive(Debug)]
struct Shared {
    manners: Manners,
    table: Mutex<Table>,
}

/// A host; it ends when dropped.
#[derive(Debug)]
pub struct LockHost {
    port: u16,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

type Host = State<Arc<Shared>>;

impl LockHost {
    /// Starts one, without TLS.
    pub fn start(manners: Manners) -> LockHost {
        LockHost::run(manners, None)
    }

    /// Starts one that shows a certificate of `authority`.
    pub fn secure(manners: Manners, authority: &Authority) -> LockHost {
        // It fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        LockHost::run(manners, Some(acceptor(authority)))
    }

    fn run(manners: Manners, tls: Option<TlsAcceptor>) -> LockHost {
        let shared = Arc::new(Shared { manners, table: Mutex::default() });
        let (scheme, connections) =
            (if tls.is_some() { "https" } else { "http" }, Arc::<AtomicUsize>::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let routes = Router::new()
            .route("/org/game.git/info/lfs/locks", any(locks))
            .route("/org/game.git/info/lfs/locks/verify", any(verify))
            .route("/org/game.git/info/lfs/locks/{id}/unlock", any(unlock))
            .fallback(absent)
            .with_state(shared.clone());
        let counted = connections.clone();
        runtime.spawn(async move {
            while let Ok((io, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(connection(io, tls.clone(), routes.clone()));
            }
        });
        LockHost { port, scheme, connections, shared, _runtime: runtime }
    }

    /// Connections since the last time.
    pub fn connections(&self) -> usize {
        self.connections.swap(0, Ordering::Relaxed)
    }

    /// Lets in a user; `basic` is `login:password` in base64.
    pub fn user(&self, login: &str, basic: &str, shown: &str) {
        self.table().users.insert(login.to_owned(), (format!("Basic {basic}"), shown.to_owned()));
    }

    /// From now on everything is answered so.
    pub fn answers(&self, status: u16, body: &str) {
        self.table().broken = Some((status, body.to_owned()));
    }

    /// What `dits.lockurl` is.
    pub fn url(&self) -> String {
        format!("{}://{}/org/game.git/info/lfs", self.scheme, self.authority())
    }

    /// Its name, as `git credential` is asked for it.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Paths and logins of what is locked.
    pub fn held(&self) -> Vec<(String, String)> {
        let mut held: Vec<_> = self.table().locks.iter().map(|l| (l.path.clone(), l.login.clone())).collect();
        held.sort();
        held
    }

    /// Locks a file as if `login` had asked.
    pub fn hold(&self, path: &str, login: &str) {
        let manners = self.shared.manners;
        self.table().add(manners, path, login);
    }

    /// What it was asked since the last time: method, path, and status.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.table().requests)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().expect("nobody panics with it")
    }
}

/// A client that goes away, or does not like our certificate, gets no answer.
async fn connection(io: TcpStream, tls: Option<TlsAcceptor>, routes: Router) -> Option<()> {
    let (builder, service) = (Builder::new(TokioExecutor::new()), TowerToHyperService::new(routes));
    match tls {
        Some(tls) => {
            let io = TokioIo::new(tls.accept(io).await.ok()?);
            builder.serve_connection(io, service).await.ok()
        }
        None => builder.serve_connection(TokioIo::new(io), service).await.ok(),
    }
}

impl Table {
    fn add(&mut self, manners: Manners, path: &str, login: &str) -> Held {
        self.next += 1;
        let id = if manners == Manners::Odd {
            format!("id/{:x}", 0xabc + self.next)
        } else {
            self.next.to_string()
        };
        let held = Held { id, path: path.to_owned(), login: login.to_owned() };
        self.locks.push(held.clone());
        held
    }
}

impl Shared {
    fn json(&self, table: &Table, held: &Held) -> Value {
        let number = || held.id.parse::<u64>().map(|id| json!(id));
        let id = if self.manners == Manners::GitLab { number().expect("a number") } else { json!(held.id) };
        let shown = table.users.get(&held.login).map_or(&held.login, |(_, shown)| shown);
        json!({ "id": id, "path": held.path, "locked_at": "2026-05-17T15:49:06+00:00", "owner": { "name": shown } })
    }

    /// Locks from a cursor on, and the next cursor.
    fn page<'a>(&self, locks: &[&'a Held], cursor: Option<&str>) -> (Vec<&'a Held>, Value) {
        let from: usize = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor of ours"));
        let next = from + PAGE;
        let last = if self.manners == Manners::GitLab { Value::Null } else { json!("") };
        let next_cursor = if next < locks.len() { json!(next.to_string()) } else { last };
        (locks.iter().copied().skip(from).take(PAGE).collect(), next_cursor)
    }

    /// Who asks, or what is answered instead of anything else.
    fn login(&self, table: &Table, headers: &HeaderMap, body: bool) -> Result<String, Answered> {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
                .unwrap_or_default()
        };
        if let Some((status, text)) = &table.broken {
            return Err((*status, serde_json::from_str(text).unwrap_or(Value::Null)));
        }
        if header(header::ACCEPT) != KIND || (body && header(header::CONTENT_TYPE) != KIND) {
            return Err((406, json!({ "message": format!("'{KIND}' is spoken here") })));
        }
        let said = header(header::AUTHORIZATION);
        let user = table.users.iter().find(|(_, (basic, _))| basic == said);
        user.map(|(login, _)| login.clone()).ok_or((401, json!({ "message": "Credentials needed" })))
    }
}

type Answered = (u16, Value);

/// Notes the request and answers it.
fn answer(
    host: &Shared,
    method: &Method,
    uri: &Uri,
    run: impl FnOnce(&mut Table) -> Result<Answered, Answered>,
) -> Response {
    let mut table = host.table.lock().expect("nobody panics with it");
    let (status, value) = run(&mut table).unwrap_or_else(|refused| refused);
    let path = uri.path().trim_start_matches("/org/game.git/info/lfs");
    table.requests.push(format!("{method} {path} {status}"));
    let status = StatusCode::from_u16(status).expect("a status");
    let mut headers = vec![(header::CONTENT_TYPE.as_str(), KIND)];
    if status == StatusCode::UNAUTHORIZED {
        headers.push(("lfs-authenticate", "Basic realm=\"host\""));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.push(("retry-after", "17"));
    }
    let headers: HeaderMap = headers
        .into_iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect();
    (status, headers, value.to_string()).into_response()
}

/// The fields of a body: those, and no others.
fn fields<const N: usize>(body: &[u8], known: [&str; N]) -> Result<[Value; N], Answered> {
    let bad = |why: String| (422, json!({ "message": why }));
    let value: Value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let object = value.as_object().ok_or_else(|| bad("no object".into()))?;
    if let Some(other) = object.keys().find(|key| !known.contains(&&key[..])) {
        return Err(bad(format!("unknown field '{other}'")));
    }
    if let Some(branch) = object.get("ref")
        && !branch["name"].as_str().is_some_and(|name| name.starts_with("refs/heads/"))
    {
        return Err(bad("a ref has a full name".into()));
    }
    Ok(known.map(|key| object.get(key).cloned().unwrap_or(Value::Null)))
}

async fn locks(
    State(host): Host,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&host, &method, &uri, |table| {
        let login = host.login(table, &headers, method == Method::POST)?;
        if method == Method::POST {
            let [path, _] = fields(&body, ["path", "ref"])?;
            let path = path.as_str().ok_or((422, json!({ "message": "path is missing" })))?;
            if let Some(held) = table.locks.iter().find(|held| held.path == path) {
                return Err((409, json!({ "lock": host.json(table, held), "message": "Lock exists" })));
            }
            let held = table.add(host.manners, path, &login);
            return Ok((201, json!({ "lock": host.json(table, &held) })));
        }
        let query = query.unwrap_or_default().replace("%2F", "/");
        let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let fits = |held: &&Held| {
            field("path").is_none_or(|path| path == held.path) && field("id").is_none_or(|id| id == held.id)
        };
        let found: Vec<&Held> = table.locks.iter().filter(fits).collect();
        let (page, next_cursor) = host.page(&found, field("cursor"));
        let page: Vec<Value> = page.iter().map(|held| host.json(table, held)).collect();
        Ok((200, json!({ "locks": page, "next_cursor": next_cursor })))
    })
}

async fn verify(State(host): Host, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    answer(&host, &method, &uri, |table| {
        let login = host.login(table, &headers, true)?;
        let [cursor, _] = fields(&body, ["cursor", "ref"])?;
        let all: Vec<&Held> = table.locks.iter().collect();
        let (page, next_cursor) = host.page(&all, cursor.as_str());
        let (ours, theirs): (Vec<&Held>, Vec<&Held>) = page.into_iter().partition(|held| held.login == login);
        let json = |locks: Vec<&Held>| locks.iter().map(|held| host.json(table, held)).collect::<Vec<_>>();
        Ok((200, json!({ "ours": json(ours), "theirs": json(theirs), "next_cursor": next_cursor })))
    })
}

async fn unlock(
    State(host): Host,
    method: Method,
    uri: Uri,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&host, &method, &uri, |table| {
        let login = host.login(table, &headers, true)?;
        let [force, _] = fields(&body, ["force", "ref"])?;
        let at = table.locks.iter().position(|held| held.id == id);
        let at = at.ok_or((404, json!({ "message": "Not Found" })))?;
        if table.locks[at].login != login && force != json!(true) {
            return Err((403, json!({ "message": "You must be the owner" })));
        }
        let held = table.locks.remove(at);
        Ok((200, json!({ "lock": host.json(table, &held) })))
    })
}

async fn absent(State(host): Host, method: Method, uri: Uri) -> Response {
    answer(&host, &method, &uri, |_| Ok((404, json!({ "message": "Not Found" }))))
}
