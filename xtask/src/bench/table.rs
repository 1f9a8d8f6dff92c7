//! Results as tables: of texts first, which terminal, documents and the report then lay out each in its way. Pure.
//!
//! A column that no line has anything in is left out. A spread is shown as its median and, of several, the ends.

use super::report::{Cell, Curve, Fact, Goal, Line, Row, Sample};
use super::stats::{Spread, power, spread};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) lines: Vec<Vec<String>>,
}

type Number = fn(&Sample) -> Option<f64>;

/// Columns of numbers: a name, the number of a sample, digits after the point.
const COLUMNS: [(&str, Number, usize); 11] = [
    ("wall s", |s| Some(s.wall), 2),
    ("× cp", |s| Some(s.wall / s.cp?.0), 2),
    ("CPU s", |s| Some(s.cpu), 2),
    ("× cp CPU", |s| Some(s.cpu / s.cp?.1), 2),
    ("server CPU s", |s| s.server_cpu, 2),
    ("RSS MiB", |s| Some(s.rss as f64 / MIB), 0),
    ("own RSS MiB", |s| Some(s.own_rss? as f64 / MIB), 0),
    ("loopback MB", |s| Some(s.loopback? as f64 / MB), 2),
    ("client +MB", |s| Some(s.client? as f64 / MB), 1),
    ("server +MB", |s| Some(s.server? as f64 / MB), 1),
    ("cp s", |s| Some(s.cp?.0), 2),
];
pub(super) const MIB: f64 = 1_048_576.0;
pub(super) const MB: f64 = 1e6;

/// What the steps of a row cost.
pub(super) fn cells(row: &Row) -> Table {
    let shown: Vec<_> = COLUMNS
        .iter()
        .filter(|(_, number, _)| row.cells.iter().flat_map(|c| &c.samples).any(|s| number(s).is_some()))
        .collect();
    let head = ["step", "peer", "n"]
        .into_iter()
        .chain(shown.iter().map(|(name, ..)| *name))
        .map(str::to_owned)
        .collect();
    let line = |cell: &Cell| {
        let mut line = vec![cell.step.clone(), cell.peer.clone(), cell.samples.len().to_string()];
        line.extend(shown.iter().map(|(_, number, digits)| {
            let values: Vec<f64> = cell.samples.iter().filter_map(number).collect();
            spread(&values).map_or(String::new(), |s| ends(s, |value| format!("{value:.digits$}")))
        }));
        line
    };
    Table { head, lines: row.cells.iter().map(line).collect() }
}

/// What a row says of its goals.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Table {
    let facts: Vec<&Fact> = facts.into_iter().collect();
    let columns = if facts.iter().any(|fact| fact.goal.is_some()) { 5 } else { 3 };
    let head = ["what", "n", "median (min–max)", "goal", ""].map(str::to_owned)[..columns].to_vec();
    let line = |fact: &Fact| {
        let Some(s) = spread(&fact.values) else { return vec![fact.what.clone()] };
        let value = format!("{} {}", ends(s, short), fact.unit).trim_end().to_owned();
        let (goal, word) =
            fact.goal.map_or((String::new(), ""), |goal| (goal_text(goal), verdict(goal, s.median)));
        let n = fact.of.unwrap_or(s.n).to_string();
        [fact.what.clone(), n, value, goal, word.to_owned()][..columns].to_vec()
    };
    Table { head, lines: facts.into_iter().map(line).collect() }
}

/// How many times as much each thing of the curves is, from each size to the next and over all of them; its power of
/// the size that fits best. `None` where nothing grows.
pub(super) fn growth(row: &Row) -> Option<Table> {
    let lines = || row.curves.iter().flat_map(|curve| curve.lines.iter().map(move |line| (curve, line)));
    let mut sizes: Vec<f64> = lines().flat_map(|(_, (_, points))| points).map(|point| point.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let mut spans: Vec<(f64, f64)> = sizes.windows(2).map(|pair| (pair[0], pair[1])).collect();
    if spans.len() > 1 {
        spans.push((sizes[0], *sizes.last()?));
    }
    let unit = &row.curves.first()?.x;
    let columns = spans.iter().map(|(a, b)| format!("{} to {}: × {}", short(*a), short(*b), short(b / a)));
    let head = std::iter::once(format!("times as much, for {unit}"))
        .chain(columns)
        .chain(["power (1: as the size)".to_owned()])
        .collect();
    let line = |(curve, (name, points)): (&Curve, &Line)| {
        let at = |size: f64| points.iter().find(|point| point.0 == size && point.1 > 0.0).map(|p| p.1);
        let times = |(a, b): &(f64, f64)| Some(short(at(*b)? / at(*a)?));
        let name = if *name == curve.y { name.clone() } else { format!("{name}: {}", curve.y) };
        std::iter::once(name)
            .chain(spans.iter().map(|span| times(span).unwrap_or_default()))
            .chain([power(points).map(exponent).unwrap_or_default()])
            .collect()
    };
    (!spans.is_empty()).then(|| Table { head, lines: lines().map(line).collect() })
}

/// Two digits, and no minus before nothing.
fn exponent(power: f64) -> String {
    let text = format!("{power:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

fn ends(s: Spread, show: impl Fn(f64) -> String) -> String {
    let (min, median, max) = (show(s.min), show(s.median), show(s.max));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

/// Three digits that count; whole numbers whole.
pub(super) fn short(value: f64) -> String {
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let whole = format!("{value:.digits$}");
    if digits > 0 || whole.len() < 5 { whole } else { thousands(&whole) }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn goal_text(goal: Goal) -> String {
    match goal {
        Goal::AtLeast(least) => format!("≥ {}", short(least)),
        Goal::AtMost(most) => format!("≤ {}", short(most)),
        Goal::Beat(beat, remarkable) => format!("≤ {}, better ≤ {}", short(beat), short(remarkable)),
    }
}

pub(super) fn verdict(goal: Goal, value: f64) -> &'static str {
    match goal {
        Goal::AtLeast(least) if value >= least => "met",
        Goal::AtMost(most) if value <= most => "met",
        Goal::Beat(_, remarkable) if value <= remarkable => "remarkable",
        Goal::Beat(beat, _) if value <= beat => "beaten",
        _ => "missed",
    }
}

impl Table {
    /// For a terminal: columns below each other.
    pub(super) fn text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.lines);
        let wide = |column: usize| {
            all().filter_map(|line| line.get(column)).map(|t| t.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(wide).collect();
        let mut text = String::new();
        for line in all() {
            let padded: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(padded.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// For a document.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            format!(
                "| {} |\n",
                cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | ")
            )
        };
        let rule = format!("|{}\n", " --- |".repeat(self.head.len()));
        line(&self.head) + &rule + &self.lines.iter().map(|cells| line(cells)).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_numbers_are_left_out() {
        let mut row = Row::default();
        row.add("add", "cp", Sample { wall: 1.0, cpu: 0.5, rss: 1 << 20, ..Sample::default() });
        row.add(
            "add",
            "cp",
            Sample { wall: 3.0, cpu: 0.5, rss: 1 << 20, cp: Some((2.0, 1.0)), ..Sample::default() },
        );
        let table = cells(&row);
        assert_eq!(
            table.head,
            ["step", "peer", "n", "wall s", "× cp", "CPU s", "× cp CPU", "RSS MiB", "cp s"]
        );
        assert_eq!(
            table.lines,
            [["add", "cp", "2", "2.00 (1.00–3.00)", "1.50", "0.50", "0.50", "1", "2.00"]]
        );
        assert_eq!(
            Table { head: vec!["a".into(), "b".into()], lines: vec![vec!["x|y".into(), "é".into()]] }
                .markdown(),
            "| a | b |\n| --- | --- |\n| x\\|y | é |\n"
        );
        let text =
            Table { head: vec!["a".into(), "b".into()], lines: vec![vec!["éé".into(), "c".into()]] }.text();
        assert_eq!(text, "a   b\néé  c\n");
    }

    #[test]
    fn goals_are_judged_by_the_median() {
        assert_eq!(verdict(Goal::AtLeast(0.85), 0.85), "met");
        assert_eq!(verdict(Goal::AtLeast(0.85), 0.84), "missed");
        assert_eq!(verdict(Goal::AtMost(2.0), 2.5), "missed");
        assert_eq!(verdict(Goal::Beat(5.4, 2.8), 2.8), "remarkable");
        assert_eq!(verdict(Goal::Beat(5.4, 2.8), 5.4), "beaten");
        assert_eq!(verdict(Goal::Beat(5.4, 2.8), f64::NAN), "missed");
        let fact = Fact {
            what: "w".into(),
            unit: "s".into(),
            values: vec![1.0, 9.0, 2.5],
            of: None,
            goal: Some(Goal::AtMost(3.0)),
        };
        assert_eq!(facts([&fact]).lines, [["w", "3", "2.50 (1–9) s", "≤ 3", "met"]]);
        let fact = Fact { of: Some(100), ..fact };
        assert_eq!(facts([&fact]).lines, [["w", "100", "2.50 (1–9) s", "≤ 3", "met"]]);
    }

    #[test]
    fn growth_is_told_from_size_to_size() {
        let mut row = Row::default();
        assert_eq!(growth(&row), None);
        row.curve("t", "GiB", "wall, s", vec![("add".into(), vec![(1.0, 2.0)])]);
        assert_eq!(growth(&row), None);
        row.curve("t", "GiB", "RSS", vec![("RSS".into(), vec![(1.0, 3.0), (2.0, 6.0), (8.0, 24.0)])]);
        row.curve("t", "GiB", "CPU", vec![("add".into(), vec![(1.0, 0.0), (2.0, 1.0), (8.0, 16.0)])]);
        row.curve("t", "GiB", "same", vec![("same".into(), vec![(1.0, 1.0), (8.0, 0.999)])]);
        let table = growth(&row).unwrap();
        let head = ["times as much, for GiB", "1 to 2: × 2", "2 to 8: × 4", "1 to 8: × 8"];
        assert_eq!(table.head, [&head[..], &["power (1: as the size)"]].concat());
        let expected = [
            ["add: wall, s", "", "", "", ""],
            ["RSS", "2", "4", "8", "1.00"],
            ["add: CPU", "", "16", "", "2.00"],
            ["same", "", "", "0.999", "0.00"],
        ];
        assert_eq!(table.lines, expected);
    }

    #[test]
    fn numbers_are_short() {
        let of = [0.0123, 1.234, 12.34, 123.4, 12345.6, 4096.0, 1_234_567.0, 0.0].map(short);
        assert_eq!(of, ["0.012", "1.23", "12.3", "123", "12,346", "4096", "1,234,567", "0"]);
    }
}
