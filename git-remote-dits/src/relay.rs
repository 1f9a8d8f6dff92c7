//! Between Git and another remote helper, as `git remote-https`, with the gate for its pushes.
//!
//! Both speak lines: Git asks, the helper answers. All of it passes unchanged, so every feature is Git's and the
//! helper's own. Of the answers only those are listened to that the gate needs: the refs of `list for-push`, and whether
//! a `connect` is taken. A batch of `push` lines is held until its empty line; the sources' contents are uploaded; then
//! it goes out with each source as the object it had when we looked, so that no branch that grows meanwhile overtakes
//! its contents. With `option dry-run true` nothing moves, so nothing is uploaded.
//!
//! What could get past this is refused: a helper that pushes only by `export`, and a receiving `stateless-connect`.

use crate::contents::Context;
use crate::failure::Failure;
use crate::gate::{self, Way, object_ids};
use crate::locks::Elsewhere;
use crate::pump::{self, Stream};
use anyhow::{Context as _, Result, bail};
use dits_remote::lock_changes::RefUpdate;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one line, and of all lines of a batch: a million refs.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// What of the helper's answers is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Nothing.
    No,
    /// One line.
    Line,
    /// One line; if that is empty, the helper's output from then on.
    Connection,
    /// All lines up to an empty one.
    List,
}

/// The helper's output, copied to Git by a thread.
struct Answers {
    wanted: Arc<Mutex<Wanted>>,
    heard: Receiver<Vec<u8>>,
    /// The output itself, once it is a connection that was wanted.
    connection: Receiver<BufReader<ChildStdout>>,
}

/// What ends the work.
enum Event {
    /// Git has asked all, or something failed; with `true` nothing more comes from the helper.
    Asked(Result<bool>),
    /// The helper has closed its output.
    Answered(Result<()>),
}

/// Serves all that Git asks; returns how the helper ended.
///
/// Either side may end first, and then the other must hear of it: so each has a thread, and whoever is left over
/// when the work is done ends with the process.
pub fn serve(context: Context, scheme: &str, url: &str, first: Option<Vec<u8>>) -> Result<ExitCode> {
    let named = if context.remote == context.url { url } else { &context.remote };
    let mut command = context.git.command([&format!("remote-{scheme}"), named, url]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("unable to fork")?;
    let (to, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let (tell, events) = channel();
    let answers = Answers::of(stdout, tell.clone());
    let url = url.to_owned();
    let mut relay = Relay { context, url, to: Some(to), answers, dry_run: false, has: Vec::new() };
    std::thread::spawn(move || {
        // Before the helper sees the end of its input: an error of ours comes before the end that it causes.
        let _ = tell.send(Event::Asked(relay.run(first)));
    });
    for event in events {
        let over = match event {
            Event::Asked(asked) => asked?,
            Event::Answered(answered) => answered.map(|()| true)?,
        };
        if over {
            break;
        }
    }
    // If it failed, it has said why.
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(128)))
}

struct Relay {
    context: Context,
    url: String,
    /// Until it is given away.
    to: Option<ChildStdin>,
    answers: Answers,
    dry_run: bool,
    /// Object names that the remote has, and the refs that have them.
    has: Vec<(String, String)>,
}

impl Relay {
    /// Whether nothing more comes from the helper.
    fn run(&mut self, first: Option<Vec<u8>>) -> Result<bool> {
        let mut next = first;
        while let Some(line) = next {
            let text = String::from_utf8_lossy(&line).into_owned();
            let (word, rest) =
                text.trim_end_matches('\n').split_once(' ').unwrap_or((text.trim_end_matches('\n'), ""));
            match (word, rest) {
                ("option", rest) => {
                    if let Some(value) = rest.strip_prefix("dry-run ") {
                        self.dry_run = value == "true";
                    }
                    self.send(&line)?;
                }
                ("list", "for-push") => {
                    let list = self.ask(&line, Wanted::List)?;
                    self.has = list.split(|b| *b == b'\n').filter_map(listed).collect();
                }
                ("push", _) => self.push(line)?,
                ("export", _) => {
                    let text = format!(
                        "the remote helper of '{}' pushes in a way that cannot be held back",
                        self.url
                    );
                    bail!(Failure::new(text, "push without 'dits::', with the pre-push hook"));
                }
                ("stateless-connect", "git-receive-pack") => say(b"fallback\n")?,
                ("connect", "git-receive-pack") => {
                    if self.ask(&line, Wanted::Connection)? == b"\n" {
                        return self.gate().map(|()| true);
                    }
                }
                ("connect" | "stateless-connect", _) => {
                    if self.ask(&line, Wanted::Line)? == b"\n" {
                        pump::to_service(std::io::stdin(), Box::new(self.given_away()?));
                        return Ok(false);
                    }
                }
                _ => self.send(&line)?,
            }
            next = read_line()?;
        }
        Ok(false)
    }

    fn given_away(&mut self) -> Result<ChildStdin> {
        self.to.take().context("the remote helper has ended")
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let to = self.to.as_mut().context("the remote helper has ended")?;
        to.write_all(bytes).and_then(|()| to.flush()).context("the remote helper has ended")
    }

    /// Sends a line; returns the answer, which Git gets too.
    fn ask(&mut self, line: &[u8], wanted: Wanted) -> Result<Vec<u8>> {
        self.answers.want(wanted);
        self.send(line)?;
        // Nothing is heard from one that ends; Git sees that itself.
        Ok(self.answers.heard.recv().unwrap_or_default())
    }

    /// Holds a batch until its contents are uploaded.
    fn push(&mut self, first: Vec<u8>) -> Result<()> {
        let (mut batch, mut bytes) = (vec![first], 0);
        loop {
            let line = read_line()?.context("git ended inside a list of refs")?;
            bytes += line.len();
            anyhow::ensure!(bytes <= BATCH_BYTES_MAX, "too many refs in one push");
            if line == b"\n" {
                break;
            }
            batch.push(line);
        }
        let mut updates = Vec::new();
        for line in &mut batch {
            *line = self.pinned(line, &mut updates)?;
        }
        if !self.dry_run {
            self.hold(&updates)?;
        }
        batch.push(b"\n".to_vec());
        self.send(&batch.concat())
    }

    /// Returns when locks allow the updates and contents are where they belong.
    fn hold(&self, updates: &[RefUpdate]) -> Result<()> {
        let has: Vec<String> = self.has.iter().map(|(id, _)| id.clone()).collect();
        let tips: Vec<String> = updates.iter().filter_map(|update| update.new.clone()).collect();
        let mut locks = Elsewhere::default();
        locks.check(&self.context, updates, &has)?;
        if !tips.is_empty() {
            self.context.upload_elsewhere(&tips, has, &mut locks.peer)?;
        }
        locks.note(&self.context, updates)?;
        locks.close();
        Ok(())
    }

    /// `push [+]<source>:<ref>` with the source as an object id; what it moves goes to `updates`. Without source it deletes.
    fn pinned(&self, line: &[u8], updates: &mut Vec<RefUpdate>) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(line).context("git named a ref that is no text")?;
        let update = text
            .trim_end_matches('\n')
            .strip_prefix("push ")
            .context("git sent something else in a list of refs")?;
        let (force, update) = update.strip_prefix('+').map_or(("", update), |update| ("+", update));
        let (source, name) = update.rsplit_once(':').context("git sent an update without a ref")?;
        let old = self.has.iter().find(|(_, known)| known == name).map(|(id, _)| id.clone());
        let moves = |new: Option<&String>| RefUpdate { name: name.to_owned(), old, new: new.cloned() };
        if source.is_empty() {
            updates.push(moves(None));
            return Ok(line.to_vec());
        }
        let id = self.context.git.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", source])?;
        let id = id.with_context(|| format!("src refspec {source} does not match any"))?;
        let pinned = format!("push {force}{id}:{name}\n").into_bytes();
        updates.push(moves(Some(&id)));
        Ok(pinned)
    }

    /// The helper has become a pipe to `git-receive-pack`.
    fn gate(&mut self) -> Result<()> {
        let from = self.answers.connection.recv().context("the remote helper has ended")?;
        let to = self.given_away()?;
        let mut way = Once { context: &self.context, locks: Elsewhere::default() };
        let pushed =
            gate::push(&mut way, Stream::new(to, from), std::io::stdin(), &mut std::io::stdout().lock());
        way.locks.close();
        pushed
    }
}

/// A stream that cannot be had twice: the helper has one.
struct Once<'a> {
    context: &'a Context,
    locks: Elsewhere,
}

impl Way for Once<'_> {
    fn open(&mut self) -> Result<Stream> {
        bail!("the remote helper has ended")
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

/// `<id> <ref>`, with attributes behind it.
fn listed(line: &[u8]) -> Option<(String, String)> {
    let id = object_ids(line).next()?;
    let text = String::from_utf8_lossy(line);
    let name = text.split(' ').nth(1).unwrap_or_default();
    Some((id, name.to_owned()))
}

impl Answers {
    fn of(stdout: ChildStdout, events: Sender<Event>) -> Answers {
        let wanted = Arc::new(Mutex::new(Wanted::No));
        let ((tell, heard), (give, connection)) = (channel(), channel());
        let ours = wanted.clone();
        std::thread::spawn(move || {
            // Who listens is gone only when all ends.
            let _ = match copy(BufReader::new(stdout), &ours, &tell) {
                Ok(Some(connected)) => give.send(connected).is_ok(),
                Ok(None) => events.send(Event::Answered(Ok(()))).is_ok(),
                Err(error) => events.send(Event::Answered(Err(error))).is_ok(),
            };
        });
        Answers { wanted, heard, connection }
    }

    /// To be called before the question goes out: Git has read all answers to earlier ones by then.
    fn want(&self, wanted: Wanted) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    }
}

/// Copies the helper's output to Git and tells what is wanted of it; gives back a connection that was wanted.
fn copy(
    mut from: BufReader<ChildStdout>,
    wanted: &Mutex<Wanted>,
    tell: &Sender<Vec<u8>>,
) -> Result<Option<BufReader<ChildStdout>>> {
    loop {
        let bytes = from.fill_buf()?.to_vec();
        if bytes.is_empty() {
            return Ok(None);
        }
        let now = std::mem::replace(&mut *wanted.lock().unwrap_or_else(PoisonError::into_inner), Wanted::No);
        if now == Wanted::No {
            from.consume(bytes.len());
            say(&bytes)?;
            continue;
        }
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            let read = from.by_ref().take(BATCH_BYTES_MAX as u64).read_until(b'\n', &mut answer)?;
            say(&answer[start..])?;
            let last = read == 0 || now != Wanted::List || answer[start..] == *b"\n";
            if last || answer.len() > BATCH_BYTES_MAX {
                break;
            }
        }
        let connected = now == Wanted::Connection && answer == b"\n";
        let _ = tell.send(answer);
        if connected {
            return Ok(Some(from));
        }
    }
}

fn say(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// A line from Git with its end; `None` at the end. What follows a `connect` line stays unread.
pub fn read_line() -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    std::io::stdin().lock().take(BATCH_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}
