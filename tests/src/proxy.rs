//! A real proxy (tinyproxy) that connects whoever knows user and password.
//!
//! It keeps a log, from which a test counts how often it was asked.

use crate::run::{Call, Started, wait_for};
use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// User and password that the proxy wants.
pub const LOGIN: (&str, &str) = ("ann", "secret");

/// A running proxy; ended when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    log: PathBuf,
    running: Option<Started>,
}

impl Proxy {
    /// Starts one that keeps its log in `folder`.
    #[track_caller]
    pub fn start(folder: &Path) -> Proxy {
        // It cannot choose one by itself.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port is free").port();
        let (config, log) = (folder.join("tinyproxy.conf"), folder.join("tinyproxy.log"));
        let (user, password) = LOGIN;
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nLogFile \"{}\"\nLogLevel Connect\nBasicAuth {user} {password}\n",
            log.display()
        );
        fs::write(&config, text).expect("the folder can be written");
        let mut running = Call::new(OsStr::new("tinyproxy")).args(["-d", "-c"]).args([&config]).start();
        wait_for("the proxy", || running.has_ended() || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(!running.has_ended(), "the proxy did not start");
        Proxy { port, log, running: Some(running) }
    }

    /// Its address, with this before the host: `""` or `user:password@`.
    pub fn url(&self, login: &str) -> String {
        format!("http://{login}127.0.0.1:{}", self.port)
    }

    /// Its `host:port`.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How often it was asked to connect, with success or without.
    pub fn asked(&self) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().matches("Request (file descriptor").count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.take().expect("it runs").kill();
    }
}
