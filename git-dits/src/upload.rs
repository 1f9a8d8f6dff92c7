//! Uploading the contents of pointers to the endpoint of a remote: for `git dits push` and the `pre-push` hook.
//!
//! Whoever calls this lets no ref move unless it succeeds. `GIT_DITS_SKIP_PUSH` saves the upload only where the
//! server has everything already: a ref must never move ahead of its content. A dry run asks the server what it
//! lacks and sends nothing. Messages are those of git-lfs.

use crate::context::{self, Context};
use crate::report::{self, FAILED, Failure};
use anyhow::Result;
use dits_format::Oid;
use dits_remote::meter::UPLOADING;
use dits_remote::upload::{self, Lost, Missing, UploadError};
use dits_remote::{Endpoint, Peer};
use dits_repo::discover::Found;
use dits_repo::settings;
use dits_store::ChunkRead;
use dits_sync::Tally;
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

/// How to do it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Only say what would be sent.
    pub dry_run: bool,
    /// Say it as JSON.
    pub json: bool,
}

/// Exit code where a setting is missing that the user must make.
const NOT_SET_UP: u8 = 1;

/// Uploads the contents of `found`, over `connected` if there is a connection already.
pub fn run(
    context: &Context,
    endpoint: &Endpoint,
    mut found: Vec<Found>,
    options: Options,
    connected: Option<Peer>,
) -> Result<ExitCode> {
    found.sort_by(|one, other| one.path.cmp(&other.path));
    if options.dry_run && !options.json {
        let row = |found: &Found| {
            format!("push {} => {}\n", found.pointer.oid, String::from_utf8_lossy(&found.path))
        };
        report::stdout(found.iter().map(row).collect::<String>())?;
    }
    if found.is_empty() {
        return done(endpoint, &found, Tally::default(), options);
    }
    let Some(address) = &endpoint.address else {
        tell_no_address(endpoint);
        return Ok(ExitCode::from(NOT_SET_UP));
    };
    let mut remote = match connected {
        Some(peer) => peer,
        None => context.connect(address.clone())?,
    };
    remote.use_filter(&context.repository);
    let store: Arc<dyn ChunkRead> = Arc::new(context.store()?);
    let result = if options.dry_run {
        upload::weigh(&mut remote, &store, &found).map(|tally| (tally, Missing::default()))
    } else if context::env_is_true("GIT_DITS_SKIP_PUSH") {
        skip(&mut remote, &found)?;
        Ok((Tally::default(), Missing::default()))
    } else {
        let incomplete = context.repository.setting_bool(settings::ALLOW_INCOMPLETE_PUSH)?;
        let (meter, files) = (context.meter(), found.len() as u64);
        let mut observe =
            |tally: Tally| meter.show_files(UPLOADING, files, tally.chunk_bytes, tally.needed_bytes);
        let result = upload::upload(&mut remote, &store, &found, incomplete, &mut observe);
        drop(meter);
        result.map(|(report, missing)| (report.tally, missing))
    };
    remote.close();
    match result {
        Ok((tally, missing)) => {
            if !missing.0.is_empty() {
                report::warning(&format!(
                    "dits.allowincompletepush lets these go without their content:{missing}"
                ));
            }
            done(endpoint, &found, tally, options)
        }
        Err(error @ UploadError::Missing(_)) => {
            report::notice(&error.to_string());
            report::hint("Your push was rejected due to missing or corrupt local objects.");
            report::hint("You can disable this check with: `git config dits.allowincompletepush true`");
            Ok(ExitCode::from(FAILED))
        }
        Err(error) => Err(error.into()),
    }
}

fn tell_no_address(endpoint: &Endpoint) {
    report::error(&format!("no server is known for the content of remote '{}'", endpoint.remote));
    report::hint("name it for everybody: 'git config -f .ditsconfig dits.url dits://HOST/TEAM/PROJECT'");
    report::hint("or for this clone: 'git config dits.url dits://HOST/TEAM/PROJECT'");
}

/// Nothing is sent, so everything must be there.
fn skip(remote: &mut Peer, found: &[Found]) -> Result<()> {
    let oids: Vec<Oid> = found.iter().map(|found| found.pointer.oid).collect();
    let proved = remote.proves(&oids)?;
    let lacking = found.iter().zip(proved).filter(|(_, proved)| !proved).map(|(found, _)| found);
    let lacking: Vec<Lost> = lacking.map(|found| Lost { found: found.clone(), corrupt: false }).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let text = format!("GIT_DITS_SKIP_PUSH is set, and the server does not have:{}", Missing(lacking));
    Err(Failure::new(text, "push without GIT_DITS_SKIP_PUSH").into())
}

fn done(endpoint: &Endpoint, found: &[Found], tally: Tally, options: Options) -> Result<ExitCode> {
    let Tally { contents, content_bytes, contents_had, chunks, chunk_bytes, .. } = tally;
    let Tally { stored_bytes, chunks_needed, needed_bytes, .. } = tally;
    if options.json {
        let file = |found: &Found| {
            json!({
                "path": String::from_utf8_lossy(&found.path),
                "oid": found.pointer.oid.to_string(),
                "size": found.pointer.size,
                "commit": found.commit,
            })
        };
        let result = json!({
            "remote": endpoint.remote,
            "dry_run": options.dry_run,
            "oid_type": "blake3",
            "files": found.iter().map(file).collect::<Vec<_>>(),
            "contents": contents,
            "content_bytes": content_bytes,
            "contents_had": contents_had,
            "chunks": if options.dry_run { chunks_needed } else { chunks },
            "chunk_bytes": if options.dry_run { needed_bytes } else { chunk_bytes },
            "sent_bytes": stored_bytes,
        });
        report::stdout(context::json_lines(&result)?)?;
    } else if options.dry_run {
        report::notice(&format!(
            "{contents} content(s), {}: {contents_had} at the server, {} in {chunks_needed} chunk(s) to be sent",
            report::human_bytes(content_bytes),
            report::human_bytes(needed_bytes),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
