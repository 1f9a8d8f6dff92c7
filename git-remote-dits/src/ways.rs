//! The ways to a Git service: our server, `ssh`, a folder of this machine, a daemon.
//!
//! All but the first do what Git itself would do for the address behind `dits::`, with its settings and environment.
//! A command that runs for another repository does not inherit what the environment says of ours.

use crate::contents::Context;
use crate::gate::Way;
use crate::locks::{Early, Elsewhere};
use crate::pump::Stream;
use crate::ssh;
use crate::target::Target;
use anyhow::{Context as _, Result, anyhow, bail};
use dits_remote::lock_changes::RefUpdate;
use dits_remote::{Here, Peer, Remote};
use dits_repo::Config;
use dits_repo::discover::Found;
use dits_sync::Address;
use dits_sync::message::Purpose;
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Port of `git daemon`.
const DAEMON_PORT: u16 = 9418;
/// How long connecting to a daemon may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// A server of ours, for Git's objects and for contents.
pub struct Own<'a> {
    context: &'a Context,
    purpose: Purpose,
    peer: Peer,
    address: Address,
    locks: Early,
    /// The new pointers of this push, once they are known.
    found: Option<Vec<Found>>,
}

impl Own<'_> {
    /// Connects, for `service`.
    pub fn connect<'a>(context: &'a Context, address: &Address, service: &str) -> Result<Own<'a>> {
        let git = &context.git;
        // At the same time: a push of nothing takes little else.
        let (config, object_format) = thread::scope(|scope| {
            let config = scope.spawn(|| Config::read(git));
            let object_format = git.line(&["rev-parse", "--show-object-format"]);
            (config.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), object_format)
        });
        let (config, object_format) = (config?, object_format?.unwrap_or_else(|| "sha1".into()));
        let version = || Ok(config.get("protocol.version").map(str::to_owned));
        let protocol = protocol(service, version)?;
        let purpose = Purpose::Git { service: service.into(), protocol, object_format };
        let remote =
            Remote::connect(Here { git, config: Some(&config) }, address.clone(), &context.settings)?;
        context.greet(remote.first_use_notice())?;
        let (peer, address) = (Peer::Server(Box::new(remote)), address.clone());
        Ok(Own { context, purpose, peer, address, locks: Early::default(), found: None })
    }

    /// Ends the connection.
    pub fn close(self) {
        self.peer.close();
    }
}

impl Way for Own<'_> {
    fn open(&mut self) -> Result<Stream> {
        // On a new connection, if the old one is lost.
        let Peer::Server(remote) = &mut self.peer else { bail!("a folder has no Git service") };
        let (to, from) = remote.git(&self.purpose)?;
        Ok(Stream::new(to, from))
    }

    fn check(&mut self, updates: &[RefUpdate], has: &[String]) -> Result<()> {
        let tips: Vec<String> = updates.iter().filter_map(|update| update.new.clone()).collect();
        let Peer::Server(remote) = &mut self.peer else { return Ok(()) };
        if tips.is_empty() {
            return Ok(());
        }
        let found = self.context.new_pointers(&tips, has.to_vec())?;
        let bytes = found.iter().map(|found| found.pointer.size).fold(0, u64::saturating_add);
        self.found = Some(found);
        self.locks.check(self.context, remote, &self.address, (updates, has), bytes)
    }

    fn upload(&mut self, tips: &[String], has: Vec<String>) -> Result<()> {
        let found = match self.found.take() {
            Some(found) => found,
            None => self.context.new_pointers(tips, has)?,
        };
        self.context.send(&mut self.peer, &found)
    }

    fn landed(&mut self, refs: &[String]) -> Result<()> {
        let Peer::Server(remote) = &mut self.peer else { return Ok(()) };
        self.locks.landed(remote, &self.address, refs)
    }
}

/// Somebody else's Git service; contents go elsewhere.
pub struct Other<'a> {
    /// What the helper works with.
    pub context: &'a Context,
    /// Where the service is.
    pub target: &'a Target,
    /// The service, as `git-upload-pack`.
    pub service: &'a str,
    /// The program to be run for it, where the user names one.
    pub program: Option<&'a str>,
    /// What runs for it.
    pub child: Option<Child>,
    /// Locks on what is pushed.
    pub locks: Elsewhere,
}

impl Way for Other<'_> {
    fn open(&mut self) -> Result<Stream> {
        let program = self.program.unwrap_or(self.service);
        let git = &self.context.git;
        let protocol = protocol(self.service, || Ok(git.line(&["config", "--get", "protocol.version"])?))?;
        match self.target {
            Target::Ssh { host, port, path } => {
                let line = format!("{program} {}", ssh::quoted(path));
                self.run(ssh_command(self.context, host, *port, &protocol)?.arg(line), &protocol)
            }
            Target::Local(path) => {
                let line = format!("{program} {}", ssh::quoted(path));
                self.run(Command::new("sh").args(["-c", &line]), &protocol)
            }
            Target::Daemon { host, port, path } => daemon(self.service, host, *port, path, &protocol),
            Target::Dits(_) | Target::Helper { .. } => bail!("no connection of this kind"),
        }
    }

    fn check(&mut self, updates: &[RefUpdate], has: &[String]) -> Result<()> {
        self.locks.check(self.context, updates, has)
    }

    fn upload(&mut self, tips: &[String], has: Vec<String>) -> Result<()> {
        self.context.upload_elsewhere(tips, has, &mut self.locks.peer)
    }

    fn landed(&mut self, refs: &[String]) -> Result<()> {
        self.locks.landed(refs)
    }
}

impl Other<'_> {
    fn run(&mut self, command: &mut Command, protocol: &str) -> Result<Stream> {
        let local = self.context.git.line(&["rev-parse", "--local-env-vars"])?.unwrap_or_default();
        for name in local.lines() {
            command.env_remove(name);
        }
        match protocol {
            "" => command.env_remove("GIT_PROTOCOL"),
            version => command.env("GIT_PROTOCOL", version),
        };
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("unable to fork")?;
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        self.child = Some(child);
        Ok(Stream::new(to, from))
    }

    /// Waits for what was started: its last words on standard error come before ours.
    pub fn close(self) {
        if let Some(mut child) = self.child {
            let _ = child.wait();
        }
        self.locks.close();
    }
}

fn ssh_command(context: &Context, host: &str, port: Option<u16>, protocol: &str) -> Result<Command> {
    let config = |key: &str| context.git.line(&["config", "--get", key]);
    let text = |name: &str| std::env::var(name).ok();
    let settings = ssh::Settings {
        line: text("GIT_SSH_COMMAND").map_or_else(|| config("core.sshCommand"), |line| Ok(Some(line)))?,
        program: std::env::var_os("GIT_SSH"),
        variant: text("GIT_SSH_VARIANT").map_or_else(|| config("ssh.variant"), |name| Ok(Some(name)))?,
    };
    let variant = settings.variant(host, port);
    let options = ssh::options(variant, port, !protocol.is_empty()).map_err(|text| anyhow!(text))?;
    let mut command = settings.command();
    command.args(options).arg(host);
    Ok(command)
}

fn daemon(service: &str, host: &str, port: Option<u16>, path: &str, protocol: &str) -> Result<Stream> {
    let at = (host, port.unwrap_or(DAEMON_PORT));
    let mut last = anyhow!("unable to look up {host}");
    for address in at.to_socket_addrs().with_context(|| format!("unable to look up {host}"))? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(mut stream) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                let mut line = format!("{service} {path}\0host={host}{port}\0");
                if !protocol.is_empty() {
                    line += &format!("\0{protocol}\0");
                }
                let mut packet = Vec::new();
                dits_filter::pkt::data(&mut packet, line.as_bytes());
                stream.write_all(&packet)?;
                return Ok(Stream::new(stream.try_clone()?, stream));
            }
            Err(error) => last = anyhow::Error::from(error).context(format!("unable to connect to {host}")),
        }
    }
    Err(last)
}

/// What Git would put in `GIT_PROTOCOL` for a transport of its own. Pushing speaks version 0 or 1 only.
fn protocol(service: &str, version: impl FnOnce() -> Result<Option<String>>) -> Result<String> {
    if let Some(value) = std::env::var("GIT_PROTOCOL").ok().filter(|value| !value.is_empty()) {
        return Ok(value);
    }
    let version = version()?.unwrap_or_else(|| "2".into());
    let version = if service == "git-receive-pack" && version == "2" { "0".into() } else { version };
    Ok(if version == "0" { String::new() } else { format!("version={version}") })
}
