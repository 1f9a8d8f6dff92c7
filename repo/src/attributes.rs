//! One attribute of many paths, through one `git check-attr` that stays open.
//!
//! Git's own matcher answers, so every attribute file counts as it does for Git. A question costs about
//! 20 µs once the process runs; it is started with the first one. If it cannot be asked, the attribute
//! counts as not set: it only tunes, it never decides what is stored.

use crate::{Git, RepoError};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Those of `paths`, seen from the top, that are managed. With `in_index`, the attribute files of the index decide,
/// not those of the working tree.
pub fn managed(git: &Git, paths: &[&[u8]], in_index: bool) -> Result<HashSet<Vec<u8>>, RepoError> {
    if paths.is_empty() {
        return Ok(HashSet::new());
    }
    let args: &[&str] = if in_index { &["check-attr", "--cached"] } else { &["check-attr"] };
    let out = git.run_with_input(&[args, &["--stdin", "-z", "filter"]].concat(), &paths.join(&0))?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    let ours = fields.chunks_exact(3).filter(|field| field[2] == b"dits");
    Ok(ours.map(|field| field[0].to_vec()).collect())
}

/// A file with the attribute `lockable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockable {
    /// Path from the top.
    pub path: Vec<u8>,
    /// Whether it is managed.
    pub managed: bool,
}

/// Those of `paths`, seen from the top, that are lockable.
pub fn lockable(git: &Git, paths: &[Vec<u8>]) -> Result<Vec<Lockable>, RepoError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let out = git.run_with_input(&["check-attr", "--stdin", "-z", "lockable", "filter"], &paths.join(&0))?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    // Two answers a path: its name, an attribute and the value of that.
    let file = |answers: &[&[u8]]| {
        let is_lockable = [&b"set"[..], b"true"].contains(&answers[2]);
        is_lockable.then(|| Lockable { path: answers[0].to_vec(), managed: answers[5] == b"dits" })
    };
    Ok(fields.chunks_exact(6).filter_map(file).collect())
}

/// Asks for one attribute.
#[derive(Debug)]
pub struct AttributeReader {
    git: Git,
    name: &'static str,
    running: Option<Running>,
    broken: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl AttributeReader {
    /// Reads the attribute `name` of paths relative to where `git` runs.
    pub fn new(git: &Git, name: &'static str) -> AttributeReader {
        AttributeReader { git: git.clone(), name, running: None, broken: false }
    }

    /// The attribute's value for `path`; `None` when it has none.
    pub fn get(&mut self, path: &[u8]) -> Option<String> {
        if self.broken {
            return None;
        }
        let value = self.ask(path);
        self.broken = value.is_err();
        value.ok().flatten()
    }

    fn ask(&mut self, path: &[u8]) -> std::io::Result<Option<String>> {
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::start(&self.git, self.name)?),
        };
        running.ask.write_all(&[path, b"\0"].concat())?;
        running.ask.flush()?;
        // Path, attribute and value come back, each ended by a NUL.
        let mut fields = [const { Vec::new() }; 3];
        for field in &mut fields {
            if running.answers.read_until(0, field)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            field.pop();
        }
        let value = String::from_utf8_lossy(&fields[2]).into_owned();
        Ok(Some(value).filter(|value| !["unspecified", "unset", "set"].contains(&value.as_str())))
    }
}

impl Running {
    fn start(git: &Git, name: &str) -> std::io::Result<Running> {
        let mut command = git.command(["check-attr", "-z", "--stdin", name]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        Ok(Running { child, ask, answers: BufReader::new(answers) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends by itself when its input does, but must not be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
