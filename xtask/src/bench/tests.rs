//! The bench as a whole, with a few megabytes: that every row still works, and counts what it says. Nothing is timed.
//!
//! It needs the programs of the profile that the tests are built with. Rows are not run whose examples and benches cargo
//! would have to build; peers that are not installed are left out by the bench itself.

use std::path::{Path, PathBuf};

use super::rig::Rig;
use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

pub(super) fn args(words: &str) -> Args {
    Line::parse_from(std::iter::once("bench").chain(words.split_whitespace())).args
}

/// Where cargo puts programs beside the one that runs this.
pub(super) fn programs() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    for program in ["git-dits", "git-remote-dits"] {
        let built = folder.join(program).exists();
        assert!(built, "first 'cargo build -p git-dits -p git-remote-dits'");
    }
    folder
}

#[test]
fn rows_work_with_tiny_sizes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tmp = tempfile::tempdir().unwrap();
    let args = args(
        "--sizes tiny --peers --rows file,tree,locks,ingest,edits,hydrate,status,sparse,noop,startup,grow-file,grow-tree",
    );
    let rig = Rig::new(args.sizes(), root, programs(), tmp.path(), tmp.path(), None).unwrap();
    let mut report = Report::default();
    let json = tmp.path().join("results.json");
    let failed = measure(&args, &rig, &chosen(&args.rows).unwrap(), &mut report, &json).unwrap();
    assert_eq!(failed, Vec::<String>::new());
    let report = Report::load(&json).unwrap();
    assert_eq!(report.rows.len(), args.rows.len());
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    let fact = |name: &str, what: &str| {
        let fact = row(name).facts.iter().find(|fact| fact.what == what);
        fact.unwrap_or_else(|| panic!("no '{what}' in {:?}", row(name).facts)).values[0]
    };
    assert!(row("file").notes.iter().all(|note| !note.contains("failed")), "{:?}", row("file").notes);
    assert!(row("tree").notes.iter().all(|note| !note.contains("failed")), "{:?}", row("tree").notes);
    // A file of 3 MB, of which a third compresses; and its edits, which are small.
    let (new, edits) =
        (fact("file", "4 bytes on the wire, new"), fact("file", "3 bytes of the edits on the wire"));
    assert!((1.5..8.0).contains(&new) && edits < new / 2.0, "{new} {edits}");
    let stored = fact("file", "9 both versions at the server");
    assert!((1.5..6.5).contains(&stored), "{stored}");
    assert_eq!(fact("status", "filter starts after clone"), 0.0);
    assert_eq!(fact("noop", "streams for contents, dits://"), 0.0);
    assert_eq!(
        fact("sparse", "chunks sent") as u64,
        row("sparse").cells.iter().find(|c| c.step == "push edited").unwrap().samples[0].trace["push.chunks"]
    );
    // Each edit changes a chunk at least, and the tree above all of them.
    assert!(fact("edits", "chunks of content stored for each edit") >= 1.0);
    let nodes = fact("edits", "nodes stored for each edit");
    assert!(nodes > 0.0 && nodes <= 2.0, "{nodes}");
    assert!(row("startup").cells.iter().all(|cell| cell.samples.len() == 3));
    assert!(row("locks").cells.iter().any(|cell| cell.step == "take all" && cell.peer == "dits"));
    assert!(
        row("grow-file").curves.iter().all(|curve| curve.lines.iter().all(|(_, points)| points.len() == 2))
    );
    assert!(page::html(&report).contains("The life of one large file"));
}

#[test]
fn rows_are_chosen_by_name() {
    let names = |words: &str| {
        chosen(&args(words).rows).map(|works| works.iter().map(|work| work.name).collect::<Vec<_>>())
    };
    assert_eq!(names("--rows locks,file").unwrap(), ["file", "locks"]);
    assert_eq!(names("").unwrap().len(), rows::ALL.len());
    assert!(names("--rows lock").unwrap_err().to_string().contains("there is no row 'lock'"));
}

#[test]
fn peers_are_all_or_some_or_none() {
    assert!(args("").peers.is_empty());
    assert_eq!(args("--peers").peers, ["all"]);
    assert_eq!(args("--peers=git-lfs,borg --rows file").peers, ["git-lfs", "borg"]);
}
