//! Exit codes of every command where it cannot work as usual: outside of a repository, in a bare one, and before the
//! first commit. Each row says what git-lfs does too, and is run beside it; `None` where git-lfs has no such command
//! or flag. `why` stands where the codes differ.

use crate::beside::Beside;
use dits_tests::Repo;
use std::path::PathBuf;

/// A command, its exit codes outside, in a bare and in an unborn repository for git-lfs and for us, and why they differ.
struct Row {
    command: &'static str,
    lfs: Option<[i32; 3]>,
    dits: [i32; 3],
    why: &'static str,
}

const fn same(command: &'static str, codes: [i32; 3]) -> Row {
    Row { command, lfs: Some(codes), dits: codes, why: "" }
}

const fn ours(command: &'static str, dits: [i32; 3]) -> Row {
    Row { command, lfs: None, dits, why: "" }
}

const fn differs(command: &'static str, lfs: [i32; 3], dits: [i32; 3], why: &'static str) -> Row {
    Row { command, lfs: Some(lfs), dits, why }
}

const NOT_ITS_FOLDER: &str =
    "git-lfs looks for logs in, and clears, a folder of that name wherever it stands";
const EMPTY: &str =
    "a repository without commits is no error, and outside of any the code is always the same";
const EMPTY_OR_BARE: &str =
    "without commits there is nothing to do; without a working tree the code is that of 'status'";

const NO_SERVER: &str =
    "outside of a repository the code is always the same, and without a server nothing is known of its locks";

const ROWS: &[Row] = &[
    same("nonsense", [127, 127, 127]),
    same("track --nonsense", [127, 127, 127]),
    same("version", [0, 0, 0]),
    same("--version", [0, 0, 0]),
    same("env", [0, 0, 0]),
    same("help", [0, 0, 0]),
    same("completion bash", [0, 0, 0]),
    same("install --local", [128, 0, 0]),
    same("uninstall --local", [128, 0, 0]),
    same("update", [128, 0, 0]),
    same("update --force --manual", [128, 2, 2]),
    same("push", [1, 1, 1]),
    same("push nope main", [2, 2, 2]),
    same("track", [128, 128, 0]),
    same("track *.x", [128, 128, 0]),
    same("untrack *.x", [128, 128, 0]),
    same("ls-files", [128, 0, 0]),
    same("ls-files HEAD", [128, 2, 2]),
    same("ls-files --all", [128, 0, 0]),
    same("ls-files --deleted", [128, 0, 0]),
    same("status", [128, 128, 0]),
    same("status --json", [128, 128, 0]),
    same("status --porcelain", [128, 128, 0]),
    same("pointer --check --file nope", [2, 2, 2]),
    same("pointer --file nope", [1, 1, 1]),
    same("pointer", [1, 1, 1]),
    same("clean", [128, 0, 0]),
    same("smudge", [128, 0, 0]),
    same("smudge --skip", [128, 0, 0]),
    differs("logs", [0, 0, 0], [128, 0, 0], NOT_ITS_FOLDER),
    differs("logs last", [0, 0, 0], [128, 0, 0], NOT_ITS_FOLDER),
    differs("logs clear", [0, 0, 0], [128, 0, 0], NOT_ITS_FOLDER),
    differs("logs show nope", [2, 2, 2], [128, 2, 2], NOT_ITS_FOLDER),
    same("filter-process", [128, 2, 2]),
    same("pre-push", [1, 1, 1]),
    differs(
        "pre-push origin",
        [2, 2, 2],
        [0, 0, 0],
        "nothing is pushed, so nothing is asked about the remote",
    ),
    same("post-commit", [0, 0, 0]),
    same("post-checkout a b 1", [0, 0, 0]),
    same("post-merge 0", [0, 0, 0]),
    ours("hook --nonsense", [127, 127, 127]),
    ours("hook pre-receive", [2, 2, 2]),
    same("fsck --nonsense", [127, 127, 127]),
    differs("fsck", [128, 2, 2], [128, 0, 0], EMPTY),
    same("fetch nope", [128, 2, 2]),
    same("fetch --all", [128, 0, 0]),
    differs("fetch", [128, 2, 2], [128, 0, 0], EMPTY),
    differs("pull", [128, 2, 2], [128, 128, 0], EMPTY_OR_BARE),
    differs("checkout", [128, 0, 2], [128, 128, 0], EMPTY_OR_BARE),
    differs("migrate info", [2, 2, 2], [128, 0, 0], EMPTY),
    differs("prune", [2, 2, 2], [128, 0, 0], EMPTY),
    differs("lock x", [2, 2, 2], [128, 2, 2], NO_SERVER),
    differs("unlock x", [2, 2, 2], [128, 2, 2], NO_SERVER),
    differs("locks", [2, 2, 2], [128, 2, 2], NO_SERVER),
    differs("locks --cached", [2, 2, 2], [128, 2, 2], NO_SERVER),
    differs("locks --local", [0, 0, 0], [128, 2, 2], NO_SERVER),
    same("locks --nonsense", [127, 127, 127]),
    ours("whoami", [128, 2, 2]),
    ours("track --preset list", [0, 0, 0]),
    ours("add", [128, 128, 0]),
    ours("check", [128, 2, 2]),
    ours("check --staged", [128, 128, 0]),
    differs("clone", [2, 2, 2], [127, 127, 127], "what is missing are arguments, as in every command"),
    ours("get x", [128, 128, 2]),
    ours("ghost x", [128, 128, 2]),
    ours("whereis x", [128, 128, 2]),
    ours("gc", [128, 0, 0]),
    ours("cache", [128, 2, 2]),
    ours("hydrate", [128, 128, 0]),
    ours("du", [128, 0, 0]),
    ours("du x", [128, 2, 2]),
    ours("du --json", [128, 0, 0]),
    ours("man --nonsense", [127, 127, 127]),
    ours("serve --nonsense", [127, 127, 127]),
    ours("mount ../m", [128, 128, 128]),
    ours("unmount ../m", [128, 128, 128]),
    ours("mounts", [128, 0, 0]),
    ours("mount-serve nope", [2, 2, 2]),
    ours("prefetch x", [128, 128, 2]),
    ours("demo --nonsense", [127, 127, 127]),
    ours("init-folder no/such", [2, 2, 2]),
    ours("verify-push", [128, 0, 0]),
    ours("verify-push nope", [128, 2, 2]),
    ours("doctor", [0, 0, 0]),
];

/// The three places, with nothing in them but what Git puts there.
fn places(beside: &Beside, repo: &Repo) -> [PathBuf; 3] {
    let user = repo.user();
    user.git(&["init", "-q", "--bare", "bare.git"]);
    user.git(&["init", "-q", "unborn"]);
    let outside = user.at("outside");
    std::fs::create_dir_all(&outside).expect("a folder can be made");
    assert!(beside.world.path().exists());
    [outside, user.at("bare.git"), user.at("unborn")]
}

#[test]
fn every_command_exits_as_the_table_says() {
    let beside = Beside::new();
    let (lfs, dits) = (places(&beside, &beside.lfs), places(&beside, &beside.dits));
    let mut wrong = String::new();
    for row in ROWS {
        let run = |repo: &Repo, product: &str, folder: &PathBuf| {
            let call = repo.user().call("git", folder).args([product]).args(row.command.split(' '));
            call.run()
        };
        for (at, place) in ["outside", "bare", "unborn"].iter().enumerate() {
            let ran = run(&beside.dits, "dits", &dits[at]);
            if ran.code != Some(row.dits[at]) {
                wrong.push_str(&format!("{place}, expected {}:\n{ran}\n", row.dits[at]));
            }
            if place == &"outside" && row.dits[at] == 128 && ran.said() != "Not in a Git repository.\n" {
                wrong.push_str(&format!("{place}, other words:\n{ran}\n"));
            }
            let Some(codes) = row.lfs else { continue };
            let ran = run(&beside.lfs, "lfs", &lfs[at]);
            if ran.code != Some(codes[at]) {
                wrong.push_str(&format!(
                    "{place}, git-lfs is not as the table says ({}):\n{ran}\n",
                    codes[at]
                ));
            }
        }
        assert_eq!(row.lfs.is_some_and(|codes| codes != row.dits), !row.why.is_empty(), "{}", row.command);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A command that is not in the table has no known exit codes. Completion knows those that help does not list, too.
#[test]
fn every_command_is_in_the_table() {
    let beside = Beside::new();
    let script = beside.dits.git(&["dits", "completion", "bash"]).text();
    let commands: Vec<&str> = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("gitdits,")?.strip_suffix(')'))
        .filter(|name| !name.starts_with('-'))
        .collect();
    assert!(commands.contains(&"filter-process") && commands.contains(&"track"), "{commands:?}");
    let is_row = |name: &&str| ROWS.iter().any(|row| row.command.split(' ').next() == Some(name));
    let missing: Vec<&str> = commands.into_iter().filter(|name| !is_row(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "these need rows");
}
