//! Running `git`: with an environment of our own, and as the far end of a stream.
//!
//! Nothing of the owner's shell, settings or hooks reaches these processes, and nothing of the client but the
//! three fields of its hello, each checked against a fixed form. What the server wants of Git is passed as
//! configuration by environment, so repositories hold no settings that could go stale. Their error output is
//! the server's: that is where its owner reads why a repository fails.
//!
//! Always holds: a child ends with its stream. Closing its pipes is what ends it in good order (Git then cleans
//! up behind itself); one that is still there after [`EXIT_MAX`] is killed. A stream is given up when nothing
//! at all moved on its connection for [`STALL_MAX`]: on its own it may be quiet for hours, while the contents
//! of a push travel beside it.

use crate::layout::Layout;
use bytes::Bytes;
use dits_net::stream::{Activity, Receiving, Sending};
use dits_sync::address::realm;
use std::ffi::OsString;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// Time without any stream data on a connection after which its Git streams are given up.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(600);
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

/// How `git` is run by this server.
#[derive(Debug)]
pub(crate) struct Git {
    layout: Layout,
    path: Option<OsString>,
}

impl Git {
    /// `path` is the search path for `git` and for what its hook runs.
    pub fn new(layout: Layout, path: Option<OsString>) -> Git {
        Git { layout, path }
    }

    /// A command without anything of our own environment.
    fn command(&self) -> Command {
        let config = [
            ("core.hooksPath", self.layout.hooks().into_os_string()),
            // By itself Git syncs neither loose objects nor refs: a push we confirmed must survive a power cut.
            ("core.fsync", "committed,loose-object,reference".into()),
            ("receive.advertisePushOptions", "true".into()),
            ("uploadpack.allowFilter", "true".into()),
        ];
        let mut command = Command::new("git");
        command.env_clear().kill_on_drop(true).current_dir(self.layout.root());
        command.envs(self.path.as_ref().map(|path| ("PATH", path)));
        command.env("HOME", self.layout.root()).env("LC_ALL", "C");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_CONFIG_COUNT", config.len().to_string());
        for (index, (key, value)) in config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{index}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        command
    }

    /// Starts a service on a repository; `name` is its path as clients write it, `notes` are for its hooks.
    pub fn serve(
        &self,
        service: Service,
        name: &str,
        repository: &Path,
        protocol: &str,
        notes: &[(&str, String)],
    ) -> std::io::Result<Child> {
        let mut command = self.command();
        command.envs(notes.iter().map(|(name, value)| (name, value)));
        command.args(service.arguments()).arg(repository);
        command.env("DITS_STORE", self.layout.store(realm(name)));
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
        let mut command = self.command();
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

/// The peer went away, or nothing moved any more.
#[derive(Debug)]
pub(crate) struct GivenUp;

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

/// Returns when nothing moved between the two machines for [`STALL_MAX`].
async fn stall(activity: &Activity) {
    loop {
        let before = activity.bytes();
        sleep(STALL_MAX).await;
        if activity.bytes() == before {
            return;
        }
    }
}

/// What a hook's file says: it hands over to `git-dits`, whatever characters its path has.
pub(crate) fn hook_script(exe: &Path, hook: &str) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut script = b"#!/bin/sh\nexec '".to_vec();
    for byte in exe.as_os_str().as_bytes() {
        match byte {
            b'\'' => script.extend_from_slice(b"'\\''"),
            other => script.push(*other),
        }
    }
    script.extend_from_slice(format!("' hook {hook} \"$@\"\n").as_bytes());
    script
}

/// The hooks of all repositories: one that checks, one that writes down what moved.
pub(crate) const HOOKS: [&str; 2] = ["pre-receive", "post-receive"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_survives_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("it's $HOME \"x\" `y`\n\\z");
        std::fs::write(&exe, "#!/bin/sh\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&exe, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let hook = dir.path().join("hook");
        std::fs::write(&hook, hook_script(&exe, "pre-receive")).unwrap();
        let output = std::process::Command::new("/bin/sh").arg(&hook).arg("a b").output().unwrap();
        assert_eq!(output.stdout, b"hook pre-receive a b\n");
    }

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
