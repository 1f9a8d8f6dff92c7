//! The attribute files: is the macro where Git takes it from, and can Git read them?
//!
//! Git takes macros only from the top of the working tree, from its own folder and from the user's file, and says
//! nothing about a word that it does not know: then files are added whole, and nobody notices.

use super::{Findings, Fix};
use crate::attributes::{self, Rule};
use crate::context::Context;
use crate::entries;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Looks at all of them.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    let Some(top) = context.repository.worktree.clone() else { return Ok(()) };
    let top_file = top.join(".gitattributes");
    let info = context.repository.common_dir.join("info").join("attributes");
    let (mut uses, mut defined) = (None, false);
    for path in entries::attribute_files(&context.repository.git)?
        .iter()
        .map(|file| top.join(file))
        .chain([info.clone()])
    {
        let text = match attributes::read(&path) {
            Ok(text) => text,
            Err(error) => {
                findings.error("attributes-unreadable", crate::report::text(&error));
                continue;
            }
        };
        let lines = || text.split(|b| *b == b'\n');
        if lines().filter_map(Rule::parse).any(|rule| rule.uses_macro()) {
            uses.get_or_insert_with(|| path.clone());
        }
        let macros = lines().filter(|line| attributes::defines_macro(line)).count() > 0;
        if path == top_file || path == info {
            defined |= macros;
        } else if macros {
            findings
                .warning("macro-below-top", format!("git ignores '[attr]dits' in '{}'", shown(&top, &path)))
                .fix = remove_macro(&top, path.clone());
        }
    }
    if let Some(path) = uses.filter(|_| !defined) {
        let text = format!("'{}' uses 'dits', which no '[attr]dits' at the top explains", shown(&top, &path));
        findings.error("macro-missing", text).fix = add_macro(top_file);
    }
    Ok(())
}

fn shown(top: &Path, path: &Path) -> String {
    path.strip_prefix(top).unwrap_or(path).display().to_string()
}

fn add_macro(file: PathBuf) -> Option<Fix> {
    Fix::new("adds it to '.gitattributes' at the top", move || {
        let mut text = attributes::read(&file)?;
        let rest = std::mem::take(&mut text);
        // Before the patterns that use it, for people who read the file.
        attributes::add_macro(&mut text);
        text.extend_from_slice(&rest);
        attributes::replace(&file, &text)
    })
}

fn remove_macro(top: &Path, file: PathBuf) -> Option<Fix> {
    Fix::new(format!("removes that line from '{}'", shown(top, &file)), move || {
        let text = attributes::read(&file)?;
        let kept = text.split_inclusive(|b| *b == b'\n').filter(|line| !attributes::defines_macro(line));
        attributes::replace(&file, &kept.flatten().copied().collect::<Vec<u8>>())
    })
}
