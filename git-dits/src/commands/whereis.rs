//! `git dits whereis`: where a content is, here and at the remotes.
//!
//! Here it is whole, partial or absent in the store; a remote has proved that it holds it, or has not. Names are
//! paths of the index, or oids. Exit code 1 when some content is nowhere; 2 when that cannot be known, as a
//! remote does not answer.

use crate::context::{self, Context};
use crate::hydration;
use crate::report::{self, FAILED};
use anyhow::Result;
use clap::Parser;
use dits_format::Oid;
use dits_remote::proofs::{self, Place};
use dits_repo::tracked::Tracked;
use dits_store::content::{self, Presence};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Show where contents are: here, and at which remotes
#[derive(Debug, Parser)]
pub struct Args {
    /// Files, folders or pathspecs, or oids of 64 hex digits
    #[arg(required = true, value_name = "PATH|OID")]
    name: Vec<String>,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

/// Exit code when a content is nowhere.
const NOWHERE: u8 = 1;

/// A content, and what is known of it.
struct Content {
    oid: Oid,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    here: Presence,
    /// For each remote whether it has proved the content, if it answered.
    remotes: Vec<Option<bool>>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    let mut contents = named(&context, &args.name)?;
    let store = context.existing_store()?;
    for content in &mut contents {
        content.here =
            store.as_ref().map_or(Ok(Presence::Absent), |store| content::presence(store, &content.oid))?;
    }
    let places = proofs::places(&context.repository)?;
    let oids: Vec<Oid> = contents.iter().map(|content| content.oid).collect();
    for place in &places {
        let answer = proofs::ask(&context.repository, &context.settings, place, &oids);
        if let Err(error) = &answer {
            report::error(&format!("'{}' could not be asked: {error}", place.name));
            report::hint_for(error).iter().for_each(|hint| report::hint(hint));
        }
        let answer = answer.ok();
        for (at, content) in contents.iter_mut().enumerate() {
            content.remotes.push(answer.as_ref().map(|bits| bits[at]));
        }
    }
    if args.json {
        json(&places, &contents)?
    } else {
        text(&places, &contents)?
    }
    let lost = |content: &&Content| content.here != Presence::Whole && !content.remotes.contains(&Some(true));
    let unknown = |content: &Content| content.remotes.contains(&None);
    Ok(match contents.iter().filter(lost).map(unknown).max() {
        None => ExitCode::SUCCESS,
        Some(false) => ExitCode::from(NOWHERE),
        Some(true) => ExitCode::from(FAILED),
    })
}

/// The contents that the user named, in that order.
fn named(context: &Context, names: &[String]) -> Result<Vec<Content>> {
    let mut contents = Vec::new();
    for name in names {
        let hex = name.strip_prefix("blake3:").unwrap_or(name);
        if let Some(oid) = Oid::from_hex(hex.as_bytes()) {
            contents.push(content(oid, None, None));
            continue;
        }
        for Tracked { path, pointer, .. } in hydration::managed(context, std::slice::from_ref(name))? {
            contents.push(content(pointer.oid, Some(path), Some(pointer.size)));
        }
    }
    Ok(contents)
}

fn content(oid: Oid, path: Option<Vec<u8>>, size: Option<u64>) -> Content {
    Content { oid, path, size, here: Presence::Absent, remotes: Vec::new() }
}

fn here(presence: Presence) -> &'static str {
    match presence {
        Presence::Whole => "whole",
        Presence::Partial => "partial",
        Presence::Absent => "absent",
    }
}

fn text(places: &[Place], contents: &[Content]) -> Result<()> {
    let mut out = String::new();
    for content in contents {
        match &content.path {
            Some(path) => out.push_str(&format!("{} ({})\n", String::from_utf8_lossy(path), content.oid)),
            None => out.push_str(&format!("{}\n", content.oid)),
        }
        out.push_str(&format!("    here: {}\n", here(content.here)));
        for (place, proved) in places.iter().zip(&content.remotes) {
            let word = match proved {
                Some(true) => "proved",
                Some(false) => "not proved",
                None => "unknown",
            };
            out.push_str(&format!("    {}: {word}\n", place.name));
        }
    }
    report::stdout(out)
}

fn json(places: &[Place], contents: &[Content]) -> Result<()> {
    let remote = |(place, proved): (&Place, &Option<bool>)| json!({ "name": place.name, "url": place.address.to_string(), "proved": proved });
    let list = contents.iter().map(|content| {
        json!({
            "oid": content.oid.to_string(),
            "path": content.path.as_ref().map(|path| String::from_utf8_lossy(path)),
            "size": content.size,
            "here": here(content.here),
            "remotes": places.iter().zip(&content.remotes).map(remote).collect::<Vec<Value>>(),
        })
    });
    let list: Vec<Value> = list.collect();
    report::stdout(context::json_lines(&json!({ "oid_type": "blake3", "contents": list }))?)
}
