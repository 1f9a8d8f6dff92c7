//! Where the programs under test are: beside this test's own executable.
//!
//! A test executable is `target/<profile>/deps/<name>-<hash>`, the programs are `target/<profile>/<name>`.
//! Programs from PATH are never taken: a test that passes with an installed git-dits says nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The programs that stories need.
const PROGRAMS: [&str; 2] = ["git-dits", "git-remote-dits"];

/// Folder of the programs. Panics with the command to run if one of them is not built.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let exe = std::env::current_exe().expect("a process knows its executable");
        let folder = exe.parent().and_then(Path::parent).expect("a test is in target/<profile>/deps").to_owned();
        for program in PROGRAMS {
            assert!(
                folder.join(program).is_file(),
                "'{program}' is not in {}: build the programs first, with 'cargo build -p git-dits -p git-remote-dits' \
                 (and the same profile), or run 'cargo test --workspace'",
                folder.display()
            );
        }
        folder
    })
}

/// PATH for everything that is started: our programs first.
pub fn path() -> std::ffi::OsString {
    let mut path = folder().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()));
    path
}
