//! Running `git`.
//!
//! One place that starts it, so that every call passes paths as bytes, reads all output while feeding
//! input (no pipe can fill up and hang), and turns a failure into an error with Git's own words. The
//! environment is inherited: inside filters and hooks `GIT_DIR` and `GIT_INDEX_FILE` name the repository and
//! index that Git itself is working on. A spawn costs about 3 ms, so callers ask for many things at once.

use crate::RepoError;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `git` in one folder.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
    env: Vec<(&'static str, OsString)>,
    /// Whether what the environment says of the repository around us does not count.
    elsewhere: bool,
}

/// From this input on there are many answers, and Git writes most of them one by one.
const MANY_BYTES: usize = 4 << 10;

/// Variables of the environment that are about one repository.
pub const LOCAL: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
];

/// From how many free bytes on glibc gives the end of its heap back to the kernel.
///
/// Git asks for zlib's 270 KB anew for each object that it writes. That is just above what glibc keeps by itself, so each
/// object costs 20 page faults: `fast-import` of 34,000 pointers takes 2.4 s, and 0.3 with this. Other C libraries do not
/// look at it.
const TRIM_VARIABLE: &str = "MALLOC_TRIM_THRESHOLD_";
const TRIM_BYTES: &str = "67108864";

impl Git {
    /// Git as if started in `dir`.
    pub fn at(dir: &Path) -> Git {
        Git { dir: dir.to_owned(), env: Vec::new(), elsewhere: false }
    }

    /// The same with one more environment variable.
    pub fn with_env(&self, name: &'static str, value: impl Into<OsString>) -> Git {
        let mut git = self.clone();
        git.env.push((name, value.into()));
        git
    }

    /// The same in another folder.
    pub fn moved(&self, dir: &Path) -> Git {
        Git { dir: dir.to_owned(), ..self.clone() }
    }

    /// Git in the folder of another repository.
    pub fn elsewhere(&self, dir: &Path) -> Git {
        let env = self.env.iter().filter(|(name, _)| !LOCAL.contains(name)).cloned().collect();
        Git { dir: dir.to_owned(), env, elsewhere: true }
    }

    /// The folder it runs in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A command to be started by the caller.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(args);
        if self.elsewhere {
            for name in LOCAL {
                command.env_remove(name);
            }
        }
        command.env(TRIM_VARIABLE, TRIM_BYTES);
        // Git 2.39 sets this in submodules, and most of its own commands then refuse to run.
        command.env_remove("GIT_INTERNAL_SUPER_PREFIX");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it and returns stdout.
    ///
    /// # Errors
    /// [`RepoError::Git`] with what it printed on stderr when it exits with anything but 0.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, RepoError> {
        self.run_with_input(args, &[])
    }

    /// Runs it with `input` on stdin and returns stdout.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Result<Vec<u8>, RepoError> {
        let output = self.output(args, input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let command = args.iter().map(AsRef::as_ref).find(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
        Err(RepoError::Git {
            command: command.unwrap_or_default().to_string_lossy().into_owned(),
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and returns stdout as one line of text, or `None` when it exits with anything but 0.
    pub fn line<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Option<String>, RepoError> {
        let output = self.output(args, &[])?;
        let text = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        Ok(output.status.success().then_some(text))
    }

    /// The commit that `name` means, in hex; `None` when there is no such commit.
    pub fn commit(&self, name: &str) -> Result<Option<String>, RepoError> {
        let name = format!("{name}^{{commit}}");
        self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name])
    }

    fn output<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Result<Output, RepoError> {
        let mut command = self.command(args);
        command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
        let sheet = if input.len() < MANY_BYTES { None } else { sheet().ok() };
        let given = sheet.as_ref().and_then(|file| file.try_clone().ok());
        let sheet = sheet.filter(|_| given.is_some());
        command.stdout(given.map_or_else(Stdio::piped, Stdio::from)).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(RepoError::Spawn)?;
        let stdin = child.stdin.take();
        let mut output = std::thread::scope(|scope| {
            if let Some(mut stdin) = stdin {
                // Git may stop reading early; its exit code tells why.
                scope.spawn(move || drop(stdin.write_all(input)));
            }
            child.wait_with_output().map_err(RepoError::Spawn)
        })?;
        if let Some(mut sheet) = sheet {
            let read = sheet.rewind().and_then(|()| sheet.read_to_end(&mut output.stdout));
            read.map_err(RepoError::Spawn)?;
        }
        Ok(output)
    }
}

/// A file in memory for what Git prints. Nobody is woken for each line of it, as at the other end of a pipe, and
/// where stdout is a file `check-attr` does not flush each line either.
#[cfg(target_os = "linux")]
fn sheet() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("git-dits", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn sheet() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Git, MANY_BYTES, TRIM_BYTES, TRIM_VARIABLE};

    #[test]
    fn many_answers_go_to_a_file_and_few_through_a_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path());
        let alias = ["-c", "alias.kind=!cat && stat -L -c %F /dev/stdout", "kind"];
        for (bytes, kind) in [(1, "fifo"), (MANY_BYTES - 1, "fifo"), (MANY_BYTES, "regular file")] {
            let input = "x".repeat(bytes);
            let out = git.run_with_input(&alias, input.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("{input}{kind}\n"), "{bytes}");
        }
    }

    #[test]
    fn every_git_keeps_its_heap() {
        let dir = tempfile::tempdir().unwrap();
        let alias = format!("alias.told=!printenv {TRIM_VARIABLE}");
        let out = Git::at(dir.path()).run(&["-c", &alias, "told"]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim(), TRIM_BYTES);
    }
}
