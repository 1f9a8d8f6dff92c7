//! A well-known exerciser of filesystems, `fsx`, on a writable mount.
//!
//! It writes, cuts, maps and copies at random and compares each byte it reads with what should be there. Seeds are fixed. Only
//! `DITS_TEST_NO_FSX=1` in the environment leaves it out. Where there is none, cargo installs it into `target/tools`.

#[allow(dead_code, clippy::allow_attributes, reason = "each test program uses its part of it")]
mod mounted;

use mounted::Story;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Mapped pages are written when the kernel likes.
const LAZY: &str = "
nomsyncafterwrite = true
[weights]
close_open = 1
invalidate = 1
mapread = 10
mapwrite = 10
read = 10
write = 10
truncate = 10
fsync = 0.02
fdatasync = 0.02
posix_fallocate = 2
punch_hole = 2
sendfile = 5
posix_fadvise = 1
copy_file_range = 5
";
/// Mapped pages are written at once, in large pieces.
const EAGER: &str = "
flen = 4194304
[opsize]
max = 1048576
[weights]
close_open = 5
invalidate = 5
mapread = 10
mapwrite = 10
read = 10
write = 10
truncate = 5
punch_hole = 5
";

/// Runs, the larger one with at least 100,000 operations: seed, operations, settings.
const RUNS: [(u32, u32, &str); 2] = [(6, 100_000, LAZY), (7, 1_500, EAGER)];
/// Seconds that a run may take.
const DEADLINE: &str = "900";

fn fsx() -> Option<PathBuf> {
    if std::env::var_os("DITS_TEST_NO_FSX").is_some_and(|value| value == "1") {
        return None;
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let find = || {
        let places = std::env::split_paths(&paths).chain([tools.join("bin")]);
        places.map(|dir| dir.join("fsx")).find(|path| path.is_file())
    };
    Some(find().unwrap_or_else(|| {
        // Set by cargo for the tests that it runs.
        let cargo = std::env::var_os("CARGO").expect("fsx is not here, and cargo did not start this test");
        let args = ["install", "--quiet", "--locked", "fsx", "--version", "0.3.2", "--root"];
        let installed = Command::new(cargo).args(args).arg(&tools).status();
        assert!(installed.is_ok_and(|status| status.success()), "DITS_TEST_NO_FSX=1 leaves this story out");
        find().expect("it was installed")
    }))
}

#[test]
fn fsx_finds_every_byte_where_it_put_it() {
    let Some((fsx, story)) = fsx().zip(Story::new()) else { return };
    let top = story.folder("fsx");
    let start = |(seed, operations, settings): (u32, u32, &str)| -> Child {
        let config = top.join(format!("{seed}.toml"));
        fs::write(&config, settings).unwrap();
        let mut command = Command::new("timeout");
        command.arg(DEADLINE).arg(&fsx).arg("-q").arg("-f").arg(&config);
        command.args(["-N", &operations.to_string(), "-S", &seed.to_string(), "-P"]).arg(&top);
        command.arg(story.at(&format!("exercised {seed}")));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running = RUNS.map(start);
    for (child, (seed, ..)) in running.into_iter().zip(RUNS) {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seed {seed}: {}\n{said}", output.status);
    }
    // What was left is in the overlay of the next mount, too.
    let left = RUNS.map(|(seed, ..)| fs::read(story.at(&format!("exercised {seed}"))).unwrap());
    story.unmount();
    story.mount(&[]);
    for (left, (seed, ..)) in left.into_iter().zip(RUNS) {
        assert!(fs::read(story.at(&format!("exercised {seed}"))).unwrap() == left, "seed {seed}");
    }
}
