//! `git dits serve repo`: the repositories of a server.
//!
//! None is removed here: pushes to it may be running.

use super::owner::{done, show};
use crate::report::human_bytes;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::{inventory, utc};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// List repositories, make an empty one, or say which branches have locks of their own
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the repositories with size and last push
    List {
        /// The server's folder
        dir: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an empty repository; the first push would do the same
    Create {
        /// The server's folder
        dir: PathBuf,
        /// Its path, as in an address: 'team/project'
        path: String,
        /// Object format: sha1 or sha256
        #[arg(long, value_name = "FORMAT", default_value = "sha1")]
        object_format: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// List or set the lock branches: long-lived ones, each with locks of its own
    ///
    /// A lock of somebody who is on a lock branch is for that one. From any other branch it is for the first of the list
    /// that is a name and exists, or else for the branch of HEAD.
    LockBranches {
        /// The server's folder
        dir: PathBuf,
        /// Path of the repository, as in an address: 'team/project'
        path: String,
        /// The branches, in place of those before; '*' stands for anything, as in 'release/*'
        #[arg(value_name = "BRANCH")]
        branches: Vec<String>,
        /// Have none: all locks are for the branch of HEAD
        #[arg(long, conflicts_with = "branches")]
        none: bool,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::List { dir, json } => list(dir, *json),
        Action::Create { dir, path, object_format, json } => {
            let made = inventory::create(dir, path, object_format, std::env::var_os("PATH"));
            runtime()?.block_on(made)?;
            done(*json, &json!({ "path": path, "done": "created" }), &format!("created repository '{path}'"))
        }
        Action::LockBranches { dir, path, branches, none, json } => {
            let set = (*none || !branches.is_empty()).then_some(&branches[..]);
            let branches = inventory::lock_branches(dir, path, set, std::env::var_os("PATH"));
            let branches = runtime()?.block_on(branches)?;
            let rows: Vec<_> = branches.iter().map(|branch| vec![branch.clone()]).collect();
            show(*json, &json!({ "path": path, "lock_branches": branches }), &["LOCK BRANCH"], &rows)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start")
}

fn list(dir: &Path, as_json: bool) -> Result<()> {
    let (repositories, realms) = inventory::list(dir)?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for entry in &repositories {
        let last = entry.last_push.map(utc::text);
        values.push(json!({ "path": entry.path, "git_bytes": entry.bytes, "last_push": last }));
        rows.push(vec![entry.path.clone(), human_bytes(entry.bytes), last.unwrap_or_else(|| "never".into())]);
    }
    // Chunks are shared by the repositories of a realm.
    rows.extend(
        realms
            .iter()
            .map(|realm| vec![format!("{}/…", realm.realm), human_bytes(realm.bytes), "content".into()]),
    );
    let realms: Vec<_> =
        realms.iter().map(|realm| json!({ "realm": realm.realm, "content_bytes": realm.bytes })).collect();
    let value = json!({ "repositories": values, "realms": realms });
    show(as_json, &value, &["REPOSITORY", "SIZE", "LAST PUSH"], &rows)
}
