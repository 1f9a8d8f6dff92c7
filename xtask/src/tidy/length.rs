//! A file fits in a reader's head, a function on a screen, and the repository on a slow line.
//!
//! Functions are measured by matching braces, after strings, characters and comments are blanked out.
//! That is rough, and enough: it must never stumble over a brace in a string, and it may miss odd macros.
//! Tests may be long where one story needs many steps, so only files, not functions, are measured there.

use super::{File, Finding};

pub(super) const MAX_BYTES: u64 = 1 << 20;
const MAX_LINES: usize = 400;
const MAX_FN_LINES: usize = 60;

/// Files which may be longer, each with its reason.
pub(super) const LONG_FILES: &[(&str, &str)] = &[];

pub(super) fn check(file: &File, exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.size > MAX_BYTES {
        let message = format!("{} bytes: {MAX_BYTES} are the most", file.size);
        findings.push(Finding::new(&file.path, 1, message));
    }
    let Some(text) = file.text.as_deref().filter(|_| file.path.ends_with(".rs")) else { return findings };
    let excepted = exceptions.iter().any(|(path, _)| *path == file.path);
    if is_long(text) && !excepted {
        let message = format!("{} lines: {MAX_LINES} are the most", text.lines().count());
        findings.push(Finding::new(&file.path, MAX_LINES + 1, message));
    }
    if !is_test_file(&file.path) {
        findings.extend(long_functions(text).into_iter().map(|(line, length)| {
            let message = format!("a function of {length} lines: {MAX_FN_LINES} are the most");
            Finding::new(&file.path, line, message)
        }));
    }
    findings
}

/// An exception that is no longer needed goes, or it would excuse the next long file of that name.
pub(super) fn stale_exceptions(files: &[File], exceptions: &[(&str, &str)]) -> Vec<Finding> {
    let needed = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.and_then(|file| file.text.as_deref()).is_some_and(is_long)
    };
    let stale = exceptions.iter().filter(|(path, _)| !needed(path));
    stale
        .map(|(path, _)| Finding::new(path, 1, "is excepted from the length rule, and need not be"))
        .collect()
}

fn is_long(text: &str) -> bool {
    text.lines().count() > MAX_LINES
}

fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// The first line and the length of each function that is too long, outside test modules.
fn long_functions(text: &str) -> Vec<(usize, usize)> {
    let code = blank(text);
    let lines: Vec<&str> = code.lines().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        if starts_test_module(&lines[at..]) {
            at += body_lines(&lines[at..]).unwrap_or(1);
            continue;
        }
        if starts_fn(lines[at])
            && let Some(length) = body_lines(&lines[at..]).filter(|length| *length > MAX_FN_LINES)
        {
            found.push((at + 1, length));
        }
        at += 1;
    }
    found
}

fn starts_fn(line: &str) -> bool {
    let qualifiers = ["pub", "const", "async", "unsafe", "extern", "default", "safe"];
    let is_qualifier = |word: &str| qualifiers.contains(&word) || word.starts_with("pub(");
    line.split_whitespace().find(|word| !is_qualifier(word)) == Some("fn")
}

fn starts_test_module(lines: &[&str]) -> bool {
    let first = lines[0].trim();
    if !first.starts_with("#[cfg(test)]") && !first.starts_with("#[cfg(all(test,") {
        return false;
    }
    let after = first.split_once(']').map_or("", |(_, rest)| rest.trim());
    let rest = std::iter::once(after).chain(lines[1..].iter().map(|line| line.trim()));
    let item = rest.into_iter().find(|line| !line.is_empty() && !line.starts_with("#["));
    item.is_some_and(|line| line.split_whitespace().any(|word| word == "mod"))
}

/// How many lines the item that starts on the first line takes up to its closing brace, if it has a body.
fn body_lines(lines: &[&str]) -> Option<usize> {
    // Depth in `(` and `[`, where neither `;` (an array's length) nor `{` (a constant) belongs to the item.
    let (mut nested, mut depth) = (0_i32, 0_i32);
    for (at, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '(' | '[' if depth == 0 => nested += 1,
                ')' | ']' if depth == 0 => nested -= 1,
                ';' if depth == 0 && nested == 0 => return None,
                '{' if nested == 0 => depth += 1,
                '}' if nested == 0 && depth == 1 => return Some(at + 1),
                '}' if nested == 0 => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

/// The text with every string, character and comment turned to spaces; lines stay where they are.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < chars.len() {
        let skip = opaque(&chars[at..]);
        if skip == 0 {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        let end = (at + skip).min(chars.len());
        out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

/// The length of the string, character or comment that starts here; 0 if none does.
fn opaque(rest: &[char]) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        // An escape, or exactly one character between quotes: anything else is a lifetime.
        ['\'', '\\', ..] => quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        ['r', '"' | '#', ..] => raw_string(rest),
        _ => 0,
    }
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // a raw identifier
    }
    let end =
        |at: usize| rest[at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let body = hashes + 2;
    (body..rest.len()).find(|at| end(*at)).map_or(rest.len(), |at| at + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    /// A function of `lines` lines whose second line is `odd`.
    fn function(lines: usize, odd: &str) -> String {
        format!("pub(crate) async fn f(a: [u8; 4]) -> [u8; 4] {{\n{odd}\n{}}}\n", "x();\n".repeat(lines - 3))
    }

    fn count(path: &str, text: &str) -> usize {
        check(&file(path, text), &[]).len()
    }

    #[test]
    fn long_files_and_big_files_fail() {
        assert_eq!(count("a/src/a.rs", &"\n".repeat(400)), 0);
        assert_eq!(count("a/src/a.rs", &"\n".repeat(401)), 1);
        assert_eq!(count("Cargo.lock", &"\n".repeat(401)), 0);
        let big = |size| File { path: "big.bin".to_owned(), size, text: None };
        assert_eq!(check(&big(MAX_BYTES), &[]).len(), 0);
        assert_eq!(check(&big(MAX_BYTES + 1), &[]).len(), 1);
    }

    #[test]
    fn an_exception_excuses_until_it_is_stale() {
        let table = [("a/src/a.rs", "a table")];
        let long = file("a/src/a.rs", &"\n".repeat(401));
        assert_eq!(check(&long, &table), []);
        assert_eq!(stale_exceptions(&[long], &table), []);
        assert_eq!(stale_exceptions(&[file("a/src/a.rs", "\n")], &table).len(), 1);
        assert_eq!(stale_exceptions(&[], &table).len(), 1);
    }

    #[test]
    fn long_functions_fail_outside_tests() {
        assert_eq!(count("a/src/a.rs", &function(60, "")), 0);
        assert_eq!(count("a/src/a.rs", &function(61, "")), 1);
        assert_eq!(count("a/tests/a.rs", &function(61, "")), 0);
        assert_eq!(count("a/src/b/tests.rs", &function(61, "")), 0);
        let module = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(61, ""));
        assert_eq!(count("a/src/a.rs", &module), 0);
        assert_eq!(long_functions(&format!("{module}{}", function(61, ""))), [(65, 61)]);
        let declared = format!("#[cfg(test)]\nmod tests;\n{}", function(61, ""));
        assert_eq!(count("a/src/a.rs", &declared), 1);
    }

    #[test]
    fn braces_in_strings_characters_and_comments_do_not_count() {
        let odd =
            ["\"}\"", "\"\\\"}\"", "'}'", "'\\''; '}'", "// }", "/* /* } */ } */", "r#\"\"}\"#", "b\"}\""];
        for odd in odd.iter().flat_map(|odd| [(*odd).to_owned(), odd.replace('}', "{")]) {
            assert_eq!(count("a/src/a.rs", &function(60, &odd)), 0, "{odd}");
            assert_eq!(count("a/src/a.rs", &function(61, &odd)), 1, "{odd}");
        }
        assert_eq!(count("a/src/a.rs", &function(61, "let r#fn: &'a str = g::<'a>();")), 1);
    }

    #[test]
    fn a_declaration_has_no_body() {
        let text = format!("trait T {{\nfn a(x: [u8; 4]);\n{}fn b() {{}}\n}}\n", "\n".repeat(70));
        assert_eq!(count("a/src/a.rs", &text), 0);
    }
}
