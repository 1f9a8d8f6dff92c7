//! Running `git`: with an environment of our own, and as the far end of a stream.
//!
//! Nothing of the owner's shell or settings reaches these processes but those of the repository itself, and nothing of the
//! client but the three fields of its hello, each checked against a fixed form. What the server wants of Git is passed as
//! configuration by environment, so repositories hold no settings that could go stale. Their error output is
//! the server's: that is where its owner reads why a repository fails.
//!
//! Always holds: a child ends with its stream. Closing its pipes is what ends it in good order (Git then cleans
//! up behind itself); one that is still there after [`EXIT_MAX`] is killed. A stream is given up when nothing
//! at all moved on its connection for [`GIT_SILENCE_MAX`].

use crate::layout::Layout;
use bytes::Bytes;
use dits_net::stream::{Activity, Receiving, Sending};
use dits_store::{StoreError, durable};
use dits_sync::address::realm;
use dits_sync::machine::GIT_SILENCE_MAX;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// Time a child has to end by itself once its pipes are closed.
pub(crate) const EXIT_MAX: Duration = Duration::from_secs(10);
/// Time for a command on a repository that takes no input.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// Bytes moved at a time.
const PIPE_BYTES: usize = 64 << 10;
/// Characters of a value for `GIT_PROTOCOL`.
const PROTOCOL_CHARS_MAX: usize = 100;

/// What a client may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    UploadPack,
    ReceivePack,
    UploadArchive,
}

impl Service {
    pub fn parse(name: &str) -> Option<Service> {
        match name {
            "git-upload-pack" => Some(Service::UploadPack),
            "git-receive-pack" => Some(Service::ReceivePack),
            "git-upload-archive" => Some(Service::UploadArchive),
            _ => None,
        }
    }

    /// As clients name it.
    pub fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
            Service::UploadArchive => "git-upload-archive",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Service::UploadPack => &["upload-pack", "--strict"],
            Service::ReceivePack => &["receive-pack"],
            Service::UploadArchive => &["upload-archive"],
        }
    }
}

/// Whether a text may be the value of `GIT_PROTOCOL`.
pub(crate) fn is_protocol(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "=:._-".contains(c);
    text.len() <= PROTOCOL_CHARS_MAX && text.chars().all(fine)
}

/// What the hooks of one push get.
#[derive(Debug)]
pub(crate) struct Push {
    /// Where they are.
    settings: Vec<(&'static str, OsString)>,
    store: PathBuf,
    contents: PathBuf,
    /// A ledger that the hook makes when it says yes: refs are about to name these contents.
    file: PathBuf,
}

impl Push {
    /// For a push to the repository `name`, its path as clients write it.
    pub fn begin(
        layout: &Layout,
        name: &str,
        settings: Vec<(&'static str, OsString)>,
    ) -> Result<Push, StoreError> {
        let mut random = [0; 16];
        let failed = |error| StoreError::io("name a file in", layout.root())(std::io::Error::other(error));
        getrandom::fill(&mut random).map_err(failed)?;
        let file = layout.pushes(realm(name)).join(format!("{:032x}", u128::from_le_bytes(random)));
        Ok(Push { settings, store: layout.store(realm(name)), contents: layout.ledgers(name).0, file })
    }

    /// Git has ended.
    pub fn end(&self) {
        // One that stays keeps its contents for a day.
        let _ = durable::remove_file(&self.file);
    }
}

/// How `git` is run by this server.
#[derive(Debug)]
pub(crate) struct Git {
    layout: Layout,
    path: Option<OsString>,
    /// Named in full where it was found: else the system looks for it at each start, in a copy of this process.
    program: PathBuf,
    hooks: Mutex<()>,
}

impl Git {
    /// `path` is the search path for `git` and for what its hook runs.
    pub fn new(layout: Layout, path: Option<OsString>) -> Git {
        let program = path.as_deref().and_then(find).unwrap_or_else(|| "git".into());
        Git { layout, path, program, hooks: Mutex::default() }
    }

    /// Whoever holds this may write hooks.
    pub fn writing_hooks(&self) -> MutexGuard<'_, ()> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command without anything of our own environment, with this in its configuration besides.
    pub fn command(&self, settings: &[(&str, OsString)]) -> Command {
        let ours = [
            // By itself Git syncs neither loose objects nor refs: a push we confirmed must survive a power cut.
            ("core.fsync", "committed,loose-object,reference".into()),
            ("receive.advertisePushOptions", "true".into()),
            ("uploadpack.allowFilter", "true".into()),
        ];
        let mut command = Command::new(&self.program);
        command.env_clear().kill_on_drop(true).current_dir(self.layout.root());
        command.envs(self.path.as_ref().map(|path| ("PATH", path)));
        command.env("HOME", self.layout.root()).env("LC_ALL", "C");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_CONFIG_COUNT", (ours.len() + settings.len()).to_string());
        for (index, (key, value)) in ours.iter().chain(settings).enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        command
    }

    /// Starts a service on a repository; `notes` are for its hooks.
    pub fn serve(
        &self,
        service: Service,
        push: Option<&Push>,
        repository: &Path,
        protocol: &str,
        notes: &[(&str, String)],
    ) -> std::io::Result<Child> {
        let mut command = self.command(push.map_or(&[], |push| &push.settings));
        command.envs(notes.iter().map(|(name, value)| (name, value)));
        command.args(service.arguments()).arg(repository);
        if let Some(push) = push {
            command.env("DITS_STORE", &push.store);
            command.env("DITS_CONTENTS", &push.contents).env("DITS_PUSH", &push.file);
        }
        if !protocol.is_empty() {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    }

    /// Runs a command to its end within [`COMMAND_MAX`]; gives its status and output.
    pub async fn run(
        &self,
        repository: Option<&Path>,
        arguments: &[&str],
    ) -> std::io::Result<(ExitStatus, Vec<u8>)> {
        let mut command = self.command(&[]);
        if let Some(repository) = repository {
            command.arg("--git-dir").arg(repository);
        }
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = timeout(COMMAND_MAX, command.output()).await.map_err(std::io::Error::from)??;
        Ok((output.status, output.stdout))
    }

    /// The folders of this server.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// The program in the first folder of a search path that has it.
fn find(path: &OsStr) -> Option<PathBuf> {
    let runs = |program: &PathBuf| {
        program.is_absolute() && program.is_file() && access(program, Access::EXEC_OK).is_ok()
    };
    std::env::split_paths(path).map(|folder| folder.join("git")).find(runs)
}

/// The peer went away, or nothing moved any more.
#[derive(Debug)]
pub(crate) struct GivenUp;

/// What a service says first in `repository`: its refs, and what it can do.
pub(crate) async fn advertisement(git: &Git, repository: &Path, protocol: &str) -> std::io::Result<Vec<u8>> {
    let mut command = git.command(&[]);
    command.args(["receive-pack", "--advertise-refs"]).arg(repository).env("GIT_PROTOCOL", protocol);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = timeout(COMMAND_MAX, command.output()).await.map_err(std::io::Error::from)??;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(std::io::Error::other("git receive-pack failed"))
    }
}

/// Gives a child the start of its input, and passes over what it says first, up to the flush packet.
pub(crate) async fn catch_up(child: &mut Child, input: &[u8]) -> Result<(), GivenUp> {
    let (Some(stdin), Some(stdout)) = (&mut child.stdin, &mut child.stdout) else { return Err(GivenUp) };
    stdin.write_all(input).await.map_err(|_| GivenUp)?;
    let mut packet = vec![0; 4];
    loop {
        packet.resize(4, 0);
        stdout.read_exact(&mut packet).await.map_err(|_| GivenUp)?;
        let len = std::str::from_utf8(&packet).ok().and_then(|len| usize::from_str_radix(len, 16).ok());
        match len.ok_or(GivenUp)? {
            0 => return Ok(()),
            len => {
                packet.resize(len.checked_sub(4).ok_or(GivenUp)?, 0);
                stdout.read_exact(&mut packet).await.map_err(|_| GivenUp)?;
            }
        }
    }
}

/// Bytes that a Git stream moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub received: AtomicU64,
    pub sent: AtomicU64,
}

/// Moves bytes between a child and a stream until the child has said everything, and waits for its end.
pub(crate) async fn pump(
    mut child: Child,
    send: &mut Sending,
    recv: Receiving,
    count: &Moved,
) -> Result<(), GivenUp> {
    let activity = send.activity();
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { return Err(GivenUp) };
    // The pipes are closed when the futures that own them are gone, which is here.
    let moved = tokio::select! {
        moved = move_both(stdin, stdout, send, recv, count) => moved,
        () = stall(&activity) => Err(GivenUp),
    };
    if timeout(EXIT_MAX, child.wait()).await.is_err() {
        let _ = timeout(EXIT_MAX, child.kill()).await;
        return Err(GivenUp);
    }
    moved
}

async fn move_both(
    stdin: ChildStdin,
    stdout: ChildStdout,
    send: &mut Sending,
    recv: Receiving,
    count: &Moved,
) -> Result<(), GivenUp> {
    let mut input = pin!(feed(recv, stdin, &count.received));
    let mut output = pin!(drain(stdout, send, &count.sent));
    let mut fed = false;
    loop {
        tokio::select! {
            ended = &mut output => return ended,
            ended = &mut input, if !fed => {
                ended?;
                fed = true;
            }
        }
    }
}

/// Stream to child, until the peer ends its half; then the child sees the end of its input.
async fn feed(mut recv: Receiving, stdin: ChildStdin, count: &AtomicU64) -> Result<(), GivenUp> {
    let mut stdin = Some(stdin);
    let mut buffer = vec![0; PIPE_BYTES];
    loop {
        let read = recv.read(&mut buffer).await.map_err(|_| GivenUp)?;
        if read == 0 {
            return Ok(());
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        // A child that reads no more may still have something to say; the rest of its input is dropped.
        if let Some(pipe) = &mut stdin
            && pipe.write_all(&buffer[..read]).await.is_err()
        {
            stdin = None;
        }
    }
}

/// Child to stream, until the child closes its output.
async fn drain(mut stdout: ChildStdout, send: &mut Sending, count: &AtomicU64) -> Result<(), GivenUp> {
    let mut buffer = vec![0; PIPE_BYTES];
    loop {
        match stdout.read(&mut buffer).await.map_err(|_| GivenUp)? {
            0 => return Ok(()),
            read => {
                send.write(Bytes::copy_from_slice(&buffer[..read])).await.map_err(|_| GivenUp)?;
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Returns when nothing moved between the two machines for [`GIT_SILENCE_MAX`].
pub(crate) async fn stall(activity: &Activity) {
    loop {
        let before = activity.bytes();
        sleep(GIT_SILENCE_MAX).await;
        if activity.bytes() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_git_writes_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _claim) = Layout::claim(dir.path()).unwrap();
        let git = Git::new(layout, std::env::var_os("PATH"));
        let (status, out) = git.run(None, &["config", "--get", "core.fsync"]).await.unwrap();
        assert!(status.success());
        assert_eq!(out, b"committed,loose-object,reference\n");
    }

    #[test]
    fn only_known_services_and_plain_protocols_pass() {
        assert_eq!(Service::parse("git-upload-pack"), Some(Service::UploadPack));
        for name in ["upload-pack", "git-upload-pack --help", "git-shell", ""] {
            assert_eq!(Service::parse(name), None);
        }
        assert!(is_protocol("version=2:key=a_b-c.d") && is_protocol(""));
        assert!(!is_protocol("version=2;x") && !is_protocol(&"a".repeat(101)) && !is_protocol("a\n"));
    }
}
