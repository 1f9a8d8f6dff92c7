//! Where things are measured: a folder for all of it, users with homes of their own, servers, and how one step is taken.
//!
//! Before a step: `sync`, a wait until the machine idles, and `cp` of the same data where the step is a big one. The page
//! cache is warm: whatever is read has just been written or read. Nothing of the caller's environment reaches what is
//! measured but `PATH` and `DITS_CPU`.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::args::Sizes;
use super::corpus::{self, Corpus};
use super::graves::Graves;
use super::report::{Report, Row, Sample};
use super::{micro, proc, sys, trace};

/// Above this part of its time the machine is not idle.
const IDLE_PART: f64 = 0.12;

/// The large file and its edited version.
const LARGE: [&str; 2] = ["v1.bin", "v2.bin"];

pub(super) struct Rig {
    pub(super) sizes: Sizes,
    pub(super) root: PathBuf,
    pub(super) bin: PathBuf,
    pub(super) tmp: PathBuf,
    /// What is kept between runs.
    pub(super) cache: PathBuf,
    /// Where what is found is written down.
    pub(super) results: PathBuf,
    path: std::ffi::OsString,
    corpus: Option<Corpus>,
    made: OnceCell<Corpus>,
    graves: Graves,
}

/// Somebody with a home, in which nobody has configured anything.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) home: PathBuf,
    path: std::ffi::OsString,
}

/// A process that others talk to; it ends with this value, as its data does.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Kept open: who writes into a closed pipe ends.
    said: Option<BufReader<ChildStdout>>,
    pub(super) url: String,
}

/// One step, to be measured as a whole.
pub(super) struct Step<'a> {
    pub(super) user: &'a User,
    pub(super) dir: &'a Path,
    pub(super) commands: Vec<Vec<String>>,
    pub(super) server: Option<&'a Server>,
    /// Folders whose growth is told.
    pub(super) client: Option<&'a Path>,
    pub(super) stored: Option<&'a Path>,
    /// What `cp` copies before.
    pub(super) cp: Option<&'a Path>,
}

impl<'a> Step<'a> {
    pub(super) fn new(user: &'a User, dir: &'a Path, commands: Vec<Vec<String>>) -> Self {
        Step { user, dir, commands, server: None, client: None, stored: None, cp: None }
    }
}

impl Rig {
    pub(super) fn new(
        sizes: Sizes,
        root: &Path,
        bin: PathBuf,
        tmp: &Path,
        cache: &Path,
        corpus: Option<Corpus>,
    ) -> anyhow::Result<Rig> {
        let tools = root.join("target/tools/bin");
        let outer = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([bin.clone(), tools].into_iter().chain(std::env::split_paths(&outer)))?;
        let (root, tmp, cache) = (root.to_owned(), tmp.to_owned(), cache.to_owned());
        let (graves, results) = (Graves::new(tmp.join("graves")), tmp.join("results.json"));
        Ok(Rig { sizes, root, bin, tmp, cache, results, path, corpus, made: OnceCell::new(), graves })
    }

    /// Writes a row down, in the place of an older one.
    pub(super) fn keep(&self, row: Row) -> anyhow::Result<()> {
        let mut report = Report::load(&self.results)?;
        report.put(row, &super::rows::names());
        report.save(&self.results)
    }

    /// Writes down what a long row has found so far, summed up, so that it is not lost with a run that is cut off.
    pub(super) fn keep_part(&self, row: &Row, sum_up: impl FnOnce(&mut Row)) -> anyhow::Result<()> {
        let mut part = row.clone();
        part.note("Cut off: this is what had been found.");
        sum_up(&mut part);
        self.keep(part)
    }

    /// Real data where it is asked for and could be had.
    pub(super) fn corpus(&self) -> anyhow::Result<&Corpus> {
        if let Some(corpus) = &self.corpus {
            return Ok(corpus);
        }
        if self.made.get().is_none() {
            let made =
                corpus::made_up(&self.tmp.join("corpus"), self.sizes.tree_files, self.sizes.file_bytes)?;
            let _ = self.made.set(made);
        }
        self.made.get().context("just made")
    }

    /// The one large file, and the same after edits, made when they are first asked for.
    pub(super) fn large(&self) -> anyhow::Result<[PathBuf; 2]> {
        let [v1, v2] = LARGE.map(|name| self.tmp.join(name));
        if !v2.exists() {
            corpus::tar(self.corpus()?, &v1)?;
            corpus::edited(&v1, &v2, self.sizes.edits, 0)?;
        }
        Ok([v1, v2])
    }

    /// Gives the disk back what they take; they are made again when they are asked for again.
    pub(super) fn drop_large(&self) -> std::io::Result<()> {
        let there = LARGE.map(|name| self.tmp.join(name)).into_iter().filter(|file| file.exists());
        there.into_iter().try_for_each(fs::remove_file)
    }

    /// A fresh folder.
    pub(super) fn place(&self, name: &str) -> anyhow::Result<PathBuf> {
        let place = self.tmp.join(name);
        self.clear(&place)?;
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// Takes a folder away; if it has many files, they are deleted when the row is over.
    pub(super) fn clear(&self, place: &Path) -> anyhow::Result<()> {
        self.graves.bury(place)
    }

    /// What a row left to be deleted after it.
    pub(super) fn end_row(&self) -> anyhow::Result<()> {
        self.graves.clear()
    }

    /// Somebody new.
    pub(super) fn user(&self, place: &Path) -> anyhow::Result<User> {
        let home = place.join("home");
        fs::create_dir_all(&home)?;
        let user = User { home, path: self.path.clone() };
        let settings = [
            ("user.name", "A U Thor"),
            ("user.email", "author@example.org"),
            ("init.defaultBranch", "main"),
            // What Git does behind one's back would be measured with whatever comes next.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("advice.detachedHead", "false"),
        ];
        for (key, value) in settings {
            user.run(place, &["git", "config", "--global", key, value])?;
        }
        Ok(user)
    }

    /// Where a program is, if it is installed.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path).map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// `git dits serve` for everybody, below `place`.
    pub(super) fn serve(&self, user: &User, place: &Path) -> anyhow::Result<Server> {
        let folder = place.join("server");
        let mut command = user.command(place, &["git-dits", "serve"]);
        command.arg(folder).args(["--anonymous", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().context("a pipe")?);
        let mut server = Server::of(child, String::new());
        said.read_line(&mut line)?;
        server.said = Some(said);
        server.url =
            line.split_whitespace().nth(2).with_context(|| format!("no address in {line:?}"))?.to_owned();
        Ok(server)
    }

    /// An example of a package of the workspace, built with its release profile.
    pub(super) fn example(&self, package: &str, name: &str) -> anyhow::Result<PathBuf> {
        let words = ["build", "--release", "--locked", "--offline", "-p", package, "--example", name];
        corpus::run(micro::cargo().args(words).current_dir(&self.root))?;
        Ok(self.root.join("target/release/examples").join(name))
    }

    /// Takes a step and tells what it cost.
    pub(super) fn measure(&self, step: &Step<'_>) -> anyhow::Result<Sample> {
        let cp = step.cp.map(|file| self.cp(file)).transpose()?;
        self.settle();
        Ok(Sample { cp, ..self.measure_at_once(step)? })
    }

    /// The same of a step so small that waiting would take longer.
    pub(super) fn measure_at_once(&self, step: &Step<'_>) -> anyhow::Result<Sample> {
        let size = |folder: Option<&Path>| {
            folder.map(|folder| corpus::count(folder).map(|(_, bytes)| bytes as i64)).transpose()
        };
        let before = (size(step.client)?, size(step.stored)?);
        let server_cpu = step.server.map(Server::cpu);
        let (mark, loopback) = (step.user.mark(), proc::loopback_bytes());
        let mut sample = Sample::default();
        for words in &step.commands {
            let (wall, cpu, rss) = step.user.measured(step.dir, words)?;
            sample.wall += wall;
            sample.cpu += cpu;
            sample.rss = sample.rss.max(rss);
        }
        sample.loopback = Some(proc::loopback_bytes() - loopback);
        sample.server_cpu = step.server.map(|server| server.cpu() - server_cpu.unwrap_or(0.0));
        (sample.trace, sample.own_rss) = trace::sums(&step.user.since(mark));
        let grown = |before: Option<i64>, after: Option<i64>| Some(after? - before?);
        sample.client = grown(before.0, size(step.client)?);
        sample.server = grown(before.1, size(step.stored)?);
        Ok(sample)
    }

    /// `cp` of a file or folder, and the copy is gone again.
    fn cp(&self, from: &Path) -> anyhow::Result<(f64, f64)> {
        let to = self.tmp.join("copy-to-compare");
        self.settle();
        let user = User { home: self.tmp.clone(), path: self.path.clone() };
        let words = ["cp", "-r", "--", path(from), path(&to)].map(str::to_owned);
        let (wall, cpu, _) = user.measured(&self.tmp, &words)?;
        if to.is_dir() {
            self.clear(&to)?
        } else {
            fs::remove_file(&to)?
        };
        Ok((wall, cpu))
    }

    /// Waits until everything is on disk and the machine does nothing.
    pub(super) fn settle(&self) {
        if self.sizes.settle.is_zero() {
            return;
        }
        let _ = Command::new("sync").status();
        let started = Instant::now();
        while started.elapsed() < self.sizes.settle {
            let (busy, all) = proc::busy_ticks();
            std::thread::park_timeout(Duration::from_millis(300));
            let (busy_then, all_then) = proc::busy_ticks();
            if busy_then - busy <= IDLE_PART * (all_then - all) {
                return;
            }
        }
    }
}

impl User {
    /// A command that sees this user's environment and nothing else.
    pub(super) fn command(&self, dir: &Path, words: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(words.first().map_or("true".as_ref(), AsRef::as_ref));
        command.args(&words[1..]).current_dir(dir).env_clear().stdin(Stdio::null());
        command.env("PATH", &self.path).env("HOME", &self.home).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_DITS_TRACE", self.trace());
        command.env("RESTIC_PASSWORD", "x").env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        command.env("RUSTIC_PASSWORD", "x");
        if let Some(cpu) = std::env::var_os("DITS_CPU") {
            command.env("DITS_CPU", cpu);
        }
        command
    }

    /// Runs something that is not measured; its output.
    pub(super) fn run(&self, dir: &Path, words: &[&str]) -> anyhow::Result<String> {
        let out = self.command(dir, words).output().with_context(|| format!("cannot run {words:?}"))?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "{words:?}: {}: {}", out.status, said.trim());
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Wall and CPU seconds of a command, and the bytes of its largest process.
    pub(super) fn measured(&self, dir: &Path, words: &[String]) -> anyhow::Result<(f64, f64, u64)> {
        let log = self.home.join("said");
        let said = File::create(&log)?;
        let mut command = self.command(dir, words);
        command.stdout(said.try_clone()?).stderr(said);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {words:?}"))?;
        let (status, cpu, rss) = sys::wait(child)?;
        let wall = started.elapsed().as_secs_f64();
        if !status.success() {
            let said = fs::read(&log)?;
            bail!("{words:?}: {status}: {}", String::from_utf8_lossy(&said).trim());
        }
        Ok((wall, cpu, rss))
    }

    fn trace(&self) -> PathBuf {
        self.home.join("trace")
    }

    /// Where the trace ends now.
    pub(super) fn mark(&self) -> usize {
        fs::metadata(self.trace()).map_or(0, |meta| meta.len() as usize)
    }

    /// What came to the trace since.
    pub(super) fn since(&self, mark: usize) -> String {
        let text = fs::read_to_string(self.trace()).unwrap_or_default();
        text.get(mark..).unwrap_or_default().to_owned()
    }
}

impl Server {
    /// Something that listens at `url` already.
    pub(super) fn of(child: Child, url: String) -> Server {
        Server { child, said: None, url }
    }

    pub(super) fn cpu(&self) -> f64 {
        proc::tree_cpu(self.child.id())
    }

    pub(super) fn peak_rss(&self) -> Option<u64> {
        proc::peak_rss(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing that it keeps is needed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as a word of a command: ours are all text.
pub(super) fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Words of a command from text without quotes.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// One line for whoever waits.
pub(super) fn say(who: &str, what: &str, sample: &Sample) {
    let Sample { wall, cpu, rss, .. } = sample;
    eprintln!("  {who:12} {what:20} {wall:8.3} s wall {cpu:8.3} s CPU {:6.0} MiB", *rss as f64 / 1_048_576.0);
}
