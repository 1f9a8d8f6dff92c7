//! `git dits verify-push`: looks on, from a Git host or from CI, whether pushed content is where it belongs.
//!
//! For hosts that are not `git dits serve`: as `pre-receive` hook of a self-hosted one it reads what Git tells and
//! refuses before a ref moves; in CI it looks at commits that are there already. In doubt the answer is no: what is absent
//! or still only claimed when time is up, and a server that cannot be asked, unless the caller says otherwise. It
//! never prompts. The pushed `.ditsconfig` is the pusher's word: it is asked last, only a server counts in it, and the
//! token of `DITS_TOKEN` never goes where only that file points. With `--locks` it also refuses what changes files that others have locked.

use crate::context::{self, Context};
use crate::pushed_locks;
use crate::report::{self, Failure};
use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use dits_format::Oid;
use dits_hooks::pre_push::Ref;
use dits_hooks::{pre_receive, received};
use dits_remote::lock_changes::RefUpdate;
use dits_remote::lock_check::{Hit, Verdict};
use dits_remote::locks::LockError;
use dits_remote::verify::{ASK_AGAIN, State, states};
use dits_remote::{Endpoint, LockPlace, Peer, RemoteError, lock_gate, lock_url, retry};
use dits_repo::discover::{Exclude, Found, new_pointers};
use dits_repo::{Git, ditsconfig};
use dits_store::FolderError;
use dits_sync::Location;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

/// Exit code when content is missing, or a file is locked.
const MISSING: u8 = 1;
/// Digits of a commit in messages.
const COMMIT_DIGITS: usize = 12;
/// The setting that says where content is.
const URL: &str = "dits.url";

/// Check that the content of pushed commits is at the server
///
/// Without revisions, '<old> <new> <ref>' lines are read from standard input, as Git gives them to a pre-receive hook,
/// and only what these bring is checked. Exit code 1 when content is missing or, with --locks, a file is locked by somebody
/// else, 2 when it could not be checked.
#[derive(Debug, Parser)]
pub struct Args {
    /// All that these revisions reach
    #[arg(value_name = "REVISION")]
    revision: Vec<String>,
    /// What a range of commits brings
    #[arg(long, value_name = "A..B", conflicts_with = "revision")]
    range: Option<String>,
    /// All that any ref reaches
    #[arg(long, conflicts_with_all = ["revision", "range"])]
    all: bool,
    /// Where content is; else as 'dits.url' says, here or in the '.ditsconfig' of the repository
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long a server may take to prove what has just been pushed
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    wait: u32,
    /// Accept at once what is there and not proved yet
    #[arg(long)]
    allow_claimed: bool,
    /// What to do when the server cannot be asked
    #[arg(long, value_name = "ACTION", default_value = "refuse")]
    if_unreachable: IfUnreachable,
    /// Also refuse changes of files that others have locked
    #[arg(long, conflicts_with_all = ["revision", "all"])]
    locks: bool,
    /// Who pushes; else GL_USERNAME or GITEA_PUSHER_NAME in the environment
    #[arg(long, value_name = "NAME", requires = "locks")]
    user: Option<String>,
    /// The branch that a range was pushed to
    #[arg(long, value_name = "NAME", requires_all = ["locks", "range"])]
    branch: Option<String>,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IfUnreachable {
    /// Exit with 2
    Refuse,
    /// Say so, and exit with 0
    Allow,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find_quietly(false)?;
    let git = &context.repository.git;
    let Pushed { tips, exclude, updates } = what(args, git)?;
    let locked = if args.locks { locked(args, &context, &tips, &updates)? } else { Verdict::default() };
    let mut found = if tips.is_empty() { Vec::new() } else { new_pointers(git, &tips, &exclude)? };
    found.sort_by(|one, other| one.path.cmp(&other.path));
    let result = Checked { found: &found, locked: &locked };
    if found.is_empty() {
        return tell(args, None, &result, &HashMap::new());
    }
    let location = location(args, &context, &tips)?;
    match ask(args, &context, &location, &found) {
        Ok(states) => tell(args, Some(&location), &result, &states),
        Err(error) if args.if_unreachable == IfUnreachable::Allow && is_unreachable(&error) => {
            report::warning(&format!("content was not checked: {error}"));
            tell(args, None, &Checked { found: &[], locked: &locked }, &HashMap::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// What was pushed.
struct Pushed {
    /// Commits.
    tips: Vec<String>,
    /// What is known without them.
    exclude: Exclude,
    /// Refs, where it is known which.
    updates: Vec<RefUpdate>,
}

/// What was checked.
#[derive(Clone, Copy)]
struct Checked<'a> {
    found: &'a [Found],
    locked: &'a Verdict,
}

/// What the push meets.
fn locked(args: &Args, context: &Context, tips: &[String], updates: &[RefUpdate]) -> Result<Verdict> {
    let user = pushed_locks::user(args.user.as_deref())?;
    let repository = &context.repository;
    let address = match lock_url::of(repository)? {
        Some(_) => None,
        None => Some(location(args, context, tips)?),
    };
    let endpoint = Endpoint { remote: "origin".into(), git_url: String::new(), address };
    let place = LockPlace::of(repository, &endpoint)?;
    let has = repository.git.line(&["for-each-ref", "--format=%(objectname)"])?.unwrap_or_default();
    let has: Vec<String> = has.lines().map(str::to_owned).collect();
    match pushed_locks::check(context, &place, updates, &has, &user) {
        Err(LockError::Remote(error))
            if args.if_unreachable == IfUnreachable::Allow && is_unreachable(&error) =>
        {
            report::warning(&format!("locks were not checked: {error}"));
            Ok(Verdict::default())
        }
        verdict => Ok(verdict?),
    }
}

/// Whether nobody was there to be asked; one who says no is.
fn is_unreachable(error: &RemoteError) -> bool {
    retry::may_pass(error) || matches!(error, RemoteError::Folder(FolderError::Absent(_)))
}

/// Which commits, and what is known without them.
fn what(args: &Args, git: &Git) -> Result<Pushed> {
    let resolve = |name: &str| {
        let hint = "'git log' and 'git show-ref' name what is here; a shallow clone has little";
        git.commit(name)?.ok_or_else(|| Failure::new(format!("bad revision '{name}'"), hint).into())
    };
    let by_itself = |tips, exclude| Ok(Pushed { tips, exclude, updates: Vec::new() });
    if args.all {
        let out = git.line(&["for-each-ref", "--format=%(objectname)"])?.unwrap_or_default();
        return by_itself(out.lines().map(str::to_owned).collect(), Exclude::Oids(Vec::new()));
    }
    if let Some(range) = &args.range {
        let (from, to) = range.split_once("..").unwrap_or(("", ""));
        let hint = "a range is A..B: what B brings that A has not";
        ensure!(!from.is_empty() && !to.is_empty(), Failure::new(format!("bad range '{range}'"), hint));
        // The null id stands for "nothing", as CI systems give it for a new branch.
        let nothing = from.bytes().all(|digit| digit == b'0');
        let (old, new) = (if nothing { None } else { Some(resolve(from)?) }, resolve(to)?);
        let hint = "give --branch NAME: locks are of a branch";
        ensure!(
            !args.locks || args.branch.is_some(),
            Failure::new("a range does not say which branch it is for", hint)
        );
        let update = |branch: &String| RefUpdate {
            name: format!("refs/heads/{}", branch.strip_prefix("refs/heads/").unwrap_or(branch)),
            old: old.clone(),
            new: Some(new.clone()),
        };
        let updates = args.branch.iter().map(update).collect();
        return Ok(Pushed { tips: vec![new], exclude: Exclude::Oids(Vec::from_iter(old)), updates });
    }
    if !args.revision.is_empty() {
        let tips: Result<Vec<String>> = args.revision.iter().map(|name| resolve(name)).collect();
        return by_itself(tips?, Exclude::Oids(Vec::new()));
    }
    let hint = "name a revision, --range or --all; without, git's own lines are expected on standard input";
    ensure!(!std::io::stdin().is_terminal(), Failure::new("nothing to check", hint));
    let mut input = Vec::new();
    std::io::stdin().lock().take(pre_receive::INPUT_BYTES_MAX + 1).read_to_end(&mut input)?;
    let tips = pre_receive::read_tips(&input[..])?;
    let update = |Ref { name, old, new }| RefUpdate { name, old, new };
    let updates = received::read(&input)?.into_iter().map(update).collect();
    Ok(Pushed { tips, exclude: Exclude::Refs, updates })
}

/// Where content is, and whether only the repository says so.
fn location(args: &Args, context: &Context, tips: &[String]) -> Result<Location> {
    let repository = &context.repository;
    if let Some(url) = &args.url {
        return Ok(Location::parse(url)?);
    }
    if let Some(url) = repository.config(URL)?.filter(|url| !url.is_empty()) {
        return Ok(Location::parse(&url)?);
    }
    let mut url = repository.setting(URL)?;
    for tip in tips {
        if url.is_none() {
            url = ditsconfig::of_commit(&repository.git, tip)?.values.get(URL).cloned();
        }
    }
    let hint = "give --url, or set 'git config dits.url dits://HOST/TEAM/PROJECT'";
    let url = url.ok_or_else(|| Failure::new("no server is known for the content", hint))?;
    let location = Location::parse(&url)?;
    let untrusted = || Failure::new(format!("only '{}' names the folder '{url}'", ditsconfig::NAME), hint);
    ensure!(location.server().is_some(), untrusted());
    Ok(location.named_by_repository())
}

fn ask(
    args: &Args,
    context: &Context,
    location: &Location,
    found: &[Found],
) -> Result<HashMap<Oid, State>, RemoteError> {
    let mut peer = Peer::connect(&context.repository, location.clone(), &context.settings)?;
    let mut oids: Vec<Oid> = found.iter().map(|found| found.pointer.oid).collect();
    oids.sort_unstable();
    oids.dedup();
    let tries = Duration::from_secs(args.wait.into()).as_millis() / ASK_AGAIN.as_millis();
    let tries = if args.allow_claimed { 0 } else { u32::try_from(tries).unwrap_or(u32::MAX) };
    let states = states(&mut peer, &oids, tries, &mut || std::thread::park_timeout(ASK_AGAIN))?;
    peer.close();
    Ok(states)
}

fn tell(
    args: &Args,
    location: Option<&Location>,
    checked: &Checked<'_>,
    states: &HashMap<Oid, State>,
) -> Result<ExitCode> {
    let Checked { found, locked } = *checked;
    let state = |found: &Found| states.get(&found.pointer.oid).copied().unwrap_or(State::Absent);
    let fine = |state| state == State::Proved || state == State::Claimed && args.allow_claimed;
    let missing: Vec<&Found> = found.iter().filter(|found| !fine(state(found))).collect();
    let text = |path: &[u8]| String::from_utf8_lossy(path).replace(char::is_control, "?");
    if args.json {
        let file = |found: &&Found| {
            json!({
                "path": text(&found.path),
                "oid": found.pointer.oid.to_string(),
                "size": found.pointer.size,
                "commit": found.commit,
                "state": state(found).word(),
            })
        };
        let result = json!({
            "ok": missing.is_empty() && locked.theirs.is_empty(),
            "url": location.map(ToString::to_string),
            "oid_type": "blake3",
            "checked": found.len(),
            "missing": missing.iter().map(file).collect::<Vec<_>>(),
            "locked": locked.theirs.iter().map(lock_json).collect::<Vec<_>>(),
        });
        report::stdout(context::json_lines(&result)?)?;
    } else {
        for found in &missing {
            let commit = found.commit.as_deref().unwrap_or_default();
            let commit = if commit.is_empty() {
                String::new()
            } else {
                format!(" in commit {commit:.COMMIT_DIGITS$}")
            };
            let (word, oid) = (state(found).word(), found.pointer.oid);
            report::notice(&format!("  ({word}) {} ({oid}){commit}", text(&found.path)));
        }
    }
    lock_gate::told(locked.clone()).words.iter().for_each(|line| report::notice(line));
    let Some(location) = location.filter(|_| !missing.is_empty()) else {
        return Ok(if locked.theirs.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(MISSING) });
    };
    report::error(&format!("{} of {} content(s) are not at '{location}'", missing.len(), found.len()));
    if missing.iter().any(|found| state(found) == State::Claimed) {
        report::hint(
            "what is claimed is there and was not proved in time: try again, or give more time with --wait",
        );
    }
    report::hint("upload it with 'git dits push --all <remote>' where it is, then push again");
    Ok(ExitCode::from(MISSING))
}

fn lock_json(hit: &Hit) -> Value {
    json!({
        "path": hit.path,
        "branch": hit.branch,
        "owner": { "name": hit.lock.owner },
        "id": hit.lock.id.to_string(),
    })
}
