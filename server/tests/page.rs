//! The page of locks and what it asks, request by request: who is told what, what changes nothing, what is bounded.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod common;

use common::*;
use dits_lock::ask::{Acquire, Acquired, Item};
use dits_lock::{Answer, Ask, Lock};
use dits_server::access::change::{NewToken, Owner};
use dits_server::{Role, add_token};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Somebody who asks over HTTP.
struct Http {
    root: String,
    client: Client,
    runtime: Runtime,
}

impl Http {
    fn to(rig: &Rig) -> Http {
        // It fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).timeout(PATIENCE);
        let root = format!("https://{}", rig.address);
        Http { root, client: client.build().unwrap(), runtime: Runtime::new().unwrap() }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.root));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    fn send(&self, request: RequestBuilder) -> Response {
        self.runtime.block_on(async { request.send().await }).unwrap()
    }

    fn answer(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response = self.send(request);
        let status = response.status();
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = self.runtime.block_on(response.bytes()).unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        self.answer(self.request(Method::GET, &format!("/dits/1/api/{path}"), token))
    }

    fn unlock(&self, token: &str, wish: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::POST, "/dits/1/api/unlock", token);
        self.answer(request.header(CONTENT_TYPE, "application/json").body(wish.to_string()))
    }

    fn events(&self, token: &str) -> Events<'_> {
        let response = self.send(self.request(Method::GET, "/dits/1/api/events", token));
        assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
        let mut events = Events { http: self, response, rest: String::new() };
        assert_eq!(events.next().unwrap()["ready"]["life"], 15);
        events
    }
}

/// An answer that goes on.
struct Events<'a> {
    http: &'a Http,
    response: Response,
    rest: String,
}

impl Events<'_> {
    /// The next line; `None` when the answer has ended.
    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.rest.split_once('\n') {
                let (line, rest) = (serde_json::from_str(line).unwrap(), rest.to_owned());
                self.rest = rest;
                return Some(line);
            }
            let piece = self.http.runtime.block_on(async { self.response.chunk().await }).unwrap()?;
            self.rest.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn token(rig: &Rig, name: &str, role: Role, scope: &str) -> String {
    add_token(&rig.server_dir(), name, role, &scope.parse().unwrap()).unwrap()
}

fn owner(rig: &Rig) -> Owner {
    Owner::of(&rig.server_dir(), "its owner", dits_server::now()).unwrap()
}

fn lock(rig: &Rig, token: &str, repository: &str, paths: &[String]) -> Vec<Lock> {
    let items = paths.iter().map(|path| Item { path: path.clone(), seen: None }).collect();
    let (client, mut locked) = (rig.client(repository), Vec::new());
    let hear = &mut |answer| {
        let Answer::Acquired { outcomes, .. } = answer else { panic!("{answer:?}") };
        locked.extend(outcomes.into_iter().map(|outcome| match outcome {
            Acquired::Locked(lock) => lock,
            other => panic!("{other:?}"),
        }));
        true
    };
    client.locks(token, &Ask::Acquire(Acquire { items, ..Acquire::default() }), hear).unwrap();
    client.close();
    locked
}

fn lock_one(rig: &Rig, token: &str, repository: &str, path: &str) -> Lock {
    lock(rig, token, repository, &[path.into()]).remove(0)
}

#[test]
fn everybody_is_told_of_what_he_may_read_and_of_nothing_else() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let ann = token(&rig, "ann", Role::Write, "*");
    let ben = token(&rig, "ben", Role::Read, "team/a");
    let own = lock_one(&rig, &ann, "team/a", "hero.psd");
    lock_one(&rig, &ann, "team/secret", "plan.psd");
    for path in ["me", "repositories", "locks?repository=team/a", "events"] {
        let (status, body) = http.get(path, "");
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(body["message"].as_str().unwrap().contains("an access token is needed"), "{body}");
        assert_eq!(http.get(path, "dits_wrong").0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let me = json!({ "name": "ben", "anonymous": false, "admin": false });
    assert_eq!(http.get("me", &ben), (StatusCode::OK, me));
    assert_eq!(http.get("me", &rig.token).1["admin"], true);
    let listed = http.get("repositories", &ben).1;
    let only = json!([{ "name": "team/a", "role": "read", "locks": 1, "last_push": null }]);
    assert_eq!(listed["repositories"], only);
    // Not a name that a repository could have.
    std::fs::create_dir_all(rig.server_dir().join("realms/team/git/lost found.git")).unwrap();
    let all = http.get("repositories", &ann).1;
    assert_eq!(all["repositories"].as_array().unwrap().len(), 2);
    assert_eq!(http.get("locks?repository=team/a", &ben).1["locks"], json!([own]));
    let (status, body) = http.get("locks?repository=team/secret", &ben);
    assert_eq!((status, &body["locks"]), (StatusCode::FORBIDDEN, &Value::Null));
    // Whether it is there or not makes no difference.
    assert_eq!(http.get("locks?repository=team/none", &ben).0, StatusCode::FORBIDDEN);
    for bad in ["locks", "locks?repository=../x", "locks?repository=team/a&after=x"] {
        assert_eq!(http.get(bad, &ann).0, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[test]
fn those_without_a_token_see_what_anonymous_was_granted() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let lock = lock_one(&rig, &rig.token, "public/a", "x.psd");
    lock_one(&rig, &rig.token, "team/a", "y.psd");
    owner(&rig).grant("anonymous", Role::Read, &"public".parse().unwrap()).unwrap();
    assert_eq!(http.get("me", "").1["anonymous"], true);
    let listed = http.get("repositories", "").1;
    assert_eq!(listed["repositories"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(http.get("locks?repository=public/a", "").1["locks"], json!([lock]));
    let mut events = http.events("");
    lock_one(&rig, &rig.token, "team/a", "z.psd");
    let told = lock_one(&rig, &rig.token, "public/a", "z.psd");
    assert_eq!(events.next().unwrap()["event"]["lock"], json!(told));
    let wish = json!({ "repository": "public/a", "id": lock.id, "force": true });
    assert_eq!(http.unlock("", &wish).0, StatusCode::UNAUTHORIZED);
}

#[test]
fn only_its_owner_and_admins_release_a_lock() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let people = [("ann", Role::Write), ("ben", Role::Write), ("eve", Role::Read), ("root", Role::Admin)];
    let [ann, ben, eve, root] = people.map(|(name, role)| token(&rig, name, role, "team"));
    let [first, second] = ["a.psd", "b.psd"].map(|path| lock_one(&rig, &ann, "team/a", path));
    let wish = |lock: &Lock, force: bool| json!({ "repository": "team/a", "id": lock.id, "force": force });
    assert_eq!(http.unlock("", &wish(&first, true)).0, StatusCode::UNAUTHORIZED);
    for (who, force) in [(&eve, true), (&ben, false), (&ben, true), (&root, false)] {
        assert_eq!(http.unlock(who, &wish(&first, force)).0, StatusCode::FORBIDDEN, "{force}");
    }
    // An id means nothing elsewhere.
    let elsewhere = json!({ "repository": "team/b", "id": first.id, "force": true });
    assert_eq!(http.unlock(&root, &elsewhere).0, StatusCode::NOT_FOUND);
    let (status, body) = http.unlock(&root, &wish(&first, true));
    assert_eq!((status, &body["unlocked"]), (StatusCode::OK, &json!(first)));
    assert_eq!(http.unlock(&root, &wish(&first, true)).0, StatusCode::NOT_FOUND);
    assert_eq!(http.unlock(&ann, &wish(&second, false)).1["unlocked"], json!(second));
    assert_eq!(http.get("locks?repository=team/a", &ann).1["locks"], json!([]));
}

#[test]
fn a_page_of_somebody_else_changes_nothing() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let lock = lock_one(&rig, &rig.token, "team/a", "a.psd");
    let wish = json!({ "repository": "team/a", "id": lock.id, "force": true }).to_string();
    let post = || http.request(Method::POST, "/dits/1/api/unlock", "").body(wish.clone());
    let json = "application/json";
    // What a form can send, and what a browser sends by itself.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = post().bearer_auth(&rig.token).header(CONTENT_TYPE, kind);
        assert_eq!(http.answer(request).0, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(http.answer(post().bearer_auth(&rig.token)).0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let with_password = post().basic_auth("root", Some(&rig.token)).header(CONTENT_TYPE, json);
    assert_eq!(http.answer(with_password).0, StatusCode::UNAUTHORIZED);
    let with_cookie = post().header("cookie", format!("token={}", rig.token)).header(CONTENT_TYPE, json);
    assert_eq!(http.answer(with_cookie).0, StatusCode::UNAUTHORIZED);
    // A browser asks before it sends JSON for another page, and is not told yes.
    let asked =
        http.request(Method::OPTIONS, "/dits/1/api/unlock", "").header("origin", "https://evil.example");
    let asked = http.send(asked.header("access-control-request-method", "POST"));
    assert_eq!(asked.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!asked.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    let left = http.get("locks?repository=team/a", &rig.token).1;
    assert_eq!(left["locks"], serde_json::json!([lock]), "it was changed");
}

#[test]
fn wishes_that_cannot_be_read_are_refused_in_json() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let refused = |body: String, status| {
        let request = http.request(Method::POST, "/dits/1/api/unlock", &rig.token);
        let answer = http.answer(request.header(CONTENT_TYPE, "application/json").body(body));
        assert_eq!(answer.0, status, "{}", answer.1);
        assert!(answer.1["message"].is_string());
    };
    refused("{".into(), StatusCode::UNPROCESSABLE_ENTITY);
    refused(json!({ "repository": "team/a", "id": "7" }).to_string(), StatusCode::UNPROCESSABLE_ENTITY);
    refused(
        json!({ "repository": "team/a", "id": 7, "all": 1 }).to_string(),
        StatusCode::UNPROCESSABLE_ENTITY,
    );
    refused(json!({ "repository": "../a", "id": 7 }).to_string(), StatusCode::BAD_REQUEST);
    refused(
        json!({ "repository": "x".repeat(64 << 10), "id": 7 }).to_string(),
        StatusCode::PAYLOAD_TOO_LARGE,
    );
    let digest = http.request(Method::GET, "/dits/1/api/me", "").header(AUTHORIZATION, "Digest x");
    assert_eq!(http.answer(digest).0, StatusCode::UNAUTHORIZED);
    assert_eq!(http.get("nothing", &rig.token).0, StatusCode::NOT_FOUND);
}

#[test]
fn many_locks_come_in_several_answers() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let paths: Vec<String> = (0..4500).map(|n| format!("plate{n}.exr")).collect();
    let locks = lock(&rig, &rig.token, "team/a", &paths);
    let (mut found, mut after, mut answers) = (Vec::new(), json!(0), 0);
    while !after.is_null() {
        let answer = http.get(&format!("locks?repository=team/a&after={after}&limit=99999"), &rig.token).1;
        found.extend(answer["locks"].as_array().unwrap().iter().map(|lock| lock["id"].as_u64().unwrap()));
        after = answer["cursor"].clone();
        answers += 1;
    }
    assert_eq!(found, locks.iter().map(|lock| lock.id.0).collect::<Vec<_>>());
    assert_eq!(answers, 3);
}

#[test]
fn events_are_told_to_those_who_may_read_them_as_long_as_they_may() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let ann = token(&rig, "ann", Role::Write, "*");
    owner(&rig).add_user("ben", None).unwrap();
    for scope in ["team/a", "team/b"] {
        owner(&rig).grant("ben", Role::Read, &scope.parse().unwrap()).unwrap();
    }
    let (_, ben) = owner(&rig).add_token_of("ben", &NewToken::default()).unwrap();
    let mut events = http.events(&ben);
    lock_one(&rig, &ann, "team/secret", "plan.psd");
    let first = lock_one(&rig, &ann, "team/a", "a.psd");
    let told = events.next().unwrap();
    assert_eq!((&told["repository"], &told["event"]["what"]), (&json!("team/a"), &json!("locked")));
    assert_eq!((&told["event"]["lock"], &told["event"]["by"]), (&json!(first), &json!("ann")));
    let wish = json!({ "repository": "team/a", "id": first.id });
    assert_eq!(http.unlock(&ann, &wish).0, StatusCode::OK);
    assert_eq!(events.next().unwrap()["event"]["what"], json!({ "unlocked": "released" }));
    // He may still read the other one, but what he was shown of this one is no longer for him: he begins anew.
    owner(&rig).revoke_grant("ben", None, &"team/a".parse().unwrap()).unwrap();
    lock_one(&rig, &ann, "team/a", "hidden.psd");
    assert_eq!(events.next(), None);
    let mut events = http.events(&ben);
    owner(&rig).set_disabled("ben", true).unwrap();
    lock_one(&rig, &ann, "team/b", "b.psd");
    assert_eq!(events.next(), None);
}

#[test]
fn nobody_listens_too_often_and_a_server_that_stops_ends_it() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let mut open: Vec<Events<'_>> = (0..16).map(|_| http.events(&rig.token)).collect();
    let (status, body) = http.get("events", &rig.token);
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
    let ann = token(&rig, "ann", Role::Read, "*");
    open.push(http.events(&ann));
    // Well before the time that running streams have.
    let begun = std::time::Instant::now();
    rig.stop();
    assert!(begun.elapsed() < dits_server::serve::SHUTDOWN_GRACE, "it waited for those who listen");
    assert!(open.iter_mut().all(|events| events.next().is_none()));
}

#[test]
fn the_page_is_for_browsers_and_may_do_nothing_but_its_own() {
    let rig = Rig::new();
    let http = Http::to(&rig);
    let get = |path: &str, accept: &str| {
        let response = http.send(http.request(Method::GET, path, "").header("accept", accept));
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers: HeaderMap = response.headers().clone();
        (headers, http.runtime.block_on(response.text()).unwrap())
    };
    let (_, line) = get("/", "*/*");
    assert_eq!(line, "this is a git-dits server: give its address to git as dits://HOST:PORT/TEAM/PROJECT\n");
    let (headers, page) = get("/", "text/html,application/xhtml+xml,*/*;q=0.8");
    assert_eq!(headers["vary"], "accept");
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(headers["content-security-policy"].to_str().unwrap().contains(rule), "{rule}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(headers[name], value);
    }
    // Every file that it names is there, of a kind that browsers take, and no other host is named.
    let parts = page.split('"').filter(|part| part.starts_with("/dits/1/page/"));
    let script = get("/dits/1/page/page.js", "*/*").1;
    let modules = script.split('"').filter_map(|part| part.strip_prefix("./"));
    let files: Vec<String> =
        parts.map(str::to_owned).chain(modules.map(|name| format!("/dits/1/page/{name}"))).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        let (headers, text) = get(&file, "*/*");
        let kind = headers[CONTENT_TYPE].to_str().unwrap();
        let end = file.rsplit_once('.').unwrap().1;
        let kinds = [("css", "text/css"), ("js", "text/javascript"), ("svg", "image/svg")];
        assert!(kinds.iter().any(|(known, of)| *known == end && kind.starts_with(of)), "{file}: {kind}");
        assert!(!text.replace("http://www.w3.org/2000/svg", "").contains("://") || end == "js", "{file}");
    }
    assert!(!script.contains("innerHTML") && !script.contains("https://"));
}
