//! Progress of bytes: for people on a terminal, for programs in a file, silence anywhere else.
//!
//! One line on stderr, in git-lfs's words, redrawn at most ten times a second:
//! ```text
//! Uploading DITS objects: 100% (2/2), 12 MB | 3.1 MB/s, done.
//! ```
//! It is drawn where stderr is a terminal, or when that is forced, and stays when the work is done; work that was
//! given up takes its line with it. Contents travel together, so how many of them are done is told from the bytes.
//! Lines for programs are in [`progress`](crate::progress).

use crate::progress::{Progress, ProgressFile, Way};
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Between two drawings, and between two lines for programs.
const REDRAW: Duration = Duration::from_millis(100);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing {
    words: &'static str,
    way: Option<Way>,
}

/// Content comes from a server.
pub const DOWNLOADING: Doing = Doing { words: "Downloading DITS objects", way: Some(Way::Download) };
/// Content goes to a server.
pub const UPLOADING: Doing = Doing { words: "Uploading DITS objects", way: Some(Way::Upload) };
/// Files get their content. Programs are told of each file when it is done, so not here.
pub const CHECKING_OUT: Doing = Doing { words: "Checking out DITS objects", way: None };

impl From<&'static str> for Doing {
    fn from(words: &'static str) -> Doing {
        Doing { words, way: None }
    }
}

/// Tells progress.
#[derive(Debug)]
pub struct Meter {
    draw: bool,
    file: Option<ProgressFile>,
    line: Mutex<Option<Line>>,
}

/// Columns that a notice covers, so that nothing of the line before stays.
const NOTICE_COLUMNS: usize = 100;

/// Tells something in between on a line of its own.
pub(crate) fn notice(text: &str) {
    // Whoever cannot be told is not there.
    let _ = writeln!(std::io::stderr().lock(), "\r{text:<NOTICE_COLUMNS$}");
}

/// The line that is being drawn.
#[derive(Debug)]
struct Line {
    doing: Doing,
    /// Contents in all, where that is known.
    files: Option<u64>,
    bytes: (u64, u64),
    since: Instant,
    drawn: Option<Instant>,
    width: usize,
}

impl Meter {
    /// A line on stderr if `terminal`, and as `progress` says: also where it is forced, and also for programs.
    pub fn of(progress: &Progress, terminal: bool) -> Meter {
        Meter { draw: terminal || progress.forced, file: progress.open(), line: Mutex::new(None) }
    }

    /// Shows that `doing` has come to `bytes` of `total`.
    pub fn show(&self, doing: impl Into<Doing>, bytes: u64, total: u64) {
        self.tell(doing.into(), None, (bytes, total));
    }

    /// The same for a known number of contents.
    pub fn show_files(&self, doing: impl Into<Doing>, files: u64, bytes: u64, total: u64) {
        self.tell(doing.into(), Some(files), (bytes, total));
    }

    /// Whether a program follows: nobody else is told of single files.
    pub fn is_followed(&self) -> bool {
        self.file.is_some()
    }

    /// Tells programs that one file is done, the n-th of all.
    pub fn file_done(&self, way: Way, files: (u64, u64), bytes: u64, name: &str) {
        if let Some(file) = &self.file {
            file.line(way, files, (bytes, bytes), name);
        }
    }

    fn tell(&self, doing: Doing, files: Option<u64>, bytes: (u64, u64)) {
        if bytes.1 == 0 || !(self.draw || self.file.is_some()) {
            return;
        }
        let Ok(mut slot) = self.line.lock() else { return };
        if slot.as_ref().is_some_and(|line| line.doing != doing)
            && let Some(mut line) = slot.take()
        {
            self.finish(&mut line);
        }
        let now = Instant::now();
        let new = || Line { doing, files, bytes, since: now, drawn: None, width: 0 };
        let line = slot.get_or_insert_with(new);
        let ended = bytes.0 == bytes.1 && line.bytes != bytes;
        (line.files, line.bytes) = (files, bytes);
        if ended || line.drawn.is_none_or(|drawn| now - drawn >= REDRAW) {
            line.drawn = Some(now);
            self.write(line, "");
        }
    }

    fn write(&self, line: &mut Line, end: &str) {
        if let (Some(file), Some(way), "") = (&self.file, line.doing.way, end) {
            file.line(way, line.files_done(), line.bytes, "content");
        }
        if self.draw {
            let text = line.text(line.since.elapsed());
            let pad = line.width.saturating_sub(text.len());
            line.width = text.len();
            // Whoever cannot be told is not there.
            let _ = write!(std::io::stderr().lock(), "\r{text}{end}{:pad$}", "");
        }
    }

    fn finish(&self, line: &mut Line) {
        if line.bytes.0 == line.bytes.1 {
            self.write(line, ", done.\n");
        } else if self.draw {
            let width = line.width;
            let _ = write!(std::io::stderr().lock(), "\r{:width$}\r", "");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Ok(slot) = self.line.get_mut()
            && let Some(mut line) = slot.take()
        {
            self.finish(&mut line);
        }
    }
}

impl Line {
    /// How many contents are done, and all; one where that is not known.
    fn files_done(&self) -> (u64, u64) {
        let files = self.files.unwrap_or(1).max(1);
        let (bytes, total) = (u128::from(self.bytes.0), u128::from(self.bytes.1));
        let done = u128::from(files) * bytes / total.max(1);
        (u64::try_from(done).unwrap_or(files).min(files), files)
    }

    fn text(&self, elapsed: Duration) -> String {
        let ((bytes, total), words) = (self.bytes, self.doing.words);
        let percent = u128::from(bytes) * 100 / u128::from(total.max(1));
        let files = match (self.files, self.files_done()) {
            (Some(_), (done, files)) => format!(" ({done}/{files})"),
            (None, _) => String::new(),
        };
        // In the first moments a rate would be about nothing.
        let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
        format!("{words}: {percent:3}%{files}, {} | {}/s", human_bytes(bytes), human_bytes(rate as u64))
    }
}

/// Bytes in words, as git-lfs writes them: `8 B`, `1.2 KB`, `12 MB`. Its rounding is kept too: to tenths first, and
/// never up into the next unit.
pub fn human_bytes(bytes: u64) -> String {
    let (mut unit, mut power) = ("B", 1);
    for larger in ["KB", "MB", "GB", "TB", "PB", "EB"] {
        if bytes / power < 1000 {
            break;
        }
        (unit, power) = (larger, power * 1000);
    }
    let tenths = (bytes as f64 / power as f64 * 10.0).round();
    let digits = usize::from(unit != "B" && tenths < 100.0);
    format!("{:.digits$} {unit}", tenths / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_worded_as_git_lfs_words_it() {
        let line = |files, bytes| {
            let line = Line { doing: UPLOADING, files, bytes, since: Instant::now(), drawn: None, width: 0 };
            line.text(Duration::from_secs(4))
        };
        assert_eq!(
            line(Some(2), (12_345_678, 12_345_678)),
            "Uploading DITS objects: 100% (2/2), 12 MB | 3.1 MB/s"
        );
        assert_eq!(line(Some(3), (9, 20)), "Uploading DITS objects:  45% (1/3), 9 B | 2 B/s");
        assert_eq!(line(None, (0, u64::MAX)), "Uploading DITS objects:   0%, 0 B | 0 B/s");
    }

    #[test]
    fn bytes_are_short_and_round() {
        let table = [
            (0, "0 B"),
            (8, "8 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (9_949, "9.9 KB"),
            (9_950, "10 KB"),
            (123_456, "124 KB"),
            (999_999, "1000 KB"),
            (12_345_678, "12 MB"),
            (u64::MAX, "18 EB"),
        ];
        for (bytes, words) in table {
            assert_eq!(human_bytes(bytes), words);
        }
    }
}
