//! Hooks put into real repositories: whose file is whose, and every byte of it.

use super::*;
use std::process::Command;
use tempfile::TempDir;

const MINE: &[u8] = b"#!/bin/sh\nread line\necho \"mine: $line\"\r\n\xff";

fn world() -> (TempDir, Repository) {
    let dir = TempDir::new().unwrap();
    let ran =
        Command::new("git").current_dir(dir.path()).args(["init", "-q", "--template="]).status().unwrap();
    assert!(ran.success());
    let repository = Repository::find(dir.path()).unwrap();
    (dir, repository)
}

/// The same repository with its configuration read anew.
fn again(dir: &TempDir) -> Repository {
    Repository::find(dir.path()).unwrap()
}

fn config(dir: &TempDir, key: &str, value: &str) {
    assert!(
        Command::new("git").current_dir(dir.path()).args(["config", key, value]).status().unwrap().success()
    );
}

fn put_hook(dir: &TempDir, name: &str, text: &[u8], mode: u32) {
    let path = dir.path().join(".git/hooks").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}

fn hook(dir: &TempDir, name: &str) -> Option<(Vec<u8>, u32)> {
    let path = dir.path().join(".git/hooks").join(name);
    Some((fs::read(&path).ok()?, fs::metadata(&path).unwrap().permissions().mode() & 0o777))
}

/// Of the two that each clone has.
fn states(state: &State) -> Vec<HookState> {
    state.hooks[..2].iter().map(|(_, state)| state.clone()).collect()
}

#[test]
fn files_come_once_and_go_without_a_trace() {
    let (dir, repository) = world();
    assert_eq!(states(&state(&repository).unwrap()), [HookState::Absent, HookState::Absent]);
    for _ in 0..2 {
        let state = install(&repository, &ClientHook::NETS, "'/opt/git-dits'", false).unwrap();
        assert_eq!(states(&state), [HookState::Installed, HookState::Installed]);
    }
    let (text, mode) = hook(&dir, "pre-push").unwrap();
    assert!(text.starts_with(b"#!/bin/sh\n# git-dits: begin") && mode & 0o111 == 0o111);
    // Another place of the program renews the lines, and nothing else.
    let theirs = [&text[..], b"echo added\n"].concat();
    put_hook(&dir, "pre-push", &theirs, 0o700);
    install(&repository, &ClientHook::NETS, "git-dits", false).unwrap();
    let (renewed, mode) = hook(&dir, "pre-push").unwrap();
    assert!(renewed.ends_with(b"echo added\n") && renewed != theirs && mode == 0o711);
    uninstall(&repository).unwrap();
    assert_eq!(hook(&dir, "pre-push").unwrap().0, b"#!/bin/sh\necho added\n");
    assert_eq!(hook(&dir, "pre-commit"), None);
    assert_eq!(fs::read_dir(dir.path().join(".git/hooks")).unwrap().count(), 1);
}

#[test]
fn another_hook_is_left_alone_until_forced_and_comes_back() {
    let (dir, repository) = world();
    put_hook(&dir, "pre-push", MINE, 0o750);
    for _ in 0..2 {
        let state = install(&repository, &ClientHook::NETS, "git-dits", false).unwrap();
        assert_eq!(states(&state), [HookState::Foreign(MINE.to_vec()), HookState::Installed]);
        assert_eq!(state.foreign().map(|(hook, _)| hook).collect::<Vec<_>>(), [ClientHook::PrePush]);
        assert_eq!(hook(&dir, "pre-push"), Some((MINE.to_vec(), 0o750)));
    }
    for _ in 0..2 {
        install(&repository, &ClientHook::NETS, "git-dits", true).unwrap();
        assert_eq!(hook(&dir, "pre-push.before-dits"), Some((MINE.to_vec(), 0o750)));
    }
    uninstall(&repository).unwrap();
    assert_eq!(hook(&dir, "pre-push"), Some((MINE.to_vec(), 0o750)));
    assert_eq!(hook(&dir, "pre-push.before-dits"), None);
    uninstall(&repository).unwrap();
    assert_eq!(hook(&dir, "pre-push"), Some((MINE.to_vec(), 0o750)));
}

#[test]
fn nothing_is_overwritten_when_both_names_are_taken() {
    let (dir, repository) = world();
    put_hook(&dir, "pre-push", MINE, 0o755);
    install(&repository, &ClientHook::NETS, "git-dits", true).unwrap();
    // A tool that knows nothing of us replaces the file.
    put_hook(&dir, "pre-push", b"#!/bin/sh\n# theirs\n", 0o755);
    let refused = install(&repository, &ClientHook::NETS, "git-dits", true);
    assert!(matches!(refused, Err(InstallError::InTheWay(_))), "{refused:?}");
    assert_eq!(hook(&dir, "pre-push.before-dits").unwrap().0, MINE);
    // One that adds to it would be lost behind what waits.
    let ours = shim::fresh(&shim::block(ClientHook::PrePush, "git-dits"));
    put_hook(&dir, "pre-push", &[&ours[..], b"echo theirs\n"].concat(), 0o755);
    assert!(matches!(uninstall(&repository), Err(InstallError::Entangled(_))));
    assert_eq!(hook(&dir, "pre-push.before-dits").unwrap().0, MINE);
}

#[test]
fn where_a_manager_is_no_file_is_touched() {
    for (name, expected) in [
        (".husky/_/x", Manager::Husky),
        ("lefthook.yml", Manager::Lefthook("lefthook.yml")),
        (".pre-commit-config.yaml", Manager::PreCommit),
    ] {
        let (dir, repository) = world();
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let state = install(&repository, &ClientHook::NETS, "git-dits", true).unwrap();
        assert_eq!(state.manager, Some(expected.clone()));
        assert_eq!(
            states(&state),
            [HookState::Managed { added: false }, HookState::Managed { added: false }]
        );
        assert!(!dir.path().join(".git/hooks").exists());
        // What we tell the user to add is what we look for.
        for hook in ClientHook::NETS {
            let path = dir.path().join(expected.file(hook));
            let text = fs::read_to_string(&path).unwrap_or_default() + &expected.snippet(hook, "");
            fs::write(&path, text).unwrap();
        }
        assert_eq!(
            states(&self::state(&repository).unwrap()),
            vec![HookState::Managed { added: true }; 2],
            "{name}"
        );
    }
}

#[test]
fn hooks_that_git_does_not_run_are_inert() {
    let (dir, repository) = world();
    install(&repository, &ClientHook::NETS, "git-dits", false).unwrap();
    let path = dir.path().join(".git/hooks/pre-commit");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let state = state(&repository).unwrap();
    assert_eq!(states(&state), [HookState::Installed, HookState::Inert("the file is not executable")]);
    config(&dir, "core.hooksPath", "elsewhere");
    let state = self::state(&again(&dir)).unwrap();
    assert_eq!(state.manager, Some(Manager::HooksPath("elsewhere".into())));
    assert!(states(&state).iter().all(|state| matches!(state, HookState::Inert(_))), "{state:?}");
    // They go all the same.
    uninstall(&again(&dir)).unwrap();
    assert!(!path.exists());
    let lines = String::from_utf8(shim::block(ClientHook::PrePush, "git-dits")).unwrap();
    fs::create_dir(dir.path().join("elsewhere")).unwrap();
    let snippet = state.manager.unwrap().snippet(ClientHook::PrePush, &lines);
    fs::write(dir.path().join("elsewhere/pre-push"), format!("#!/bin/sh\n{snippet}")).unwrap();
    let state = self::state(&again(&dir)).unwrap();
    assert_eq!(states(&state), [HookState::Managed { added: true }, HookState::Managed { added: false }]);
}

#[test]
fn links_and_folders_are_foreign() {
    let (dir, repository) = world();
    put_hook(&dir, "script", MINE, 0o755);
    std::os::unix::fs::symlink("script", dir.path().join(".git/hooks/pre-push")).unwrap();
    fs::create_dir(dir.path().join(".git/hooks/pre-commit")).unwrap();
    let state = state(&repository).unwrap();
    assert_eq!(states(&state), [HookState::Foreign(MINE.to_vec()), HookState::Foreign(vec![])]);
    install(&repository, &[ClientHook::PrePush], "git-dits", true).unwrap();
    assert_eq!(hook(&dir, "pre-push.before-dits").unwrap().0, MINE);
    assert_eq!(hook(&dir, "script").unwrap().0, MINE);
}

#[test]
fn only_new_gits_run_hooks_of_their_configuration() {
    for (version, runs) in [
        ("git version 2.54.0", true),
        ("git version 2.54.GIT", true),
        ("git version 2.55.1.windows.2", true),
        ("git version 3.0", true),
        ("git version 2.53.9", false),
        ("git version 2.47.3", false),
        ("hub version 9.9", false),
        ("", false),
    ] {
        assert_eq!(runs_configured(version), runs, "{version}");
    }
    let [event, command] = self::super::config(ClientHook::PrePush, "git-dits");
    assert_eq!(event, ("hook.dits-pre-push.event".into(), "pre-push".into()));
    assert!(command.0 == "hook.dits-pre-push.command" && command.1.ends_with("; git-dits pre-push"));
}

#[test]
fn an_old_git_does_not_run_what_is_configured() {
    let (dir, _) = world();
    for (key, value) in super::config(ClientHook::PrePush, "git-dits") {
        config(&dir, &key, &value);
    }
    let version = again(&dir).git.line(&["--version"]).unwrap().unwrap();
    let expected = if runs_configured(&version) { HookState::Configured } else { HookState::Absent };
    assert_eq!(states(&state(&again(&dir)).unwrap())[0], expected);
}
