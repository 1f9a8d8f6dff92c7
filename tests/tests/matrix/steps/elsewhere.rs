//! Results in other places: clones, linked worktrees, archives, exports.

use super::{Step, Story, folder, step, tree};

/// Stories of this file that need a working tree.
pub const STORIES: &[Story] = &[CLONE, WORKTREE, EXPORT, DURING];

/// Stories for bare repositories.
pub const BARE: &[Story] = &[CLONE, EXPORT_BARE, WORKTREE_BARE];

const CLONE: &[Step] = &[
    tree("clone", "../clone", "git clone -q \"$URL\" ../clone"),
    tree("clone --branch", "../other", "git clone -q -b other \"$URL\" ../other"),
    tree("clone --depth", "../shallow", "git clone -q --depth=2 --no-single-branch \"$URL\" ../shallow"),
    tree("clone --filter=blob:none", "../blobless", "git clone -q --filter=blob:none \"$URL\" ../blobless"),
    tree("switch in a blobless clone", "../blobless", "git -C ../blobless switch -q ahead"),
    tree(
        "clone --no-checkout",
        "../later",
        "git clone -q -n \"$URL\" ../later; git -C ../later checkout -q main",
    ),
    tree(
        "clone --sparse",
        "../cone",
        "git clone -q --sparse \"$URL\" ../cone; git -C ../cone sparse-checkout set dir",
    ),
    tree(
        "clone --separate-git-dir",
        "../apart",
        "git clone -q --separate-git-dir=../apart.git \"$URL\" ../apart",
    ),
    tree(
        "fetch and reset",
        "../shallow",
        "cd ../shallow; git fetch -q --unshallow; git reset -q --hard HEAD~3",
    ),
];

const WORKTREE: &[Step] = &[
    tree("worktree add", "../tree", "git worktree add -q ../tree third"),
    tree("worktree add -b", "../topic", "git worktree add -q -b topic ../topic clash"),
    tree("worktree add --detach", "../loose", "git worktree add -q --detach ../loose ahead"),
    tree("worktree move", "../there", "git worktree move ../tree ../there"),
    tree("merge in a worktree", "../there", "git -C ../there merge -q -m m other"),
    step(
        "worktree remove",
        "git worktree remove ../there; git worktree remove -f ../topic; git worktree prune",
    ),
];

const EXPORT: &[Step] = &[
    folder("archive", "../archived", "mkdir ../archived; git archive other | tar -xf - -C ../archived"),
    folder(
        "archive of a folder",
        "../part",
        "mkdir ../part; git archive --prefix=p/ main dir | tar -xf - -C ../part",
    ),
    folder("checkout-index --prefix", "../exported", "git checkout-index -q -a --prefix=../exported/"),
    folder(
        "cat-file --filters",
        "../filtered",
        "mkdir ../filtered; git cat-file --filters other:a.bin >../filtered/a.bin",
    ),
    folder(
        "--work-tree",
        "../elsewhere",
        "mkdir ../elsewhere; GIT_INDEX_FILE=\"$PWD/../index\" git --work-tree=../elsewhere checkout -q -f third -- .",
    ),
    step("nothing happened here", "true"),
];

/// What programs see that Git runs in the middle of a command.
const DURING: &[Step] = &[
    folder(
        "rebase --exec",
        "../seen",
        "mkdir ../seen; git rebase -q --exec 'cp run.bin ../seen/run.bin' other",
    ),
    step("rebase --exec, at its end", "true"),
    folder(
        "post-checkout",
        "../hooked",
        "mkdir ../hooks ../hooked; printf '#!/bin/sh\\ncp a.bin ../hooked/\\n' >../hooks/post-checkout; chmod +x ../hooks/post-checkout; git -c core.hooksPath=../hooks checkout -q ahead",
    ),
    step("post-checkout, at its end", "true"),
];

const EXPORT_BARE: &[Step] = &[
    folder(
        "archive from bare",
        "../archived",
        "mkdir ../archived; git archive other | tar -xf - -C ../archived",
    ),
    folder(
        "cat-file --filters in bare",
        "../filtered",
        "mkdir ../filtered; git cat-file --filters other:a.bin >../filtered/a.bin",
    ),
    folder(
        "--work-tree from bare",
        "../elsewhere",
        "mkdir ../elsewhere; git --work-tree=../elsewhere checkout -q -f third -- .",
    ),
];

const WORKTREE_BARE: &[Step] = &[
    tree("worktree add from bare", "../tree", "git worktree add -q ../tree third"),
    tree("switch in a worktree of bare", "../tree", "git -C ../tree switch -q other"),
    tree("worktree move from bare", "../there", "git worktree move ../tree ../there"),
];
