//! What Git itself, and whatever hangs in it as a filter, do in a life: the commands are Git's in all of them.
//!
//! Servers listen on the loopback interface at a port that was free a moment before.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::super::rig::{Rig, Server, User, path, words};
use super::{Life, What};

/// How long a server has to listen.
const START: Duration = Duration::from_secs(20);

/// A repository with `remote`, in which `setup` has said what happens to files, and its first commit.
pub(super) fn open(
    user: User,
    place: &Path,
    remote: &str,
    server: Option<Server>,
    setup: impl FnOnce(&User, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<Life> {
    let (work, copy) = (place.join("work"), place.join("copy"));
    fs::create_dir_all(work.join("data"))?;
    for line in ["git init -q", &format!("git remote add origin {remote}")] {
        user.run(&work, &words(line).iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    setup(&user, &work)?;
    user.run(&work, &["git", "add", ".gitattributes"])?;
    user.run(&work, &["git", "commit", "-qm", "start"])?;
    user.run(&work, &["git", "push", "-q", "origin", "main"])?;
    let clone = ["git", "clone", "-q", remote, path(&copy)].map(str::to_owned).to_vec();
    let commands = move |what| match what {
        What::Add | What::Edit => vec![words("git add ."), words("git commit -qm change")],
        What::Push | What::PushEdit => vec![words("git push -q origin main")],
        What::Clone => vec![clone.clone()],
        What::Status | What::StatusAgain | What::StatusTouched => vec![words("git status --porcelain")],
        What::Back => vec![words("git checkout -q HEAD~1")],
        What::Forth => vec![words("git checkout -q main")],
    };
    let (client, stored) = (Some(work.join(".git")), place.join("server"));
    Ok(Life { user, work, copy, client, stored, server, joint: false, commands: Box::new(commands) })
}

/// A port of the loopback interface that nobody listens at.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts a server and waits until it listens.
pub(super) fn listen(mut command: Command, port: u16, url: String) -> anyhow::Result<Server> {
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let server = Server::of(child, url);
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if started.elapsed() > START {
            bail!("nothing listens at port {port} after {START:?}: {command:?}");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(server)
}

/// An empty repository at the server's side.
pub(super) fn bare(rig: &Rig, user: &User, place: &Path) -> anyhow::Result<String> {
    let repository = place.join("server/git/big.git");
    user.run(&rig.tmp, &["git", "init", "-q", "--bare", path(&repository)])?;
    Ok(path(&repository).to_owned())
}
