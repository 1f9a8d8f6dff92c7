//! What Git has at the tips of branches, as far as locks need it.
//!
//! One process answers for any number of objects. A name that means nothing is `None`, not an error. Fails as
//! `io::Error` when Git does, or takes longer than [`ASK_MAX`].

use crate::git::Git;
use dits_lock::{Branch, Change, LockPath};
use dits_repo::blobs_at;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Time for one answer about all objects.
const ASK_MAX: Duration = Duration::from_secs(60);

/// The object ids, in hex, of these names of objects: one name a line, so none may hold a line's end.
pub(super) async fn objects(git: &Git, folder: &Path, names: &[String]) -> io::Result<Vec<Option<String>>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = git.command(&[]);
    command.arg("--git-dir").arg(folder).args(["cat-file", "--batch-check=%(objectname)", "--buffer"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let input = names.iter().flat_map(|name| [name, "\n"]).collect::<String>();
    let feed = async move { stdin.write_all(input.as_bytes()).await };
    let asked = async { tokio::join!(feed, child.wait_with_output()) };
    let (fed, output) = timeout(ASK_MAX, asked).await.map_err(io::Error::from)?;
    let output = fed.and(output)?;
    // What is missing is repeated with a word after it.
    let id = |line: &str| line.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| line.to_owned());
    let ids: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(id).collect();
    if output.status.success() && ids.len() == names.len() {
        Ok(ids)
    } else {
        Err(io::Error::other("git cat-file failed"))
    }
}

/// The files of these paths at the tip of a branch.
pub(super) async fn files(
    git: &Git,
    folder: &Path,
    branch: &Branch,
    paths: impl Iterator<Item = &LockPath>,
) -> io::Result<Vec<Option<String>>> {
    let paths: Vec<&LockPath> = paths.collect();
    if paths.len() < blobs_at::MANY {
        let names: Vec<String> = paths.into_iter().map(|path| at(&branch.full(), path)).collect();
        return objects(git, folder, &names).await;
    }
    let paths: Vec<&str> = paths.into_iter().map(LockPath::as_str).collect();
    let mut ids = Vec::with_capacity(paths.len());
    for some in blobs_at::questions(&paths) {
        let mut command = git.command(&[]);
        command.arg("--git-dir").arg(folder).args(blobs_at::ASK).args([&branch.full(), "--"]).args(some);
        // That there is no such branch is for nobody to read.
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let output = timeout(ASK_MAX, command.output()).await.map_err(io::Error::from)??;
        let found = blobs_at::parse(&output.stdout).filter(|_| output.status.success());
        let Some(mut found) = found else {
            return match objects(git, folder, &[branch.full()]).await?.pop().flatten() {
                None => Ok(vec![None; paths.len()]),
                Some(_) => Err(io::Error::other("git ls-tree failed")),
            };
        };
        ids.extend(some.iter().map(|path| found.remove(path.as_bytes())));
    }
    Ok(ids)
}

/// Whether changes of places are in branches: the commit is, or the branch has that very file, or that very folder.
pub(super) async fn have_arrived(
    git: &Git,
    folder: &Path,
    asked: &[(&LockPath, &Change, &Branch)],
) -> io::Result<Vec<bool>> {
    let names = |(path, change, branch): &(&LockPath, &Change, &Branch)| {
        [branch.full(), at(&branch.full(), path), at(&change.commit, path)]
    };
    let names: Vec<String> = asked.iter().flat_map(names).collect();
    let objects = objects(git, folder, &names).await?;
    let mut contained: HashMap<(&str, &str), bool> = HashMap::new();
    let mut arrived = Vec::with_capacity(asked.len());
    for ((path, change, _), objects) in asked.iter().zip(objects.chunks_exact(3)) {
        let [tip, there, pushed] = objects else { continue };
        let wanted = if path.is_prefix() { pushed } else { &change.blob };
        arrived.push(match tip {
            None => false,
            // A place that is not there may be spelled otherwise there: then only the commit tells.
            Some(_) if wanted.is_some() && there == wanted => true,
            Some(tip) => match contained.get(&(&change.commit[..], &tip[..])) {
                Some(known) => *known,
                None => {
                    let known = contains(git, folder, tip, &change.commit).await?;
                    contained.insert((&change.commit, tip), known);
                    known
                }
            },
        });
    }
    Ok(arrived)
}

/// Whether a commit is another one, or made from it.
pub(super) async fn contains(git: &Git, folder: &Path, tip: &str, commit: &str) -> io::Result<bool> {
    // A commit that is no longer there is in nothing.
    let (status, _) = git.run(Some(folder), &["merge-base", "--is-ancestor", commit, tip]).await?;
    Ok(status.success())
}

/// Names what a revision has at a place.
pub(super) fn at(revision: &str, path: &LockPath) -> String {
    format!("{revision}:{}", path.as_str().trim_end_matches('/'))
}
