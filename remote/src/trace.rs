//! What happened, as JSON lines in the file that `GIT_DITS_TRACE` names.
//!
//! For scripts, tests and bug reports: counts of chunks and bytes are facts that a progress bar does not
//! keep. One object a line, appended in one write, so several processes can share the file. A trace that
//! cannot be written never disturbs the work.

use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Where events go; nowhere without a path.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    path: Option<PathBuf>,
}

impl Trace {
    /// Appends to `path`, if there is one.
    pub fn to(path: Option<PathBuf>) -> Trace {
        Trace { path }
    }

    /// Writes one event: `fields` is an object, `event` names it.
    pub fn event(&self, event: &str, mut fields: Value) {
        let Some(path) = &self.path else { return };
        fields["event"] = event.into();
        fields["peak_rss_bytes"] = peak_rss_bytes().into();
        let line = format!("{fields}\n");
        let file = OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Most memory this process ever had, where the system says so (Linux).
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
