//! `git dits pointer`: builds the pointer of a file, compares it with another, or checks one.
//!
//! Plumbing with the streams and exit codes of git-lfs: a pointer that is built is the whole of stdout, words
//! about it go to stderr. Nothing is stored, and it works outside of repositories. Content is hashed as it is
//! read; of what should be a pointer no more is read than a pointer can have.

use crate::context;
use crate::report::{self, Failure};
use anyhow::{Context as _, Result, bail};
use clap::Parser;
use dits_format::limits::CONTENT_BYTES_MAX;
use dits_format::pointer::{PROBE_BYTES, Parsed, parse};
use dits_format::{Oid, Pointer};
use dits_repo::index::{HashKind, blob_id};
use dits_repo::{RepoError, Repository};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Build, compare and check pointers
#[derive(Debug, Parser)]
pub struct Args {
    /// The file whose pointer to build; with --check, the file to check
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// A pointer to compare with
    #[arg(short, long, conflicts_with = "check")]
    pointer: Option<PathBuf>,
    /// Take the pointer to compare with, or to check, from standard input
    #[arg(long, conflicts_with = "pointer")]
    stdin: bool,
    /// Check whether it is a pointer: exit with 0, or with 1 if it is not
    #[arg(long)]
    check: bool,
    /// With --check, exit with 2 for a pointer that git-dits would have written otherwise
    #[arg(long, requires = "check", conflicts_with = "no_strict")]
    strict: bool,
    /// With --check, do not tell such pointers apart; this is the default
    #[arg(long, requires = "check")]
    no_strict: bool,
    /// Build the pointer without extensions: git-dits has none, so this is always so
    #[arg(long)]
    no_extensions: bool,
}

/// Exit code for what is no pointer, or another one.
const NO_POINTER: u8 = 1;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.check {
        return check(args);
    }
    // What cannot be read is no pointer: only --check has 2 for other failures.
    build_or_compare(args).or_else(|error| {
        report::failure(&error);
        Ok(ExitCode::from(NO_POINTER))
    })
}

fn build_or_compare(args: &Args) -> Result<ExitCode> {
    let other = match (&args.pointer, args.stdin) {
        (Some(path), _) => Some((path.display().to_string(), open(path).and_then(head)?)),
        (None, true) => Some(("STDIN".to_owned(), head(std::io::stdin().lock())?)),
        (None, false) => None,
    };
    if args.file.is_none() && other.is_none() {
        report::error("nothing to do: give a file, a pointer, or both");
        return Ok(ExitCode::from(NO_POINTER));
    }
    let hash = match Repository::find(&context::cwd()?) {
        Ok(repository) => repository.hash,
        Err(RepoError::NotARepository) => HashKind::Sha1,
        Err(error) => return Err(error.into()),
    };
    let name = |text: &[u8]| blob_id(hash, text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut built = None;
    if let Some(path) = &args.file {
        let text = build(path)?;
        report::notice(&format!("Git DITS pointer for {}\n", path.display()));
        report::stdout(&text)?;
        if other.is_some() {
            report::notice(&format!("\nGit blob OID: {}\n", name(&text)));
        }
        built = Some(text);
    }
    let Some((from, text)) = other else { return Ok(ExitCode::SUCCESS) };
    report::notice(&format!("Pointer from {from}\n"));
    match parse(&text) {
        Parsed::Pointer(_) => report::notice(String::from_utf8_lossy(&text).trim_end_matches('\n')),
        Parsed::Content if text.is_empty() => {}
        Parsed::Content => return Ok(refuse("it is no pointer")),
        Parsed::Damaged(damage) => return Ok(refuse(&format!("it {damage}"))),
    }
    let Some(built) = built else { return Ok(ExitCode::SUCCESS) };
    report::notice(&format!("\nGit blob OID: {}", name(&text)));
    if built == text {
        return Ok(ExitCode::SUCCESS);
    }
    report::notice("\nPointers do not match");
    Ok(ExitCode::from(NO_POINTER))
}

fn refuse(why: &str) -> ExitCode {
    report::notice(&format!("Pointer file error: {why}"));
    ExitCode::from(NO_POINTER)
}

fn check(args: &Args) -> Result<ExitCode> {
    let text = match (&args.file, args.stdin) {
        (Some(path), false) => head(open(path)?)?,
        (None, true) => head(std::io::stdin().lock())?,
        _ => bail!(Failure::new(
            "'--check' looks at one pointer",
            "give it with '--file PATH', or with '--stdin', and not with both"
        )),
    };
    Ok(match parse(&text) {
        Parsed::Pointer(_) => ExitCode::SUCCESS,
        Parsed::Content if text.is_empty() => ExitCode::SUCCESS,
        Parsed::Content => ExitCode::from(NO_POINTER),
        Parsed::Damaged(damage) => {
            report::notice(&format!("the pointer {damage}"));
            ExitCode::from(if args.strict { report::FAILED } else { NO_POINTER })
        }
    })
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot open '{}'", path.display()))
}

/// As much as tells a pointer from content.
fn head(from: impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(PROBE_BYTES as u64).read_to_end(&mut head).context("cannot read the pointer")?;
    Ok(head)
}

/// The pointer of a file, as 'git add' would make it.
fn build(path: &Path) -> Result<Vec<u8>> {
    let mut hasher = blake3::Hasher::new();
    let failed = || format!("cannot read '{}'", path.display());
    hasher.update_reader(open(path)?.take(CONTENT_BYTES_MAX + 1)).with_context(failed)?;
    match hasher.count() {
        0 => Ok(Vec::new()),
        size if size > CONTENT_BYTES_MAX => Err(RepoError::TooLarge.into()),
        size => Ok(Pointer::new(Oid(*hasher.finalize().as_bytes()), size).encode()),
    }
}
