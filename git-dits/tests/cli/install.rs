//! `install` and `uninstall`: which configuration and hooks they write, and what they leave alone.

use super::*;

impl World {
    /// What Git is told to run: by its place, as its folder is on this PATH only.
    fn process(&self) -> String {
        format!("'{}' filter-process", self.dir.path().join("bin/git-dits").display())
    }

    /// A hook file, empty if there is none.
    fn hook(&self, name: &str) -> String {
        fs::read_to_string(self.repo().join(".git/hooks").join(name)).unwrap_or_default()
    }
}

#[test]
fn install_sets_three_keys_and_uninstall_removes_them() {
    let world = World::new();
    let file = world.home().join("some config");
    let scopes: [(&[&str], &[&str], &str); 4] = [
        (&[], &["--global"], "Global Git DITS configuration has been removed.\n"),
        (&["--local"], &["--local"], ""),
        (&["-w"], &["--worktree"], ""),
        (
            &["--file", file.to_str().unwrap()],
            &["--file", file.to_str().unwrap()],
            "File Git DITS configuration has been removed.\n",
        ),
    ];
    for (flags, scope, removed) in scopes {
        let all = || {
            let lines = world.config(&[scope, &["--get-regexp", r"\.dits\."]].concat());
            lines.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let expected = |process: &str| {
            [
                format!("filter.dits.process {process}"),
                "filter.dits.required true".to_owned(),
                "protocol.dits.allow always".to_owned(),
            ]
        };
        for _ in 0..2 {
            let done = world.dits(&[&["install"], flags].concat());
            assert_eq!(done, printed("Updated Git hooks.\nGit DITS initialized.\n"));
            assert_eq!(all(), expected(&world.process()));
        }
        assert!(world.hook("pre-push").contains("git-dits: begin"));
        let done = world.dits(&[&["install", "--skip-repo", "-s", "--no-absolute-path"], flags].concat());
        assert_eq!(done, printed("Git DITS initialized.\n"));
        assert_eq!(all(), expected("git-dits filter-process --skip"));
        for _ in 0..2 {
            let done = world.dits(&[&["uninstall"], flags].concat());
            assert_eq!(done, printed(&format!("Hooks for this repository have been removed.\n{removed}")));
            assert!(all().is_empty());
        }
        assert_eq!(world.hook("pre-push"), "");
    }
}

#[test]
fn the_repository_can_be_left_out() {
    let world = World::new();
    assert_eq!(world.dits(&["install", "--skip-repo"]), printed("Git DITS initialized.\n"));
    assert_eq!(world.hook("pre-push"), "");
    assert_eq!(world.dits(&["update"]), printed("Updated Git hooks.\n"));
    let removed = world.dits(&["uninstall", "--skip-repo"]);
    assert_eq!(removed, printed("Global Git DITS configuration has been removed.\n"));
    assert!(world.hook("pre-push").contains("git-dits: begin"));
    // Outside of a repository there is nothing to leave out.
    assert_eq!(world.dits_in(&world.home(), &["install"]), printed("Git DITS initialized.\n"));
}

#[test]
fn install_refuses_what_contradicts_itself_and_what_cannot_be_written() {
    let world = World::new();
    for command in ["install", "uninstall"] {
        let done = world.dits(&[command, "--local", "--system"]);
        assert_eq!((done.code, done.out.as_str()), (2, ""));
        assert!(
            done.err.starts_with("error: only one of the --local, --worktree, --system, and --file"),
            "{done:?}"
        );
    }
    for command in ["install", "update"] {
        let done = world.dits(&[command, "--force", "--manual"]);
        assert_eq!((done.code, done.out.as_str()), (2, ""));
        assert_eq!(done.err, "error: You cannot use --force and --manual options together\n");
    }
    // Somebody else is writing it, or crashed while doing so.
    fs::write(world.home().join(".gitconfig.lock"), "").unwrap();
    let done = world.dits(&["install"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.contains("could not lock config file") && done.err.contains("\nhint: "), "{done:?}");
    assert_eq!(world.hook("pre-push"), "");
    let done = world.dits(&["install", "--file", "no/such/folder/config"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
}

#[test]
fn a_hook_in_the_way_stops_install_as_in_git_lfs() {
    let world = World::new();
    let hooks = world.repo().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    fs::write(hooks.join("pre-push"), "#!/bin/sh\nmine\n").unwrap();
    let done = world.dits(&["install"]);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    assert!(done.err.starts_with(
        "Hook already exists: pre-push\n\n\t#!/bin/sh\n\tmine\n\nTo resolve this, either:\n  1: "
    ));
    assert_eq!(world.config(&["--global", "filter.dits.process"]), world.process() + "\n");
    assert_eq!(world.hook("pre-push"), "#!/bin/sh\nmine\n");
    let manual = world.dits(&["install", "--manual"]);
    assert!(
        manual.out.starts_with("Add the following to '.git/hooks/pre-push':\n\n\t#!/bin/sh\n"),
        "{manual:?}"
    );
    assert!(manual.out.ends_with("\nGit DITS initialized.\n"), "{manual:?}");
    let forced = world.dits(&["install", "--force"]);
    assert_eq!(forced, printed("Updated Git hooks.\nGit DITS initialized.\n"));
    world.dits(&["uninstall"]);
    assert_eq!(world.hook("pre-push"), "#!/bin/sh\nmine\n");
}

#[test]
fn foreign_values_stay_until_forced() {
    let world = World::new();
    world.config(&["--global", "filter.dits.process", "something else"]);
    let refused = world.dits(&["install"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    let expected = format!(
        "warning: the \"filter.dits.process\" attribute should be \"{}\" but is \"something else\"\n",
        world.process()
    );
    assert!(
        refused.err.starts_with(&expected) && refused.err.contains("\nhint: re-run with --force"),
        "{refused:?}"
    );
    assert_eq!(world.config(&["--global", "filter.dits.required"]), "");

    world.config(&["--global", "filter.dits.required", "true"]);
    let kept = world.dits(&["uninstall"]);
    assert!(kept.err.contains("kept filter.dits.process = \"something else\""), "{kept:?}");
    assert_eq!(world.config(&["--global", "filter.dits.process"]), "something else\n");
    assert_eq!(world.config(&["--global", "filter.dits.required"]), "true\n");

    let forced = world.dits(&["install", "--force", "--skip-repo"]);
    assert_eq!(forced, printed("Git DITS initialized.\n"));
    assert_eq!(world.config(&["--global", "filter.dits.process"]), world.process() + "\n");
}

#[test]
fn install_without_path_names_the_program_by_its_place() {
    let world = World::without_path();
    let done = world.dits(&["install", "--skip-repo"]);
    assert_eq!((done.code, done.out.as_str()), (0, "Git DITS initialized.\n"));
    assert!(done.err.starts_with("warning: git-dits is not on PATH"), "{done:?}");
    let process = world.config(&["--global", "filter.dits.process"]);
    assert!(process.starts_with("'/") && process.ends_with("/git-dits' filter-process\n"), "{process}");
    // What we wrote ourselves is never foreign.
    assert_eq!(world.dits(&["install"]).code, 0);
}

/// A Git that says it is 2.54, from which on hooks of the configuration are run.
fn with_newer_git(world: &World) {
    use std::os::unix::fs::PermissionsExt;
    let found = std::env::split_paths(&world.path).map(|dir| dir.join("git")).find(|file| file.is_file());
    let git = world.dir.path().join("bin/git");
    let script = format!(
        "#!/bin/sh\ntest \"$1\" = --version && exec echo git version 2.54.0\nexec {} \"$@\"\n",
        found.expect("git is on PATH").display()
    );
    fs::write(&git, script).expect("a new file");
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).expect("one of ours");
}

#[test]
fn a_newer_git_gets_its_hooks_by_configuration_and_no_file() {
    let world = World::new();
    world.dits(&["update"]);
    assert!(world.hook("pre-push").contains("git-dits: begin"));
    with_newer_git(&world);
    // A manager is no obstacle: Git runs both.
    fs::create_dir(world.repo().join(".husky")).unwrap();
    assert_eq!(world.dits(&["install"]), printed("Updated Git hooks.\nGit DITS initialized.\n"));
    assert_eq!((world.hook("pre-push"), world.hook("pre-commit")), Default::default());
    let events = world.config(&["--global", "--get-regexp", r"^hook\..*\.event$"]);
    assert_eq!(events, "hook.dits-pre-push.event pre-push\nhook.dits-pre-commit.event pre-commit\n");
    assert_eq!(world.dits(&["update"]), printed("Updated Git hooks.\n"));
    assert_eq!(world.hook("pre-push"), "");
    // As Git runs them: arguments are appended.
    let command = world.config(&["hook.dits-pre-push.command"]);
    let as_git = |path: &OsStr| {
        let mut sh = world.command("sh", &world.repo());
        run(sh.env("PATH", path).args([
            "-c",
            &format!("{} \"$@\"", command.trim()),
            "hook",
            "origin",
            "dits://h/a",
        ]))
    };
    assert_eq!(as_git(&world.path), printed(""));
    assert_eq!(world.dits(&["uninstall", "--skip-repo"]).code, 0);
    assert_eq!(world.config(&["--global", "--get-regexp", "dits"]), "");
    fs::remove_file(world.dir.path().join("bin/git-dits")).unwrap();
    let missing = as_git(&world.path);
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.starts_with("This repository is configured for Git DITS but git-dits was not found"),
        "{missing:?}"
    );
}
