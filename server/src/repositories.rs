//! The bare Git repositories: made by the first push, found by everybody else.
//!
//! A repository is built beside its place and then renamed into it, so nobody ever meets half of one; of two
//! pushes that create it at once, one wins and both go on. Its HEAD points at `main` until something is
//! pushed: then at the branch that people will expect to get when they clone.
//!
//! Fails as `io::Error`; a leftover of a crash keeps a name that no path can spell and does no harm.

use crate::git::Git;
use crate::layout::Layout;
use dits_store::{StoreError, durable};
use std::io;
use std::path::Path;
use tokio::task::block_in_place;

/// Branches that HEAD prefers, best first.
const USUAL_BRANCHES: [&str; 2] = ["refs/heads/main", "refs/heads/master"];

/// Whether a text names an object format of Git.
pub(crate) fn is_object_format(text: &str) -> bool {
    matches!(text, "sha1" | "sha256")
}

/// Whether the repository has been created.
pub(crate) fn exists(repository: &Path) -> bool {
    repository.join("HEAD").is_file()
}

/// Creates the repository unless it is there.
pub(crate) async fn create(git: &Git, repository: &Path, object_format: &str) -> io::Result<()> {
    if exists(repository) {
        return Ok(());
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let temp = Layout::beside(repository, &format!("{:016x}", u64::from_le_bytes(random)));
    if let Some(parent) = repository.parent() {
        block_in_place(|| durable::create_dir(parent)).map_err(as_io)?;
    }
    let format = format!("--object-format={object_format}");
    let target = temp.to_str().ok_or_else(|| io::Error::other("the server's folder is not UTF-8"))?;
    let init = ["init", "--bare", "--quiet", "--template=", "--initial-branch=main", &format, target];
    let made = match git.run(None, &init).await {
        Ok((status, _)) if status.success() => {
            block_in_place(|| durable::rename(&temp, repository)).map_err(as_io)
        }
        Ok((status, _)) => Err(io::Error::other(format!("git init failed: {status}"))),
        Err(error) => Err(error),
    };
    if made.is_err() {
        // Nothing of worth is in it, and a name that is left over does no harm.
        let _ = block_in_place(|| std::fs::remove_dir_all(&temp));
    }
    if exists(repository) { Ok(()) } else { made }
}

/// After a push: if HEAD points at a branch that does not exist, points it at one that does.
pub(crate) async fn settle_head(git: &Git, repository: &Path) -> io::Result<()> {
    let (born, _) = git.run(Some(repository), &["rev-parse", "--verify", "--quiet", "HEAD"]).await?;
    if born.success() {
        return Ok(());
    }
    let (_, listing) =
        git.run(Some(repository), &["for-each-ref", "--format=%(refname)", "refs/heads"]).await?;
    let listing = String::from_utf8_lossy(&listing);
    let usual = USUAL_BRANCHES.into_iter().find(|usual| listing.lines().any(|branch| branch == *usual));
    let Some(branch) = usual.or_else(|| listing.lines().next()) else { return Ok(()) };
    match git.run(Some(repository), &["symbolic-ref", "HEAD", branch]).await? {
        (status, _) if status.success() => Ok(()),
        (status, _) => Err(io::Error::other(format!("git symbolic-ref failed: {status}"))),
    }
}

fn as_io(error: StoreError) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(git: &Git, repository: &Path) -> String {
        let (_, out) = git.run(Some(repository), &["symbolic-ref", "HEAD"]).await.unwrap();
        String::from_utf8(out).unwrap().trim().to_owned()
    }

    async fn commit(git: &Git, repository: &Path, branch: &str) {
        // The empty tree, as a commit of nobody.
        let (_, tree) =
            git.run(Some(repository), &["hash-object", "-t", "tree", "-w", "/dev/null"]).await.unwrap();
        let tree = String::from_utf8(tree).unwrap();
        let who = ["-c", "user.name=n", "-c", "user.email=e"];
        let make = [&who[..], &["commit-tree", "-m", "x", tree.trim()]].concat();
        let (_, commit) = git.run(Some(repository), &make).await.unwrap();
        let commit = String::from_utf8(commit).unwrap();
        git.run(Some(repository), &["update-ref", branch, commit.trim()]).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_repository_is_made_once_and_its_head_finds_a_branch() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock) = Layout::claim(dir.path()).unwrap();
        let repository = layout.repository("team/deep/project").unwrap();
        let git = Git::new(layout, std::env::var_os("PATH"));
        assert!(!exists(&repository));
        let (one, two) = tokio::join!(create(&git, &repository, "sha256"), create(&git, &repository, "sha1"));
        assert!(one.is_ok() && two.is_ok() && exists(&repository), "{one:?} {two:?}");
        assert_eq!(std::fs::read_dir(repository.parent().unwrap()).unwrap().count(), 1);

        settle_head(&git, &repository).await.unwrap();
        assert_eq!(head(&git, &repository).await, "refs/heads/main");
        commit(&git, &repository, "refs/heads/a").await;
        commit(&git, &repository, "refs/heads/master").await;
        settle_head(&git, &repository).await.unwrap();
        assert_eq!(head(&git, &repository).await, "refs/heads/master");
        commit(&git, &repository, "refs/heads/main").await;
        settle_head(&git, &repository).await.unwrap();
        assert_eq!(head(&git, &repository).await, "refs/heads/master", "a HEAD that works stays");
    }
}
