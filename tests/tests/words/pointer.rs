//! pointer, clean and smudge: streams, texts and exit codes of the plumbing.

use crate::beside::Beside;
use dits_tests::{Repo, bytes};

/// A repository with a file, its pointer `p`, another pointer `q`, and the empty file.
fn plumbing() -> Beside {
    let beside = Beside::new();
    beside.each(|repo| {
        repo.write("a.bin", b"hello one");
        repo.write("b.bin", &bytes(3_000, 1));
        repo.write("empty", b"");
        for (file, pointer) in [("a.bin", "p"), ("b.bin", "q")] {
            let text = clean(repo, &repo.read(file)).stdout;
            repo.write(pointer, &text);
        }
    });
    beside
}

fn product(repo: &Repo) -> &'static str {
    if repo.user().home().ends_with("dits/home") { "dits" } else { "lfs" }
}

fn clean(repo: &Repo, input: &[u8]) -> dits_tests::Ran {
    repo.call(&[product(repo), "clean"]).input(input).ok()
}

#[test]
fn pointers_are_built_and_compared() {
    let beside = plumbing();
    beside.same_all(&[
        "pointer --file a.bin",
        "pointer --file=b.bin",
        "pointer --file empty",
        "pointer --file nope",
    ]);
    beside.same_all(&["pointer --file a.bin --pointer p", "pointer --file a.bin --pointer q"]);
    beside.same_all(&["pointer --pointer p", "pointer --pointer a.bin", "pointer --pointer nope", "pointer"]);
    beside.same_all(&["pointer --file a.bin --pointer empty", "pointer --nonsense"]);
    for file in ["p", "q", "a.bin", "empty"] {
        for command in ["pointer --stdin", "pointer --stdin --file a.bin"] {
            let args: Vec<&str> = command.split(' ').collect();
            let input = beside.lfs.read(file);
            let lfs = beside.lfs.call(&["lfs"]);
            let lfs = lfs.args(&args).input(&input).run();
            let dits = beside.dits.call(&["dits"]).args(&args).input(&beside.dits.read(file)).run();
            assert_eq!(beside.seen(&lfs, true), beside.seen(&dits, false), "{command} < {file}");
        }
    }
}

/// What a comparison says on standard error, also where it fails.
#[test]
fn a_comparison_is_told_in_the_same_words() {
    let beside = plumbing();
    for other in ["p", "q", "empty"] {
        let args = ["pointer", "--file", "a.bin", "--pointer", other];
        let (lfs, dits) = beside.both(&args, "", b"");
        assert_eq!(beside.mapped(&lfs.said(), true), beside.mapped(&dits.said(), false));
    }
}

#[test]
fn checks_exit_as_scripts_expect() {
    let beside = plumbing();
    for flags in ["", " --strict", " --no-strict", " --strict --no-strict"] {
        for file in ["a.bin", "b.bin", "p", "q", "empty", "nope"] {
            // Flags against each other are unknown arguments to us, see the differences.
            if flags != " --strict --no-strict" {
                beside.same_all(&[&format!("pointer --check{flags} --file {file}")]);
            }
        }
    }
    beside.same_all(&["pointer --check", "pointer --check --file p --stdin"]);
}

#[test]
fn clean_and_smudge_take_one_stream_to_the_other() {
    let beside = plumbing();
    let contents: [&[u8]; 5] = [b"", b"hello one", b"no pointer\n", &bytes(1_024, 2), &bytes(300_000, 3)];
    for content in contents {
        for args in [&["clean"][..], &["clean", "a.bin"], &["clean", "--", "a.bin"]] {
            // git-lfs cuts what it reads when a small file lies at the path: see the differences.
            if args.len() == 1 || content.len() < 1024 {
                beside.same_with(args, "", content);
            }
        }
        let seen: Vec<_> = [&beside.lfs, &beside.dits]
            .map(|repo| {
                let pointer = clean(repo, content).stdout;
                let smudge = |args: &[&str]| {
                    repo.call(&[&[product(repo), "smudge"], args].concat()).input(&pointer).ok()
                };
                assert!(smudge(&[]).stdout == content && smudge(&["--", "x.bin"]).stdout == content);
                assert_eq!(smudge(&["--skip"]).stdout, pointer);
                let variable = format!("GIT_{}_SKIP_SMUDGE", product(repo).to_uppercase());
                let skipped = repo.with_env(&variable, "1");
                assert_eq!(
                    skipped.call(&[product(repo), "smudge", "a.bin"]).input(&pointer).ok().stdout,
                    pointer
                );
                smudge(&["a.bin"]).says_nothing().code
            })
            .into();
        assert_eq!(seen[0], seen[1]);
    }
    beside.dits.is_sound();
}

#[test]
fn a_pointer_passes_clean_and_content_passes_smudge() {
    let beside = plumbing();
    for repo in [&beside.lfs, &beside.dits] {
        let pointer = repo.read("p");
        assert_eq!(clean(repo, &pointer).stdout, pointer);
        let raw = bytes(50_000, 4);
        assert!(repo.call(&[product(repo), "smudge", "x"]).input(&raw).ok().stdout == raw);
    }
}

#[test]
fn the_path_s_own_file_never_changes_what_is_cleaned() {
    let beside = plumbing();
    let content = bytes(70_000, 5);
    let expected = clean(&beside.dits, &content).stdout;
    for path in ["a.bin", "empty", "p", "nope"] {
        let seen = beside.dits.call(&["dits", "clean", "--", path]).input(&content).ok();
        assert_eq!(seen.stdout, expected);
    }
}

#[test]
fn content_that_cannot_be_had_gives_no_byte_and_says_why() {
    let beside = plumbing();
    let repo = &beside.dits;
    let ran = repo.call(&["dits", "smudge", "--", "x.bin"]).input(&dits_tests::pointer::to_nothing()).fails();
    assert_eq!((ran.code, &ran.stdout[..]), (Some(2), &b""[..]));
    ran.says(&["error: cannot smudge 'x.bin': cannot fetch content ", "\nhint: name a server"]);
}
