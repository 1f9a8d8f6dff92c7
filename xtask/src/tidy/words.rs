//! Words which tell where the tree was written, and which would not hold anywhere else.
//!
//! A path of one machine breaks on the next, and a registry's host pins a download that cargo and apt decide.
//! The lock file and this table are the only places that may name them.

use super::{File, Finding};

/// Folders of the machines we write on. They count only as the start of an absolute path.
const MACHINE_PATHS: &[&str] = &["/work/", "/root/"];
const REGISTRY_HOSTS: &[&str] = &["index.crates.io", "static.crates.io", "deb.debian.org"];
const EXEMPT: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock", "xtask/src/tidy/words.rs"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let Some(text) = file.text.as_deref().filter(|_| !EXEMPT.contains(&file.path.as_str())) else {
        return Vec::new();
    };
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            forbidden(line).map(move |word| Finding::new(&file.path, at + 1, format!("names `{word}`")))
        })
        .collect()
}

fn forbidden(line: &str) -> impl Iterator<Item = &'static str> {
    let paths = MACHINE_PATHS.iter().filter(move |word| starts_a_path(line, word));
    let hosts = REGISTRY_HOSTS.iter().filter(move |word| line.contains(**word));
    paths.chain(hosts).copied()
}

/// Whether the folder occurs in the line other than as a part of a longer path, such as `tests/work/a`.
fn starts_a_path(line: &str, folder: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "_-.~*})>]".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(goes_on))
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&file(path, text)).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn machine_paths_fail() {
        assert_eq!(lines("docs/a.md", "a\ncd /work/main\n\"/root/.cargo\"\nfile:///work/a\n"), [2, 3, 4]);
    }

    #[test]
    fn parts_of_other_paths_pass() {
        let text = "tests/work/a {tmp}/root/b ~/work/c <dir>/work/d /workshop/e\n";
        assert!(lines("docs/a.md", text).is_empty());
    }

    #[test]
    fn registry_hosts_fail() {
        for host in REGISTRY_HOSTS {
            assert_eq!(lines(".ci/run", &format!("curl https://{host}/x\n")), [1], "{host}");
        }
    }

    #[test]
    fn the_lock_file_and_binaries_pass() {
        assert!(lines("Cargo.lock", "static.crates.io\n").is_empty());
        assert_eq!(check(&File { path: "a.bin".to_owned(), size: 1, text: None }), []);
    }
}
