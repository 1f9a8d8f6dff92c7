//! Which contents may go, and letting them go.
//!
//! A content may go when no root of the repository keeps it ([`crate::roots`]) and a remote proved that it
//! holds it; the proof is asked through a closure, so the network stays outside. Without proof it goes only
//! if the caller says so, and even then not while Git still has anything that names it, reachable or not:
//! Git's own period of grace for what nobody refers to is ours too.
//!
//! [`plan`] only looks. [`carry_out`] is alone with the store, so that no `git add` or fetch relies on what goes, and
//! asks the roots again: what was needed again since the plan was made stays. Whoever comes later finds it
//! absent and stores or fetches it anew. Fails as a whole before anything is taken away, or half-way with some of
//! the contents gone; none that stays is ever touched.

use crate::roots::{self, Reasons, Rules, Scope};
use crate::{RepoError, Repository};
use dits_format::{Oid, Proof};
use dits_store::pack::Tell;
use dits_store::{ChunkRead, Forgotten, Item, PackStore, StoreError};
use std::collections::{BTreeMap, HashSet};
use std::error::Error;

/// Asks a remote which contents it holds whole and proved.
pub type Prove<'a> = dyn FnMut(&[Oid]) -> Result<Vec<bool>, Box<dyn Error + Send + Sync>> + 'a;

/// What is asked of a remote before a content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// A proof for everything; what nothing refers to stays without one.
    Keep,
    /// The same, and an unproved content that nothing refers to counts as missing like any other.
    All,
    /// A proof for what something still refers to.
    Reachable,
    /// Nothing.
    No,
}

/// A content in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its name.
    pub oid: Oid,
    /// Its length.
    pub size: u64,
}

/// What would be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Contents in the store.
    pub local: u64,
    /// Those that are kept, with the reasons.
    pub kept: Vec<(Content, Reasons)>,
    /// Those that may go.
    pub prunable: Vec<Content>,
    /// How many of these the remote proved.
    pub verified: u64,
    /// Old and pushed, and yet not on the remote: these stay, and something is wrong.
    pub missing: Vec<Content>,
    /// What nothing refers to and no remote has: these stay.
    pub unproved: Vec<Content>,
    /// Those of the prunable that no object of Git named, and that no remote proved.
    nameless: HashSet<Oid>,
    /// Bindings of contents of which nothing is here.
    empty: HashSet<Oid>,
}

impl Plan {
    /// Bytes of the contents that may go, whole.
    pub fn prunable_bytes(&self) -> u64 {
        self.prunable.iter().map(|content| content.size).sum()
    }
}

/// What was done.
#[derive(Debug)]
pub struct Pruned {
    /// The contents that are gone.
    pub contents: Vec<Content>,
    /// Their chunks that nothing else needed.
    pub forgotten: Forgotten,
}

/// Looks what may go from the store of a repository.
///
/// # Errors
/// When Git or the store cannot tell what is needed, or the remote cannot be asked.
pub fn plan(
    repository: &Repository,
    store: &PackStore,
    rules: &Rules,
    verify: Verify,
    prove: &mut Prove<'_>,
) -> Result<Plan, RepoError> {
    let (local, empty) = local(&store.own())?;
    let kept = roots::kept(repository, rules)?;
    let mut plan = Plan { local: local.len() as u64, empty, ..Plan::default() };
    let mut candidates = Vec::new();
    for content in local {
        match kept.get(&content.oid) {
            Some(reasons) => plan.kept.push((content, *reasons)),
            None => candidates.push(content),
        }
    }
    if candidates.is_empty() {
        return Ok(plan);
    }
    let proved = match verify {
        Verify::No => vec![false; candidates.len()],
        _ => {
            let oids: Vec<Oid> = candidates.iter().map(|content| content.oid).collect();
            let proved = prove(&oids).map_err(RepoError::Unverified)?;
            if proved.len() == oids.len() { proved } else { vec![false; oids.len()] }
        }
    };
    let mut unproved = Vec::new();
    for (content, proved) in candidates.into_iter().zip(proved) {
        if proved { plan.prunable.push(content) } else { unproved.push(content) }
    }
    plan.verified = plan.prunable.len() as u64;
    sort_unproved(repository, rules, verify, unproved, &mut plan)?;
    Ok(plan)
}

fn sort_unproved(
    repository: &Repository,
    rules: &Rules,
    verify: Verify,
    unproved: Vec<Content>,
    plan: &mut Plan,
) -> Result<(), RepoError> {
    if unproved.is_empty() {
        return Ok(());
    }
    let (reachable, existing) = roots::named_anywhere(repository)?;
    for content in unproved {
        let reachable = reachable.contains(&content.oid);
        let dangling = !reachable && rules.scope != Scope::UnpushedOnly && existing.contains(&content.oid);
        if !existing.contains(&content.oid) {
            plan.nameless.insert(content.oid);
        }
        match verify {
            Verify::No if !dangling => plan.prunable.push(content),
            Verify::Reachable if !reachable && !dangling => plan.prunable.push(content),
            Verify::All => plan.missing.push(content),
            Verify::Keep | Verify::Reachable if reachable => plan.missing.push(content),
            _ => plan.unproved.push(content),
        }
    }
    Ok(())
}

/// Lets go what the plan says, unless it is needed again. `trash` is the time under which it can be had back; `tell` hears how
/// far it is.
///
/// # Errors
/// [`StoreError::Busy`] when another process is using the store.
pub fn carry_out(
    repository: &Repository,
    store: &PackStore,
    rules: &Rules,
    plan: Plan,
    trash: Option<u64>,
    tell: &Tell<'_>,
) -> Result<Pruned, RepoError> {
    let alone = store.alone()?;
    let kept = roots::kept(repository, rules)?;
    let mut contents = plan.prunable;
    contents.retain(|content| !kept.contains_key(&content.oid));
    if !plan.nameless.is_empty() {
        let (_, existing) = roots::named_anywhere(repository)?;
        contents.retain(|Content { oid, .. }| !(plan.nameless.contains(oid) && existing.contains(oid)));
    }
    let mut oids: HashSet<Oid> = contents.iter().map(|content| content.oid).collect();
    oids.extend(plan.empty.into_iter().filter(|oid| !kept.contains_key(oid)));
    let forgotten = if oids.is_empty() {
        Forgotten::default()
    } else {
        alone.forget(&oids, &kept.into_keys().collect::<Vec<_>>(), trash, tell)?
    };
    Ok(Pruned { contents, forgotten })
}

/// The contents of the store in order, and those of which not even a manifest is here.
fn local(store: &PackStore) -> Result<(Vec<Content>, HashSet<Oid>), StoreError> {
    let (mut here, mut all) = (BTreeMap::new(), HashSet::new());
    store.visit(&mut |item| {
        if let Item::Binding(binding) = item {
            all.insert(binding.oid);
            if binding.proof != Proof::Refuted && store.has(&binding.manifest)? {
                here.insert(binding.oid, Content { oid: binding.oid, size: binding.size });
            }
        }
        Ok(())
    })?;
    all.retain(|oid| !here.contains_key(oid));
    Ok((here.into_values().collect(), all))
}
