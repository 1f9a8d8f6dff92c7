//! Which branch a lock is for.
//!
//! A name that was given must be a branch here. Without one it is the [lock branch](super::branches) that the client is on, or the
//! first of them, or the branch that HEAD points at: the one that people get when they clone. A repository whose Git is at another
//! host has no branches here: then any name will do, and without one the branch that the client is on.

use super::{branches, tip};
use crate::git::Git;
use crate::repositories::exists;
use dits_lock::Branch;
use dits_repo::head;
use std::io;
use std::path::Path;

/// The branch where nothing says anything.
const USUAL: &str = "main";

/// Why there is no target branch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTarget {
    /// The text is no name of a branch.
    #[error(transparent)]
    Name(#[from] dits_lock::model::NotABranch),
    /// There is no such branch.
    #[error("no branch '{branch}' in this repository")]
    Unknown {
        /// Which.
        branch: Branch,
        /// What would be meant without a name.
        usual: Branch,
    },
    /// Git could not say.
    #[error("cannot list branches: {0}")]
    Git(#[from] io::Error),
}

impl NoTarget {
    /// What could be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            NoTarget::Unknown { usual, .. } => Some(format!(
                "push the branch first, or lock for '{usual}', which is meant when '--branch' is left out"
            )),
            NoTarget::Name(_) | NoTarget::Git(_) => None,
        }
    }
}

/// The target branch of a lock in `repository`: `wanted`, or what is meant by somebody who is on `on`.
pub(crate) async fn target(
    git: &Git,
    repository: &Path,
    wanted: Option<&str>,
    on: Option<&str>,
) -> Result<Branch, NoTarget> {
    let wanted = wanted.map(Branch::parse).transpose()?;
    if !exists(repository) {
        return match (wanted, on) {
            (Some(wanted), _) => Ok(wanted),
            (None, on) => Ok(Branch::parse(on.unwrap_or(USUAL))?),
        };
    }
    let head = match head::in_folder(repository).flatten() {
        Some(head) => head,
        None => {
            let (_, head) = git.run(Some(repository), &["symbolic-ref", "HEAD"]).await?;
            String::from_utf8_lossy(&head).trim_end().to_owned()
        }
    };
    let head = Branch::parse(&head)?;
    let known = branches::read(git, repository).await?;
    // Best first. HEAD counts before it is born.
    let on = on.and_then(|on| Branch::parse(on).ok()).filter(|on| known.iter().any(|known| known.fits(on)));
    let candidates: Vec<Branch> =
        on.into_iter().chain(known.iter().filter_map(branches::Pattern::name)).collect();
    let names: Vec<String> = wanted.iter().chain(&candidates).map(Branch::full).collect();
    let found = tip::objects(git, repository, &names).await?;
    let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
    let (is_wanted_there, are_there) = is_there.split_at(usize::from(wanted.is_some()));
    let usual = candidates.into_iter().zip(are_there).find_map(|(branch, there)| there.then_some(branch));
    let usual = usual.unwrap_or_else(|| head.clone());
    match wanted {
        Some(wanted) if wanted != head && is_wanted_there == [false] => {
            Err(NoTarget::Unknown { branch: wanted, usual })
        }
        Some(wanted) => Ok(wanted),
        None => Ok(usual),
    }
}
