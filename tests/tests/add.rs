//! `git dits add` gives what `git add` gives, only faster.
//!
//! Twin repositories go through the same changes; one is added to by Git, the other by us. Index, status, exit code
//! and what is said must be the same, whether a file takes the fast way or is left to Git.

use dits_tests::{Ran, Repo, User, World, bytes, pointer};
use std::fs;
use std::os::unix::fs::symlink;

/// Two repositories in the same state.
struct Twins {
    git: Repo,
    dits: Repo,
}

impl Twins {
    fn new(user: &User) -> Twins {
        let twins = Twins { git: user.init("git"), dits: user.init("dits") };
        twins.both(|repo| repo.write(".gitignore", b"*.tmp\n/ignored/\n"));
        twins
    }

    fn both(&self, mut change: impl FnMut(&Repo)) {
        change(&self.git);
        change(&self.dits);
    }

    /// Adds with the same arguments, and asserts that all is the same.
    #[track_caller]
    fn add(&self, args: &[&str]) {
        self.add_in("", args, b"");
    }

    #[track_caller]
    fn add_in(&self, folder: &str, args: &[&str], input: &[u8]) {
        let run = |repo: &Repo, words: &[&str]| {
            let call = repo.user().call("git", &repo.at(folder)).args(words).args(args);
            call.input(input).run()
        };
        let (git, dits) = (run(&self.git, &["add"]), run(&self.dits, &["dits", "add"]));
        assert_eq!(dits.code, git.code, "{dits}\n{git}");
        // Only the folder has another name.
        assert_eq!(dits.said().replace("/dits'", "/git'"), git.said());
        self.is_same(&dits);
    }

    #[track_caller]
    fn is_same(&self, added: &Ran) {
        for args in [
            &["ls-files", "--stage", "-z"][..],
            &["ls-files", "-t", "-z"],
            &["status", "--porcelain", "-z", "--untracked-files=all"],
            &["diff", "--cached", "--raw"],
        ] {
            let (git, dits) = (self.git.git(args).text(), self.dits.git(args).text());
            assert_eq!(dits, git, "{args:?} after {added}");
        }
    }
}

/// Files that took the fast way while `work` ran.
fn stored(repo: &Repo, work: impl FnOnce()) -> u64 {
    let watch = repo.watch(work);
    assert_eq!(watch.cleans, 0, "the filter was asked: {watch:?}");
    watch.stored
}

#[test]
fn managed_files_take_the_fast_way() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    for n in 0..40 {
        repo.write(format!("dir{}/{n}.bin", n % 3), &bytes(1000 * n, n as u64));
    }
    repo.write("text.txt", b"text\n");
    repo.write("large.bin", &bytes(3_000_000, 99));
    repo.make_executable("large.bin");
    let count = stored(&repo, || drop(repo.git(&["dits", "add", "."]).says_nothing()));
    assert_eq!(count, 41);
    let blob = repo.git(&["cat-file", "blob", ":large.bin"]).stdout;
    assert_eq!(blob, pointer::of(&bytes(3_000_000, 99)));
    repo.git(&["commit", "-q", "-m", "all"]);
    repo.is_clean_at_once();
    let count = stored(&repo, || drop(repo.git(&["dits", "add", "."])));
    assert_eq!(count, 0, "nothing is read twice");
    repo.is_sound();
    // The content is really there.
    fs::remove_file(repo.at("large.bin")).unwrap();
    repo.git(&["checkout", "-q", "--", "large.bin"]);
    repo.holds("large.bin", &bytes(3_000_000, 99));
    repo.is_clean_at_once();
}

#[test]
fn options_and_errors_are_those_of_git() {
    let world = World::new();
    let twins = Twins::new(&world.user("ann"));
    twins.both(|repo| {
        repo.write("a.bin", &bytes(5000, 1));
        repo.write("sub/b.bin", &bytes(6000, 2));
        repo.write("sub/c.txt", b"c\n");
        repo.write("x.tmp", b"x");
        repo.write("ignored/i.bin", &bytes(700, 3));
        repo.write("-dash.bin", &bytes(800, 4));
        symlink("a.bin", repo.at("link.bin")).unwrap();
        symlink("sub", repo.at("way")).unwrap();
    });
    twins.add(&[]);
    twins.add(&["-n", "."]);
    twins.add(&["no-such.bin", "a.bin"]);
    twins.add(&["way/b.bin", "a.bin"]);
    twins.add(&["ignored/i.bin", "a.bin"]);
    twins.add(&["*.none"]);
    twins.add(&["../outside"]);
    twins.add(&["-N", "a.bin"]);
    twins.add(&["--chmod=+x", "a.bin"]);
    twins.add(&["-f", "ignored"]);
    twins.add(&["--", "-dash.bin"]);
    twins.add_in("sub", &["."], b"");
    twins.add_in("sub", &["../link.bin", ":/a.bin"], b"");
    twins.add_in("sub", &["-A"], b"");
    twins.both(|repo| drop(repo.git(&["commit", "-q", "-m", "all"])));
    twins.both(|repo| {
        fs::remove_file(repo.at("a.bin")).unwrap();
        repo.write("sub/b.bin", &bytes(6001, 5));
        repo.write("sub/new.bin", &bytes(600, 6));
        repo.write("d e.bin", &bytes(601, 7));
    });
    twins.add(&["--no-all", "."]);
    twins.add(&["-u"]);
    twins.add_in("", &["--pathspec-from-file=-"], b"d e.bin\nsub\n");
    twins.both(|repo| repo.write("q\"uote.bin", &bytes(602, 8)));
    twins.add_in("", &["--pathspec-from-file=-"], b"\"q\\\"uote.bin\"\n");
    twins.both(|repo| repo.write("n\nl.bin", &bytes(603, 9)));
    twins.add_in("sub", &["--pathspec-from-file=-", "--pathspec-file-nul"], b"../n\nl.bin\0");
    twins.add(&["-A", "-u"]);
    twins.add(&["--pathspec-file-nul", "."]);
    twins.dits.git(&["commit", "-q", "-m", "more"]);
    twins.dits.is_clean_at_once();
}

#[test]
fn verbose_names_what_changed() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(5000, 1));
    repo.write("t.txt", b"t\n");
    let mut lines: Vec<String> =
        repo.git(&["dits", "add", "-v", "."]).text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["add '.gitattributes'", "add 'a.bin'", "add 't.txt'"]);
    repo.write("a.bin", &bytes(5000, 1));
    assert_eq!(repo.git(&["dits", "add", "-v", "."]).text(), "", "it was only touched");
}

#[test]
fn conflicts_types_and_folders_that_become_files() {
    let world = World::new();
    let twins = Twins::new(&world.user("ann"));
    twins.both(|repo| {
        repo.write("a.bin", &bytes(100, 1));
        repo.write("d.bin/inside.bin", &bytes(101, 2));
        symlink("nowhere", repo.at("l.bin")).unwrap();
        repo.write("f.bin", &bytes(102, 3));
        repo.commit("base");
        repo.git(&["switch", "-q", "-c", "other"]);
        repo.write("a.bin", &bytes(103, 4));
        repo.commit("other");
        repo.git(&["switch", "-q", "main"]);
        repo.write("a.bin", &bytes(104, 5));
        repo.commit("main");
        repo.git_fails(&["merge", "-q", "other"]);
        repo.write("a.bin", &bytes(105, 6));
        fs::remove_dir_all(repo.at("d.bin")).unwrap();
        repo.write("d.bin", &bytes(106, 7));
        fs::remove_file(repo.at("l.bin")).unwrap();
        repo.write("l.bin", &bytes(107, 8));
        fs::remove_file(repo.at("f.bin")).unwrap();
        repo.write("f.bin/deep/x.bin", &bytes(108, 9));
    });
    twins.add(&["d.bin", "l.bin"]);
    twins.add(&["-A"]);
    twins.both(|repo| drop(repo.git(&["commit", "-q", "-m", "merged"])));
    twins.dits.is_clean_at_once();
}

#[test]
fn sparse_checkouts_repositories_inside_and_file_modes() {
    let world = World::new();
    let user = world.user("ann");
    let twins = Twins::new(&user);
    twins.both(|repo| {
        repo.write("in/a.bin", &bytes(100, 1));
        repo.write("out/b.bin", &bytes(101, 2));
        repo.commit("base");
        repo.git(&["sparse-checkout", "set", "in"]);
        repo.write("in/a.bin", &bytes(102, 3));
        repo.write("in/new.bin", &bytes(103, 4));
        repo.write("out/new.bin", &bytes(104, 5));
    });
    twins.add(&["in"]);
    twins.add(&["."]);
    twins.add(&["out/new.bin"]);
    twins.add(&["--sparse", "out/new.bin"]);
    twins.both(|repo| {
        repo.git(&["sparse-checkout", "disable"]);
        repo.git(&["config", "core.fileMode", "false"]);
        repo.write("in/a.bin", &bytes(105, 6));
        repo.make_executable("in/a.bin");
        repo.write("in/mode.bin", &bytes(106, 7));
        repo.make_executable("in/mode.bin");
        user.git(&["init", "-q", repo.at("inner").to_str().unwrap()]);
        repo.write("inner/x.bin", &bytes(107, 8));
    });
    twins.add(&["in"]);
    twins.add(&["inner/x.bin", "in"]);
}

#[test]
fn a_threshold_and_damaged_pointers_are_left_to_git() {
    let world = World::new();
    let twins = Twins::new(&world.user("ann"));
    twins.both(|repo| {
        repo.write("raw.bin", &bytes(5000, 1));
        repo.commit("pointer");
        repo.git(&["config", "dits.threshold", "4k"]);
        repo.write("small.bin", &bytes(4095, 2));
        repo.write("large.bin", &bytes(4096, 3));
        repo.write("raw.bin", &bytes(10, 4));
        repo.write("ghost.bin", &pointer::to_nothing());
    });
    twins.add(&["."]);
    twins.both(|repo| {
        let (_, text, _) = pointer::damaged().remove(0);
        repo.write("good.bin", &bytes(9000, 5));
        repo.write("cut.bin", &text);
    });
    twins.add(&["cut.bin"]);
}

#[test]
fn renormalize_converts_what_git_leaves_raw() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("big.bin", &bytes(5000, 1));
    repo.write("small.bin", &bytes(50, 2));
    repo.git(&["config", "dits.threshold", "64m"]);
    repo.commit("raw");
    repo.git(&["config", "dits.threshold", "1k"]);
    repo.git(&["add", "--renormalize", "."]);
    assert_eq!(repo.status(), "", "Git leaves unchanged raw content alone");
    repo.git(&["dits", "add", "--renormalize", "."]).says_nothing();
    assert_eq!(repo.status(), "M  big.bin\n");
    assert_eq!(repo.git(&["cat-file", "blob", ":big.bin"]).stdout, pointer::of(&bytes(5000, 1)));
    repo.git(&["commit", "-q", "-m", "converted"]);
    repo.is_clean_at_once();
}

#[test]
fn bad_places_and_a_held_lock_change_nothing() {
    let world = World::new();
    let user = world.user("ann");
    let repo = user.init("project");
    repo.write("a.bin", &bytes(5000, 1));
    fs::write(repo.at(".git/index.lock"), b"").unwrap();
    repo.git_fails(&["dits", "add", "."]).says(&["index.lock"]);
    fs::remove_file(repo.at(".git/index.lock")).unwrap();
    assert_eq!(repo.git(&["ls-files"]).text(), "");
    repo.git(&["dits", "add", "."]);
    repo.is_sound();
    user.git(&["init", "-q", "--bare", "bare.git"]);
    let bare = user.call("git", &user.at("bare.git")).args(["dits", "add", "."]).run();
    assert_eq!(bare.code, Some(128), "{bare}");
    let outside = user.call("git", &user.at("tmp")).args(["dits", "add", "."]).run();
    assert_eq!(outside.code, Some(128), "{outside}");
    let plain = world.plain_user("ben");
    plain.git(&["init", "-q", "p"]);
    plain.call("git", &plain.at("p")).args(["dits", "add", "."]).fails().says(&["git dits install"]);
}

#[test]
fn other_indexes_and_hashes() {
    let world = World::new();
    let ann = world.user("ann");
    ann.git(&["init", "-q", "--object-format=sha256", "wide"]);
    ann.git(&["init", "-q", "split"]);
    let (wide, split) = (ann.repo("wide"), ann.repo("split"));
    split.git(&["update-index", "--split-index"]);
    split.git(&["config", "core.splitIndex", "true"]);
    for repo in [&wide, &split] {
        repo.git(&["dits", "track", "*.bin"]);
        for round in 0..2 {
            repo.write("a.bin", &bytes(5000, round));
            repo.write(format!("{round}.bin"), &bytes(700, round));
            assert!(stored(repo, || drop(repo.git(&["dits", "add", "."]))) > 0);
            repo.git(&["commit", "-q", "-m", "round"]);
            repo.is_clean_at_once();
        }
        repo.is_sound();
    }
}

/// A small generator of choices, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 += 1;
        let drawn = bytes(8, self.0);
        usize::from_le_bytes(drawn.try_into().expect("eight bytes")) % sides
    }
}

#[test]
fn random_trees_end_up_the_same() {
    let world = World::new();
    let user = world.user("ann");
    let watch = user.watch(|| random_trees(&user));
    assert!(watch.stored > 30, "hardly a file took the fast way: {watch:?}");
}

fn random_trees(user: &User) {
    const NAMES: [&str; 12] = [
        "a.bin",
        "b.bin",
        "c d.bin",
        "dir/e.bin",
        "dir/f.txt",
        "dir/deep/g.bin",
        "x.tmp",
        "i.txt",
        "dir",
        "*.bin",
        "u\u{308}.bin",
        "n\nl.bin",
    ];
    const ADDS: [&[&str]; 8] = [
        &["."],
        &["-A"],
        &["-u"],
        &["dir"],
        &["*.bin"],
        &["--no-all", "."],
        &["-f", "."],
        &[":(glob)**/*.bin"],
    ];
    for seed in 0..6_u64 {
        let mut dice = Dice(seed * 1000);
        let repos = ["git", "dits"].map(|name| user.init(&format!("{name}{seed}")));
        let [git, dits] = repos;
        let twins = Twins { git, dits };
        for round in 0..5 {
            for _ in 0..3 + dice.roll(6) {
                let name = NAMES[dice.roll(NAMES.len())];
                let (what, size, content) =
                    (dice.roll(10), dice.roll(3000), seed * 100 + dice.roll(9) as u64);
                twins.both(|repo| change(repo, name, what, &bytes(size, content)));
            }
            if seed == 5 {
                twins.both(|repo| drop(repo.git(&["config", "dits.threshold", "1500"])));
            }
            twins.add(ADDS[dice.roll(ADDS.len())]);
            if dice.roll(2) == 0 {
                twins.both(|repo| {
                    drop(repo.git(&["commit", "-q", "--allow-empty", "-m", &round.to_string()]))
                });
            }
        }
        twins.dits.is_sound();
    }
}

fn change(repo: &Repo, name: &str, what: usize, content: &[u8]) {
    let path = repo.at(name);
    let is_folder = path.is_dir() && !path.is_symlink();
    match what {
        0 | 1 if is_folder => fs::remove_dir_all(&path).expect("the tree can be changed"),
        0 | 1 => drop(fs::remove_file(&path)),
        _ if is_folder || path.ancestors().skip(1).any(|above| above.is_file()) => {}
        2 => {
            let _ = fs::remove_file(&path);
            fs::create_dir_all(path.parent().expect("the tree can be changed"))
                .expect("the tree can be changed");
            symlink("target", &path).expect("the tree can be changed");
        }
        _ => {
            if path.is_symlink() {
                fs::remove_file(&path).expect("the tree can be changed");
            }
            repo.write(name, content);
            if what == 3 {
                repo.make_executable(name);
            }
        }
    }
}
