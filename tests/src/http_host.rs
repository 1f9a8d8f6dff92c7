//! A Git host over HTTP: `git http-backend` behind as much of a web server as Git needs.
//!
//! One thread for each connection, one request for each connection. Bodies are held in memory, so it is for stories only.
//! It can want a password, and it counts what it was asked, so that a story can show that nothing moved.

use crate::programs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A host; it ends when dropped.
#[derive(Debug)]
pub struct HttpHost {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Folder of the bare repositories.
    dir: PathBuf,
    /// `user:password` in base64, if one is wanted.
    basic: Mutex<Option<String>>,
    /// Requests that push.
    pushes: AtomicUsize,
    ended: AtomicBool,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

impl HttpHost {
    /// A host of the bare repositories in `dir`.
    pub fn start(dir: &Path) -> HttpHost {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            basic: Mutex::default(),
            pushes: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let threads = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if threads.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = threads.clone();
                std::thread::spawn(move || serve(&shared, stream));
            }
        });
        HttpHost { port, shared }
    }

    /// From now on only who gives this (`user:password` in base64) is let in.
    pub fn wants(&self, basic: &str) {
        *self.shared.basic.lock().expect("nobody panics with it") = Some(basic.to_owned());
    }

    /// URL of a repository, behind `dits::`.
    pub fn url(&self, name: &str) -> String {
        format!("dits::{}", self.plain_url(name))
    }

    /// URL of a repository.
    pub fn plain_url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// Requests so far that bring objects.
    pub fn pushes(&self) -> usize {
        self.shared.pushes.load(Ordering::SeqCst)
    }
}

impl Drop for HttpHost {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A client that goes away, or sends nonsense, gets no answer.
fn serve(shared: &Shared, stream: TcpStream) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut output = stream;
    let request = read(&mut input, &mut output)?;
    let basic = shared.basic.lock().expect("nobody panics with it").clone();
    let answer = match basic {
        Some(basic) if request.header("authorization") != format!("Basic {basic}") => {
            b"Status: 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"host\"\r\n\r\n".to_vec()
        }
        _ => {
            if request.method == "POST" && request.path.ends_with("/git-receive-pack") {
                shared.pushes.fetch_add(1, Ordering::SeqCst);
            }
            run(&shared.dir, &request)?
        }
    };
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..split]).ok()?, &answer[split + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest: String =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {status}\r\n{rest}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    output.write_all(head.as_bytes()).ok()?;
    output.write_all(body).ok()
}

fn read(input: &mut impl BufRead, output: &mut impl Write) -> Option<Request> {
    let mut line = String::new();
    let mut next = |input: &mut dyn BufRead| {
        line.clear();
        input.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = next(input)?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let header = next(input)?;
        let Some((name, value)) = header.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut request =
        Request { method, path: path.to_owned(), query: query.to_owned(), headers, body: Vec::new() };
    if request.header("expect") == "100-continue" {
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if request.header("transfer-encoding") == "chunked" {
        loop {
            let len = u64::from_str_radix(&next(input)?, 16).ok()?;
            input.take(len).read_to_end(&mut request.body).ok()?;
            next(input)?;
            if len == 0 {
                return Some(request);
            }
        }
    }
    let len = request.header("content-length").parse().unwrap_or(0);
    input.take(len).read_to_end(&mut request.body).ok()?;
    Some(request)
}

/// Runs `git http-backend` as a web server does.
fn run(dir: &Path, request: &Request) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().env("PATH", programs::path());
    for (name, value) in [
        ("GIT_HTTP_EXPORT_ALL", "1"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        // A user that somebody else has checked may push.
        ("REMOTE_USER", "somebody"),
        ("REQUEST_METHOD", &request.method),
        ("PATH_INFO", &request.path),
        ("QUERY_STRING", &request.query),
        ("CONTENT_TYPE", request.header("content-type")),
        ("HTTP_CONTENT_ENCODING", request.header("content-encoding")),
        ("HTTP_GIT_PROTOCOL", request.header("git-protocol")),
        ("CONTENT_LENGTH", &request.body.len().to_string()),
    ] {
        command.env(name, value);
    }
    command.env("GIT_PROJECT_ROOT", dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (mut stdin, body) = (child.stdin.take()?, request.body.clone());
    let feed = std::thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().ok()?;
    // It may have refused without reading all.
    let _ = feed.join();
    Some(output.stdout)
}
