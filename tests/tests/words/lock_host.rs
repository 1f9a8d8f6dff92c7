//! A host with git-lfs's lock API, and no more of it than git-lfs asks for: for comparing words. All is Ann's, but for files named
//! `theirs…`, which are Ben's whoever locks them.
//!
//! One thread and one request for each connection; it ends with the test's process.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Starts one; its address is for `lfs.url`.
pub fn start() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let mut host = Host { locks: Vec::new(), next: 1 };
        listener.incoming().flatten().for_each(|stream| drop(host.serve(stream)));
    });
    format!("http://127.0.0.1:{port}/team/game")
}

struct Host {
    locks: Vec<Value>,
    next: u64,
}

impl Host {
    fn serve(&mut self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        lines.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body)?;
        let target = first.split(' ').nth(1).unwrap_or_default();
        let (code, answer) = self.answer(target, &serde_json::from_slice(&body).unwrap_or_default());
        let answer = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {code} X\r\nContent-Type: application/vnd.git-lfs+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn answer(&mut self, target: &str, body: &Value) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').skip(3).collect();
        let (theirs, ours): (Vec<Value>, Vec<Value>) =
            self.locks.iter().cloned().partition(|lock| lock["owner"]["name"] == "ben");
        match parts[..] {
            ["locks"] if body.is_null() => (200, json!({ "locks": self.listed(query) })),
            ["locks", "verify"] => (200, json!({ "ours": ours, "theirs": theirs })),
            ["locks"] => self.lock(body["path"].as_str().unwrap_or_default()),
            ["locks", id, "unlock"] => match self.locks.iter().position(|lock| lock["id"] == id) {
                None => (404, json!({ "message": "no such lock" })),
                Some(at) if self.locks[at]["owner"]["name"] == "ben" => {
                    (403, json!({ "message": "it is ben's" }))
                }
                Some(at) => (200, json!({ "lock": self.locks.remove(at) })),
            },
            _ => (404, json!({ "message": "not found" })),
        }
    }

    fn lock(&mut self, path: &str) -> (u16, Value) {
        if let Some(lock) = self.locks.iter().find(|lock| lock["path"] == path) {
            return (409, json!({ "message": "already locked", "lock": lock }));
        }
        let owner = if path.starts_with("theirs") { "ben" } else { "ann" };
        let lock = json!({ "id": self.next.to_string(), "path": path, "locked_at": "2020-02-02T02:02:02Z", "owner": { "name": owner } });
        self.next += 1;
        self.locks.push(lock.clone());
        (201, json!({ "lock": lock }))
    }

    fn listed(&self, query: &str) -> Vec<Value> {
        let fits = |lock: &&Value| {
            query.split('&').filter_map(|pair| pair.split_once('=')).all(|(key, value)| match key {
                "path" => lock["path"] == value.replace("%2F", "/"),
                "id" => lock["id"] == value,
                _ => true,
            })
        };
        self.locks.iter().filter(fits).cloned().collect()
    }
}
