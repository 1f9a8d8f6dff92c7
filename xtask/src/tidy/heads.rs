//! Every Rust file starts by saying what it is, why it is there and what must hold.
//!
//! A machine cannot judge the prose, so it only asks that there is some: a `//!` head on the first line,
//! with at least two lines of words, or one in a file of tests, whose names say the rest. Headings, rules and
//! code samples are not prose.

use super::{File, Finding};

const MIN_PROSE: usize = 2;
const MIN_PROSE_OF_TESTS: usize = 1;

pub(super) fn check(file: &File) -> Option<Finding> {
    let text = file.text.as_deref().filter(|_| file.path.ends_with(".rs"))?;
    let found = prose_lines(text);
    let least = if is_tests(&file.path) { MIN_PROSE_OF_TESTS } else { MIN_PROSE };
    let message = match found {
        0 => "the file does not start with a `//!` head".to_owned(),
        n if n < least => format!("the `//!` head has {n} line of prose: {least} are the least"),
        _ => return None,
    };
    Some(Finding::new(&file.path, 1, message))
}

fn is_tests(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs")
}

fn prose_lines(text: &str) -> usize {
    let (mut fenced, mut count) = (false, 0);
    for line in text.lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.starts_with('#') && line.contains(char::is_alphabetic) {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    fn fails(text: &str) -> bool {
        check(&file("a/src/lib.rs", text)).is_some()
    }

    #[test]
    fn two_lines_of_prose_pass() {
        assert!(!fails("//! What it is.\n//!\n//! Why it is.\n\nfn a() {}\n"));
    }

    #[test]
    fn one_line_is_enough_for_tests() {
        let one = "//! What it is.\n\nfn a() {}\n";
        assert!(fails(one));
        assert!(check(&file("a/tests/b.rs", one)).is_none());
        assert!(check(&file("a/src/b_tests.rs", one)).is_none());
        assert!(check(&file("a/tests/b.rs", "fn a() {}\n")).is_some());
    }

    #[test]
    fn a_missing_late_or_short_head_fails() {
        assert!(fails(""));
        assert!(fails("fn a() {}\n"));
        assert!(fails("// What it is.\n// Why it is.\n"));
        assert!(fails("\n//! What it is.\n//! Why it is.\n"));
        assert!(fails("#![no_main]\n//! What it is.\n//! Why it is.\n"));
        assert!(fails("//! What it is.\n\n//! Why it is.\n"));
    }

    #[test]
    fn headings_rules_and_code_are_not_prose() {
        assert!(fails("//! # Title\n//! What it is.\n//! ----\n"));
        assert!(fails("//! What it is.\n//! ```\n//! let a = 1;\n//! ```\n"));
    }

    #[test]
    fn only_rust_files_need_a_head() {
        assert!(check(&file("a/Cargo.toml", "[package]\n")).is_none());
        assert!(check(&file("a/build.rs", "fn main() {}\n")).is_some());
    }
}
