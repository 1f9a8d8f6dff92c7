//! `git dits serve grant` and `revoke-grant`: who may do what where.
//!
//! Grants add up: the strongest counts. They are what tokens and keys of a user allow.

use super::owner::{self, done, show};
use anyhow::Result;
use clap::Parser;
use dits_server::access::entry::Entry;
use dits_server::{Role, Scope};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Grant a role, or list all grants
#[derive(Debug, Parser)]
pub struct Args {
    /// The server's folder
    dir: PathBuf,
    /// Name of a user; 'everyone' who has logged in; or 'anonymous', for reading without logging in
    #[arg(value_name = "USER", requires = "role")]
    who: Option<String>,
    /// What is allowed: read, write or admin
    #[arg(requires = "scope")]
    role: Option<Role>,
    /// Where: '*', or a path like 'team' or 'team/project' with all below it
    scope: Option<Scope>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Take grants away
#[derive(Debug, Parser)]
pub struct RevokeArgs {
    /// The server's folder
    dir: PathBuf,
    /// Name of a user, 'everyone' or 'anonymous'
    #[arg(value_name = "USER")]
    who: String,
    /// The scope as it was granted
    scope: Scope,
    /// Only grants of this role
    #[arg(long)]
    role: Option<Role>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `grant`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let owner = owner::of(&args.dir)?;
    if let (Some(who), Some(role), Some(scope)) = (&args.who, args.role, &args.scope) {
        owner.grant(who, role, scope)?;
        let json =
            json!({ "who": who, "role": role.to_string(), "scope": scope.to_string(), "done": "granted" });
        done(args.json, &json, &format!("granted '{who}' {role} in '{scope}'"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let grant = |entry: &Entry| match entry {
        Entry::Grant { who, role, scope } => Some(vec![who.to_string(), role.to_string(), scope.to_string()]),
        _ => None,
    };
    let rows: Vec<_> = owner.look()?.entries().filter_map(grant).collect();
    let values: Vec<_> =
        rows.iter().map(|row| json!({ "who": row[0], "role": row[1], "scope": row[2] })).collect();
    show(args.json, &json!({ "grants": values }), &["WHO", "ROLE", "SCOPE"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `revoke-grant`.
pub fn revoke(args: &RevokeArgs) -> Result<ExitCode> {
    let RevokeArgs { dir, who, scope, role, json } = args;
    let count = owner::of(dir)?.revoke_grant(who, *role, scope)?;
    let value = json!({ "who": who, "scope": scope.to_string(), "count": count, "done": "revoked" });
    done(*json, &value, &format!("took {count} grant(s) in '{scope}' from '{who}'"))?;
    Ok(ExitCode::SUCCESS)
}
