//! Hooks as nets: put where Git runs them, never over somebody else's, and gone without a trace.
//!
//! The Git host is a folder, contents go to a server of ours: whether a hook has run is seen from what arrives there.
//! The managers are played by scripts that run hooks the way they do.

use dits_tests::{Ran, Repo, Server, World, bytes};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A hook of somebody else: it writes down its arguments and its input.
const MINE: &str = "#!/bin/sh\n{ printf '<%s>' \"$@\"; echo; cat; } >>mine.log\n";

/// A repository with a content to push to a plain host, and no hook.
fn project(world: &World, server: &Server) -> Repo {
    let host = world.path().join("host.git").display().to_string();
    let ann = world.user("ann");
    ann.git(&["init", "-q", "--bare", "-b", "main", &host]);
    let repo = ann.init("project");
    repo.git(&["remote", "add", "origin", &format!("file://{host}")]);
    repo.git(&["config", "dits.url", &server.url("team/p")]);
    repo.write("a.bin", &bytes(100_000, 1));
    repo.commit("first");
    repo
}

fn put(repo: &Repo, name: &str, text: &str) {
    repo.write(name, text.as_bytes());
    repo.make_executable(name);
}

fn hook(repo: &Repo, name: &str) -> String {
    fs::read_to_string(repo.at(".git/hooks").join(name)).unwrap_or_default()
}

/// Pushes, and says how many contents have arrived at the server.
#[track_caller]
fn pushed(repo: &Repo) -> u64 {
    repo.watch(|| drop(repo.git(&["push", "-q", "origin", "main"]))).push.contents
}

#[test]
fn where_a_manager_is_the_user_is_told_what_to_add() {
    // Name, file that gives it away, where to add, what (with the indentation gone), and how it runs pre-push.
    let husky = "#!/bin/sh\nexec sh -e .husky/pre-push \"$@\"\n";
    let lefthook = "#!/bin/sh\ncommand=$(sed -n 's/^ *run: \\(git dits pre-push\\) {0}$/\\1/p' lefthook.yml)\n\
                    $command \"$@\"\n";
    let pre_commit = "#!/bin/sh\nread local to remote from\nexport PRE_COMMIT_REMOTE_NAME=$1 PRE_COMMIT_TO_REF=$to\n\
                      eval \"$(sed -n 's/^ *entry: \\(.*git dits push.*\\)$/\\1/p' .pre-commit-config.yaml)\"\n";
    let table = [
        ("husky", ".husky/pre-commit", ".husky/pre-push", "git dits pre-push \"$@\"\n", husky),
        (
            "lefthook",
            "lefthook.yml",
            "lefthook.yml",
            "run: git dits pre-push {0}\nuse_stdin: true\n",
            lefthook,
        ),
        (
            "pre-commit",
            ".pre-commit-config.yaml",
            ".pre-commit-config.yaml",
            "entry: sh -c 'git dits push \"$PRE_COMMIT_REMOTE_NAME\" \"$PRE_COMMIT_TO_REF\"'\n",
            pre_commit,
        ),
        (
            "core.hooksPath",
            "",
            "my hooks/pre-push",
            "printf %s \"$dits_input\" | \"$dits\" pre-push \"$@\" || exit\n",
            "",
        ),
    ];
    for (name, file, target, line, runner) in table {
        let world = World::new();
        let server = world.server();
        let repo = project(&world, &server);
        let hooks_path = match name {
            "husky" => ".husky/_",
            "core.hooksPath" => "my hooks",
            _ => ".git/hooks",
        };
        if !hooks_path.starts_with(".git/") {
            repo.git(&["config", "core.hooksPath", hooks_path]);
        }
        if !file.is_empty() {
            repo.write(file, b"# theirs\n");
        }
        if !runner.is_empty() {
            put(&repo, &format!("{hooks_path}/pre-push"), runner);
        }
        let before = hook(&repo, "pre-push");
        let told = repo.git(&["dits", "update", "--force"]);
        assert_eq!(told.text(), "Updated Git hooks.\n");
        let said = told.said();
        assert!(said.contains(&format!("warning: the pre-push hook is left to {name}\n")), "{told}");
        assert!(said.contains(&format!("hint: add the following to '{target}':\n")), "{told}");
        let hints: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
        let loose: String = hints.iter().map(|hint| format!("{}\n", hint.trim_start())).collect();
        assert!(loose.contains(line), "{told}");
        assert_eq!((hook(&repo, "pre-push"), hook(&repo, "pre-commit")), (before, String::new()), "{name}");
        let path = repo.git(&["config", "--default", ".git/hooks", "core.hooksPath"]).line();
        assert_eq!(path, hooks_path, "it is theirs");
        // Whoever does as told has a net, and is told nothing more.
        let wanted = ["pre-push", "pre-commit"].map(|hook| snippet(&hints, name, hook));
        for (hook, (file, text)) in ["pre-push", "pre-commit"].iter().zip(&wanted) {
            let old = fs::read_to_string(repo.at(file)).unwrap_or_else(|_| "#!/bin/sh\n".into());
            put(&repo, file, &(old + text));
            assert!(!text.is_empty(), "nothing to add for {hook}");
        }
        repo.git(&["dits", "update"]).says_nothing();
        assert_eq!(pushed(&repo), 1, "{name}");
        repo.git(&["dits", "uninstall", "--local"]).says(&["hint: remove git-dits from", name]);
    }
}

/// Where to add what, by the hints.
fn snippet(hints: &[&str], manager: &str, hook: &str) -> (String, String) {
    let starts = |line: &&&str| line.starts_with("add the following to");
    let is_it = |block: &&[&str]| {
        let text = block.join("\n");
        match hook {
            "pre-push" => text.contains("git dits pu") || text.contains("pre-push"),
            _ => text.contains("check --staged"),
        }
    };
    let at: Vec<usize> = (0..hints.len()).filter(|at| starts(&&hints[*at])).chain([hints.len()]).collect();
    let blocks: Vec<&[&str]> = at.windows(2).map(|pair| &hints[pair[0]..pair[1]]).collect();
    let block =
        blocks.iter().copied().find(|block| is_it(block)).unwrap_or_else(|| panic!("{manager}: {hints:?}"));
    let file = block[0].trim_start_matches("add the following to '").trim_end_matches("':");
    (file.to_owned(), block[1..].join("\n") + "\n")
}

#[test]
fn another_hook_stays_until_forced_and_then_runs_first() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    put(&repo, ".git/hooks/pre-push", MINE);
    let refused = repo.git_fails(&["dits", "update"]);
    let indented: String = MINE.lines().map(|line| format!("\t{line}\n")).collect();
    let expected = format!(
        "Hook already exists: pre-push\n\n{indented}\nTo resolve this, either:\n  \
         1: run `git dits update --manual` for instructions on how to merge hooks.\n  \
         2: run `git dits update --force` to run your hook behind that of git-dits.\n"
    );
    assert_eq!((refused.code, refused.text(), refused.said()), (Some(2), String::new(), expected));
    assert_eq!(hook(&repo, "pre-push"), MINE);

    for _ in 0..2 {
        assert_eq!(repo.git(&["dits", "update", "--force"]).says_nothing().text(), "Updated Git hooks.\n");
    }
    let tip = repo.id("main");
    assert_eq!(pushed(&repo), 1);
    let url = repo.git(&["remote", "get-url", "origin"]).line();
    let zero = "0".repeat(40);
    let input = format!("refs/heads/main {tip} refs/heads/main {zero}\n");
    assert_eq!(fs::read_to_string(repo.at("mine.log")).unwrap(), format!("<origin><{url}>\n{input}"));
    // Nothing to push: no input at all.
    repo.git(&["push", "-q", "origin", "main"]);
    assert_eq!(
        fs::read_to_string(repo.at("mine.log")).unwrap(),
        format!("<origin><{url}>\n{input}<origin><{url}>\n")
    );

    // What the other hook forbids is not even uploaded.
    put(&repo, ".git/hooks/pre-push.before-dits", "#!/bin/sh\necho never >&2\nexit 3\n");
    repo.write("b.bin", &bytes(1000, 2));
    repo.commit("second");
    let watch = repo.watch(|| drop(repo.git_fails(&["push", "origin", "main"]).says(&["never"])));
    assert_eq!(watch.connections, 0);
    put(&repo, ".git/hooks/pre-push.before-dits", MINE);
    repo.git(&["dits", "uninstall", "--local"]);
    assert_eq!(hook(&repo, "pre-push"), MINE);
    assert!(
        !repo.at(".git/hooks/pre-push.before-dits").exists() && !repo.at(".git/hooks/pre-commit").exists()
    );
}

#[test]
fn lines_that_others_add_behind_ours_get_the_same_input() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    repo.git(&["dits", "update"]);
    let ours = hook(&repo, "pre-push");
    put(&repo, ".git/hooks/pre-push", &(ours.clone() + "{ echo \"$1\"; cat; } >>late.log\n"));
    assert_eq!(pushed(&repo), 1);
    let zero = "0".repeat(40);
    let expected = format!("origin\nrefs/heads/main {} refs/heads/main {zero}\n", repo.id("main"));
    assert_eq!(fs::read_to_string(repo.at("late.log")).unwrap(), expected);
    repo.git(&["push", "-q", "origin", "main"]);
    assert_eq!(fs::read_to_string(repo.at("late.log")).unwrap(), expected + "origin\n");
    repo.git(&["dits", "uninstall", "--local"]);
    assert_eq!(hook(&repo, "pre-push"), "#!/bin/sh\n{ echo \"$1\"; cat; } >>late.log\n");
}

#[test]
fn a_hook_that_git_would_not_run_is_not_run_by_us() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    repo.write(".git/hooks/pre-push", MINE.as_bytes());
    repo.git(&["dits", "update", "--force"]);
    assert_eq!(pushed(&repo), 1);
    assert!(!repo.at("mine.log").exists());
    repo.git(&["dits", "uninstall", "--local"]);
    let mode = fs::metadata(repo.at(".git/hooks/pre-push")).unwrap().permissions().mode();
    assert_eq!((hook(&repo, "pre-push"), mode & 0o111), (MINE.into(), 0));
}

#[test]
fn manual_steps_work_when_followed() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    let steps = repo.git(&["dits", "update", "--manual"]).text();
    assert!(steps.starts_with("Add the following to '.git/hooks/pre-push':\n\n\t#!/bin/sh\n"), "{steps}");
    assert!(steps.contains("\n\nAdd the following to '.git/hooks/pre-commit':\n\n\t#!/bin/sh\n"), "{steps}");
    assert_eq!(hook(&repo, "pre-push"), "");
    let (push, _) = steps.split_once("\n\nAdd ").unwrap();
    let lines: String =
        push.lines().filter_map(|line| line.strip_prefix('\t')).map(|line| format!("{line}\n")).collect();
    put(&repo, ".git/hooks/pre-push", &lines);
    assert_eq!(pushed(&repo), 1);
    let both = repo.git_fails(&["dits", "update", "--manual", "--force"]);
    assert_eq!(both.code, Some(2));
    both.says(&["You cannot use --force and --manual options together"]);
}

#[test]
fn tracking_brings_hooks_unless_told_not_to() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    repo.git(&["dits", "track", "*.mov"]).says_nothing();
    assert_eq!(hook(&repo, "pre-push"), "");
    let willing = repo.with_env("GIT_DITS_TRACK_NO_INSTALL_HOOKS", "0");
    put(&repo, ".git/hooks/pre-commit", MINE);
    willing.git(&["dits", "track", "--dry-run", "*.psd"]).says_nothing();
    assert_eq!(hook(&repo, "pre-push"), "");
    willing.git(&["dits", "track", "*.psd"]).says_nothing();
    assert!(hook(&repo, "pre-push").contains("git-dits: begin"));
    assert_eq!(hook(&repo, "pre-commit"), MINE, "the hook of somebody else was touched");
    // Added content brings the one that matters, also in a linked worktree.
    fs::remove_file(repo.at(".git/hooks/pre-push")).unwrap();
    let linked = repo.user().at("linked").display().to_string();
    repo.git(&["worktree", "add", "-q", "-b", "side", &linked]);
    let linked = willing.user().repo("linked");
    linked.write("b.bin", &bytes(2000, 2));
    linked.commit("side");
    assert!(hook(&repo, "pre-push").contains("git-dits: begin"));
    let watch = linked.watch(|| drop(linked.git(&["push", "-q", "origin", "side"])));
    assert_eq!(watch.push.contents, 2);
}

#[test]
fn a_manager_is_left_alone_by_everything() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server).with_env("GIT_DITS_TRACK_NO_INSTALL_HOOKS", "0");
    repo.git(&["config", "core.hooksPath", ".husky/_"]);
    repo.git(&["dits", "track", "*.mov"]).says_nothing();
    repo.write("b.bin", &bytes(1000, 2));
    repo.git(&["add", "b.bin"]).says_nothing();
    assert!(!repo.at(".git/hooks/pre-push").exists() && !repo.at(".husky").exists());
    assert_eq!(repo.git(&["config", "core.hooksPath"]).line(), ".husky/_");
}

/// Without git-dits on PATH, and without the place where it was.
fn without_program(repo: &Repo) -> Repo {
    for name in ["pre-push", "pre-commit"] {
        let text = hook(repo, name);
        let line = text.lines().find(|line| line.contains("|| dits=")).expect("the place is named");
        put(
            repo,
            &format!(".git/hooks/{name}"),
            &text.replace(line, "command -v \"$dits\" >/dev/null 2>&1 || dits='/nowhere/git-dits'"),
        );
    }
    repo.with_env("PATH", "/usr/local/bin:/usr/bin:/bin")
}

#[test]
fn where_the_program_is_missing_commits_go_on_and_pushes_do_not() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    put(&repo, ".git/hooks/pre-commit", "#!/bin/sh\necho mine ran >&2\n");
    repo.git(&["dits", "update", "--force"]);
    let poor = without_program(&repo);
    poor.write("readme", b"text");
    poor.git(&["add", "readme"]);
    let told = [
        "This repository is configured for Git DITS but git-dits was not found on your path.",
        "git dits update",
    ];
    poor.git(&["commit", "-q", "-m", "text"]).says(&told).says(&["mine ran"]);
    poor.git_fails(&["push", "origin", "main"]).says(&told);
    assert_eq!(repo.git(&["ls-remote", "origin"]).text(), "");
    repo.git(&["dits", "update"]);
    assert_eq!(pushed(&repo), 1);
}

#[test]
fn a_program_started_from_a_desktop_finds_ours() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    // The folder of the tests' programs is on the user's PATH only.
    let process = repo.git(&["config", "--global", "filter.dits.process"]).line();
    assert!(process.starts_with("'/") && process.ends_with("/git-dits' filter-process"), "{process}");
    repo.git(&["dits", "update"]);
    for (number, path) in ["/usr/local/bin:/usr/bin:/bin", ""].into_iter().enumerate() {
        let gui = |args: &[&str]| -> Ran {
            let git = ["/usr/local/bin/git", "/usr/bin/git"]
                .into_iter()
                .find(|git| fs::exists(git).unwrap_or(false));
            repo.user().call(git.expect("git is installed"), repo.path()).env("PATH", path).args(args).ok()
        };
        let (name, content) = (format!("{number}.bin"), bytes(50_000, 10 + number as u64));
        repo.write(&name, &content);
        gui(&["add", "-A"]);
        gui(&["commit", "-q", "-m", &name]);
        let stored = repo.git(&["cat-file", "blob", &format!("HEAD:{name}")]).text();
        assert!(stored.starts_with("version git-dits/1\n"), "{stored}");
        fs::remove_file(repo.at(&name)).unwrap();
        gui(&["checkout", "-q", "--", "."]).says_nothing();
        repo.holds(&name, &content);
        let watch = repo.watch(|| drop(gui(&["push", "-q", "origin", "main"])));
        assert_eq!(watch.push.contents, if number == 0 { 2 } else { 1 });
    }
}

#[test]
fn the_doctor_tells_of_a_hook_that_git_does_not_run() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    let inert = || {
        let ran = repo.call(&["dits", "doctor"]).run();
        (ran.text() + &ran.said()).contains("git does not run the pre-push hook of git-dits: ")
    };
    repo.git(&["dits", "update"]);
    assert!(!inert());
    fs::set_permissions(repo.at(".git/hooks/pre-push"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(inert());
    repo.git(&["dits", "update"]);
    assert!(!inert());
    repo.git(&["config", "core.hooksPath", "elsewhere"]);
    assert!(inert());
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let world = World::new();
    let server = world.server();
    let repo = project(&world, &server);
    fs::remove_dir_all(repo.at(".git/hooks")).unwrap();
    repo.git(&["dits", "update"]);
    assert!(hook(&repo, "pre-push").starts_with("#!/bin/sh\n"));
    fs::remove_dir_all(repo.at(".git/hooks")).unwrap();
    repo.write(".git/hooks", b"a file");
    let refused = repo.git_fails(&["dits", "update"]);
    assert_eq!(refused.code, Some(2));
    refused.says(&["error: ", ".git/hooks"]);
    repo.git(&["dits", "uninstall", "--local"]);
    let outside = repo.user().call("git", &repo.user().home()).args(["dits", "update"]).run();
    assert_eq!((outside.code, outside.said()), (Some(128), "Not in a Git repository.\n".into()));
}
