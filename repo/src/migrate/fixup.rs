//! Versions that the attributes of their own commit give to git-dits.
//!
//! What is managed changes with history, so each commit's own `.gitattributes` files count. Commits with the same ones
//! are asked about together: Git answers from an index that holds these files and nothing else. Where a commit
//! changes them, all of its files are asked about anew, as ones that were added long before may be managed now.

use super::trees::{self, Pair};
use crate::index::HashKind;
use crate::{Git, RepoError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// Attribute files, wherever they are.
const ATTRIBUTES: &str = ":(top,glob)**/.gitattributes";

/// Attribute files of a commit: path to mode and blob.
type Attributes = BTreeMap<Vec<u8>, (String, String)>;
type Versions = HashSet<(Vec<u8>, String)>;

/// Pairs of path and blob that are managed in some commit.
pub fn managed(git: &Git, hash: HashKind, mut pairs: Vec<Pair>) -> Result<Versions, RepoError> {
    let states = states(git, &pairs)?;
    for at in 0..pairs.len() {
        if pairs[at].before.is_some_and(|before| states[before] != states[at]) {
            pairs[at].before_tree = trees::empty(hash);
        }
    }
    let mut asked: HashMap<&Attributes, Versions> = HashMap::new();
    trees::diff(git, &pairs, &[], &mut |added| {
        if added.is_file() {
            let of_state = asked.entry(&*states[added.at]).or_default();
            of_state.insert((added.path.to_vec(), added.id.to_owned()));
        }
    })?;
    let dir =
        tempfile::tempdir().map_err(RepoError::io("create a temporary folder in", &std::env::temp_dir()))?;
    let mut managed = HashSet::new();
    for (at, (attributes, versions)) in asked.into_iter().enumerate() {
        managed.extend(ask(git, &dir.path().join(at.to_string()), attributes, versions)?);
    }
    Ok(managed)
}

/// The attribute files of each commit.
fn states(git: &Git, pairs: &[Pair]) -> Result<Vec<Arc<Attributes>>, RepoError> {
    let mut changes: HashMap<usize, Vec<(Vec<u8>, String, String)>> = HashMap::new();
    trees::diff(git, pairs, &[ATTRIBUTES], &mut |change| {
        let (path, mode, id) = (change.path.to_vec(), change.mode.to_owned(), change.id.to_owned());
        changes.entry(change.at).or_default().push((path, mode, id));
    })?;
    let mut states: Vec<Arc<Attributes>> = Vec::with_capacity(pairs.len());
    for (at, pair) in pairs.iter().enumerate() {
        let mut state = pair.before.map_or_else(Arc::default, |before| states[before].clone());
        for (path, mode, id) in changes.remove(&at).unwrap_or_default() {
            let state = Arc::make_mut(&mut state);
            // Links with this name are no attribute files to Git.
            if mode.starts_with("100") {
                state.insert(path, (mode, id))
            } else {
                state.remove(&path)
            };
        }
        states.push(state);
    }
    Ok(states)
}

/// Keeps those that `attributes` give to us.
fn ask(git: &Git, index: &Path, attributes: &Attributes, versions: Versions) -> Result<Versions, RepoError> {
    if attributes.is_empty() {
        return Ok(Versions::new());
    }
    let git = git.with_env("GIT_INDEX_FILE", index);
    let entry = |(path, (mode, id)): (&Vec<u8>, &(String, String))| {
        [format!("{mode} {id} 0\t").as_bytes(), path, b"\0"].concat()
    };
    let entries: Vec<Vec<u8>> = attributes.iter().map(entry).collect();
    git.run_with_input(&["update-index", "-z", "--index-info"], &entries.concat())?;
    let paths: HashSet<&[u8]> = versions.iter().map(|(path, _)| &path[..]).collect();
    let input: Vec<&[u8]> = paths.into_iter().flat_map(|path| [path, b"\0"]).collect();
    let out = git.run_with_input(&["check-attr", "--cached", "--stdin", "-z", "filter"], &input.concat())?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    let ours: HashSet<&[u8]> =
        fields.chunks_exact(3).filter(|field| field[2] == b"dits").map(|field| field[0]).collect();
    Ok(versions.into_iter().filter(|(path, _)| ours.contains(&path[..])).collect())
}
