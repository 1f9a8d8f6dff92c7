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
        "--sizes tiny --runs 2 --peers --rows file,tree,locks,ingest,edits,hydrate,status,sparse,noop,startup,grow-file,grow-tree",
    );
    let rig = Rig::new(args.sizes(), root, programs(), tmp.path(), tmp.path(), None).unwrap();
    let failed = measure(&args, &rig, &chosen(&args.rows).unwrap()).unwrap();
    assert_eq!(failed, Vec::<String>::new());
    let report = Report::load(&rig.results).unwrap();
    assert_eq!(report.rows.len(), args.rows.len());
    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    let values = |name: &str, what: &str| {
        let fact = row(name).facts.iter().find(|fact| fact.what == what);
        fact.unwrap_or_else(|| panic!("no '{what}' in {:?}", row(name).facts)).values.clone()
    };
    let fact = |name: &str, what: &str| values(name, what)[0];
    assert!(row("file").notes.iter().all(|note| !note.contains("failed")), "{:?}", row("file").notes);
    assert!(row("tree").notes.iter().all(|note| !note.contains("failed")), "{:?}", row("tree").notes);
    // A file of 3 MB, of which a third compresses; and its edits, which are small.
    let (new, edits) =
        (fact("file", "4 bytes on the wire, new"), fact("file", "3 bytes of the edits on the wire"));
    assert!((1.5..8.0).contains(&new) && edits < new / 2.0, "{new} {edits}");
    let stored = fact("file", "9 both versions at the server");
    assert!((1.5..6.5).contains(&stored), "{stored}");
    for when in ["clone", "checkout"] {
        assert_eq!(values("status", &format!("filter starts after {when}")), [0.0, 0.0]);
    }
    assert_eq!(values("tree", "10 add + push by git dits add").len(), 1);
    assert_eq!(fact("noop", "streams for contents, dits://"), 0.0);
    assert_eq!(
        fact("sparse", "chunks sent") as u64,
        row("sparse").cells.iter().find(|c| c.step == "push edited").unwrap().samples[0].trace["push.chunks"]
    );
    // Each edit changes a chunk at least, and the tree above all of them.
    assert!(fact("edits", "chunks of content stored for each edit") >= 1.0);
    let nodes = fact("edits", "nodes stored for each edit");
    assert!(nodes > 0.0 && nodes <= 2.0, "{nodes}");
    let stores = values("edits", "store with both versions");
    assert!(stores.len() == 2 && stores.iter().all(|mb| (1.5..6.5).contains(mb)), "{stores:?}");
    assert!(row("startup").cells.iter().all(|cell| cell.samples.len() == 3));
    assert!(row("locks").cells.iter().any(|cell| cell.step == "take all" && cell.peer == "dits"));
    for name in ["grow-file", "grow-tree"] {
        let curves = &row(name).curves;
        assert!(
            curves.len() == 3 && curves.iter().all(|c| c.lines.iter().all(|(_, points)| points.len() == 2))
        );
    }
    assert!(report.rows.iter().flat_map(|row| &row.notes).all(|note| !note.contains("Cut off")));
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

#[test]
fn what_a_row_has_found_is_kept_before_it_ends() {
    let tmp = tempfile::tempdir().unwrap();
    let sizes = args("--sizes tiny").sizes();
    let rig = Rig::new(sizes, tmp.path(), tmp.path().into(), tmp.path(), tmp.path(), None).unwrap();
    let named = |name: &str| Row { name: name.to_owned(), ..Row::default() };
    rig.keep(Row { seconds: 1.0, ..named("tree") }).unwrap();
    rig.keep(named("file")).unwrap();
    let mut row = named("tree");
    row.note("before");
    rig.keep_part(&row, |row| row.fact("so far", "s", vec![2.0], None)).unwrap();
    let report = Report::load(&rig.results).unwrap();
    let [file, tree] = &report.rows[..] else { panic!("{:?}", report.rows) };
    assert_eq!((file, tree.seconds, tree.facts.len()), (&named("file"), 0.0, 1));
    assert!(tree.notes.len() == 2 && tree.notes[1].starts_with("Cut off"), "{:?}", tree.notes);
    assert!(row.notes.len() == 1 && row.facts.is_empty(), "it goes on as it was: {row:?}");
}

#[test]
fn runs_are_a_bound_for_lives() {
    let of = |words: &str| {
        let sizes = args(words).sizes();
        [sizes.runs, sizes.file_lives, sizes.tree_lives, sizes.peer_lives]
    };
    assert_eq!(of(""), [5, 5, 3, 2]);
    assert_eq!(of("--runs 1"), [1, 1, 1, 1]);
    assert_eq!(of("--runs 9"), [9, 5, 3, 2]);
}
