//! Which crate may depend on which: arrows point down, so that a lower crate can be read and tested alone.
//!
//! A normal or build dependency goes to a strictly lower layer. A dev-dependency may also stay in its layer.
//! The runtime (tokio, quinn) stays out of everything that only touches the disk. A package missing from the
//! table is a finding, so that a new crate gets its layer when it is made.

use anyhow::Context as _;
use serde_json::Value;

use super::{File, Finding};

/// The layers, lowest first.
const LAYERS: &[&[&str]] = &[
    &["dits-format", "dits-chunk"],
    &["dits-store", "dits-net", "dits-media", "dits-lock"],
    &["dits-repo", "dits-sync"],
    &["dits-filter", "dits-hooks", "dits-mount", "dits-remote", "dits-server"],
    &["git-dits", "git-remote-dits"],
];
/// Uses any crate, and no crate uses it.
const TESTS: &str = "dits-tests";
/// Uses no crate of the workspace, and no crate uses it.
const XTASK: &str = "xtask";
/// Arrows which are wrong for every kind of dependency: the disk must not know the network.
const NEVER: &[(&str, &str)] =
    &[("dits-store", "dits-sync"), ("dits-repo", "dits-sync"), ("dits-repo", "dits-net")];
const RUNTIME: &[&str] = &["tokio", "quinn"];
const RUNTIME_USERS: &[&str] =
    &["dits-net", "dits-sync", "dits-mount", "dits-server", "git-dits", "git-remote-dits", TESTS];

/// Checks the output of `cargo metadata`; `files` serve to point at the manifest's line.
pub(super) fn check(metadata: &Value, files: &[File]) -> anyhow::Result<Vec<Finding>> {
    let root = metadata["workspace_root"].as_str().context("metadata: no workspace_root")?;
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().context("metadata: no packages")? {
        let name = package["name"].as_str().context("metadata: a package without a name")?;
        let manifest = package["manifest_path"].as_str().context("metadata: a package without a manifest")?;
        let path = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/');
        if !is_known(name) {
            findings.push(Finding::new(path, 1, format!("package {name} has no layer in xtask's table")));
        }
        for dependency in package["dependencies"].as_array().context("metadata: no dependencies")? {
            let to = dependency["name"].as_str().context("metadata: a dependency without a name")?;
            let dev = dependency["kind"] == "dev";
            if let Some(message) = objection(name, to, dev, !dependency["path"].is_null()) {
                findings.push(Finding::new(path, manifest_line(files, path, to), message));
            }
        }
    }
    Ok(findings)
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

fn is_known(name: &str) -> bool {
    layer(name).is_some() || name == TESTS || name == XTASK
}

/// Why `from` may not depend on `to`, if it may not. `local` tells a crate of this tree from a published one.
fn objection(from: &str, to: &str, dev: bool, local: bool) -> Option<String> {
    if RUNTIME.contains(&to) && !RUNTIME_USERS.contains(&from) {
        return Some(format!("{from} uses {to}: only {} may", RUNTIME_USERS.join(", ")));
    }
    if to == TESTS || to == XTASK {
        return Some(format!("{from} depends on {to}: nothing may"));
    }
    if NEVER.contains(&(from, to)) {
        return Some(format!("{from} depends on {to}: never, not even in tests"));
    }
    if !local && !is_known(to) {
        return None;
    }
    if from == XTASK {
        return Some(format!("{from} depends on {to}: it uses no crate of the workspace"));
    }
    let Some(below) = layer(to) else {
        return Some(format!("{from} depends on {to}, which has no layer in xtask's table"));
    };
    // The tests stand above every layer; a package without a layer is already a finding.
    let above = layer(from)?;
    let fine = if dev { below <= above } else { below < above };
    (!fine).then(|| format!("{from} (L{above}) depends on {to} (L{below}): arrows point to a lower layer"))
}

fn manifest_line(files: &[File], path: &str, dependency: &str) -> usize {
    let names_it = |line: &str| {
        let rest = line.trim().strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            || line.contains(&format!("dependencies.{dependency}]"))
    };
    let text = files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref());
    text.and_then(|text| text.lines().position(names_it)).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;
    use serde_json::json;

    fn messages(from: &str, to: &str, kind: Value, path: Value) -> Vec<String> {
        let package = json!({
            "name": from, "manifest_path": "/r/it/Cargo.toml",
            "dependencies": [{ "name": to, "kind": kind, "path": path }],
        });
        let metadata = json!({ "workspace_root": "/r", "packages": [package] });
        let files = [file("it/Cargo.toml", &format!("[dependencies]\n{to}.workspace = true\n"))];
        check(&metadata, &files).unwrap().iter().map(Finding::to_string).collect()
    }

    fn local(from: &str, to: &str, kind: Value) -> usize {
        messages(from, to, kind, json!("/r/other")).len()
    }

    #[test]
    fn arrows_point_strictly_down() {
        assert_eq!(local("dits-repo", "dits-store", Value::Null), 0);
        assert_eq!(local("git-dits", "dits-format", Value::Null), 0);
        assert_eq!(local("dits-store", "dits-repo", Value::Null), 1);
        assert_eq!(local("dits-chunk", "dits-format", Value::Null), 1);
        assert_eq!(local("dits-chunk", "dits-format", json!("build")), 1);
    }

    #[test]
    fn dev_arrows_may_stay_in_the_layer_but_not_rise() {
        assert_eq!(local("dits-chunk", "dits-format", json!("dev")), 0);
        assert_eq!(local("dits-chunk", "dits-store", json!("dev")), 1);
    }

    #[test]
    fn store_and_repo_never_know_sync() {
        assert_eq!(local("dits-repo", "dits-sync", json!("dev")), 1);
        assert_eq!(local("dits-store", "dits-sync", json!("dev")), 1);
        assert_eq!(local("dits-sync", "dits-repo", json!("dev")), 0);
    }

    #[test]
    fn nothing_depends_on_the_outsiders() {
        assert_eq!(local("git-dits", "dits-tests", json!("dev")), 1);
        assert_eq!(local("dits-tests", "xtask", Value::Null), 1);
        assert_eq!(local("dits-tests", "git-dits", Value::Null), 0);
        assert_eq!(local("xtask", "dits-format", Value::Null), 1);
    }

    #[test]
    fn the_runtime_stays_in_its_crates() {
        for name in ["tokio", "quinn"] {
            assert_eq!(messages("dits-sync", name, Value::Null, Value::Null).len(), 0);
            assert_eq!(messages("dits-store", name, json!("dev"), Value::Null).len(), 1);
        }
        assert_eq!(messages("dits-store", "anyhow", Value::Null, Value::Null).len(), 0);
    }

    #[test]
    fn an_unknown_package_is_found_at_either_end() {
        let found = messages("dits-new", "anyhow", Value::Null, Value::Null);
        assert_eq!(found, ["it/Cargo.toml:1: package dits-new has no layer in xtask's table"]);
        assert_eq!(local("git-dits", "dits-new", Value::Null), 1);
    }

    #[test]
    fn a_finding_points_at_the_manifest_line() {
        let found = messages("dits-store", "dits-repo", Value::Null, json!("/r/repo"));
        assert!(
            found[0].starts_with("it/Cargo.toml:2: dits-store (L1) depends on dits-repo (L2)"),
            "{found:?}"
        );
    }
}
