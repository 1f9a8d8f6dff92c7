//! The server's last word before a ref moves.
//!
//! `git receive-pack` runs this once a push, before any ref is updated, in its *quarantine*: the new objects
//! can be read (through the inherited environment) but belong to the repository only if we agree. We find
//! every pointer in the new commits and refuse the push as a whole unless the content of each is attached to this
//! repository by a manifest that is whole in the realm's store: bound, of the size the pointer says, and every chunk
//! present. So naming a content of another repository gives nothing of it away.
//!
//! A yes is noted before it is given, in the ledger of this push and again in that of the repository, and both happen
//! under a lease of the store: a collector sees either these contents needed, or us not finding them.
//!
//! Clients of ours upload before they push, so this refuses only those without git-dits, and mistakes.
//!
//! Always holds: in doubt the answer is no. Input that is not `<old> <new> <ref>`, a repository that cannot be
//! read or a store that fails are all errors, and any error refuses the push. A damaged binding or node counts
//! as missing content: it must be uploaded again.
//!
//! Fails as [`HookError`], whose text is for the person who pushed.

use dits_format::ledger::Entry;
use dits_format::{ChunkId, Oid, Pointer};
use dits_repo::discover::{Exclude, Found, new_pointers};
use dits_repo::{Git, RepoError};
use dits_store::ledger::Sync;
use dits_store::{ChunkRead, Ledger, PackStore, StoreError, content};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, BufRead};
use std::path::PathBuf;

/// Bytes of all input: about a hundred thousand refs.
pub const INPUT_BYTES_MAX: u64 = 32 << 20;
/// Files named when a push is refused.
pub const NAMED_MAX: usize = 10;
/// Digits of an oid shown.
const OID_DIGITS: usize = 12;
/// Digits of Git's object names: SHA-1 and SHA-256.
pub(crate) const NAME_DIGITS: [usize; 2] = [40, 64];

/// What the hook gets from where it runs.
#[derive(Debug, Clone)]
pub struct PreReceiveEnv {
    /// The realm's chunk store (`DITS_STORE`).
    pub store_dir: PathBuf,
    /// Ledger of the contents attached to this repository (`DITS_CONTENTS`).
    pub contents: PathBuf,
    /// Ledger of this push, to be made (`DITS_PUSH`).
    pub push: PathBuf,
    /// The time, in seconds since 1970.
    pub now: u64,
    /// The bare repository: the current folder.
    pub repository: PathBuf,
}

/// Why a push is refused.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Git's input could not be read.
    #[error("cannot read the list of refs: {0}")]
    Read(#[from] io::Error),
    /// Git's input is not what it should be.
    #[error("malformed list of refs: {0}")]
    Input(&'static str),
    /// The repository could not be looked through.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The store failed.
    #[error("the server's store failed: {0}")]
    Store(#[from] StoreError),
    /// Contents are not here.
    #[error("{0}")]
    Missing(MissingContent),
}

/// Files whose content the server lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingContent {
    /// The first [`NAMED_MAX`] files: path and pointer.
    pub named: Vec<(Vec<u8>, Pointer)>,
    /// How many there are.
    pub files: usize,
}

impl fmt::Display for MissingContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "missing content for {} file(s)", self.files)?;
        for (path, pointer) in &self.named {
            // Paths are the pusher's, and end on a terminal.
            let path = String::from_utf8_lossy(path).replace(char::is_control, "?");
            writeln!(f, "  {path} ({:.OID_DIGITS$})", pointer.oid.to_string())?;
        }
        if self.files > self.named.len() {
            writeln!(f, "  ... and {} more", self.files - self.named.len())?;
        }
        write!(
            f,
            "hint: push with git-dits installed ('git dits install'), so that content is uploaded before the ref"
        )
    }
}

/// Checks one push.
///
/// # Errors
/// Any error means that the push must be refused.
pub fn pre_receive(input: impl BufRead, env: &PreReceiveEnv) -> Result<(), HookError> {
    let tips = read_tips(input)?;
    if tips.is_empty() {
        return Ok(());
    }
    let mut found = new_pointers(&Git::at(&env.repository), &tips, &Exclude::Refs)?;
    if found.is_empty() {
        return Ok(());
    }
    found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    approve(env, found)
}

/// Says whether a repository may refer to these files, and notes a yes.
///
/// # Errors
/// Any error means that it may not.
pub fn approve(env: &PreReceiveEnv, found: Vec<Found>) -> Result<(), HookError> {
    let (store, contents) = (PackStore::open(&env.store_dir)?, Ledger::at(&env.contents));
    let _lease = store.lease()?;
    store.refresh()?;
    let attached = contents.read(None)?.entries;
    let attached = attached.iter().map(|entry| (Oid(entry.id), entry.manifest)).collect();
    let needed = check(&store, &attached, found)?;
    let entry = |(oid, manifest): (Oid, ChunkId)| Entry { id: oid.0, manifest, seconds: env.now };
    let needed: Vec<Entry> = needed.into_iter().map(entry).collect();
    Ledger::at(&env.push).append(&needed, Sync::Cached)?;
    Ok(contents.append(&needed, Sync::Cached)?)
}

/// A ref that is to move: a line of Git's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The object that it names; `None` when it is new.
    pub old: Option<String>,
    /// The object that it shall name; `None` when it goes.
    pub new: Option<String>,
    /// Its full name.
    pub name: Vec<u8>,
}

/// The new values of the refs in Git's `<old> <new> <ref>` lines, deletions left out.
pub fn read_tips(input: impl BufRead) -> Result<Vec<String>, HookError> {
    let mut tips = Vec::new();
    read_updates(input, &mut |update| tips.extend(update.new))?;
    tips.sort_unstable();
    tips.dedup();
    Ok(tips)
}

/// Shows the refs in Git's `<old> <new> <ref>` lines.
pub fn read_updates(input: impl BufRead, each: &mut dyn FnMut(Update)) -> Result<(), HookError> {
    let mut limited = input.take(INPUT_BYTES_MAX);
    let mut line = Vec::new();
    while limited.read_until(b'\n', &mut line)? > 0 {
        if line.pop() != Some(b'\n') {
            return Err(HookError::Input("it is cut short or too long"));
        }
        each(parse_line(&line)?);
        line.clear();
    }
    Ok(())
}

fn parse_line(line: &[u8]) -> Result<Update, HookError> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let (Some(old), Some(new), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(HookError::Input("a line is not '<old> <new> <ref>'"));
    };
    let is_name = |text: &[u8]| NAME_DIGITS.contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
    if !is_name(old) || !is_name(new) || name.is_empty() {
        return Err(HookError::Input("a line is not '<old> <new> <ref>'"));
    }
    Ok(Update { old: object(old), new: object(new), name: name.to_vec() })
}

/// What a name of Git's names; zeros are nothing.
pub(crate) fn object(name: &[u8]) -> Option<String> {
    let is_nothing = name.iter().all(|digit| *digit == b'0');
    (!is_nothing).then(|| String::from_utf8_lossy(name).into_owned())
}

type Attached = HashSet<(Oid, ChunkId)>;

/// The contents that these files need, by the manifests that are whole.
fn check(store: &dyn ChunkRead, attached: &Attached, found: Vec<Found>) -> Result<Attached, HookError> {
    let (mut known, mut needed) = (HashMap::new(), Attached::new());
    let mut missing = MissingContent { named: Vec::new(), files: 0 };
    for Found { pointer, path, .. } in found {
        let whole = match known.get(&(pointer.oid, pointer.size)) {
            Some(whole) => *whole,
            None => {
                let manifest = whole(store, attached, &pointer)?;
                needed.extend(manifest.map(|manifest| (pointer.oid, manifest)));
                known.insert((pointer.oid, pointer.size), manifest.is_some());
                manifest.is_some()
            }
        };
        if !whole {
            missing.files += 1;
            if missing.named.len() < NAMED_MAX {
                missing.named.push((path, pointer));
            }
        }
    }
    if missing.files == 0 { Ok(needed) } else { Err(HookError::Missing(missing)) }
}

fn whole(
    store: &dyn ChunkRead,
    attached: &Attached,
    pointer: &Pointer,
) -> Result<Option<ChunkId>, StoreError> {
    // Any that fits: another one, torn or untrue, must not stand in its way.
    let known = content::find_whole(store, &pointer.oid, |binding| {
        binding.size == pointer.size && attached.contains(&(binding.oid, binding.manifest))
    })?;
    Ok(known.map(|known| known.binding.manifest))
}

#[cfg(test)]
#[path = "pre_receive_tests.rs"]
mod tests;
