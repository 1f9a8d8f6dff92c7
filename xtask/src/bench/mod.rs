//! `cargo xtask bench`: the same work by our release programs and by others, side by side in one run.
//!
//! It prints a table for each kind of work and keeps all results in `results.json`, from which `report.html` and the tables of
//! `docs/performance.md` are made. A row that is measured again takes its old place there, so one that went wrong is
//! no reason to measure everything again. It judges numbers against their goals, and never fails because of one.
//!
//! Where it may, it runs in a network namespace of its own: then nothing but what is measured goes over the loopback interface.

mod args;
mod corpus;
mod edits;
mod graves;
mod leftovers;
mod micro;
mod page;
mod peers;
mod plot;
mod proc;
mod report;
mod rig;
mod rows;
mod stats;
mod sys;
mod table;
#[cfg(test)]
mod tests;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, bail};

pub(crate) use args::Args;
use corpus::Corpus;
use peers::Peer;
use report::{Report, Row};
use rig::Rig;

const DOCUMENT: &str = "docs/performance.md";

pub(crate) fn run(args: &Args, root: &Path) -> anyhow::Result<ExitCode> {
    if args.rows.iter().any(|name| name == "help") {
        rows::ALL.iter().for_each(|work| println!("{:10}  {}", work.name, work.title));
        return Ok(ExitCode::SUCCESS);
    }
    let works = chosen(&args.rows)?;
    let out = root.join(&args.out);
    let json = out.join("results.json");
    let mut failed = Vec::new();
    if !args.show {
        let corpus = if args.sizes().debian { prepare_corpus()? } else { None };
        if !args.isolated
            && let Some(code) = in_a_namespace()?
        {
            return Ok(code);
        }
        fs::create_dir_all(&out)?;
        leftovers::remove(&std::env::temp_dir());
        let tmp = tempfile::Builder::new().prefix(leftovers::PREFIX).tempdir()?;
        leftovers::sign(tmp.path())?;
        let mut rig = Rig::new(args.sizes(), root, root.join(&args.bin), tmp.path(), &cache()?, corpus)?;
        rig.results.clone_from(&json);
        failed = measure(args, &rig, &works)?;
    }
    let report = Report::load(&json)?;
    fs::write(out.join("report.html"), page::html(&report))
        .with_context(|| format!("cannot write to '{}'", out.display()))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if args.show {
        report.rows.iter().for_each(|row| print!("{}", page::text(row)));
    }
    if args.write_docs {
        let path = root.join(DOCUMENT);
        let new = page::into_document(&fs::read_to_string(&path)?, &report)
            .with_context(|| format!("no marks in {DOCUMENT}"))?;
        fs::write(path, new)?;
    }
    eprintln!("{}", out.join("report.html").display());
    for failure in &failed {
        eprintln!("error: {failure}");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static rows::Work>> {
    let known = |name: &String| rows::ALL.iter().any(|work| work.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        bail!("there is no row '{unknown}'; '--rows help' lists them");
    }
    Ok(rows::ALL
        .iter()
        .filter(|work| names.is_empty() || names.iter().any(|name| name == work.name))
        .collect())
}

/// Measures row after row, and writes down each at once. Rows that failed are told at the end.
fn measure(args: &Args, rig: &Rig, works: &[&rows::Work]) -> anyhow::Result<Vec<String>> {
    let mut report = Report::load(&rig.results)?;
    let others = describe(args, rig, &mut report)?;
    report.save(&rig.results)?;
    let mut failed = Vec::new();
    let mut all: Vec<(&str, &str, Box<Measure<'_>>)> = Vec::new();
    for work in works {
        all.push((work.name, work.title, Box::new(|row| (work.run)(rig, &others, row))));
    }
    if args.micro {
        all.push(("micro", "Micro-benches", Box::new(|row| micro_row(rig, row))));
    }
    for (name, title, run) in all {
        eprintln!("{name}: {title}");
        let started = Instant::now();
        let mut row = Row { name: name.to_owned(), title: title.to_owned(), ..Row::default() };
        if rig.sizes.name != "full" {
            row.note(format!("Sizes: {}.", rig.sizes.name));
        }
        let done = run(&mut row);
        row.seconds = started.elapsed().as_secs_f64();
        rig.end_row()?;
        match done {
            Ok(()) => {
                if !args.json {
                    print!("{}", page::text(&row));
                }
                rig.keep(row)?;
            }
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    Ok(failed)
}

type Measure<'a> = dyn Fn(&mut Row) -> anyhow::Result<()> + 'a;

fn micro_row(rig: &Rig, row: &mut Row) -> anyhow::Result<()> {
    row.note("All benches of the workspace, by 'cargo bench'; n is the number of divan's samples.");
    for bench in micro::run(&rig.root, None)? {
        let (values, unit) = bench.shown();
        row.summary(&bench.name, unit, values, bench.samples);
    }
    Ok(())
}

/// Writes down what is measured, on what, and who is not; gives those that are measured beside us.
fn describe(args: &Args, rig: &Rig, report: &mut Report) -> anyhow::Result<Vec<Peer>> {
    report.machine = proc::machine();
    report.machine.push(("programs".to_owned(), programs(rig)?));
    report.machine.push(("sizes".to_owned(), rig.sizes.name.to_owned()));
    report.peers.clear();
    let ours =
        (peers::OURS.version)(rig).with_context(|| format!("no git-dits in '{}'", rig.bin.display()))?;
    report.peers.push((peers::OURS.name.to_owned(), format!("{ours} ({})", peers::OURS.about)));
    let mut others = Vec::new();
    let wanted = |name: &str| {
        args.peers.iter().any(|peer| peer == "all" || peer.replace(' ', "-") == name.replace(' ', "-"))
    };
    for peer in peers::OTHERS {
        let said = match (peer.version)(rig) {
            None => "not installed".to_owned(),
            Some(version) if !wanted(peer.name) => format!("{version}: not asked for"),
            Some(version) => format!("{version} ({})", peer.about),
        };
        let measured = wanted(peer.name) && said != "not installed";
        report.peers.push((peer.name.to_owned(), said));
        if measured {
            others.push(peer);
        }
    }
    for name in peers::NOT_DRIVEN {
        let said =
            if rig.find(name).is_some() { "installed, but not measured here" } else { "not installed" };
        report.peers.push((name.to_owned(), said.to_owned()));
    }
    Ok(others)
}

/// Whether the programs are of the sources that lie there now.
fn programs(rig: &Rig) -> anyhow::Result<String> {
    let built = fs::metadata(rig.bin.join("git-dits"))
        .with_context(|| {
            format!("no git-dits in '{}': run 'cargo build --release --locked'", rig.bin.display())
        })?
        .modified()?;
    let age = |at: SystemTime| SystemTime::now().duration_since(at).map_or(0, |age| age.as_secs() / 60);
    let out = Command::new("git")
        .args(["ls-files", "-z", "--", "*.rs", "*Cargo.toml", "Cargo.lock"])
        .current_dir(&rig.root)
        .output()?;
    let paths = String::from_utf8_lossy(&out.stdout).into_owned();
    let beside = |path: &&str| {
        !["xtask/", "tests/", "fuzz/"].iter().any(|folder| path.starts_with(folder))
            && !path.contains("/examples/")
    };
    let times = paths
        .split('\0')
        .filter(beside)
        .filter_map(|path| fs::metadata(rig.root.join(path)).ok()?.modified().ok());
    let stale = times.max().is_some_and(|newest| newest > built);
    let word = if stale { "; STALE: sources are newer" } else { "" };
    // Not where this machine keeps the project: the line may go into a document.
    let bin = rig.bin.strip_prefix(&rig.root).unwrap_or(&rig.bin);
    Ok(format!("{} ({} minutes old{word})", bin.display(), age(built)))
}

/// What is kept between runs: named by the environment, or below `target`.
fn cache() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("DITS_BENCH_CACHE")
        .map_or_else(|| PathBuf::from("target/bench-data"), PathBuf::from);
    fs::create_dir_all(&path)?;
    Ok(path.canonicalize()?)
}

/// Real data, or nothing where it cannot be had: then a corpus is made up, and the report says so.
fn prepare_corpus() -> anyhow::Result<Option<Corpus>> {
    match corpus::debian(&cache()?) {
        Ok(corpus) => Ok(Some(corpus)),
        Err(error) => {
            eprintln!("warning: {error:#}; data is made up in its place");
            Ok(None)
        }
    }
}

/// Runs this program again in a network namespace of its own, if one can be made.
fn in_a_namespace() -> anyhow::Result<Option<ExitCode>> {
    let up = "ip link set lo up && exec \"$@\"";
    let unshare = |words: &[std::ffi::OsString]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-c", up, "sh"]).args(words);
        command
    };
    let possible = unshare(&["true".into()]).output().is_ok_and(|out| out.status.success());
    if !possible {
        eprintln!(
            "warning: no network namespace of its own: bytes on the loopback interface may be others' too"
        );
        return Ok(None);
    }
    let mut words = vec![std::env::current_exe()?.into_os_string()];
    words.extend(std::env::args_os().skip(1));
    words.push("--isolated".into());
    let status = unshare(&words).status()?;
    Ok(Some(ExitCode::from(status.code().map_or(2, |code| code as u8))))
}
