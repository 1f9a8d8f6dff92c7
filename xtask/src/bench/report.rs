//! What a run has found, as values: kept as JSON between runs, so that a row can be measured again alone.
//!
//! Seconds are seconds, sizes are bytes. What was not measured is absent, which is not zero.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Everything that is known of a machine and the programs on it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) machine: Vec<(String, String)>,
    /// Who was measured, or why not.
    pub(super) peers: Vec<(String, String)>,
    pub(super) rows: Vec<Row>,
}

/// One kind of work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) title: String,
    /// On what, how often, and what else a reader has to know.
    pub(super) notes: Vec<String>,
    pub(super) cells: Vec<Cell>,
    pub(super) facts: Vec<Fact>,
    pub(super) curves: Vec<Curve>,
    /// What it took to measure it.
    pub(super) seconds: f64,
}

/// One step of somebody, as often as it was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) step: String,
    pub(super) peer: String,
    pub(super) samples: Vec<Sample>,
}

/// What a step cost once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) wall: f64,
    /// Of the client's whole process tree.
    pub(super) cpu: f64,
    /// Of the largest process.
    pub(super) rss: u64,
    pub(super) server_cpu: Option<f64>,
    /// Of our own processes, as their trace tells.
    pub(super) own_rss: Option<u64>,
    /// Over the loopback interface, both ways, with headers.
    pub(super) loopback: Option<u64>,
    /// How much the client's folders, and the server's, have grown.
    pub(super) client: Option<i64>,
    pub(super) server: Option<i64>,
    /// Wall and CPU of `cp` of the same data, right before.
    pub(super) cp: Option<(f64, f64)>,
    /// Sums over the trace of this step: `event.field`, and `event` for their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) trace: BTreeMap<String, u64>,
}

/// A number that says whether a goal is reached, once for each round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fact {
    pub(super) what: String,
    pub(super) unit: String,
    pub(super) values: Vec<f64>,
    /// How many measurements there were, where the values are only the least, the middle and the most of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<usize>,
    pub(super) goal: Option<Goal>,
}

/// What a number should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Less than the first beats the others, less than the second is remarkable.
    Beat(f64, f64),
}

/// A thing, and what it comes to at each size.
pub(super) type Line = (String, Vec<(f64, f64)>);

/// How something grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    pub(super) title: String,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) lines: Vec<Line>,
}

impl Row {
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(super) fn add(&mut self, step: &str, peer: &str, sample: Sample) {
        let at = self.cells.iter().position(|cell| cell.step == step && cell.peer == peer);
        match at {
            Some(at) => self.cells[at].samples.push(sample),
            None => {
                let (step, peer) = (step.to_owned(), peer.to_owned());
                self.cells.push(Cell { step, peer, samples: vec![sample] });
            }
        }
    }

    /// A number of each sample of a step; nothing where there is none.
    pub(super) fn of(&self, step: &str, peer: &str, number: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        let cell = self.cells.iter().find(|cell| cell.step == step && cell.peer == peer);
        cell.map(|cell| cell.samples.iter().filter_map(number).collect()).unwrap_or_default()
    }

    /// Notes a fact, if there is anything to it; one that is known gets more values.
    pub(super) fn fact(&mut self, what: &str, unit: &str, values: Vec<f64>, goal: Option<Goal>) {
        match self.facts.iter_mut().find(|fact| fact.what == what) {
            Some(known) => known.values.extend(values),
            None if values.is_empty() => {}
            None => {
                let (what, unit) = (what.to_owned(), unit.to_owned());
                self.facts.push(Fact { what, unit, values, of: None, goal });
            }
        }
    }

    /// Notes a fact of which only the least, the middle and the most of `of` measurements are known.
    pub(super) fn summary(&mut self, what: &str, unit: &str, values: [f64; 3], of: usize) {
        let (what, unit, values) = (what.to_owned(), unit.to_owned(), values.to_vec());
        self.facts.push(Fact { what, unit, values, of: Some(of), goal: None });
    }

    pub(super) fn curve(&mut self, title: &str, x: &str, y: &str, lines: Vec<Line>) {
        let (title, x, y) = (title.to_owned(), x.to_owned(), y.to_owned());
        self.curves.push(Curve { title, x, y, lines });
    }
}

impl Sample {
    pub(super) fn traced(&self, field: &str) -> Option<f64> {
        self.trace.get(field).map(|value| *value as f64)
    }
}

impl Report {
    /// What an earlier run left; nothing is fine.
    pub(super) fn load(path: &Path) -> anyhow::Result<Report> {
        match fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("cannot read '{}'", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Report::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read '{}'", path.display())),
        }
    }

    /// Writes all of it, or nothing: a run may be ended at any time.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("a path below nothing")?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.persist(path).with_context(|| format!("cannot write to '{}'", path.display()))?;
        Ok(())
    }

    /// Puts a row in the place of one of its name, in the order of `names`.
    pub(super) fn put(&mut self, row: Row, names: &[&str]) {
        self.rows.retain(|old| old.name != row.name);
        self.rows.push(row);
        self.rows.sort_by_key(|row| names.iter().position(|name| *name == row.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> Row {
        Row { name: name.into(), ..Row::default() }
    }

    #[test]
    fn a_row_measured_again_takes_its_old_place() {
        let mut report = Report::default();
        report.put(row("b"), &["a", "b"]);
        report.put(row("a"), &["a", "b"]);
        report.put(Row { seconds: 2.0, ..row("b") }, &["a", "b"]);
        let got: Vec<_> = report.rows.iter().map(|row| (row.name.as_str(), row.seconds)).collect();
        assert_eq!(got, [("a", 0.0), ("b", 2.0)]);
    }

    #[test]
    fn a_report_comes_back_from_its_json() {
        let mut row = row("a");
        row.add(
            "add",
            "x",
            Sample { wall: 1.5, trace: [("push.chunks".into(), 3)].into(), ..Sample::default() },
        );
        row.fact("f", "s", vec![1.0], Some(Goal::Beat(2.0, 1.0)));
        row.fact("nothing", "s", vec![], None);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
        assert_eq!(row.facts.len(), 1);
        row.fact("f", "s", vec![2.0], None);
        assert_eq!((row.facts.len(), &row.facts[0].values[..]), (1, &[1.0, 2.0][..]));
        assert_eq!(row.of("add", "x", |s| s.traced("push.chunks")), [3.0]);
        assert!(row.of("add", "y", |s| Some(s.wall)).is_empty());
    }
}
