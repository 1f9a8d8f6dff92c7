//! Texts to compare: what programs said, with the parts that differ from run to run masked.
//!
//! A transcript is a list of commands with what each said, as a person would see them on a terminal. Hashes
//! become `<hash>`, ports `<port>`, folders of the world `<world>`, seconds `<seconds>`.

use crate::{Repo, World};

/// Least digits of something taken for a hash.
const HASH_DIGITS_MIN: usize = 7;

/// Runs shell command lines in `repo`, and gives the transcript, masked. Exit codes other than 0 are shown.
#[track_caller]
pub fn transcript(world: &World, repo: &Repo, lines: &[&str]) -> String {
    let mut out = String::new();
    for line in lines {
        let ran = repo.user().call("sh", repo.path()).args(["-c", &format!("exec 2>&1\n{line}")]).run();
        out.push_str(&format!("$ {line}\n{}", ran.text()));
        if ran.code != Some(0) {
            out.push_str(&format!(
                "[exit {}]\n",
                ran.code.map_or("by signal".into(), |code| code.to_string())
            ));
        }
    }
    masked(world, &out)
}

/// Masks what differs from run to run.
pub fn masked(world: &World, text: &str) -> String {
    let text = text.replace(&world.path().display().to_string(), "<world>");
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            word.push(c);
            continue;
        }
        let after_port = out.ends_with("127.0.0.1:");
        out.push_str(&masked_word(&word, after_port));
        word.clear();
        out.push(c);
    }
    let after_port = out.ends_with("127.0.0.1:");
    out.push_str(&masked_word(&word, after_port));
    out
}

/// `word` is of letters, digits and dots; the parts around `..` are words of their own.
fn masked_word(word: &str, after_address: bool) -> String {
    let parts = word.split("..").map(|part| mask(part, after_address));
    parts.collect::<Vec<_>>().join("..")
}

fn mask(word: &str, after_address: bool) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let bare = word.trim_end_matches('.');
    let tail = &word[bare.len()..];
    let seconds =
        bare.strip_suffix('s').is_some_and(|number| number.contains('.') && number.parse::<f64>().is_ok());
    let hash = bare.len() >= HASH_DIGITS_MIN
        && bare.chars().all(is_hex)
        && bare.contains(|c: char| c.is_ascii_digit());
    let mask = match () {
        () if after_address && bare.parse::<u16>().is_ok() => "<port>",
        () if seconds => "<seconds>",
        () if hash => "<hash>",
        () => bare,
    };
    format!("{mask}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_masked_and_the_rest_stays() {
        let world = World::new();
        let text = format!(
            "{}/x 0a1b2c3d..e4f5a6b main 127.0.0.1:4880/a in 0.25s. 1234 deadbeef",
            world.path().display()
        );
        let expected = "<world>/x <hash>..<hash> main 127.0.0.1:<port>/a in <seconds>. 1234 deadbeef";
        assert_eq!(masked(&world, &text), expected);
    }
}
