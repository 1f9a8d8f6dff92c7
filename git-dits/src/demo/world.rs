//! The temporary place: a server, two users with a HOME each, and the counts of what went over the wire.
//! Nothing of the caller's environment but PATH gets in, and dropping it stops the server, whatever happened.

use crate::report;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The place.
#[derive(Debug)]
pub struct World {
    dir: Option<TempDir>,
    root: PathBuf,
    server: Option<Child>,
    address: String,
}

impl World {
    /// Makes it. With `keep`, it stays when the demonstration is over.
    pub fn new(keep: bool) -> Result<World> {
        let dir =
            tempfile::Builder::new().prefix("git-dits-demo-").tempdir().context("cannot make a folder")?;
        let root = dir.path().to_owned();
        let dir = if keep {
            let _ = dir.keep();
            None
        } else {
            Some(dir)
        };
        let world = World { dir, root, server: None, address: String::new() };
        for user in ["a", "b"] {
            fs::create_dir(world.root.join(user))?;
            let name = format!("user.name=User {}", user.to_uppercase());
            for setting in [&name[..], "user.email=user@example.org", "init.defaultBranch=main"] {
                let (key, value) = setting.split_once('=').expect("written above");
                world.quiet(user, &["config", "--global", key, value])?;
            }
            world.quiet(user, &["dits", "install"])?;
        }
        Ok(world)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// URL of a repository on the server.
    pub fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Starts the server and waits for its first line.
    pub fn start_server(&mut self) -> Result<()> {
        let server = self.root.join("server");
        report::line("$ git dits serve server --anonymous --listen 127.0.0.1:0 &")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(&server).args(["--anonymous", "--listen", "127.0.0.1:0"]);
        let mut child = self.environment(&mut command, "a").stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("the server has no output")?;
        self.server = Some(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ").context("the server did not start")?;
        self.address = address.to_owned();
        report::line(&format!("  {}", line.trim_end()))
    }

    /// Runs `git` as the first user, showing the command.
    pub fn user_a(&self, dir: &Path, args: &[&str]) -> Result<()> {
        self.show("a", dir, args)
    }

    /// Runs `git` as the second user, showing the command.
    pub fn user_b(&self, dir: &Path, args: &[&str]) -> Result<()> {
        self.show("b", dir, args)
    }

    /// What `git` prints, not shown.
    pub fn output(&self, dir: &Path, args: &[&str]) -> Result<String> {
        let output = self.environment(Command::new("git").current_dir(dir).args(args), "a").output()?;
        ensure!(output.status.success(), "git {} failed", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn show(&self, user: &str, dir: &Path, args: &[&str]) -> Result<()> {
        let quoted: Vec<String> = args.iter().map(|arg| quote(arg)).collect();
        report::line(&format!("$ git {}", quoted.join(" ")))?;
        let status = self.environment(Command::new("git").current_dir(dir).args(args), user).status()?;
        if status.success() { Ok(()) } else { bail!("git {} failed", quoted.join(" ")) }
    }

    fn quiet(&self, user: &str, args: &[&str]) -> Result<()> {
        let output =
            self.environment(Command::new("git").current_dir(&self.root).args(args), user).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {} failed: {said}", args.join(" "));
        Ok(())
    }

    /// Own HOME, own configuration, our programs first in PATH.
    fn environment<'a>(&self, command: &'a mut Command, user: &str) -> &'a mut Command {
        let home = self.root.join(user);
        let exe = std::env::current_exe().unwrap_or_default();
        let mut path = exe.parent().map(|dir| dir.as_os_str().to_owned()).unwrap_or_default();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        for name in ["XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        let trace = self.root.join("trace");
        command
            .env("HOME", &home)
            .env("PATH", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_DITS_TRACE", trace);
        command.env("GIT_CONFIG_GLOBAL", home.join(".gitconfig"))
    }

    /// Bytes on the wire of all connections so far.
    pub fn wire_bytes(&self) -> Result<u64> {
        let trace = fs::read_to_string(self.root.join("trace")).unwrap_or_default();
        let mut sum = 0;
        for line in trace.lines() {
            let event: serde_json::Value = serde_json::from_str(line)?;
            if event["event"] == "connection" {
                let count = |name: &str| event[name].as_u64().unwrap_or(0);
                sum += count("wire_sent_bytes") + count("wire_received_bytes");
            }
        }
        Ok(sum)
    }

    /// Bytes of packs at the server.
    pub fn stored_bytes(&self) -> Result<u64> {
        fn packs(dir: &Path) -> u64 {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(meta) if meta.is_dir() => packs(&entry.path()),
                    Ok(meta) if entry.path().extension().is_some_and(|end| end == "pack") => meta.len(),
                    _ => 0,
                })
                .sum()
        }
        Ok(packs(&self.root.join("server").join("realms").join("team").join("store")))
    }

    /// Stops the server and removes everything, unless it is to be kept.
    pub fn finish(mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            let pid = rustix::process::Pid::from_child(&server);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
            server.wait()?;
        }
        match self.dir.take() {
            Some(dir) => dir.close().context("cannot remove the temporary folder"),
            None => report::line(&format!("kept in {}", self.root.display())),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn quote(arg: &str) -> String {
    let plain = arg.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=".contains(&b));
    if plain && !arg.is_empty() { arg.into() } else { format!("'{}'", arg.replace('\'', "'\\''")) }
}
