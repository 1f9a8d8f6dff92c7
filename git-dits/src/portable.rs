//! What is said of names that cannot exist on every system.
//!
//! The rules are in [`dits_repo::names`]; here is who is told. Patterns are looked at when they are tracked, paths when
//! managed files are. Warnings change nothing; what is refused is for the caller to stop at. At most
//! [`SHOWN_MAX`] names are told, as one folder may hold thousands.

use crate::report::{self, Failure};
use anyhow::Result;
use dits_repo::names::{self, Policy};
use std::collections::BTreeSet;

/// Names that are told one by one.
const SHOWN_MAX: usize = 10;
const HINT: &str = "rename it; or, where nobody uses Windows or macOS, 'git config dits.portablenames off'";

/// Refuses a pattern that can only match names that are refused, and warns of others.
pub fn check_pattern(policy: Policy, pattern: &[u8]) -> Result<()> {
    if policy == Policy::Off {
        return Ok(());
    }
    // What is special in patterns is no part of a name.
    let plain =
        pattern.split(|byte| *byte == b'/').filter(|part| !part.iter().any(|b| b"*?[]\\!\"".contains(b)));
    for problem in plain.flat_map(names::problems) {
        let text = format!("\"{}\": {problem}", String::from_utf8_lossy(pattern));
        if policy.refuses(&problem) {
            return Err(Failure::new(text, HINT).into());
        }
        report::warning(&text);
        report::hint(HINT);
    }
    Ok(())
}

/// Tells of paths that cannot exist elsewhere, or that are one there; how many of them are refused. With `new`
/// only of those, and of what they clash with.
pub fn check_paths<'a>(
    policy: Policy,
    paths: impl Iterator<Item = &'a [u8]> + Clone,
    new: Option<&BTreeSet<Vec<u8>>>,
) -> usize {
    let is_new = |path: &[u8]| new.is_none_or(|new| new.contains(path));
    // A folder is new with the first file in it.
    let begins_new = |path: &Vec<u8>| {
        let below = [&path[..], b"/"].concat();
        new.is_none_or(|new| new.iter().any(|new| new == path || new.starts_with(&below)))
    };
    if policy == Policy::Off {
        return 0;
    }
    let (mut told, mut refused) = (0, 0);
    let mut tell = |text: String, is_refused: bool| {
        told += 1;
        refused += usize::from(is_refused);
        match told {
            ..=SHOWN_MAX if is_refused => report::error(&text),
            ..=SHOWN_MAX => report::warning(&text),
            _ => {}
        }
    };
    for path in paths.clone().filter(|path| is_new(path)) {
        let found = names::problems(path);
        if let Some(worst) = found.iter().find(|problem| policy.refuses(problem)).or(found.first()) {
            tell(format!("{}: {worst}", shown(path)), policy.refuses(worst));
        }
    }
    for same in names::clashes(paths).into_iter().filter(|same| same.iter().any(begins_new)) {
        let list: Vec<String> = same.iter().map(|path| shown(path)).collect();
        let text =
            format!("{} are one name on systems that ignore case or Unicode forms", list.join(" and "));
        tell(text, policy == Policy::Refuse);
    }
    if told > SHOWN_MAX {
        report::notice(&format!("... and {} more", told - SHOWN_MAX));
    }
    if told > 0 {
        report::hint(HINT);
    }
    refused
}

/// A path in quotes. Normal forms look alike, so marks that stand alone are spelled out.
fn shown(path: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(path) else { return format!("'{}'", path.escape_ascii()) };
    let char =
        |c: char| if c == ' ' || c.is_ascii_graphic() { c.to_string() } else { c.escape_debug().to_string() };
    format!("'{}'", text.chars().map(char).collect::<String>())
}
