//! The filter protocol against the real Git, through the example filter `rot`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A repository whose `*.rot` and `*.bad` files go through the filter.
struct Repo {
    dir: TempDir,
    filter: String,
}

impl Repo {
    fn new() -> Self {
        let repo = Self { dir: TempDir::new().expect("temp folder"), filter: filter_command() };
        fs::create_dir(repo.path("home")).expect("home");
        fs::create_dir(repo.path("work")).expect("work");
        repo.ok(&["init", "-q"]);
        fs::write(repo.path("work/.gitattributes"), "*.rot filter=rot -text\n*.bad filter=rot -text\n")
            .expect("attributes");
        repo
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Git with nothing of this machine's configuration.
    fn git(&self, args: &[&str]) -> Output {
        Command::new("git")
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C")
            .args(["-c", &format!("filter.rot.process={}", self.filter)])
            .args(["-c", "filter.rot.required=true", "-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .output()
            .expect("git runs")
    }

    fn ok(&self, args: &[&str]) -> Vec<u8> {
        let output = self.git(args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

/// The example beside this test, quoted for the shell Git starts it with.
fn filter_command() -> String {
    let exe = std::env::current_exe().expect("own path");
    let profile = exe.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let rot = profile.join("examples").join(format!("rot{}", std::env::consts::EXE_SUFFIX));
    assert!(rot.exists(), "{} is missing: run all of `cargo test -p dits-filter`", rot.display());
    format!("'{}'", rot.display())
}

#[test]
fn add_and_checkout() {
    let repo = Repo::new();
    let big: Vec<u8> = b"LARGE FILE ".iter().copied().cycle().take(3 << 20).collect();
    let files: &[(&str, &[u8])] = &[
        ("plain.rot", b"HELLO\n"),
        ("empty.rot", b""),
        ("big.rot", &big),
        ("-dash a=b 'q' \"q\".rot", b"ODD\n"),
        ("new\nline \u{e9}\u{65e5}.rot", b"LINE\n"),
        ("trailing .rot", b"X"),
    ];
    for (name, content) in files {
        fs::write(repo.path("work").join(name), content).expect(name);
    }
    repo.ok(&["add", "."]);
    repo.ok(&["commit", "-qm", "all"]);
    for (name, content) in files {
        let blob = repo.ok(&["cat-file", "blob", &format!("HEAD:{name}")]);
        assert!(blob == content.to_ascii_lowercase(), "blob of {name:?}");
        fs::remove_file(repo.path("work").join(name)).expect(name);
    }
    repo.ok(&["checkout", "-q", "HEAD", "--", "."]);
    for (name, content) in files {
        assert!(fs::read(repo.path("work").join(name)).expect(name) == *content, "file {name:?}");
    }
    assert_eq!(repo.ok(&["status", "--porcelain"]), b"");
    let piped = repo.ok(&["cat-file", "--filters", "HEAD:plain.rot"]);
    assert_eq!(piped, b"HELLO\n", "smudge without can-delay");
}

#[test]
fn an_error_fails_that_file() {
    let repo = Repo::new();
    fs::write(repo.path("work/a.bad"), vec![b'A'; 1 << 20]).expect("file");
    fs::write(repo.path("work/b.rot"), "B").expect("file");
    let output = repo.git(&["add", "--ignore-errors", "."]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("a.bad"), "{message}");
    repo.ok(&["add", "b.rot"]);
    assert_eq!(repo.ok(&["cat-file", "blob", ":b.rot"]), b"b");
}
