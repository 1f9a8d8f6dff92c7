//! Which branch a lock is for.
//!
//! A name that was given must be a branch here. Without one it is the branch that HEAD points at, the one that people get when they
//! clone. A repository whose Git is at another host has no branches here: then any name will do, and without one the branch that
//! the client is on.

use crate::git::Git;
use crate::repositories::exists;
use dits_lock::Branch;
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
    #[error("no branch '{0}' in this repository")]
    Unknown(Branch),
    /// Git could not say.
    #[error("cannot list branches: {0}")]
    Git(#[from] io::Error),
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
    let (_, head) = git.run(Some(repository), &["symbolic-ref", "HEAD"]).await?;
    let head = Branch::parse(String::from_utf8_lossy(&head).trim_end())?;
    let Some(wanted) = wanted.filter(|wanted| *wanted != head) else { return Ok(head) };
    let (found, _) = git.run(Some(repository), &["show-ref", "--verify", "--quiet", &wanted.full()]).await?;
    if found.success() { Ok(wanted) } else { Err(NoTarget::Unknown(wanted)) }
}
