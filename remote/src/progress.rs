//! Progress for programs: lines in the file that `GIT_DITS_PROGRESS` names.
//!
//! ```text
//! <direction> <n>/<total> <bytes>/<bytes in all> <name>
//! ```
//! Graphical tools follow such a file while Git runs. Directions are those of git-lfs: `download`, `upload`, `checkout` and
//! `clean`. Content travels as one stream of chunks, not file by file, so a transfer is one entry with the name
//! `content`; `checkout` and `clean` name files, each when it is done. The path must be absolute: Git starts us in other
//! folders than the tool runs in. Several processes may write to one file, so each line is one write at its end.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

/// Which way content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a server.
    Download,
    /// To a server.
    Upload,
    /// Into the working tree.
    Checkout,
    /// From the working tree into the store.
    Clean,
}

impl Way {
    /// Its name in the file.
    fn word(self) -> &'static str {
        match self {
            Way::Download => "download",
            Way::Upload => "upload",
            Way::Checkout => "checkout",
            Way::Clean => "clean",
        }
    }
}

/// How progress is told, besides on a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Show it even where there is no terminal.
    pub forced: bool,
    /// The file for programs.
    pub file: Option<PathBuf>,
}

impl Progress {
    /// Reads `GIT_DITS_PROGRESS` and `GIT_DITS_FORCE_PROGRESS` through `env`.
    pub fn from_env(env: impl Fn(&str) -> Option<OsString>) -> Progress {
        let text = |name: &str| env(name).filter(|value| !value.is_empty());
        let forced = text("GIT_DITS_FORCE_PROGRESS").and_then(|value| value.into_string().ok());
        Progress {
            forced: forced.and_then(|value| dits_repo::settings::parse_bool(&value)).unwrap_or(false),
            file: text("GIT_DITS_PROGRESS").map(PathBuf::from),
        }
    }

    /// What is wrong with it, in git-lfs's words. Work goes on without the file.
    pub fn complaint(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        if !file.is_absolute() {
            return Some("GIT_DITS_PROGRESS must be an absolute path".to_owned());
        }
        let error = open(file).err()?;
        Some(format!("cannot write to '{}', which GIT_DITS_PROGRESS names: {error}", file.display()))
    }

    /// The file, if there is one to write to.
    pub fn open(&self) -> Option<ProgressFile> {
        let file = self.file.as_ref().filter(|file| file.is_absolute())?;
        Some(ProgressFile(Mutex::new(open(file).ok()?)))
    }
}

fn open(path: &PathBuf) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The open file.
#[derive(Debug)]
pub struct ProgressFile(Mutex<File>);

impl ProgressFile {
    /// Writes one line. What cannot be written is lost: work is more than its progress.
    pub fn line(&self, way: Way, files: (u64, u64), bytes: (u64, u64), name: &str) {
        let (word, (n, total), (done, all)) = (way.word(), files, bytes);
        // A line feed in a name must not start a line.
        let name = name.replace('\n', "?");
        let line = format!("{word} {n}/{total} {done}/{all} {name}\n");
        if let Ok(mut file) = self.0.lock() {
            let _ = file.write_all(line.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_refused_and_a_line_is_whole() {
        let of = |value: &'static str| {
            Progress::from_env(move |name| (name == "GIT_DITS_PROGRESS").then(|| value.into()))
        };
        assert_eq!(of("").file, None);
        assert_eq!(of("a/b").complaint().as_deref(), Some("GIT_DITS_PROGRESS must be an absolute path"));
        assert!(of("a/b").open().is_none());
        assert!(
            of("/nowhere/at/all")
                .complaint()
                .is_some_and(|text| text.starts_with("cannot write to '/nowhere"))
        );
        let dir = tempfile::tempdir().unwrap();
        let progress = Progress { forced: false, file: Some(dir.path().join("p")) };
        assert_eq!(progress.complaint(), None);
        let file = progress.open().unwrap();
        file.line(Way::Clean, (1, 2), (3, 4), "a b\nc");
        file.line(Way::Upload, (1, 1), (5, 5), "content");
        let text = std::fs::read_to_string(dir.path().join("p")).unwrap();
        assert_eq!(text, "clean 1/2 3/4 a b?c\nupload 1/1 5/5 content\n");
    }
}
