//! Tables of names.

use super::*;

#[test]
fn names_that_cannot_exist_on_windows_are_told() {
    let long = "n".repeat(256);
    let table: [(&str, Option<Problem>); 24] = [
        ("plain.bin", None),
        ("folder/ünïcödé 日本語.bin", None),
        ("con", Some(Problem::Device("con".into()))),
        ("a/NUL.tar.gz", Some(Problem::Device("NUL.tar.gz".into()))),
        ("aux /x", Some(Problem::Device("aux ".into()))),
        ("Prn .txt", Some(Problem::Device("Prn .txt".into()))),
        ("COM1", Some(Problem::Device("COM1".into()))),
        ("lpt9.bin", Some(Problem::Device("lpt9.bin".into()))),
        ("COM²", Some(Problem::Device("COM²".into()))),
        ("CONOUT$", Some(Problem::Device("CONOUT$".into()))),
        ("com0", None),
        ("com10", None),
        ("console", None),
        ("x.con", None),
        ("a:b", Some(Problem::Character("a:b".into(), ':'))),
        ("what?", Some(Problem::Character("what?".into(), '?'))),
        ("back\\slash", Some(Problem::Character("back\\slash".into(), '\\'))),
        ("new\nline", Some(Problem::Character("new\nline".into(), '\n'))),
        ("end.", Some(Problem::Ending("end.".into()))),
        ("end /x", Some(Problem::Ending("end ".into()))),
        (" start", None),
        (".hidden", None),
        (&long, Some(Problem::LongPart(long.clone()))),
        (&long[1..], None),
    ];
    for (name, problem) in table {
        assert_eq!(problems(name.as_bytes()).into_iter().next(), problem, "{name}");
    }
    assert_eq!(problems(b"caf\xe9"), [Problem::NotText]);
    let deep = format!("{}x", "folder/".repeat(37));
    assert_eq!(problems(deep.as_bytes()), [Problem::LongPath]);
    assert_eq!(problems(&deep.as_bytes()[1..]), []);
}

#[test]
fn a_path_has_one_spelling() {
    for (path, spelled) in [
        ("U\u{308}.BIN".as_bytes(), "ü.bin".as_bytes()),
        ("İ".as_bytes(), "i\u{307}".as_bytes()),
        (b"caf\xe9/A", b"caf\xe9/a"),
    ] {
        assert_eq!(spelling(path), spelled);
        assert_eq!(spelling(spelled), spelled, "a spelling is its own");
    }
}

#[test]
fn names_that_are_one_elsewhere_are_found_once() {
    let found = |paths: &[&str]| -> Vec<Vec<String>> {
        let lists = clashes(paths.iter().map(|path| path.as_bytes()));
        let text = |path: Vec<u8>| String::from_utf8(path).unwrap();
        lists.into_iter().map(|same| same.into_iter().map(text).collect()).collect()
    };
    assert_eq!(found(&["a", "b", "a/b"]), [[""; 0]; 0]);
    assert_eq!(found(&["Hero.psd", "hero.PSD", "other"]), [["Hero.psd", "hero.PSD"]]);
    assert_eq!(found(&["u\u{308}", "ü"]), [["u\u{308}", "ü"]]);
    assert_eq!(found(&["Art/x/a", "art/x/a", "art/x/b"]), [["Art", "art"]], "the folder, not all below it");
    assert_eq!(found(&["d/A", "d/a", "D/c"]), [vec!["D", "d"], vec!["d/A", "d/a"]]);
}

#[test]
fn devices_are_refused_unless_names_do_not_matter() {
    let (device, character) = (Problem::Device("nul".into()), Problem::Character("a:".into(), ':'));
    let refused = |policy: Policy| (policy.refuses(&device), policy.refuses(&character));
    assert_eq!(refused(Policy::Off), (false, false));
    assert_eq!(refused(Policy::Warn), (true, false));
    assert_eq!(refused(Policy::Refuse), (true, true));
}
