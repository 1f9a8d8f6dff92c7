//! install and uninstall, env, version, logs, help and completion.

use crate::beside::Beside;

#[test]
fn install_and_uninstall_say_the_same() {
    let beside = Beside::new();
    beside.same_all(&["install --nonsense", "uninstall --nonsense"]);
}

/// Settings that a repository brings along, as both write them.
fn bring(beside: &Beside, text: &str) {
    for (repo, product) in [(&beside.lfs, "lfs"), (&beside.dits, "dits")] {
        repo.write(format!(".{product}config"), text.replace("{}", product).as_bytes());
    }
}

#[test]
fn keys_that_a_repository_may_not_bring_are_told_in_the_same_words() {
    let beside = Beside::tracked();
    beside.each(|repo| {
        repo.write("a.bin", b"one");
        repo.commit("one");
    });
    bring(&beside, "[{}]\n\tconcurrenttransfers = 3\n\tfetchinclude = *.bin\n\tstorage = x\n");
    beside.same_all(&["ls-files", "status", "track", "track *.x", "fsck", "install --local"]);
    let repo = &beside.dits;
    repo.git(&["dits", "env"])
        .says(&["keys were ignored:\n\n  dits.concurrenttransfers\n  dits.storage\nhint: "]);
    // Two commands in one process.
    let said = repo.git(&["dits", "fetch", "--prune"]).said();
    assert_eq!(said.matches("keys were ignored").count(), 1, "{said}");
    // Filters and hooks start often, and in front of nobody.
    for args in [&["add", "-A"][..], &["dits", "clean", "--", "b.bin"], &["commit", "-q", "-m", "two"]] {
        repo.call(args).input(b"content").ok().says_nothing();
    }
    repo.git(&["clone", "-q", "--bare", ".", "bare.git"]);
    repo.git(&["-C", "bare.git", "dits", "ls-files"]).says(&["\n  dits.storage\n"]);
    repo.git(&["config", "-f", ".ditsconfig", "--remove-section", "dits"]);
    repo.git(&["dits", "ls-files"]).says_nothing();
}

/// Everything before the `=` of each line.
fn keys(text: &str) -> Vec<String> {
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim_end().to_owned());
    // The environment is everybody's own, and an endpoint over SSH has a line of its own.
    keys.filter(|key| !key.starts_with("GIT_") && !key.starts_with(' ')).collect()
}

#[test]
fn env_has_the_same_keys_in_the_same_order() {
    let beside = Beside::new();
    beside.each(|repo| {
        repo.git(&["remote", "add", "origin", "dits://me:secret@example.org/team/game"]);
        repo.git(&["remote", "add", "other", "https://me:secret@example.org/a.git"]);
    });
    let (lfs, dits) = beside.both(&["env"], "", b"");
    let (theirs, ours) = (keys(&beside.mapped(&lfs.text(), true)), keys(&beside.mapped(&dits.text(), false)));
    let mut rest = ours.iter();
    for key in &theirs {
        assert!(rest.any(|known| known == key), "'{key}' is not in its place:\n{}", dits.text());
    }
    let head = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (head(&lfs.text()), head(&dits.text()));
    assert_eq!((&theirs[1], &theirs[2]), (&ours[1], &ours[2]));
    assert!(dits.text().contains("\nEndpoint=dits://example.org:4880/team/game (auth="), "{dits}");
    // git-lfs prints it.
    assert!(lfs.text().contains("secret") && !dits.text().contains("secret"), "{dits}");
}

/// `<name>/<semver> (<vendor>; <os> <arch>; <toolchain>[; git <sha>])`
#[track_caller]
fn has_version_shape(line: &str, name: &str) {
    let (first, rest) = line.trim_end().split_once(" (").expect("a parenthesis");
    let numbers = first.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')).expect("the name first");
    assert_eq!(numbers.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{line}");
    let parts: Vec<&str> = rest.strip_suffix(')').expect("a parenthesis at the end").split("; ").collect();
    assert!(parts.len() == 3 || (parts.len() == 4 && parts[3].starts_with("git ")), "{line}");
    assert_eq!(parts[1].split(' ').count(), 2, "{line}");
}

#[test]
fn version_has_the_same_shape_and_the_same_names_for_machines() {
    let beside = Beside::new();
    for args in [&["version"][..], &["--version"], &["-v"]] {
        let (lfs, dits) = beside.both(args, "", b"");
        has_version_shape(&lfs.text(), "git-lfs");
        has_version_shape(&dits.text(), "git-dits");
        let machine = |text: &str| text.split("; ").nth(1).map(str::to_owned);
        assert_eq!(machine(&lfs.text()), machine(&dits.text()));
        assert_eq!((lfs.code, dits.code), (Some(0), Some(0)));
    }
}

#[test]
fn logs_say_the_same_when_there_are_none() {
    let beside = Beside::new();
    beside.same_all(&["logs", "logs last", "logs clear", "logs show nope"]);
}

#[test]
fn help_is_there_for_every_command_and_without_man() {
    let beside = Beside::new();
    let repo = &beside.dits;
    let help = repo.git(&["dits", "help"]).text();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 15, "{help}");
    for name in commands {
        let by_word = repo.git(&["dits", "help", name]).says_nothing().text();
        let by_flag = repo.git(&["dits", name, "--help"]).says_nothing().text();
        assert_eq!(by_word, by_flag);
        assert!(by_word.contains(&format!("Usage: git dits {name}")), "{by_word}");
    }
    assert_eq!(repo.call(&["dits", "help", "nonsense"]).run().code, Some(127));
}

#[test]
fn git_finds_the_manual_pages() {
    let beside = Beside::new();
    let repo = &beside.dits;
    let said = repo.git(&["dits", "man"]).line();
    let folder = repo.user().home().join(".local/share/man/man1");
    assert_eq!(said, format!("Wrote manual pages to {}", folder.display()));
    // Git turns `git dits --help` into this; the viewer is ours, as none need be installed.
    let viewer = format!("sh -c 'cat {}/$0.1'", folder.display());
    let config = [("man.viewer", "ours"), ("man.ours.cmd", &viewer)];
    let set: Vec<String> = config.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let page = |args: &[&str]| repo.git(&[&["-c", &set[0], "-c", &set[1]], args].concat()).text();
    let own = std::fs::read_to_string(folder.join("git-dits-track.1")).expect("a page");
    assert!(own.contains(".TH git-dits-track 1") || own.contains(".TH \"git-dits-track\""), "{own}");
    assert!(page(&["help", "dits"]).contains("git-dits"));
    assert!(page(&["dits", "--help"]).contains("git-dits"));
}

#[test]
fn bash_completes_commands_and_flags_with_and_without_git() {
    let beside = Beside::new();
    let repo = &beside.dits;
    let complete = |before: &str, words: &str, at: usize, call: &str| {
        let script = format!(
            "source <(git-dits completion bash)\n{before}\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\n{call}\n\
             echo \"${{COMPREPLY[*]}}\""
        );
        repo.user().call("bash", repo.path()).args(["-c", &script]).ok().says_nothing().line()
    };
    assert_eq!(complete("", "git-dits untr", 1, "_gitdits git-dits untr git-dits"), "untrack");
    assert_eq!(complete("__git_cmd_idx=1", "git dits untr", 2, "_git_dits"), "untrack");
    assert_eq!(complete("__git_cmd_idx=1", "git dits track --locka", 3, "_git_dits"), "--lockable");
    for shell in ["fish", "zsh"] {
        assert!(repo.git(&["dits", "completion", shell]).text().contains("ls-files"));
    }
    assert_eq!(repo.call(&["dits", "completion", "tcsh"]).run().code, Some(127));
}
