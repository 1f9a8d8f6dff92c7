//! Taking changes from one place to another: cherry-pick, revert, stash, patches.

use super::{Step, Story, step};

/// All stories of this file.
pub const STORIES: &[Story] = &[PICK, STASH, STASH_MORE, PATCH];

const PICK: &[Step] = &[
    step("cherry-pick", "git cherry-pick other >/dev/null"),
    step("revert", "git revert --no-edit HEAD >/dev/null"),
    step("cherry-pick of a range", "git cherry-pick ahead~3..ahead >/dev/null"),
    step("revert of a range", "git revert --no-edit HEAD~2..HEAD >/dev/null"),
    step("cherry-pick -n", "git reset -q --hard origin/main; git cherry-pick -n third"),
    step("revert -n", "git reset -q --hard origin/main; git revert -n HEAD"),
    step(
        "revert of a merge",
        "git reset -q --hard origin/main; git merge -q -m m other; git revert --no-edit -m 1 HEAD >/dev/null",
    ),
    step("cherry-pick -X theirs", "git reset -q --hard clash; git cherry-pick -X theirs other >/dev/null"),
];

const STASH: &[Step] = &[
    step("stash push", "put a.bin X; put keep.bin A5; git stash push -q"),
    step("stash pop", "git stash pop -q"),
    step("stash push --keep-index", "git add a.bin; git stash push -q -k"),
    step("stash apply", "git reset -q --hard; git stash apply -q"),
    step("stash push over stash", "git stash push -q -m second"),
    step("stash drop", "git stash drop -q; git stash drop -q"),
    step("stash push -- PATH", "put a.bin X; put keep.bin A5; git stash push -q -- a.bin"),
    step("stash pop beside a change", "git stash pop -q"),
    step("stash push -u", "put untracked.bin X; git stash push -q -u"),
    step("stash pop of untracked", "git stash pop -q"),
    step("stash pop --index", "git add a.bin; git stash push -q; git stash pop -q --index"),
];

const STASH_MORE: &[Step] = &[
    step("stash branch", "put a.bin X; git stash push -q; git stash branch side >/dev/null"),
    step(
        "stash push --staged",
        "git add a.bin; put keep.bin A5; git -c core.abbrev=no stash push -q --staged",
    ),
    step("stash pop of staged", "git checkout -q -- .; git stash pop -q"),
    step(
        "stash pop with conflict",
        "git stash push -q; put a.bin A5; git commit -q -am a5; fails git stash pop -q",
    ),
    step(
        "stash pop with conflict, theirs",
        "git checkout -q --theirs a.bin; git reset -q; git stash drop -q",
    ),
    step("stash create and store", "git stash store $(git stash create); git reset -q --hard"),
];

const PATCH: &[Step] = &[
    step("am", "git format-patch -q --full-index -1 other -o ../patch; git am -q ../patch/*"),
    step("am --3way", "git reset -q --hard origin/main; git am -q -3 ../patch/*"),
    step("am with conflict", "git reset -q --hard clash; fails git am -q ../patch/*"),
    step("am --abort", "git am --abort"),
    step("am --3way with conflict", "git reset -q --hard clash; fails git am -q -3 ../patch/*"),
    step("am --skip", "git am --skip"),
    step("apply", "git reset -q --hard origin/main; git apply ../patch/*"),
    step("apply --reverse", "git apply -R ../patch/*"),
    step("apply --index", "git reset -q --hard origin/main; git apply --index ../patch/*"),
    step("apply --cached", "git reset -q --hard origin/main; git apply --cached ../patch/*"),
    step("apply --3way", "git reset -q --hard origin/main; git apply -3 ../patch/*"),
];
