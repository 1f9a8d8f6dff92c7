//! Runs `cargo xtask tidy` on the tree itself, so that `cargo test --workspace` is the one thing to run.
//!
//! It fails with the findings, and also when the run looked at no files: silence must mean that all is well.

use std::process::Command;

#[test]
fn tree_is_tidy() {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").output().expect("xtask runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "\n{stdout}{stderr}");
    assert!(stdout.contains("0 findings") && !stdout.contains("tidy: 0 files"), "{stdout}");
}
