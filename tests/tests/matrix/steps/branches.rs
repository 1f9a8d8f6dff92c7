//! Moving between commits, and joining them: checkout, switch, bisect, reset, merge, rebase, pull.

use super::{Step, Story, step};

/// All stories of this file.
pub const STORIES: &[Story] =
    &[SWITCH, RESET, READ_TREE, MERGE, MERGE_CONFLICT, REBASE, REBASE_CONFLICT, PULL];

const SWITCH: &[Step] = &[
    step("checkout BRANCH", "git checkout -q other"),
    step("checkout -", "git checkout -q -"),
    step("switch BRANCH", "git switch -q third"),
    step("checkout --detach", "git checkout -q --detach ahead"),
    step("checkout -b from elsewhere", "git checkout -q -b mine other"),
    step("checkout -B", "git checkout -q -B mine clash"),
    step("switch -c", "git switch -q -c more moved"),
    step("checkout -f", "ruin; git checkout -q -f main"),
    step("checkout with a local change", "put a.bin X; git checkout -q third"),
    step("checkout refused", "fails git checkout -q other"),
    step("checkout -m", "git checkout -q -m moved"),
    step("switch --discard-changes", "git switch -q --discard-changes main"),
    step("bisect start", "git bisect start ahead main~2"),
    step("bisect good", "git bisect good"),
    step("bisect bad", "git bisect bad"),
    step("bisect reset", "git bisect reset"),
    step("bisect run", "git bisect start ahead main~2; git bisect run sh -c '! cmp -s a.bin $C/A6'"),
    step("bisect reset after run", "git bisect reset"),
    step("switch --orphan", "git switch -q --orphan empty"),
    step("switch from an unborn branch", "git switch -q main"),
    step("checkout --orphan", "git checkout -q --orphan again; git commit -q -m again"),
];

const RESET: &[Step] = &[
    step("reset --hard", "ruin; git reset -q --hard"),
    step("reset --hard elsewhere", "ruin; git reset -q --hard other"),
    step("reset --keep", "put keep.bin X; git reset -q --keep third"),
    step("reset --hard over a change", "git reset -q --hard origin/main"),
    step("reset --merge", "put keep.bin A5; git reset -q --merge other"),
    step("reset --soft", "git reset -q --hard; git reset -q --soft third"),
    step("reset --hard over staged", "git reset -q --hard"),
    step("reset --mixed", "git reset -q --mixed origin/main"),
    step("reset PATH", "git add -A; git reset -q -- a.bin"),
];

const READ_TREE: &[Step] = &[
    step("read-tree -m -u", "git read-tree -m -u HEAD other"),
    step("read-tree --reset -u", "ruin; git read-tree --reset -u HEAD"),
    step("read-tree --prefix -u", "git read-tree --prefix=sub/ -u other; git commit -q -m sub"),
    step("read-tree three-way", "git read-tree -m -u main~2 HEAD third"),
];

const MERGE: &[Step] = &[
    step("merge --ff-only", "git merge -q --ff-only ahead"),
    step("merge", "git reset -q --hard origin/main; git merge -q -m one other"),
    step("merge --no-ff", "git reset -q --hard origin/main; git merge -q --no-ff -m two ahead"),
    step("merge octopus", "git reset -q --hard origin/main; git merge -q -m octopus other third"),
    step("merge -s ours", "git reset -q --hard origin/main; git merge -q -s ours -m ours other"),
    step(
        "merge of a rename",
        "git reset -q --hard third; git switch -q main; git reset -q --hard third; git merge -q -m moved moved",
    ),
    step("merge -X theirs", "git reset -q --hard clash; git merge -q -X theirs -m theirs other"),
    step("merge --squash", "git reset -q --hard clash~1; git merge -q --squash other"),
    step("merge --no-commit", "git reset -q --hard clash~1; git merge -q --no-commit --no-ff third"),
    step("merge --abort without conflict", "git merge --abort"),
    step("merge --autostash", "put keep.bin X; git merge -q --autostash -m auto other"),
    step("merge -s subtree", "git reset -q --hard; git merge -q -s subtree -m sub third"),
];

const MERGE_CONFLICT: &[Step] = &[
    step("merge with conflict", "git reset -q --hard clash; fails git merge -q other"),
    step("checkout --theirs", "git checkout -q --theirs a.bin"),
    step("checkout --ours", "git checkout -q --ours a.bin"),
    step("restore --theirs", "git restore --theirs a.bin"),
    step("restore --merge", "git restore --merge a.bin"),
    step("merge --abort", "git merge --abort"),
    step(
        "merge resolved with theirs",
        "fails git merge -q other; git checkout -q --theirs a.bin; git add a.bin; git commit -q -m merged",
    ),
    step("merge --quit", "git reset -q --hard clash; fails git merge -q other; git merge --quit"),
    step("reset --merge in a conflict", "git reset -q --merge"),
    step("cherry-pick with conflict", "fails git cherry-pick other"),
    step("cherry-pick --abort", "git cherry-pick --abort"),
    step("cherry-pick --skip", "fails git cherry-pick other; git cherry-pick --skip"),
    step(
        "cherry-pick --continue",
        "fails git cherry-pick other; git checkout -q --theirs a.bin; git add a.bin; git cherry-pick --continue",
    ),
    step("revert with conflict", "fails git revert --no-edit HEAD~1"),
    step("revert --abort", "git revert --abort"),
    step(
        "modify against delete",
        "git reset -q --hard origin/main; put gone.bin X; git commit -q -am mine; fails git merge -q other",
    ),
    step("modify against delete, removed", "git rm -q gone.bin; git commit -q -m merged"),
    step(
        "add against add",
        "git reset -q --hard origin/main; put dir/new.bin X; git add -A; git commit -q -m mine; fails git merge -q other",
    ),
    step(
        "add against add, resolved",
        "git checkout -q --theirs dir/new.bin; git add -A; git commit -q -m merged",
    ),
];

const REBASE: &[Step] = &[
    step("rebase", "git switch -q -c mine; git rebase -q other"),
    step("rebase --onto", "git rebase -q --onto third other"),
    step("rebase --apply", "git reset -q --hard origin/main; git rebase -q --apply other"),
    step("rebase --no-ff", "git rebase -q --no-ff third"),
    step(
        "rebase -i edit",
        "git reset -q --hard ahead; GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i ahead~2",
    ),
    step(
        "rebase -i edit, amended",
        "put a.bin A1; put more.bin X; git add -A; git commit -q --amend --no-edit",
    ),
    step("rebase --abort after edit", "git rebase --abort"),
    step(
        "rebase -i edit, continued",
        "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i ahead~2; git rebase --continue",
    ),
    step("rebase -i squash", "GIT_SEQUENCE_EDITOR='sed -i 2s/pick/squash/' git rebase -q -i ahead~2"),
    step(
        "rebase --autostash",
        "git reset -q --hard origin/main; put keep.bin X; git rebase -q --autostash other",
    ),
    step(
        "rebase --rebase-merges",
        "git reset -q --hard origin/main; git merge -q -m m third; git rebase -q -r --onto other main~2",
    ),
];

const REBASE_CONFLICT: &[Step] = &[
    step("rebase with conflict", "git switch -q -c mine clash; fails git rebase -q other"),
    step("rebase --abort", "git rebase --abort"),
    step("rebase --skip", "fails git rebase -q other; git rebase --skip"),
    step(
        "rebase --continue",
        "git reset -q --hard clash; fails git rebase -q other; git checkout -q --theirs a.bin; git add a.bin; git rebase --continue",
    ),
    step("rebase -X theirs", "git reset -q --hard clash; git rebase -q -X theirs other"),
    step(
        "rebase --apply with conflict",
        "git reset -q --hard clash; fails git rebase -q --apply other; git rebase --abort",
    ),
];

const PULL: &[Step] = &[
    step("pull", "git reset -q --hard origin/main~2; git pull -q --ff-only origin main"),
    step("fetch and merge", "git fetch -q origin; git merge -q --ff-only origin/ahead"),
    step(
        "pull --rebase",
        "git reset -q --hard clash; put own.bin X; commit own; git pull -q --rebase origin third",
    ),
    step("pull with a merge", "git reset -q --hard third; git pull -q --no-rebase --no-edit origin main"),
    step(
        "pull --autostash",
        "git reset -q --hard origin/main~2; put keep.bin X; git pull -q --rebase --autostash origin main",
    ),
];
