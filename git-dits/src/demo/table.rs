//! The table at the end: what each step took, sent and stored.
//! Byte counts are powers of ten, as tools for networks show them.

use crate::report;
use anyhow::Result;

/// One step.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
    /// UDP payload both ways, headers of QUIC and Git's own objects included.
    pub wire: u64,
    /// New bytes at the server, packs of chunks only.
    pub stored: u64,
    /// What storing whole files would have sent.
    pub whole: u64,
}

/// Prints all rows.
pub fn print(rows: &[Row]) -> Result<()> {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let head = ["time", "on the wire", "new at server", "whole files"];
    report::line(&format!(
        "{:width$} {:>8} {:>12} {:>14} {:>12}",
        "operation", head[0], head[1], head[2], head[3]
    ))?;
    for Row { name, seconds, wire, stored, whole } in rows {
        let [wire, stored, whole] = [wire, stored, whole].map(|count| bytes(*count));
        report::line(&format!("{name:width$} {seconds:>6.2} s {wire:>12} {stored:>14} {whole:>12}"))?;
    }
    Ok(())
}

/// `12.3 MB` and the like, powers of ten.
pub fn bytes(count: u64) -> String {
    let count_f = count as f64;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count_f / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count_f / 1e6),
        _ => format!("{:.2} GB", count_f / 1e9),
    }
}
