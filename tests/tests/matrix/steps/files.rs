//! Single files: checkout and restore of paths, add, commit, mv, rm, clean, checkout-index, sparse checkout.

use super::{Step, Story, step};

/// All stories of this file.
pub const STORIES: &[Story] = &[RESTORE, CHECKOUT_INDEX, ADD, CHOOSE, COMMIT, MOVE, SPARSE, LOOK];

const RESTORE: &[Step] = &[
    step("checkout -- PATH", "ruin; git checkout -q -- dir/b.bin keep.bin"),
    step("checkout .", "ruin; git checkout -q ."),
    step("checkout HEAD -- .", "ruin; git checkout -q HEAD -- ."),
    step("restore PATH", "ruin; git restore dir keep.bin"),
    step("restore in a folder", "ruin; (cd dir && git restore :/)"),
    step("restore --staged --worktree", "ruin; git add -A; git restore --source=HEAD --staged --worktree ."),
    step("restore --staged", "ruin; git add -A; git restore --staged ."),
    step("restore .", "git restore ."),
    step("checkout X -- PATH", "git checkout -q other -- a.bin run.bin"),
    step("checkout HEAD -- PATH", "git checkout -q HEAD -- a.bin run.bin"),
    step("restore --source --worktree", "git restore --source=other --worktree run.bin"),
    step("restore after that", "git restore run.bin"),
    step("restore --source --staged", "git restore --source=other --staged run.bin"),
    step("restore of both", "git restore --staged --worktree run.bin"),
    step("restore --no-overlay", "git restore --source=other --staged --worktree --no-overlay ."),
    step("checkout of a folder", "git checkout -q main -- dir"),
];

const CHECKOUT_INDEX: &[Step] = &[
    step("checkout-index -f -a -u", "ruin; git checkout-index -q -f -a -u"),
    step("checkout-index -f -a", "ruin; git checkout-index -q -f -a"),
];

const ADD: &[Step] = &[
    step("add", "put a.bin X; put more.bin A5; git add a.bin more.bin"),
    step("add -u", "put keep.bin A5; rm gone.bin; git add -u"),
    step("add -A", "put dir/other.bin X; git add -A"),
    step("add -N", "git commit -q -m all; put intent.bin X; git add -N intent.bin"),
    step("add of an intention", "git add intent.bin; git commit -q -m intent"),
    step("add --chmod", "git add --chmod=+x a.bin; git commit -q -m x; git checkout -q -- ."),
    step("add --renormalize", "git add --renormalize ."),
    step("update-index --refresh", "git update-index -q --refresh"),
    step("update-index --really-refresh", "git update-index -q --really-refresh"),
    step(
        "update-index --skip-worktree",
        "git update-index --skip-worktree keep.bin; git update-index --no-skip-worktree keep.bin",
    ),
    step("rm --cached and add", "git rm -q --cached keep.bin; git add keep.bin"),
];

/// Choosing hunks: of a managed file they are lines of its pointer.
const CHOOSE: &[Step] = &[
    step("add -p", "put a.bin X; whole 'git add a.bin' || echo y | git add -p >/dev/null"),
    step("reset -p", "whole 'git reset -q -- a.bin' || echo y | git reset -p >/dev/null"),
    step("commit -p", "whole 'git commit -q -m p a.bin' || echo y | git commit -q -p -m p >/dev/null"),
    step(
        "checkout -p",
        "put a.bin A5; whole 'git checkout -q -- a.bin' || echo y | git checkout -p >/dev/null",
    ),
    step("restore -p", "put a.bin A5; whole 'git restore a.bin' || echo y | git restore -p >/dev/null"),
    step(
        "stash push -p",
        "put a.bin A5; whole 'git stash push -q -- a.bin' || echo y | git stash push -p >/dev/null",
    ),
    step("stash pop after that", "git stash pop -q"),
];

const COMMIT: &[Step] = &[
    step("commit -a", "put a.bin X; git commit -q -a -m a"),
    step("commit -- PATH", "put a.bin A5; put keep.bin A6; git add keep.bin; git commit -q -m path -- a.bin"),
    step("commit --include", "put run.bin X; git commit -q -m both -i run.bin"),
    step("commit --amend", "put a.bin A4; git commit -q -a --amend --no-edit"),
    step("commit --only nothing", "git commit -q --amend --only -m again"),
    step("gc", "git gc -q"),
    step("repack and pack-refs", "git repack -a -d -q; git pack-refs --all"),
];

const MOVE: &[Step] = &[
    step("mv of a file", "git mv a.bin moved.bin"),
    step("mv of a folder", "git mv dir folder"),
    step("mv into a folder", "git mv keep.bin folder/"),
    step("checkout after mv", "git checkout -q -f main"),
    step("rm", "git rm -q a.bin"),
    step("rm -r", "git rm -q -r dir"),
    step("reset --hard after rm", "git reset -q --hard"),
    step("clean -fdx", "put junk/x.bin X; git clean -q -fdx"),
    step("rm of a folder and restore", "rm -r dir; git checkout -q -- dir"),
    step(
        "a folder becomes a file",
        "git rm -q -r dir; put dir X; git add dir; git commit -q -m file; git checkout -q main",
    ),
];

const SPARSE: &[Step] = &[
    step("sparse-checkout set", "git sparse-checkout set --cone dir"),
    step("sparse-checkout add", "git sparse-checkout add away"),
    step("switch when sparse", "git switch -q other"),
    step("sparse-checkout reapply", "git sparse-checkout reapply"),
    step("merge when sparse", "git merge -q -m m main"),
    step("sparse-checkout set --no-cone", "git sparse-checkout set --no-cone '/*' '!/dir/'"),
    step("sparse-checkout disable", "git sparse-checkout disable"),
];

const LOOK: &[Step] = &[
    step("diff", "put a.bin X; git diff --stat >/dev/null; git diff >/dev/null"),
    step("diff --cached", "git add a.bin; git diff --cached >/dev/null; git diff HEAD~1 >/dev/null"),
    step("log -p", "git reset -q --hard; git log -p >/dev/null"),
    step("grep, blame, show", "git grep -q x; git blame -s a.bin >/dev/null; git show HEAD >/dev/null"),
    step("difftool", "git difftool -y -x true main other"),
    step("difftool --dir-diff", "git difftool -d -x true main other"),
    step("diff with textconv", "git -c diff.dits.textconv='wc -c <' diff main other >/dev/null"),
    step("diff with a program", "git -c diff.dits.command=true diff main other"),
];
