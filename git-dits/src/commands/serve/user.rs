//! `git dits serve user`: who may log in.
//!
//! A new user may do what everyone may; `serve grant` gives more. Removing one takes tokens, keys and grants along.

use super::owner::{self, done, show};
use crate::report::Failure;
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::access::entry::{Entry, Who};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Add, list, disable and remove users, and their SSH keys
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user
    Add {
        #[command(flatten)]
        named: Named,
        /// File with a public SSH key of the user, or the key itself
        #[arg(long, value_name = "FILE|KEY")]
        key: Option<String>,
    },
    /// List the users
    List {
        /// The server's folder
        dir: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user with all tokens, keys and grants
    Remove(Named),
    /// Keep a user out, from the next stream on
    Disable(Named),
    /// Let a disabled user in again
    Enable(Named),
    /// List, add or remove the public SSH keys of a user
    Key {
        #[command(flatten)]
        named: Named,
        /// File with the public key to add, or the key itself
        #[arg(value_name = "FILE|KEY", conflicts_with = "remove")]
        key: Option<String>,
        /// Remove the key with this fingerprint or comment
        #[arg(long, value_name = "SHA256:…")]
        remove: Option<String>,
    },
}

#[derive(Debug, Parser)]
struct Named {
    /// The server's folder
    dir: PathBuf,
    /// Name of the user
    name: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::Add { named, key } => {
            let key = key.as_deref().map(key_text).transpose()?;
            owner::of(&named.dir)?.add_user(&named.name, key.as_deref())?;
            say(named, "added")
        }
        Action::Remove(named) => {
            owner::of(&named.dir)?.remove_user(&named.name)?;
            say(named, "removed")
        }
        Action::Disable(named) => {
            owner::of(&named.dir)?.set_disabled(&named.name, true)?;
            say(named, "disabled")
        }
        Action::Enable(named) => {
            owner::of(&named.dir)?.set_disabled(&named.name, false)?;
            say(named, "enabled")
        }
        Action::List { dir, json } => list(&owner::of(dir)?.look()?, *json),
        Action::Key { named, key: Some(key), .. } => {
            let fingerprint = owner::of(&named.dir)?.add_key(&named.name, &key_text(key)?)?;
            let text = format!("added key {fingerprint} to user '{}'", named.name);
            done(named.json, &json!({ "user": named.name, "key": fingerprint, "done": "added" }), &text)
        }
        Action::Key { named, remove: Some(key), .. } => {
            owner::of(&named.dir)?.remove_key(&named.name, key)?;
            let text = format!("removed key {key} of user '{}'", named.name);
            done(named.json, &json!({ "user": named.name, "key": key, "done": "removed" }), &text)
        }
        Action::Key { named, .. } => keys(&owner::of(&named.dir)?.look()?, named),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn say(named: &Named, what: &str) -> Result<()> {
    done(named.json, &json!({ "user": named.name, "done": what }), &format!("{what} user '{}'", named.name))
}

/// The key itself, or what is in the file.
fn key_text(given: &str) -> Result<String> {
    if given.starts_with("ssh-") || given.starts_with("ecdsa-") {
        return Ok(given.to_owned());
    }
    let text = std::fs::read_to_string(given).with_context(|| format!("cannot read '{given}'"))?;
    if text.contains("PRIVATE KEY") {
        let hint = format!("give the public one: '{given}.pub'");
        return Err(Failure::new(format!("'{given}' is a private key"), hint).into());
    }
    Ok(text)
}

fn list(table: &dits_server::access::table::Table, json: bool) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for entry in table.entries() {
        let Entry::User { name, disabled } = entry else { continue };
        let count = |mine: &dyn Fn(&Entry) -> bool| table.entries().filter(|entry| mine(entry)).count();
        let keys = count(&|entry| matches!(entry, Entry::Key { user, .. } if user == name));
        let tokens = count(&|entry| matches!(entry, Entry::Token(token) if token.user == *name));
        let grants: Vec<String> = table
            .entries()
            .filter_map(|entry| match entry {
                Entry::Grant { who: Who::User(user), role, scope } if user == name => {
                    Some(format!("{role} {scope}"))
                }
                _ => None,
            })
            .collect();
        let state = if *disabled { "disabled" } else { "active" };
        rows.push(vec![name.clone(), state.into(), keys.to_string(), tokens.to_string(), grants.join(", ")]);
        values.push(
            json!({ "user": name, "disabled": disabled, "keys": keys, "tokens": tokens, "grants": grants }),
        );
    }
    show(json, &json!({ "users": values }), &["USER", "STATE", "KEYS", "TOKENS", "GRANTS"], &rows)
}

fn keys(table: &dits_server::access::table::Table, named: &Named) -> Result<()> {
    if table.is_disabled(&named.name).is_none() {
        return Err(Failure::new(
            format!("there is no user '{}'", named.name),
            "see 'git dits serve user list'",
        )
        .into());
    }
    let of_user = |entry: &Entry| match entry {
        Entry::Key { user, key } if *user == named.name => {
            Some(vec![key.fingerprint(Default::default()).to_string(), key.comment().to_owned()])
        }
        _ => None,
    };
    let rows: Vec<_> = table.entries().filter_map(of_user).collect();
    let values: Vec<_> = rows.iter().map(|row| json!({ "fingerprint": row[0], "comment": row[1] })).collect();
    show(named.json, &json!({ "keys": values }), &["FINGERPRINT", "COMMENT"], &rows)
}
