//! What Git is about to push, as it tells the `pre-push` hook.
//!
//! `<local ref> <local id> <remote ref> <remote id>` a line; a deletion has a null local id, a new ref a null remote
//! one. What the remote has is known from these lines and from its tracking refs, so that finding what is new costs
//! what the new commits cost, not what all of history does. A line that is none is an error: in doubt nothing is
//! pushed.

use crate::pre_receive::{INPUT_BYTES_MAX, NAME_DIGITS};
use dits_repo::{Git, RepoError};
use std::io::{self, BufRead, Read};

/// Why the input could not be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It could not be read.
    #[error("cannot read what git is about to push: {0}")]
    Read(#[from] io::Error),
    /// It is not what Git promises.
    #[error("malformed list of refs: a line is not '<local ref> <local id> <remote ref> <remote id>'")]
    Line,
    /// It is too long.
    #[error("the list of refs is too long")]
    TooLong,
}

/// What is pushed, in object names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updates {
    /// New values of refs.
    pub tips: Vec<String>,
    /// Values that refs have at the remote.
    pub had: Vec<String>,
    /// Each ref.
    pub refs: Vec<Ref>,
}

/// A ref that is pushed. Object names in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Its full name at the remote.
    pub name: String,
    /// What it is there; `None` where it is new.
    pub old: Option<String>,
    /// What it becomes; `None` where it goes.
    pub new: Option<String>,
}

/// Reads Git's input.
pub fn read(input: impl BufRead) -> Result<Updates, InputError> {
    let mut text = String::new();
    let bytes = input.take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
    if bytes as u64 == INPUT_BYTES_MAX {
        return Err(InputError::TooLong);
    }
    let mut updates = Updates::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        // The local side may be any expression, even one with spaces in it.
        let [.., local, name, remote] = &words[..] else { return Err(InputError::Line) };
        let is_name =
            |text: &str| NAME_DIGITS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if words.len() < 4 || !is_name(local) || !is_name(remote) {
            return Err(InputError::Line);
        }
        let known = |id: &str| (!id.bytes().all(|digit| digit == b'0')).then(|| id.to_owned());
        let (new, old) = (known(local), known(remote));
        updates.tips.extend(new.clone());
        updates.had.extend(old.clone());
        updates.refs.push(Ref { name: (*name).to_owned(), old, new });
    }
    updates.tips.sort_unstable();
    updates.tips.dedup();
    Ok(updates)
}

/// What the tracking refs of a remote say it has.
pub fn tracked(git: &Git, remote: &str) -> Result<Vec<String>, RepoError> {
    // A remote without a name has none.
    if remote.is_empty() || remote.contains(':') || remote.starts_with(['/', '.', '-']) {
        return Ok(Vec::new());
    }
    let refs = format!("refs/remotes/{remote}/");
    let out = git.line(&["for-each-ref", "--format=%(objectname)", &refs])?.unwrap_or_default();
    let mut names: Vec<String> = out.lines().map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(local: &str, remote: &str) -> String {
        format!("HEAD~1 {local} refs/heads/main {remote}\n")
    }

    #[test]
    fn new_and_old_values_are_told_apart() {
        let (a, b, zero) = ("a".repeat(40), "b".repeat(64), "0".repeat(40));
        let text =
            [line(&a, &zero), line(&a, &b), line(&zero, &b), format!("@{{1 day ago}} {b} refs/x {zero}\n")];
        let updates = read(text.concat().as_bytes()).unwrap();
        assert_eq!((updates.tips, updates.had), (vec![a.clone(), b.clone()], vec![b.clone(), b.clone()]));
        let known = |id: &String| Some(id.clone());
        let main = |new, old| Ref { name: "refs/heads/main".into(), old, new };
        let x = Ref { name: "refs/x".into(), old: None, new: known(&b) };
        assert_eq!(
            updates.refs,
            [main(known(&a), None), main(known(&a), known(&b)), main(None, known(&b)), x]
        );
        assert_eq!(read(&b""[..]).unwrap(), Updates::default());
    }

    #[test]
    fn anything_else_is_refused() {
        let a = "a".repeat(40);
        for text in [
            format!("{a} {a}\n"),
            line(&a, "main"),
            line("--all", &a),
            format!("{a} refs/x {a}\n"),
            "\n".into(),
        ] {
            assert!(matches!(read(text.as_bytes()), Err(InputError::Line)), "{text:?}");
        }
        assert!(matches!(read(&b"\xff\n"[..]), Err(InputError::Read(_))));
    }
}
