//! Submodules, seen from the repository around them.

use super::{Step, Story, tree};

/// All stories of this file. The repository has a submodule `part`, whose `main` is one commit ahead.
pub const STORIES: &[Story] = &[UPDATE, CLONE];

const UPDATE: &[Step] = &[
    tree("submodule update", "part", "git -C part switch -q other; git submodule --quiet update"),
    tree("submodule update --remote", "part", "git submodule --quiet update --remote part"),
    tree(
        "checkout --recurse-submodules",
        "part",
        "git commit -q -am newer; git checkout -q --recurse-submodules HEAD~1",
    ),
    tree("reset --hard --recurse-submodules", "part", "git reset -q --hard --recurse-submodules main"),
    tree("submodule foreach", "part", "git submodule --quiet foreach 'git checkout -q third'"),
    tree("submodule update --force", "part", "rm part/keep.bin; git submodule --quiet update --force"),
    tree(
        "submodule deinit and update",
        "part",
        "git submodule --quiet deinit -f part; git submodule --quiet update --init part",
    ),
    tree("submodule add", "second", "git submodule --quiet add -b other \"$URL\" second"),
];

const CLONE: &[Step] = &[
    tree(
        "clone --recurse-submodules",
        "../whole/part",
        "git clone -q --recurse-submodules \"$SUPER\" ../whole",
    ),
    tree(
        "pull --recurse-submodules",
        "../whole/part",
        "git submodule --quiet update --remote part; git commit -q -am newer; git push -q \"$SUPER\" HEAD:main; git -C ../whole pull -q --recurse-submodules",
    ),
];
