//! Which line of which `.gitattributes` makes a path managed, for messages: `*.bin in art/.gitattributes`.
//!
//! Git tells the value of an attribute, not where it comes from. So it is asked for an attribute of our own, whose
//! value is the number of the rule, with all rules of the index's attribute files put together in one file in the order
//! in which Git reads them. Git's own matcher decides, and the last rule that matches wins, as in the real files. Rules
//! outside of the repository are not found; then nothing is said.

use crate::{Git, RepoError};
use std::collections::HashMap;
use std::io::Write;

/// Bytes of all attribute files that are looked at.
const BYTES_MAX: usize = 4 << 20;

/// The rules of `paths`, as far as they are known.
pub fn of_paths(git: &Git, paths: &[&[u8]]) -> Result<HashMap<Vec<u8>, String>, RepoError> {
    if paths.is_empty() {
        return Ok(HashMap::new());
    }
    let rules = rules(git)?;
    let mut file = tempfile::NamedTempFile::new()
        .map_err(RepoError::io("make", std::path::Path::new("a temporary file")))?;
    let path = file.path().to_owned();
    for (number, rule) in rules.iter().enumerate() {
        file.write_all(&[&rule.line[..], format!(" dits-rule={number}\n").as_bytes()].concat())
            .map_err(RepoError::io("write", &path))?;
    }
    let mut args: Vec<std::ffi::OsString> = vec!["-c".into()];
    let mut setting = std::ffi::OsString::from("core.attributesFile=");
    setting.push(&path);
    args.push(setting);
    args.extend(["check-attr", "--cached", "--stdin", "-z", "dits-rule"].map(Into::into));
    let out = git.run_with_input(&args, &paths.join(&0))?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    let found = fields.chunks_exact(3).filter_map(|field| {
        let number: usize = std::str::from_utf8(field[2]).ok()?.parse().ok()?;
        Some((field[0].to_vec(), rules.get(number)?.shown.clone()))
    });
    Ok(found.collect())
}

struct Rule {
    /// The pattern as seen from the top.
    line: Vec<u8>,
    /// For people.
    shown: String,
}

/// All rules of ours in the index's attribute files, those of folders after those above them.
fn rules(git: &Git) -> Result<Vec<Rule>, RepoError> {
    let out = git.run(&["ls-files", "-z", "--full-name", "--", ":(top,glob)**/.gitattributes"])?;
    let mut files: Vec<String> = out
        .split(|b| *b == 0)
        .filter_map(|path| String::from_utf8(path.to_vec()).ok())
        .filter(|path| !path.is_empty())
        .collect();
    files.sort_by_key(|file| file.matches('/').count());
    let (mut rules, mut bytes) = (Vec::new(), 0);
    for file in files {
        let Some(text) = git.line(&["cat-file", "blob", &format!(":{file}")])? else { continue };
        bytes += text.len();
        if bytes > BYTES_MAX {
            break;
        }
        let folder = file.strip_suffix(".gitattributes").unwrap_or_default();
        rules.extend(text.lines().filter_map(|line| parse(line, folder, &file)));
    }
    Ok(rules)
}

fn parse(line: &str, folder: &str, file: &str) -> Option<Rule> {
    let line = line.trim_start();
    if line.starts_with(['#', '[']) {
        return None;
    }
    // A pattern in quotes may hold spaces.
    let end = match line.strip_prefix('"') {
        Some(rest) => 2 + closing_quote(rest)?,
        None => line.find([' ', '\t'])?,
    };
    let (pattern, attributes) = line.split_at(end);
    let ours = |word: &str| ["dits", "filter=dits"].contains(&word);
    attributes.split_whitespace().any(ours).then(|| {
        let shown = format!("{} in {file}", pattern.trim_matches('"'));
        Rule { line: from_top(pattern, folder).into_bytes(), shown }
    })
}

fn closing_quote(rest: &str) -> Option<usize> {
    let mut escaped = false;
    rest.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// A pattern of a folder's file as one of the top's.
fn from_top(pattern: &str, folder: &str) -> String {
    if folder.is_empty() {
        return pattern.to_owned();
    }
    let bare = pattern.trim_matches('"').trim_start_matches('/');
    let between =
        if bare.trim_end_matches('/').contains('/') || pattern.contains("\"/") || pattern.starts_with('/') {
            ""
        } else {
            "**/"
        };
    format!("\"{}{between}{bare}\"", folder.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_last_rule_that_matches_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            assert!(Command::new("git").current_dir(dir.path()).args(args).status().unwrap().success())
        };
        git(&["init", "-q"]);
        std::fs::create_dir_all(dir.path().join("my art/deep")).unwrap();
        let files = [
            (
                ".gitattributes",
                "[attr]dits filter=dits\n# *.mov dits\n*.bin dits lockable\n\"a b.*\" filter=dits\n*.txt text\n",
            ),
            ("my art/.gitattributes", "*.bin filter=dits -text\n/top.psd dits\ndeep/*.mov dits\n"),
        ];
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        git(&["add", "."]);
        let paths = [
            "x.bin",
            "a b.c",
            "x.txt",
            "my art/deep/x.bin",
            "my art/top.psd",
            "my art/deep/top.psd",
            "my art/deep/x.mov",
        ];
        let bytes: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
        let found = of_paths(&Git::at(dir.path()), &bytes).unwrap();
        let shown = paths.map(|path| found.get(path.as_bytes()).map_or("", |rule| &rule[..]));
        let expected = [
            "*.bin in .gitattributes",
            "a b.* in .gitattributes",
            "",
            "*.bin in my art/.gitattributes",
            "/top.psd in my art/.gitattributes",
            "",
            "deep/*.mov in my art/.gitattributes",
        ];
        assert_eq!(shown, expected);
    }
}
