//! Tables of patterns and texts: what is written, and what stays.
//!
//! That Git understands what is written here is checked by `tests/cli.rs`, which asks Git itself.

use super::*;

fn tracked(before: &str, pattern: &str, lockable: Lockable) -> String {
    let mut text = before.as_bytes().to_vec();
    track(&mut text, pattern.as_bytes(), lockable);
    String::from_utf8(text).expect("text")
}

#[test]
fn patterns_are_escaped_where_git_needs_it() {
    let table = [
        ("*.mov", "*.mov"),
        ("a b.mov", "a[[:space:]]b.mov"),
        (r"a\ b.mov", "a[[:space:]]b.mov"),
        ("a\tb", "a[[:space:]]b"),
        ("#1.mov", r"\#1.mov"),
        ("a#1.mov", "a#1.mov"),
        ("!x", r"\!x"),
        ("\"x\"", "\\\"x\""),
        ("[attr]x", r"\[attr]x"),
        (r"\[x\]", r"\[x\]"),
    ];
    for (plain, escaped) in table {
        assert_eq!(String::from_utf8(escape(plain.as_bytes())).unwrap(), escaped);
    }
    for plain in ["a b.mov", "#1.mov", "!x", "\"x\"", "[attr]x", "*.mov"] {
        assert_eq!(display(&escape(plain.as_bytes())), plain);
    }
    assert_eq!(escape_globs(br"a[1]*?\.mov"), br"a\[1\]\*\?\\.mov");
}

#[test]
fn lines_are_understood() {
    let rule = |line: &'static str| {
        let rule = Rule::parse(line.as_bytes()).unwrap();
        (String::from_utf8(rule.pattern).unwrap(), rule.managed, rule.lockable)
    };
    assert_eq!(rule("*.mov dits lockable\r\n"), ("*.mov".into(), Some(true), true));
    assert_eq!(rule("  *.mov\tfilter=dits -text"), ("*.mov".into(), Some(true), false));
    assert_eq!(rule("*.mov -dits"), ("*.mov".into(), Some(false), false));
    assert_eq!(rule("*.mov dits !filter"), ("*.mov".into(), Some(false), false));
    assert_eq!(rule("*.mov filter=lfs lockable"), ("*.mov".into(), None, true));
    assert_eq!(rule(r#""a b\303\244\"" dits"#), ("a[[:space:]]b\u{e4}\"".into(), Some(true), false));
    assert_eq!(Rule::parse(MACRO.as_bytes()), None);
    for line in ["", "  \r\n", "# *.mov dits", "\"open dits"] {
        assert_eq!(Rule::parse(line.as_bytes()), None, "{line:?}");
    }
}

#[test]
fn tracking_keeps_all_other_bytes() {
    let keep = Lockable::Keep;
    assert_eq!(tracked("", "*.mov", keep), "*.mov dits\n");
    assert_eq!(tracked("a text\n\n# c", "*.mov", Lockable::Yes), "a text\n\n# c\n*.mov dits lockable\n");
    assert_eq!(tracked("a text\r\n\r\nb x", "*.mov", keep), "a text\r\n\r\nb x\r\n*.mov dits\r\n");
    // The last line decides, so an exclusion before is overruled at the end.
    assert_eq!(tracked("*.mov -dits\nb\n", "*.mov", keep), "*.mov -dits\nb\n*.mov dits\n");
}

#[test]
fn a_tracked_pattern_changes_only_its_lock() {
    let text = "*.mov  filter=dits -text\r\nb text\r\n";
    assert_eq!(tracked(text, "*.mov", Lockable::Keep), text);
    assert_eq!(tracked(text, "*.mov", Lockable::No), text);
    let locked = "*.mov filter=dits -text lockable\r\nb text\r\n";
    assert_eq!(tracked(text, "*.mov", Lockable::Yes), locked);
    assert_eq!(tracked(locked, "*.mov", Lockable::Keep), locked);
    assert_eq!(tracked(locked, "*.mov", Lockable::No), "*.mov filter=dits -text\r\nb text\r\n");
    assert_eq!(tracked("\"a b\" dits", "a[[:space:]]b", Lockable::Yes), "\"a b\" dits lockable");
}

#[test]
fn untracking_removes_whole_lines_of_ours() {
    let mut text = b"a dits\n\n*.mov dits lockable\n*.mov lockable\n*.mov filter=dits".to_vec();
    assert!(untrack(&mut text, b"*.mov"));
    assert_eq!(text, b"a dits\n\n*.mov lockable\n");
    assert!(!untrack(&mut text, b"*.mov"));
}

#[test]
fn the_macro_stands_once() {
    let mut text = b"a text".to_vec();
    add_macro(&mut text);
    add_macro(&mut text);
    assert_eq!(String::from_utf8(text).unwrap(), format!("a text\n{MACRO}\n"));
}
