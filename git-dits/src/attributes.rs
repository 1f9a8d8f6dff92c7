//! Editing `.gitattributes` files, as text.
//!
//! The macro `dits` stands once in the file at the top of the working tree (Git takes macros from nowhere
//! else); a tracked pattern is a line `<pattern> dits`. Lines that somebody wrote out as `filter=dits` count
//! as well. Every byte that is not ours to change stays: comments, blank lines, line ends, a byte order
//! mark. The last line for a pattern decides, as in Git.
//!
//! In a pattern, white space is written `[[:space:]]`, and `#`, `!`, `"` and `[attr]` at its start get a
//! backslash, since Git would take them for something else. Nothing here does I/O except [`replace`].

use anyhow::{Context, Result, ensure};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Defines what `dits` means. `-merge` keeps our side of a conflict: merged pointers would be nonsense. `-delta` keeps Git
/// from looking for similar ones at each push: most of a pointer is its hash.
pub const MACRO: &str = "[attr]dits filter=dits diff=dits -merge -text -delta";
const SPACE: &str = "[[:space:]]";

/// What `--lockable` and `--not-lockable` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockable {
    /// Whatever it is now.
    Keep,
    /// Lockable.
    Yes,
    /// Not lockable.
    No,
}

/// One line about a pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// The pattern as it stands there, with quotes if it has any.
    raw: &'a [u8],
    /// The attributes behind it.
    rest: &'a [u8],
    /// The pattern as [`escape`] writes it.
    pub pattern: Vec<u8>,
    /// Whether git-dits is switched on or off by it; `None`: neither.
    pub managed: Option<bool>,
    /// Whether it makes files lockable.
    pub lockable: bool,
}

impl<'a> Rule<'a> {
    /// Reads one line; comments, blank lines and macros are no rules.
    pub fn parse(line: &'a [u8]) -> Option<Rule<'a>> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"[attr]") {
            return None;
        }
        let (raw, pattern) = match line.strip_prefix(b"\"") {
            Some(quoted) => {
                let (name, len) = unquote(quoted)?;
                (&line[..=len], escape(&name))
            }
            None => {
                let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
                (&line[..end], line[..end].to_vec())
            }
        };
        let rest = &line[raw.len()..];
        let (mut managed, mut lockable) = (None, false);
        for word in words(rest) {
            match word {
                b"dits" | b"filter=dits" => managed = Some(true),
                b"-dits" | b"!dits" | b"-filter" | b"!filter" => managed = Some(false),
                b"lockable" => lockable = true,
                b"-lockable" | b"!lockable" => lockable = false,
                word if word.starts_with(b"filter=") => managed = None,
                _ => {}
            }
        }
        Some(Rule { raw, rest, pattern, managed, lockable })
    }
}

impl Rule<'_> {
    /// Whether it uses the macro, and so needs it to be defined.
    pub fn uses_macro(&self) -> bool {
        words(self.rest).any(|word| matches!(word, b"dits" | b"-dits" | b"!dits"))
    }
}

/// Whether a line defines the macro.
pub fn defines_macro(line: &[u8]) -> bool {
    words(line).next() == Some(b"[attr]dits")
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Takes a name out of C quotes; also says how far the closing quote is from the opening one.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at) = (Vec::new(), 0);
    loop {
        match *text.get(at)? {
            b'"' => return Some((name, at + 1)),
            b'\\' => {
                let escaped = *text.get(at + 1)?;
                let octal = text.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
                match (escaped, octal.and_then(|digits| u8::from_str_radix(digits, 8).ok())) {
                    (b'0'..=b'3', Some(byte)) => {
                        name.push(byte);
                        at += 2;
                    }
                    (b'n', _) => name.push(b'\n'),
                    (b't', _) => name.push(b'\t'),
                    (b'r', _) => name.push(b'\r'),
                    (other, _) => name.push(other),
                }
                at += 2;
            }
            byte => {
                name.push(byte);
                at += 1;
            }
        }
    }
}

/// Writes a pattern the way it must stand in the file.
pub fn escape(pattern: &[u8]) -> Vec<u8> {
    let special = |start: &[u8]| pattern.starts_with(start);
    let mut out = Vec::with_capacity(pattern.len() + 1);
    if special(b"#") || special(b"!") || special(b"\"") || special(b"[attr]") {
        out.push(b'\\');
    }
    let mut bytes = pattern.iter().peekable();
    while let Some(byte) = bytes.next() {
        match bytes.peek() {
            // A backslash before white space was meant for a shell or Git; the class needs none.
            Some(next) if *byte == b'\\' && is_space(**next) => {}
            Some(next) if *byte == b'\\' => {
                out.extend([b'\\', **next]);
                bytes.next();
            }
            _ if is_space(*byte) => out.extend(SPACE.as_bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

/// What the class `[:space:]` matches.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Makes a pattern that matches exactly this name.
pub fn escape_globs(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| if b"\\*?[]".contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
    name.iter().flat_map(escape).collect()
}

/// A pattern in quotes, as git-lfs says it: with a backslash before every quote and backslash of it.
pub fn quoted(pattern: &[u8]) -> String {
    format!("{:?}", display(pattern))
}

/// A pattern for people: what [`escape`] did, undone.
pub fn display(pattern: &[u8]) -> String {
    let text = String::from_utf8_lossy(pattern).replace(SPACE, " ");
    match text.strip_prefix('\\') {
        Some(rest) if rest.starts_with(['#', '!', '"']) || rest.starts_with("[attr]") => rest.to_owned(),
        _ => text,
    }
}

/// Adds the macro unless the text defines it.
pub fn add_macro(text: &mut Vec<u8>) {
    if !text.split(|b| *b == b'\n').any(defines_macro) {
        append(text, MACRO.as_bytes());
    }
}

/// Tracks an escaped pattern; `false` when the text already says so.
pub fn track(text: &mut Vec<u8>, pattern: &[u8], lockable: Lockable) -> bool {
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let about =
        |line: &[u8]| Rule::parse(line).is_some_and(|rule| rule.pattern == pattern && rule.managed.is_some());
    let last = lines.iter_mut().rfind(|line| about(line));
    let edit = last.and_then(|line| {
        let rule = Rule::parse(line).filter(|rule| rule.managed == Some(true))?;
        let want = if lockable == Lockable::Keep { rule.lockable } else { lockable == Lockable::Yes };
        let changed = (want != rule.lockable).then(|| set_lockable(&rule, line, want));
        Some((changed, line))
    });
    match edit {
        Some((None, _)) => return false,
        Some((Some(changed), line)) => *line = changed,
        None => {
            let rest: &[u8] = if lockable == Lockable::Yes { b" dits lockable" } else { b" dits" };
            append(text, &[pattern, rest].concat());
            return true;
        }
    }
    *text = lines.concat();
    true
}

fn set_lockable(rule: &Rule<'_>, line: &[u8], lockable: bool) -> Vec<u8> {
    let others = words(rule.rest).filter(|word| !matches!(*word, b"lockable" | b"-lockable" | b"!lockable"));
    let mut parts = vec![rule.raw];
    parts.extend(others);
    parts.extend(lockable.then_some(&b"lockable"[..]));
    let end = line.len() - line.trim_ascii_end().len();
    [&parts.join(&b' ')[..], &line[line.len() - end..]].concat()
}

/// Removes every line that tracks an escaped pattern; says whether there was one.
pub fn untrack(text: &mut Vec<u8>, pattern: &[u8]) -> bool {
    let tracks = |line: &[u8]| {
        Rule::parse(line).is_some_and(|rule| rule.pattern == pattern && rule.managed == Some(true))
    };
    let kept: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').filter(|line| !tracks(line)).collect();
    let kept = kept.concat();
    let found = kept.len() != text.len();
    *text = kept;
    found
}

/// Adds a line at the end, with the line end that the text uses.
fn append(text: &mut Vec<u8>, line: &[u8]) {
    let first = text.split_inclusive(|b| *b == b'\n').next().unwrap_or_default();
    let end: &[u8] = if first.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend_from_slice(end);
    }
    text.extend_from_slice(line);
    text.extend_from_slice(end);
}

/// Reads an attributes file; one that does not exist is empty.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // Git itself refuses to read attributes through a link inside the working tree.
    let link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    ensure!(!link, "'{}' is a symbolic link, which git ignores", path.display());
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.with_context(|| format!("cannot read '{}'", path.display())),
    }
}

/// Puts `text` in place of the file at once: Git never sees half of it.
pub fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let failed = || format!("cannot write '{}'", path.display());
    let dir = path.parent().unwrap_or(Path::new("."));
    let mode = fs::metadata(path).map(|meta| meta.permissions()).ok();
    let mut builder = tempfile::Builder::new();
    builder.prefix(".gitattributes.").permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(dir).with_context(failed)?;
    file.write_all(text).with_context(failed)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode).with_context(failed)?;
    }
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
