//! `git dits prune`: takes contents away that are old, pushed, and held by a remote.
//!
//! The words and rules are Git LFS's, made safer: a remote must prove that it holds what goes (`--no-verify-remote`
//! asks for no proof), more is kept (see `dits_repo::roots`), and what went can be had back from a trash for
//! some days. Nothing is decided here: `dits_repo::prune` plans and carries out, and the store is left alone
//! while another process relies on it.

use crate::context::{self, Context};
use crate::report::{self, Failure, human_bytes};
use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use dits_format::Oid;
use dits_remote::endpoint::{self, Direction};
use dits_remote::source::NoRemote;
use dits_repo::prune::{self, Content, Plan, Pruned, Verify};
use dits_repo::roots::{Rules, Scope};
use dits_repo::settings::{self, Setting};
use dits_store::PackStore;
use serde_json::{Value, json};
use std::error::Error;
use std::process::ExitCode;

#[path = "prune/trash.rs"]
pub mod trash;

/// Remove old content that a remote holds
#[derive(Debug, Parser)]
pub struct Args {
    /// Remove nothing; say what would be removed
    #[arg(short, long)]
    dry_run: bool,
    /// Also list each content that goes; with --dry-run, also why others are kept
    #[arg(short, long)]
    verbose: bool,
    /// Remove everything that is pushed, even what is checked out; implies --recent
    #[arg(short, long)]
    force: bool,
    /// Also remove what is kept for being recent
    #[arg(long)]
    recent: bool,
    /// Remove only what the remote proves to hold (the default, unless dits.pruneverifyremotealways is false)
    #[arg(short = 'c', long, conflicts_with = "no_verify_remote")]
    verify_remote: bool,
    /// Ask the remote for no proof: what is pushed counts as safe
    #[arg(long)]
    no_verify_remote: bool,
    /// Take it for a fault when the remote lacks content that no commit names; without, such content just stays
    #[arg(long, conflicts_with = "no_verify_unreachable")]
    verify_unreachable: bool,
    /// Remove content that nothing in Git names without proof
    #[arg(long)]
    no_verify_unreachable: bool,
    /// What to do when pushed content is not on the remote
    #[arg(long, value_name = "ACTION", default_value = "halt")]
    when_unverified: WhenUnverified,
    /// Delete at once, without keeping anything in the trash
    #[arg(long)]
    no_trash: bool,
    /// Bring back everything that is in the trash
    #[arg(long, conflicts_with_all = ["dry_run", "force", "recent", "no_trash"])]
    restore: bool,
    /// Print the result as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenUnverified {
    /// Remove nothing at all, and exit with 2
    Halt,
    /// Remove the rest
    Continue,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let context = Context::find(true)?;
    let now = context::now()?;
    // What stands beside the store is not ours to prune.
    let Some(store) = context.existing_store()?.map(|store| store.own()) else {
        if !args.restore {
            say(args, "0 local objects, 0 retained, done.")?;
        }
        return if args.json { print_json(args, &Plan::default(), None) } else { Ok(ExitCode::SUCCESS) };
    };
    if args.restore {
        return trash::restore(&store, args.json);
    }
    let rules = Rules::of(&context.repository, scope(args), now)?;
    let verify = verify(args, &context)?;
    let mut prove = |oids: &[Oid]| prove(&context, &rules.remote, oids);
    let plan = prune::plan(&context.repository, &store, &rules, verify, &mut prove)?;
    say(args, &summary(&plan, verify))?;
    if !plan.missing.is_empty() {
        tell_missing(&plan.missing);
        if args.when_unverified == WhenUnverified::Halt {
            let hint =
                "push it again with 'git dits push --all', or prune the rest with --when-unverified=continue";
            return Err(Failure::new("pushed content is not on the remote, nothing was pruned", hint).into());
        }
    }
    if args.dry_run {
        return dry_run(args, &plan);
    }
    carry_out(args, &context, &store, &rules, plan)
}

/// The command without other options, for those that end with it.
pub fn run_default(dry_run: bool) -> Result<ExitCode> {
    run(&Args { dry_run, ..Args::parse_from(["prune"]) })
}

fn scope(args: &Args) -> Scope {
    match (args.force, args.recent) {
        (true, _) => Scope::UnpushedOnly,
        (false, true) => Scope::NotRecent,
        (false, false) => Scope::Usual,
    }
}

fn verify(args: &Args, context: &Context) -> Result<Verify> {
    let set = |setting: Setting<bool>| context.repository.setting_bool(setting);
    let remote = args.verify_remote || (!args.no_verify_remote && set(settings::PRUNE_VERIFY_REMOTE)?);
    Ok(match remote {
        false => Verify::No,
        true if args.no_verify_unreachable => Verify::Reachable,
        true if args.verify_unreachable || set(settings::PRUNE_VERIFY_UNREACHABLE)? => Verify::All,
        true => Verify::Keep,
    })
}

/// Asks the remote that counts as pushed to, where `hydrate` would fetch from.
fn prove(context: &Context, remote: &str, oids: &[Oid]) -> Result<Vec<bool>, Box<dyn Error + Send + Sync>> {
    let repository = &context.repository;
    let named = endpoint::named(repository, remote, Direction::Fetch)?.and_then(|known| known.address);
    let address = match named {
        Some(address) => address,
        None => endpoint::fetch_locations(repository)?.into_iter().next().ok_or(NoRemote)?,
    };
    let mut remote = context.connect(address)?;
    let proved = remote.proves(oids)?;
    remote.close();
    Ok(proved)
}

fn objects(count: u64) -> String {
    format!("{count} local object{}", if count == 1 { "" } else { "s" })
}

fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

fn summary(plan: &Plan, verify: Verify) -> String {
    let retained = plan.local - plan.prunable.len() as u64;
    let mut text = format!("{}, {retained} retained", objects(plan.local));
    let not_there = plan.missing.len() + plan.unproved.len();
    if verify != Verify::No && plan.verified > 0 {
        text += &format!(", {} verified with remote", plan.verified);
    }
    if verify != Verify::No && not_there > 0 {
        text += &format!(", {not_there} not on remote");
    }
    text + ", done."
}

fn say(args: &Args, text: &str) -> Result<()> {
    if args.json { Ok(()) } else { report::line(&format!("prune: {text}")) }
}

fn list(contents: &[Content]) -> String {
    contents.iter().map(|content| format!(" * {} ({})\n", content.oid, human_bytes(content.size))).collect()
}

fn tell_missing(missing: &[Content]) {
    report::notice("These objects to be pruned are missing on remote:");
    missing.iter().for_each(|content| report::notice(&format!(" * {}", content.oid)));
}

fn dry_run(args: &Args, plan: &Plan) -> Result<ExitCode> {
    if args.json {
        return print_json(args, plan, None);
    }
    if !plan.prunable.is_empty() {
        let (count, bytes) = (files(plan.prunable.len()), human_bytes(plan.prunable_bytes()));
        say(args, &format!("{count} would be pruned ({bytes}), done."))?;
    }
    if args.verbose {
        report::stdout(list(&plan.prunable))?;
        for (content, reasons) in &plan.kept {
            let (oid, why) = (content.oid, reasons.words().join(", "));
            say(args, &format!("kept {oid} ({}): {why}", human_bytes(content.size)))?;
        }
        for content in &plan.unproved {
            let (oid, bytes) = (content.oid, human_bytes(content.size));
            say(args, &format!("kept {oid} ({bytes}): not on the remote, though no commit names it"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn carry_out(
    args: &Args,
    context: &Context,
    store: &PackStore,
    rules: &Rules,
    plan: Plan,
) -> Result<ExitCode> {
    let days = trash::days(&context.repository)?;
    let trash = (!args.no_trash && days > 0).then_some(rules.now);
    trash::empty_old(store, days, rules.now)?;
    let json = args.json.then(|| plan_json(args, &plan));
    let meter = context.meter();
    let tell = |bytes, total| meter.show("Pruning DITS objects", bytes, total);
    let done = prune::carry_out(&context.repository, store, rules, plan, trash, &tell)
        .context("nothing or not everything was pruned")?;
    // Its line ends before others are printed.
    drop(meter);
    if let Some(json) = json {
        return finish_json(json, Some(&done));
    }
    let count = done.contents.len();
    if count > 0 {
        if args.verbose {
            report::stdout(list(&done.contents))?;
        }
        say(args, &format!("Deleting objects: 100% ({count}/{count}), done."))?;
        if trash.is_some() {
            report::hint(&format!("'git dits prune --restore' brings them back, for {days} day(s)"));
            report::hint("'git dits gc --empty-trash' frees the disk now");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn contents_json(contents: &[Content]) -> Vec<Value> {
    contents.iter().map(|content| json!({ "oid": content.oid.to_string(), "size": content.size })).collect()
}

fn plan_json(args: &Args, plan: &Plan) -> Value {
    let kept = plan.kept.iter().map(|(content, reasons)| {
        json!({ "oid": content.oid.to_string(), "size": content.size, "reasons": reasons.words() })
    });
    json!({
        "dry_run": args.dry_run,
        "oid_type": "blake3",
        "local": plan.local,
        "verified": plan.verified,
        "retained": kept.collect::<Vec<_>>(),
        "prunable": contents_json(&plan.prunable),
        "missing": contents_json(&plan.missing),
        "unproved": contents_json(&plan.unproved),
    })
}

fn print_json(args: &Args, plan: &Plan, done: Option<&Pruned>) -> Result<ExitCode> {
    finish_json(plan_json(args, plan), done)
}

fn finish_json(mut json: Value, done: Option<&Pruned>) -> Result<ExitCode> {
    let contents = done.map(|done| contents_json(&done.contents)).unwrap_or_default();
    json["pruned"] = contents.into();
    json["pruned_chunks"] = done.map_or(0, |done| done.forgotten.chunks).into();
    json["pruned_chunk_bytes"] = done.map_or(0, |done| done.forgotten.bytes).into();
    report::stdout(context::json_lines(&json)?)?;
    Ok(ExitCode::SUCCESS)
}
