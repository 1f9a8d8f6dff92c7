//! `git dits serve token`: tokens of users.
//!
//! A token may do what its user may, and less if it is made with a role or a scope. Its text is printed once; the server
//! keeps a hash.

use super::owner::{self, done, show};
use crate::context;
use crate::report::Failure;
use anyhow::Result;
use clap::{Parser, Subcommand};
use dits_server::access::change::NewToken;
use dits_server::access::entry::Entry;
use dits_server::access::table::Table;
use dits_server::{Role, Scope, utc};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make, list and revoke access tokens
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it
    New {
        /// The server's folder
        dir: PathBuf,
        /// Whose token it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// No more than this role of the user's: read, write or admin
        #[arg(long)]
        role: Option<Role>,
        /// Not outside of this: a path like 'team' or 'team/project'
        #[arg(long, value_name = "PATH")]
        scope: Option<Scope>,
        /// When it ends: after a time like 90d or 12h, at a date like 2027-01-31, or never
        #[arg(long, value_name = "WHEN", default_value = "never")]
        expires: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the tokens, without their texts
    List {
        /// The server's folder
        dir: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token: it is refused from the next stream on
    Revoke {
        /// The server's folder
        dir: PathBuf,
        /// Id of the token, as 'token list' shows it
        id: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::New { dir, user, role, scope, expires, json } => {
            let new = NewToken { role: *role, scope: scope.clone(), expires: moment(expires)? };
            let (id, token) = owner::of(dir)?.add_token_of(user, &new)?;
            let json_value = json!({
                "id": id, "user": user, "token": token, "role": role.map(|role| role.to_string()),
                "scope": scope.as_ref().map(ToString::to_string), "expires": new.expires.map(utc::text),
            });
            done(*json, &json_value, &token)
        }
        Action::List { dir, json } => list(&owner::of(dir)?.look()?, *json),
        Action::Revoke { dir, id, json } => {
            owner::of(dir)?.revoke_token(id)?;
            done(*json, &json!({ "id": id, "done": "revoked" }), &format!("revoked token {id}"))
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn moment(text: &str) -> Result<Option<u64>> {
    if text == "never" {
        return Ok(None);
    }
    let now = context::now()?;
    let time = utc::span(text).and_then(|span| now.checked_add(span)).or_else(|| utc::parse(text));
    let bad =
        || Failure::new(format!("'{text}' is no time"), "give 90d, 12h, a date like 2027-01-31, or never");
    Ok(Some(time.ok_or_else(bad)?))
}

fn list(table: &Table, json: bool) -> Result<()> {
    let now = context::now()?;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for entry in table.entries() {
        let (id, user, role, scope, created, expires) = match entry {
            Entry::Token(token) => {
                let (role, scope) = (token.role.map(|role| role.to_string()), token.scope.as_ref());
                let scope = scope.map(ToString::to_string);
                (&token.id, Some(&token.user), role, scope, Some(token.created), token.expires)
            }
            Entry::OldToken { role, scope, name, .. } => {
                (name, None, Some(role.to_string()), Some(scope.to_string()), None, None)
            }
            _ => continue,
        };
        let (created, expired) = (created.map(utc::text), expires.is_some_and(|expires| expires <= now));
        let expires = expires.map(utc::text);
        values.push(json!({
            "id": id, "user": user, "role": role, "scope": scope, "created": created, "expires": expires,
            "expired": expired,
        }));
        let or = |text: Option<String>, other: &str| text.unwrap_or_else(|| other.into());
        let end = if expired { "expired".to_owned() } else { or(expires, "never") };
        rows.push(vec![
            id.clone(),
            or(user.cloned(), "-"),
            or(role, "as user"),
            or(scope, "as user"),
            or(created, "-"),
            end,
        ]);
    }
    show(json, &json!({ "tokens": values }), &["ID", "USER", "ROLE", "SCOPE", "CREATED", "EXPIRES"], &rows)
}
