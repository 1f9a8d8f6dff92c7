//! What is written down when git-dits itself is wrong, for whoever shall find out why.
//!
//! A panic is a mistake of ours: it is said in one line, and everything that helps to find it goes to a file in
//! `.git/dits/logs` (version, arguments, message, backtrace, paths, settings and environment, with secrets hidden).
//! Outside of repositories there is no such place, and the backtrace goes to standard error. Nothing here may
//! make matters worse: what cannot be written is left out. Names of files are times, so they sort by age.

use crate::commands::{env, version};
use crate::context;
use crate::redact::redact;
use anyhow::{Context as _, Result};
use dits_repo::{Git, Repository};
use dits_server::utc;
use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::fs;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SUFFIX: &str = ".log";

/// The folder for a repository's logs.
pub fn folder(repository: &Repository) -> PathBuf {
    repository.common_dir.join("dits").join("logs")
}

/// Names of all logs, the oldest first.
pub fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(SUFFIX));
    names.sort();
    names
}

/// From now on a panic is written down, and told in words.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = message(info);
        crate::report::error(&format!("internal error: {}\n", text.lines().next().unwrap_or_default()));
        let log = Log { text, trace: Backtrace::force_capture().to_string(), now: SystemTime::now() };
        match log.write() {
            Some(path) => {
                crate::report::notice(&format!("Errors logged to '{}'.", path.display()));
                crate::report::notice("Use `git dits logs last` to view the log.");
            }
            None => crate::report::notice(&log.trace),
        }
    }));
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let place = info.location().map(|place| format!("\nat {}:{}", place.file(), place.line()));
    redact(&text) + &place.unwrap_or_default()
}

/// What is known of one error.
struct Log {
    text: String,
    trace: String,
    now: SystemTime,
}

impl Log {
    /// Writes it, and says where.
    fn write(&self) -> Option<PathBuf> {
        let repository = Repository::find(&context::cwd().ok()?).ok()?;
        let folder = folder(&repository);
        let path = folder.join(format!("{}{SUFFIX}", Time::of(self.now).name()));
        let text = self.render(&repository).ok()?;
        fs::create_dir_all(&folder).and_then(|()| fs::write(&path, text)).ok()?;
        Some(path)
    }

    fn render(&self, repository: &Repository) -> Result<String> {
        let git = Git::at(&repository.git_dir).line(&["--version"])?.unwrap_or_default();
        let words: Vec<String> =
            std::env::args_os().skip(1).map(|word| redact(&word.to_string_lossy())).collect();
        let mut out = format!("{}\n{git}\n\n$ git-dits {}\n", version::text(), words.join(" "));
        writeln!(out, "{}\n\n{}", self.text, self.trace)?;
        writeln!(out, "Current time in UTC:\n{}\n\nEnvironment:", Time::of(self.now).text())?;
        out.push_str(&env::settings(Some(repository))?);
        Ok(out)
    }
}

/// Removes all logs.
pub fn clear(folder: &Path) -> Result<()> {
    for name in list(folder) {
        let path = folder.join(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove '{}'", path.display()))?;
    }
    Ok(())
}

/// A time of day in UTC, by the calendar.
#[derive(Debug)]
struct Time {
    date: (u64, u64, u64),
    second: u64,
    nanos: u32,
}

impl Time {
    fn of(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (day, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        Time { date: utc::civil(day), second, nanos: since.subsec_nanos() }
    }

    fn clock(&self) -> (u64, u64, u64) {
        (self.second / 3600, self.second / 60 % 60, self.second % 60)
    }

    fn name(&self) -> String {
        let ((year, month, date), (hour, minute, second)) = (self.date, self.clock());
        format!("{year}{month:02}{date:02}T{hour:02}{minute:02}{second:02}.{:09}", self.nanos)
    }

    fn text(&self) -> String {
        let ((year, month, date), (hour, minute, second)) = (self.date, self.clock());
        format!("{year}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ];
        for (seconds, text) in table {
            assert_eq!(Time::of(UNIX_EPOCH + Duration::from_secs(seconds)).text(), text);
        }
        let time = UNIX_EPOCH + Duration::new(951_782_400, 7);
        assert_eq!(Time::of(time).name(), "20000229T000000.000000007");
    }
}
