//! Where we differ from git-lfs on purpose: a table with reasons, and each row is seen to be true of both.
//!
//! A row that git-lfs no longer proves, because it was mended there, fails as well: then it goes.

use crate::beside::Beside;
use crate::situations::*;

/// What is seen of one side: exit code, and a part of what it prints or says.
type Seen = (i32, &'static str);

/// A deliberate difference.
struct Difference {
    /// Makes the situation.
    prepare: fn(&Beside),
    /// The command.
    args: &'static [&'static str],
    /// Its standard input.
    input: &'static [u8],
    /// What git-lfs does.
    lfs: Seen,
    /// What we do.
    dits: Seen,
    /// Why.
    why: &'static str,
}

/// More than the 1,024 bytes at which git-lfs stops when a small file lies at the path.
const LONG: &[u8] = &[b'x'; 5_000];

const DIFFERENCES: &[Difference] = &[
    Difference {
        prepare: deleted,
        args: &["checkout", "d/a.bin"],
        input: b"",
        lfs: (0, "Checking out LFS objects: 100% (1/1), 7 B"),
        dits: (0, ""),
        why: "progress is for people on a terminal, and never on standard output",
    },
    Difference {
        prepare: one_file,
        args: &["checkout", "nope"],
        input: b"",
        lfs: (0, ""),
        dits: (2, "error: pathspec 'nope' did not match any file(s) known to git\n"),
        why: "a path that does not exist is a mistake, as for 'git checkout'",
    },
    Difference {
        prepare: one_text,
        args: &["migrate", "info"],
        input: b"",
        lfs: (0, "*.txt\t5 B\t1/1 file \t100%\n"),
        dits: (0, "*.txt\t5 B\t1/1 file \t100%\n\nStored by git-dits: "),
        why: "below the same table stands what chunks would save",
    },
    Difference {
        prepare: pushed,
        args: &["prune"],
        input: b"",
        lfs: (0, "prune: 2 local objects, 1 retained, done.\nprune: Deleting objects: 100% (1/1), done.\n"),
        dits: (2, "error: cannot verify what the remote holds"),
        why: "nothing goes without a remote's proof unless somebody says so",
    },
    Difference {
        prepare: pushed_without_proof,
        args: &["prune", "-v"],
        input: b"",
        lfs: (0, " (7 B), done.\nprune: Deleting"),
        dits: (0, " (7 B)\nprune: Deleting"),
        why: "each content has a line of its own, whether or not there is a terminal",
    },
    Difference {
        prepare: broken_config,
        args: &["ls-files"],
        input: b"",
        lfs: (0, "Error reading `git config`: "),
        dits: (0, "warning: '.ditsconfig' is ignored: fatal: bad config line "),
        why: "it stops nothing, so it is a warning, and says what follows from it",
    },
    Difference {
        prepare: nothing,
        args: &["status"],
        input: b"",
        lfs: (0, "\nObjects to be committed:"),
        dits: (0, "On branch main\n\nObjects to be committed:"),
        why: "there is a branch before the first commit too, and Git says so",
    },
    Difference {
        prepare: detached,
        args: &["status"],
        input: b"",
        lfs: (0, "On branch HEAD\n"),
        dits: (0, "HEAD detached at "),
        why: "there is no branch HEAD; these are Git's words",
    },
    Difference {
        prepare: nothing,
        args: &["status", "-p", "-j"],
        input: b"",
        lfs: (0, ""),
        dits: (127, "cannot be used with"),
        why: "of two formats one would be ignored in silence",
    },
    Difference {
        prepare: staged_deletion,
        args: &["ls-files"],
        input: b"",
        lfs: (0, "- d/a.bin\n"),
        dits: (0, ""),
        why: "the index is listed, as by 'git ls-files', and a deleted file is not in it",
    },
    Difference {
        prepare: staged_before,
        args: &["ls-files", "-n"],
        input: b"",
        lfs: (0, "z.bin\nd/a.bin\n"),
        dits: (0, "d/a.bin\nz.bin\n"),
        why: "the list is sorted by path, whatever is staged",
    },
    Difference {
        prepare: small_file,
        args: &["clean", "--", "a.bin"],
        input: LONG,
        lfs: (0, "size 1024\n"),
        dits: (0, "size 5000\n"),
        why: "what comes in is stored whole, whatever lies at the path",
    },
    Difference {
        prepare: nothing,
        args: &["smudge", "x"],
        input: b"no pointer",
        lfs: (0, "Unable to parse pointer"),
        dits: (0, "no pointer"),
        why: "what is no pointer goes through, and a filter is silent when all went well",
    },
    Difference {
        prepare: nothing,
        args: &["clean", "a", "b"],
        input: b"x",
        lfs: (0, "size 1"),
        dits: (127, "unexpected argument"),
        why: "an argument that means nothing is a mistake",
    },
    Difference {
        prepare: crlf_pointer,
        args: &["pointer", "--check", "--file", "p"],
        input: b"",
        lfs: (0, ""),
        dits: (1, "the pointer has carriage returns at its line ends"),
        why: "such a pointer can never be checked out, so it does not pass as one",
    },
    Difference {
        prepare: nothing,
        args: &["pointer", "--check", "--stdin", "--strict", "--no-strict"],
        input: b"x",
        lfs: (2, "Cannot combine"),
        dits: (127, "cannot be used with"),
        why: "flags against each other are unknown arguments, in every command",
    },
    Difference {
        prepare: small_file,
        args: &["pointer", "--strict", "--file", "a.bin"],
        input: b"",
        lfs: (0, "size 5\n"),
        dits: (127, "--check"),
        why: "a flag that would be ignored is refused",
    },
    Difference {
        prepare: small_file,
        args: &["pointer", "--no-extensions", "--file", "a.bin"],
        input: b"",
        lfs: (127, "unknown flag"),
        dits: (0, "size 5\n"),
        why: "newer git-lfs has this flag",
    },
    Difference {
        prepare: nothing,
        args: &["track", "--lockable", "--not-lockable", "a"],
        input: b"",
        lfs: (0, "Tracking \"a\""),
        dits: (127, "cannot be used with"),
        why: "flags against each other are unknown arguments, in every command",
    },
    Difference {
        prepare: nothing,
        args: &["track", "../x"],
        input: b"",
        lfs: (2, "Tracking \"../x\""),
        dits: (2, "leads out of the current folder"),
        why: "a pattern that can never match is not written",
    },
    Difference {
        prepare: info_attributes,
        args: &["track"],
        input: b"",
        lfs: (0, "    .git/info/*.x (.git/info/attributes)\n"),
        dits: (0, "    *.x (.git/info/attributes)\n"),
        why: "patterns of the Git folder are seen from the top of the working tree",
    },
    Difference {
        prepare: |beside| beside.git(&["{}", "track", "/abs"]),
        args: &["track"],
        input: b"",
        lfs: (0, "    abs (.gitattributes)\n"),
        dits: (0, "    /abs (.gitattributes)\n"),
        why: "without its slash the pattern would mean files of that name in every folder",
    },
    Difference {
        prepare: nothing,
        args: &["untrack"],
        input: b"",
        lfs: (0, "git lfs untrack <path>"),
        dits: (127, "required arguments"),
        why: "a command without what it needs has not succeeded",
    },
    Difference {
        prepare: nothing,
        args: &["untrack", "nope"],
        input: b"",
        lfs: (0, ""),
        dits: (0, "warning: \"nope\" is not tracked by "),
        why: "a mistyped pattern would stay tracked in silence",
    },
    Difference {
        prepare: nothing,
        args: &["completion", "nonsense"],
        input: b"",
        lfs: (0, "no usage text found"),
        dits: (127, "invalid value"),
        why: "an unknown shell is an unknown argument",
    },
    Difference {
        prepare: unpushed,
        args: &["push", "origin", "nope"],
        input: b"",
        lfs: (0, ""),
        dits: (2, "src refspec nope does not match any"),
        why: "a ref that does not exist is a mistake, and these are Git's words",
    },
    Difference {
        prepare: unpushed,
        args: &["push", "-d", "origin"],
        input: b"",
        lfs: (0, ""),
        dits: (1, " => d/a.bin\n"),
        why: "a remote alone means the current branch, not nothing (and no server is known for it)",
    },
    Difference {
        prepare: nothing,
        args: &["push"],
        input: b"",
        lfs: (1, "Specify a remote and a remote branch name (`git lfs push origin main`)"),
        dits: (1, "Specify a remote and a remote branch name (`git dits push origin main`)"),
        why: "what is wrong is said on standard error, also that something is left out",
    },
    Difference {
        prepare: nothing,
        args: &["pre-push"],
        input: b"",
        lfs: (1, "This should be run through Git's pre-push hook.  Run `git lfs update` to install it."),
        dits: (1, "This should be run through Git's pre-push hook.  Run `git dits update` to install it."),
        why: "what is wrong is said on standard error, also that something is left out",
    },
    Difference {
        prepare: nothing,
        args: &["uninstall", "--file", "config"],
        input: b"",
        lfs: (127, "unknown flag"),
        dits: (0, "File Git DITS configuration has been removed."),
        why: "newer versions of git-lfs have this flag",
    },
    Difference {
        prepare: nothing,
        args: &["logs", "show"],
        input: b"",
        lfs: (0, "Supply a log name."),
        dits: (127, "required arguments"),
        why: "a command without what it needs has not succeeded",
    },
    Difference {
        prepare: nothing,
        args: &["help", "nonsense"],
        input: b"",
        lfs: (0, "Unknown help topic"),
        dits: (127, "unrecognized subcommand"),
        why: "an unknown command exits with 127 here too",
    },
    Difference {
        prepare: one_text,
        args: &["migrate", "info", "--unit=kb"],
        input: b"",
        lfs: (0, "*.txt\t5.0\t"),
        dits: (0, "*.txt\t0.0\t"),
        why: "five bytes are not five kilobytes",
    },
    Difference {
        prepare: nothing,
        args: &["migrate", "nonsense"],
        input: b"",
        lfs: (0, "git lfs migrate <mode>"),
        dits: (127, "unrecognized subcommand"),
        why: "an unknown mode exits with 127, as an unknown command does",
    },
    Difference {
        prepare: nothing,
        args: &["version", "x"],
        input: b"",
        lfs: (0, "git-lfs/"),
        dits: (127, "unexpected argument"),
        why: "an argument that means nothing is a mistake",
    },
];

#[test]
fn every_deliberate_difference_is_as_the_table_says() {
    for row in DIFFERENCES {
        let beside = Beside::new();
        (row.prepare)(&beside);
        let (lfs, dits) = beside.both(row.args, "", row.input);
        for (ran, (code, part)) in [(&lfs, row.lfs), (&dits, row.dits)] {
            let seen = ran.text() + &ran.said();
            assert!(
                ran.code == Some(code) && seen.contains(part),
                "{}: '{part}' and {code} expected:\n{ran}",
                row.why
            );
        }
        assert!(
            beside.seen(&lfs, true) != beside.seen(&dits, false),
            "no difference any more: {} ('{}')",
            row.why,
            row.args.join(" ")
        );
    }
}
