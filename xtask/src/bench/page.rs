//! The report as one page of HTML and as part of a document. Pure: from results to text.
//!
//! The page needs nothing from elsewhere: plots are SVG inside of it, colours follow what the reader prefers.

use super::plot::{bars, curve, escape};
use super::report::{Report, Row};
use super::stats::spread;
use super::table::{self, Table};

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c1f23; background: #fcfcfb; }
table { border-collapse: collapse; margin: .7rem 0; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #8885; }
div.wide { overflow-x: auto; }
svg { max-width: 42rem; display: block; margin: .7rem 0; }
.missed { color: #b3261e; font-weight: 600; } .met, .beaten, .remarkable { color: #1d7a46; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e3; background: #17191c; }
  .missed { color: #ff8a80; } .met, .beaten, .remarkable { color: #6fd39b; }
}";

const MARKS: [&str; 2] = ["<!-- bench: begin -->", "<!-- bench: end -->"];

pub(super) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>git-dits beside others</title><style>{STYLE}\n</style></head><body>\n<h1>git-dits beside others</h1>\n"
    );
    for table in [pairs("machine", &report.machine), pairs("measured", &report.peers)] {
        page += &html_table(&table);
    }
    let all: Vec<_> =
        report.rows.iter().flat_map(|row| &row.facts).filter(|fact| fact.goal.is_some()).collect();
    page += "<h2>Goals</h2>\n";
    page += &html_table(&table::facts(all));
    for row in &report.rows {
        page += &html_row(row);
    }
    page + "</body></html>\n"
}

fn html_row(row: &Row) -> String {
    let mut text =
        format!("<h2 id=\"{0}\">{1} <small>({0})</small></h2>\n", escape(&row.name), escape(&row.title));
    for note in &row.notes {
        text += &format!("<p>{}</p>\n", escape(note));
    }
    for table in tables(row) {
        text += &html_table(&table);
    }
    for (name, unit, number) in PLOTTED {
        let values: Vec<(String, f64)> = row
            .cells
            .iter()
            .filter_map(|cell| {
                let values: Vec<f64> = cell.samples.iter().map(number).collect();
                Some((format!("{}: {}", cell.peer, cell.step), spread(&values)?.median))
            })
            .collect();
        if values.len() > 1 {
            text += &bars(&format!("{}: {name}", row.title), unit, &values);
        }
    }
    text + &row.curves.iter().map(curve).collect::<String>()
}

type Plotted = (&'static str, &'static str, fn(&super::report::Sample) -> f64);
const PLOTTED: [Plotted; 2] =
    [("wall, median", "s", |s| s.wall), ("CPU of the client, median", "s", |s| s.cpu)];

fn tables(row: &Row) -> Vec<Table> {
    let all = [table::facts(&row.facts), table::cells(row)].into_iter().chain(table::growth(row));
    all.filter(|table| !table.lines.is_empty()).collect()
}

fn pairs(name: &str, pairs: &[(String, String)]) -> Table {
    let lines = pairs.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    Table { head: vec![name.to_owned(), String::new()], lines }
}

fn html_table(table: &Table) -> String {
    let cells = |line: &[String], tag: &str| -> String {
        let one = |cell: &String| match cell.as_str() {
            word @ ("met" | "missed" | "beaten" | "remarkable") => {
                format!("<{tag} class=\"{word}\">{word}</{tag}>")
            }
            text => format!("<{tag}>{}</{tag}>", escape(text)),
        };
        line.iter().map(one).collect()
    };
    let lines: String = table.lines.iter().map(|line| format!("<tr>{}</tr>\n", cells(line, "td"))).collect();
    format!("<div class=\"wide\"><table><tr>{}</tr>\n{lines}</table></div>\n", cells(&table.head, "th"))
}

/// For a terminal.
pub(super) fn text(row: &Row) -> String {
    let mut text = format!("\n== {}: {} ({:.0} s)\n", row.name, row.title, row.seconds);
    for note in &row.notes {
        text += &format!("   {note}\n");
    }
    for table in tables(row) {
        text += &format!("\n{}", table.text());
    }
    text
}

/// For a document: between its two marks stands what the last run found.
pub(super) fn into_document(document: &str, report: &Report) -> Option<String> {
    let (before, rest) = document.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    let mut text = format!("{before}{}\n\n", MARKS[0]);
    for table in [pairs("machine", &report.machine), pairs("measured", &report.peers)] {
        text += &format!("{}\n", table.markdown());
    }
    for row in &report.rows {
        text += &format!("### {} (`{}`)\n\n", row.title, row.name);
        for note in &row.notes {
            text += &format!("- {note}\n");
        }
        for table in tables(row) {
            text += &format!("\n{}", table.markdown());
        }
        text += "\n";
    }
    Some(text + MARKS[1] + after)
}

#[cfg(test)]
mod tests {
    use super::super::report::{Goal, Sample};
    use super::*;

    fn report() -> Report {
        let mut row = Row { name: "file".into(), title: "One <file>".into(), ..Row::default() };
        row.note("of 2 & more");
        row.add("add", "dits", Sample { wall: 1.0, ..Sample::default() });
        row.add("add", "cp", Sample { wall: 2.0, ..Sample::default() });
        row.fact("ratio", "", vec![0.5], Some(Goal::AtLeast(0.85)));
        Report { machine: vec![("memory".into(), "1 GiB".into())], peers: vec![], rows: vec![row] }
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = html(&report());
        assert!(page.contains("One &lt;file&gt; <small>(file)</small>"), "{page}");
        assert!(page.contains("<p>of 2 &amp; more</p>") && page.contains("<td class=\"missed\">missed</td>"));
        assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
        for word in ["http:", "https:", "src=", "url(", "<script"] {
            assert!(!page.contains(word), "{word}");
        }
        // Every goal once in front and once in its row.
        assert_eq!(page.matches("<td>ratio</td>").count(), 2);
    }

    #[test]
    fn a_document_keeps_what_is_around_the_marks() {
        let document = format!("before\n{}\nold\n{}\nafter\n", MARKS[0], MARKS[1]);
        let new = into_document(&document, &report()).unwrap();
        assert!(
            new.starts_with("before\n<!--") && new.ends_with("-->\nafter\n") && !new.contains("old"),
            "{new}"
        );
        assert!(
            new.contains("### One <file> (`file`)")
                && new.contains("| ratio | 1 | 0.500 | ≥ 0.850 | missed |"),
            "{new}"
        );
        assert_eq!(into_document(&new, &report()).as_deref(), Some(new.as_str()));
        assert_eq!(into_document("no marks", &report()), None);
    }
}
