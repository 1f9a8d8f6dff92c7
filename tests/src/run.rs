//! Running programs: with a deadline, in a process group of their own, and with all they say at hand.
//!
//! [`Call`] is a command to be run, [`Ran`] one that has ended, [`Started`] one that runs and can be killed
//! in the middle. A program that outlives its deadline is killed with everything it started, and the test
//! fails with what was said until then. Nothing started here can be left behind: dropping kills.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// For anything a story starts or waits for. Far above what is needed: it is no statement about speed.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks at something that gives no signal.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `done` says so. Panics with `what` at the deadline.
#[track_caller]
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// A command to be run.
#[derive(Debug)]
pub struct Call {
    command: Command,
    input: Vec<u8>,
}

impl Call {
    /// `program` with nothing of our environment.
    pub fn new(program: &OsStr) -> Call {
        let mut command = Command::new(program);
        command.env_clear().process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Call { command, input: Vec::new() }
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Call {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Call {
        self.command.env(key, value);
        self
    }

    /// Sets the folder it runs in.
    pub fn dir(mut self, dir: &Path) -> Call {
        self.command.current_dir(dir);
        self
    }

    /// Sets what it reads on standard input.
    pub fn input(mut self, input: &[u8]) -> Call {
        self.input = input.to_vec();
        self
    }

    /// Runs it to its end, whatever that is.
    #[track_caller]
    pub fn run(mut self) -> Ran {
        let input = std::mem::take(&mut self.input);
        let mut started = self.start();
        let mut stdin = started.stdin.take();
        let feeder = std::thread::spawn(move || {
            // A program need not read what it is offered.
            let _ = stdin.as_mut().map(|stdin| stdin.write_all(&input));
        });
        let ran = started.wait();
        let _ = feeder.join();
        ran
    }

    /// Runs it and asserts success.
    #[track_caller]
    pub fn ok(self) -> Ran {
        let ran = self.run();
        assert!(ran.code == Some(0), "this failed:\n{ran}");
        ran
    }

    /// Runs it and asserts that it says it failed.
    #[track_caller]
    pub fn fails(self) -> Ran {
        let ran = self.run();
        assert!(ran.code.is_some_and(|code| code != 0), "this did not fail, or was killed:\n{ran}");
        ran
    }

    /// Starts it, and leaves it running.
    #[track_caller]
    pub fn start(mut self) -> Started {
        let shown = shown(&self.command);
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {shown}: {error}"),
        };
        let stdout = Pipe::read(child.stdout.take().expect("piped above"));
        let stderr = Pipe::read(child.stderr.take().expect("piped above"));
        let stdin = child.stdin.take();
        Started { child, stdin, stdout, stderr, shown, ended: false }
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// What a pipe gave so far, read by a thread of its own.
#[derive(Debug)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Pipe {
    fn read(mut from: impl Read + Send + 'static) -> Pipe {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(len @ 1..) = from.read(&mut buffer) {
                into.lock().expect("nobody panics with it").extend_from_slice(&buffer[..len]);
            }
        });
        Pipe { bytes, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("nobody panics with it").clone()
    }
}

/// A program that runs.
#[derive(Debug)]
pub struct Started {
    child: Child,
    /// Its standard input; closed when taken and dropped, or by [`Started::wait`].
    pub stdin: Option<ChildStdin>,
    stdout: Pipe,
    stderr: Pipe,
    shown: String,
    ended: bool,
}

impl Started {
    /// Its process, and its process group.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far()).into_owned()
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended = self.ended || self.child.try_wait().expect("it is our child").is_some();
        self.ended
    }

    /// Processes of its group with `word` among their arguments, or as the end of their program's name.
    pub fn parts(&self, word: &str) -> Vec<Pid> {
        let group = self.pid().as_raw_nonzero().get();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let has = |pid: &i32| group_of(*pid) == Some(group) && has_word(*pid, word);
        pids.filter(has).filter_map(Pid::from_raw).collect()
    }

    /// Kills (-9) the processes of its group that [`Started::parts`] names, once there is one.
    #[track_caller]
    pub fn kill_part(&self, word: &str) {
        let mut parts = Vec::new();
        wait_for(&format!("a process '{word}' of {}", self.shown), || {
            parts = self.parts(word);
            !parts.is_empty()
        });
        for part in parts {
            // One that ended by itself just now is what the caller's assertions will tell.
            let _ = kill_process(part, Signal::KILL);
        }
    }

    /// Kills (-9) it and all it started.
    pub fn kill(&mut self) {
        if !self.ended {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
            self.ended = true;
        }
    }

    /// Does what Ctrl-C does: SIGINT to it and to all it started.
    pub fn interrupt(&self) {
        kill_process_group(self.pid(), Signal::INT).expect("it runs");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Closes its input and waits for its end, and for that of everybody who can write to its output.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        drop(self.stdin.take());
        let end = Instant::now() + DEADLINE;
        let status = loop {
            let status = self.child.try_wait().expect("it is our child");
            let quiet = self.stdout.reader.is_finished() && self.stderr.reader.is_finished();
            match status {
                Some(status) if quiet => break status,
                _ => {}
            }
            if Instant::now() > end {
                let (said, printed) = (self.said(), self.printed());
                let _ = kill_process_group(self.pid(), Signal::KILL);
                panic!("{} does not end:\n{printed}{said}", self.shown);
            }
            std::thread::park_timeout(LOOK);
        };
        self.ended = true;
        let (stdout, stderr) = (self.stdout.so_far(), self.stderr.so_far());
        let ran = Ran { command: self.shown.clone(), code: status.code(), stdout, stderr };
        let said = ran.said();
        // Ours say a panic in their own words.
        let panicked = said.contains("panicked at") || said.contains("error: internal error: ");
        assert!(!panicked, "a program panicked:\n{ran}");
        ran
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Fields of `/proc/<pid>/stat` behind the program's name: state, parent, group, …
fn group_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok()
}

fn has_word(pid: i32, word: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut args = line.split(|byte| *byte == 0);
    // The wrapper `git dits x` runs `git-dits x` and waits; the one that works is the latter.
    let program = args.next().unwrap_or_default();
    let ours = program.ends_with(b"git-dits") || program.ends_with(b"git-remote-dits");
    ours && (program.ends_with(word.as_bytes()) || args.any(|arg| arg == word.as_bytes()))
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command.
    pub command: String,
    /// Its exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it said on standard error.
    pub stderr: Vec<u8>,
}

impl Ran {
    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What it printed, without white space at its ends.
    pub fn line(&self) -> String {
        self.text().trim().to_owned()
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).expect("it printed JSON")
    }

    /// What it said on standard error, as text.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Asserts that it said each of `parts` on standard error.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Ran {
        for part in parts {
            assert!(self.said().contains(part), "'{part}' was not said:\n{self}");
        }
        self
    }

    /// Asserts that it said nothing on standard error.
    #[track_caller]
    pub fn says_nothing(self) -> Ran {
        assert!(self.stderr.is_empty(), "this should be silent:\n{self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}", self.command)?;
        write!(f, "{}{}", self.text(), self.said())?;
        match self.code {
            Some(code) => write!(f, "(exit code {code})"),
            None => write!(f, "(killed)"),
        }
    }
}
