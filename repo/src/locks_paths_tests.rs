//! Each way to name a file, and each thing that is none.

use super::*;
use std::os::unix::fs::symlink;

/// A repository with files, links and whatever people name by mistake.
struct Setting {
    dir: tempfile::TempDir,
    repository: Repository,
}

const NFC: &str = "\u{e9}.bin";
const NFD: &str = "e\u{301}.bin";
const OLD_NFD: &str = "u\u{308}.bin";

impl Setting {
    fn new(ignore_case: bool) -> Setting {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("repo");
        std::fs::create_dir_all(top.join("d/deep")).unwrap();
        let git = Git::at(&top);
        git.run(&["init", "-q"]).unwrap();
        // Whatever the names, they are as they were written.
        git.run(&["config", "core.precomposeunicode", "false"]).unwrap();
        git.run(&["config", "core.ignorecase", if ignore_case { "true" } else { "false" }]).unwrap();
        let files = ["a.bin", "d/c.bin", "d/deep/x", "gone", "removed", NFC, OLD_NFD, "[g]*", "-dash"];
        for name in files {
            std::fs::write(top.join(name), name).unwrap();
        }
        symlink("a.bin", top.join("link")).unwrap();
        symlink("d", top.join("dlink")).unwrap();
        symlink("..", top.join("up")).unwrap();
        symlink("loop", top.join("loop")).unwrap();
        symlink(&top, dir.path().join("junction")).unwrap();
        git.run(&["add", "-A"]).unwrap();
        git.run(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"]).unwrap();
        std::fs::remove_file(top.join("gone")).unwrap();
        git.run(&["rm", "-q", "removed"]).unwrap();
        std::fs::write(top.join("untracked"), "").unwrap();
        let repository = Repository::find(&top).unwrap();
        Setting { dir, repository }
    }

    /// The place of a name, from a folder of the working tree, if it can be locked.
    fn place(&self, from: &str, name: &str) -> Result<String, PathProblem> {
        let cwd = self.dir.path().join("repo").join(from).canonicalize().unwrap();
        let places = resolve(&self.repository, &cwd, &[name.into()]).unwrap();
        let [place] = &places[..] else { panic!("one place for one name") };
        place.clone().and_then(Place::tracked).map(|place| place.path)
    }

    fn absolute(&self, name: &str) -> String {
        self.dir.path().canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn all_spellings_of_a_file_meet_at_one_place() {
    let setting = Setting::new(false);
    let (inside, junction) = (setting.absolute("repo/d/c.bin"), setting.absolute("junction/d/c.bin"));
    for (from, name, path) in [
        ("", "a.bin", "a.bin"),
        ("", "./d//./c.bin", "d/c.bin"),
        ("d", "c.bin", "d/c.bin"),
        ("d/deep", "../c.bin", "d/c.bin"),
        ("d", "../a.bin", "a.bin"),
        ("", &inside, "d/c.bin"),
        ("d", &junction, "d/c.bin"),
        ("", "dlink/c.bin", "d/c.bin"),
        ("", "up/repo/a.bin", "a.bin"),
        ("", "link", "link"),
        ("", "gone", "gone"),
        ("", "removed", "removed"),
        ("", NFC, NFC),
        ("", NFD, NFC),
        ("", OLD_NFD, OLD_NFD),
        ("", "\u{fc}.bin", OLD_NFD),
        ("", "[g]*", "[g]*"),
        ("", "-dash", "-dash"),
        ("", "d/", "d/"),
        ("d", "deep/", "d/deep/"),
        ("d", "./", "d/"),
    ] {
        assert_eq!(setting.place(from, name), Ok(path.to_owned()), "{name} from '{from}'");
    }
}

#[test]
fn what_is_no_file_of_the_repository_is_refused() {
    use PathProblem::*;
    let setting = Setting::new(false);
    let text = |name: &str| name.to_owned();
    let outside = |name: &str| Outside(name.to_owned());
    let bad = |path: &str, why: &str| Bad { path: path.to_owned(), why: why.to_owned() };
    let foreign = setting.absolute("elsewhere");
    for (name, problem) in [
        ("/etc/passwd", outside("/etc/passwd")),
        (&foreign[..], outside(&foreign)),
        ("../x", outside("../x")),
        ("d/../../x", outside("d/../../x")),
        ("up/x", outside("up/x")),
        ("loop/x", outside("loop/x")),
        ("C:\\x", outside("C:\\x")),
        ("C:/x", outside("C:/x")),
        ("\\\\?\\C:\\repo\\a.bin", outside("\\\\?\\C:\\repo\\a.bin")),
        ("\\\\host\\share\\x", outside("\\\\host\\share\\x")),
        ("d", Folder(text("d"))),
        ("dlink", Folder(text("dlink"))),
        ("up", Folder(text("up"))),
        (".", Folder(text("."))),
        ("", Folder(text(""))),
        ("./", Folder(text("./"))),
        ("d\\c.bin", bad("d\\\\c.bin", "holds a backslash or a control character")),
        ("a\nb", bad("a\\nb", "holds a backslash or a control character")),
        (".git/config", bad(".git/config", "is inside '.git'")),
        ("nope", Missing(text("nope"))),
        ("nope/", Missing(text("nope/"))),
        ("*.bin", Missing(text("*.bin"))),
        ("untracked", Untracked(text("untracked"))),
        ("A.BIN", OtherCase { path: text("A.BIN"), tracked: text("a.bin") }),
        ("D/c.bin", OtherCase { path: text("D/c.bin"), tracked: text("d/c.bin") }),
    ] {
        assert_eq!(setting.place("", name), Err(problem), "{name:?}");
    }
    let bytes = std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]);
    let places = resolve(&setting.repository, &setting.dir.path().join("repo"), &[bytes]).unwrap();
    assert!(matches!(&places[..], [Err(Bad { why, .. })] if why == "is not UTF-8"));
}

#[test]
fn where_case_does_not_count_the_index_says_how_a_path_is_spelled() {
    let setting = Setting::new(true);
    for (name, path) in
        [("A.BIN", "a.bin"), ("D/C.bin", "d/c.bin"), ("D/DEEP/", "d/deep/"), ("E\u{301}.BIN", NFC)]
    {
        assert_eq!(setting.place("", name), Ok(path.to_owned()), "{name}");
    }
}

#[test]
fn many_paths_take_one_look_at_the_index() {
    let setting = Setting::new(false);
    let top = setting.dir.path().join("repo");
    let names: Vec<OsString> = (0..2 * NAMED_MAX).map(|i| format!("many/{i}").into()).collect();
    std::fs::create_dir(top.join("many")).unwrap();
    names.iter().for_each(|name| std::fs::write(top.join(name), "").unwrap());
    setting.repository.git.run(&["add", "many"]).unwrap();
    let places = resolve(&setting.repository, &top, &names).unwrap();
    assert!(
        places.into_iter().zip(names).all(|(place, name)| place.is_ok_and(|p| p.tracked && *p.path == *name))
    );
}

#[test]
fn only_what_would_be_lost_is_uncommitted() {
    let setting = Setting::new(false);
    let (git, top) = (&setting.repository.git, setting.dir.path().join("repo"));
    std::fs::write(top.join("a.bin"), "changed").unwrap();
    std::fs::write(top.join("d/deep/x"), "staged").unwrap();
    git.run(&["add", "d/deep/x"]).unwrap();
    std::fs::write(top.join(NFC), "not asked").unwrap();
    let asked = ["a.bin", "d/c.bin", "d/deep/x", "gone", "removed", "untracked", "[g]*"];
    assert_eq!(uncommitted(git, &asked).unwrap(), ["a.bin", "d/deep/x"]);
}
