//! `git dits serve issuer`: whose signed tokens (OIDC, JWT) are believed, as CI systems hand them out.
//!
//! A rule without a claim is refused: it would let in everybody whom the issuer knows.

use super::owner::{self, done, show};
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use dits_server::access::claims::Pattern;
use dits_server::access::entry::{Entry, Issuer, Rule};
use dits_server::{Role, Scope};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Believe tokens that a CI system signs
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an issuer with a rule, or one more rule to one that is known
    Add(Add),
    /// List issuers and their rules
    List {
        /// The server's folder
        dir: PathBuf,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an issuer and its rules
    Remove {
        /// The server's folder
        dir: PathBuf,
        /// Its name
        name: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Parser)]
struct Add {
    /// The server's folder
    dir: PathBuf,
    /// Name for it
    name: String,
    /// The claim 'iss' of its tokens, exactly
    #[arg(long)]
    url: String,
    /// What the claim 'aud' of its tokens must hold: a name for this server, like dits://media.example.org
    #[arg(long)]
    audience: String,
    /// Where its keys are (JWKS): an https URL, or a file
    #[arg(long, value_name = "URL|FILE")]
    keys: String,
    /// What a token allows: read, write or admin
    #[arg(long, default_value = "read")]
    role: Role,
    /// Where it is good: '*', or a path like 'team' or 'team/project'
    #[arg(long, value_name = "PATH")]
    scope: Scope,
    /// What a claim must look like; '*' stands for anything, '?' for one character. All of them must fit
    #[arg(long = "claim", value_name = "CLAIM=PATTERN", required = true)]
    claims: Vec<Pattern>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::Add(args) => add(args),
        Action::List { dir, json } => list(&owner::of(dir)?.look()?, *json),
        Action::Remove { dir, name, json } => {
            owner::of(dir)?.remove_issuer(name)?;
            done(*json, &json!({ "issuer": name, "done": "removed" }), &format!("removed issuer '{name}'"))
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn add(args: &Add) -> Result<()> {
    let Add { dir, name, url, audience, keys, role, scope, claims, json } = args;
    let keys = if keys.contains("://") {
        keys.clone()
    } else {
        // The server may be started elsewhere.
        let full = std::fs::canonicalize(keys).with_context(|| format!("cannot find '{keys}'"))?;
        full.to_string_lossy().into_owned()
    };
    let issuer = Issuer { name: name.clone(), url: url.clone(), audience: audience.clone(), keys };
    let rule = Rule { issuer: name.clone(), role: *role, scope: scope.clone(), claims: claims.clone() };
    owner::of(dir)?.add_issuer(&issuer, &[rule])?;
    let value =
        json!({ "issuer": name, "role": role.to_string(), "scope": scope.to_string(), "done": "added" });
    done(*json, &value, &format!("tokens of issuer '{name}' that fit are allowed to {role} in '{scope}'"))
}

fn list(table: &dits_server::access::table::Table, json: bool) -> Result<()> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for entry in table.entries() {
        let Entry::Issuer(issuer) = entry else { continue };
        let mut rules = Vec::new();
        for entry in table.entries() {
            let Entry::Rule(rule) = entry else { continue };
            if rule.issuer == issuer.name {
                let claims: Vec<String> = rule.claims.iter().map(ToString::to_string).collect();
                let (role, scope) = (rule.role.to_string(), rule.scope.to_string());
                rules.push(json!({ "role": role, "scope": scope, "claims": claims }));
                rows.push(vec![issuer.name.clone(), issuer.url.clone(), role, scope, claims.join(" ")]);
            }
        }
        let Issuer { name, url, audience, keys } = issuer;
        values
            .push(json!({ "issuer": name, "url": url, "audience": audience, "keys": keys, "rules": rules }));
    }
    show(json, &json!({ "issuers": values }), &["ISSUER", "URL", "ROLE", "SCOPE", "CLAIMS"], &rows)
}
