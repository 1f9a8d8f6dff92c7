//! Git behaves as Git: every command, in every shape of repository, with every Git that is here.
//!
//! A command must leave what plain Git leaves: the same script runs in a *twin*, a repository with the same
//! history and no filter, and the working tree and `git status` of both must be equal. So contents are right, no ghost
//! stays, and nothing is dirty that would not be with Git alone. Beyond that, the status after each command must start no filter and read no
//! file, and no lock and no temporary file may stay. What is known to be otherwise is in [`known`], with the
//! reason, and must be so: an exception that no longer holds fails too.
//!
//! One test a shape. A shape is built once for each Git and copied for each story of [`steps`]. With
//! `--nocapture` each prints its counts.

mod boxes;
mod known;
mod run;
mod shapes;
mod snapshot;
mod steps;
mod twin;

use shapes::{BUILT, Origin, Shape};

fn holds(shape: &Shape) {
    if shape.origin == Origin::Mounted && dits_tests::mounted::is_left_out() {
        return;
    }
    let stories = match shape.origin {
        Origin::Bare => steps::bare(),
        Origin::Super => steps::submodules(),
        _ => steps::everywhere(),
    };
    run::shape(shape, &stories);
}

#[test]
fn index_v2() {
    holds(&Shape { name: "index v2", config: &[("index.version", "2")], ..BUILT });
}

/// As most people have it: with our hooks, which run beside the filter of the same command.
#[test]
fn with_hooks() {
    holds(&Shape { name: "with hooks", after: "git dits update", ..BUILT });
}

#[test]
fn index_v4() {
    holds(&Shape { name: "index v4", config: &[("index.version", "4")], ..BUILT });
}

#[test]
fn split_index() {
    let after = "git update-index --split-index";
    holds(&Shape { name: "split index", config: &[("core.splitIndex", "true")], after, ..BUILT });
}

#[test]
fn sparse_index() {
    let after = "git sparse-checkout set --cone --sparse-index dir far folder sub";
    holds(&Shape { name: "sparse index", after, twin: "sparse", ..BUILT });
}

#[test]
fn untracked_cache() {
    let after = "git update-index --untracked-cache; git status --porcelain";
    holds(&Shape { name: "untracked cache", config: &[("core.untrackedCache", "true")], after, ..BUILT });
}

#[test]
fn fsmonitor() {
    let after = "git config core.fsmonitor \"$HOOK\"; git update-index --fsmonitor; git status --porcelain";
    holds(&Shape { name: "fsmonitor", config: &[("core.fsmonitorHookVersion", "2")], after, ..BUILT });
}

#[test]
fn index_without_hash() {
    // Git 2.39 knows no such setting; then this is one more plain repository.
    holds(&Shape { name: "skipHash", config: &[("index.skipHash", "true")], ..BUILT });
}

#[test]
fn many_files() {
    let config = &[("feature.manyFiles", "true"), ("index.threads", "2")];
    holds(&Shape { name: "manyFiles", config, ..BUILT });
}

#[test]
fn sha256() {
    holds(&Shape { name: "sha256", init: "--object-format=sha256", ..BUILT });
}

#[test]
fn reftable() {
    holds(&Shape { name: "reftable", init: "--ref-format=reftable", since: (2, 45), ..BUILT });
}

#[test]
fn partial_clone_without_blobs() {
    holds(&Shape { name: "blob:none", origin: Origin::Cloned("--filter=blob:none"), ..BUILT });
}

#[test]
fn partial_clone_with_small_blobs() {
    holds(&Shape { name: "blob:limit", origin: Origin::Cloned("--filter=blob:limit=1k"), ..BUILT });
}

#[test]
fn shallow_clone() {
    let origin = Origin::Cloned("--depth=6 --no-single-branch");
    holds(&Shape { name: "shallow", origin, ..BUILT });
}

#[test]
fn linked_worktree() {
    holds(&Shape { name: "linked", origin: Origin::Linked, ..BUILT });
}

/// A mount is a working tree like any other.
#[test]
fn mounted() {
    holds(&Shape { name: "mounted", origin: Origin::Mounted, ..BUILT });
}

#[test]
fn mounted_with_index_v4_and_hooks() {
    let config = &[("index.version", "4")];
    holds(&Shape { name: "mounted v4", config, after: "git dits update", origin: Origin::Mounted, ..BUILT });
}

#[test]
fn mounted_sha256() {
    let init = "--object-format=sha256";
    holds(&Shape { name: "mounted sha256", init, origin: Origin::Mounted, ..BUILT });
}

#[test]
fn inside_a_submodule() {
    holds(&Shape { name: "submodule", origin: Origin::Submodule, ..BUILT });
}

#[test]
fn around_a_submodule() {
    holds(&Shape { name: "superproject", origin: Origin::Super, twin: "superproject", ..BUILT });
}

#[test]
fn bare() {
    holds(&Shape { name: "bare", origin: Origin::Bare, twin: "bare", ..BUILT });
}
