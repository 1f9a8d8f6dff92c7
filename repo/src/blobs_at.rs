//! Which objects a commit has at very many paths.
//!
//! A name like `commit:folder/file` makes Git read all folders on the way for each such name. `git ls-tree` with paths reads every folder once, so
//! it is asked from [`MANY`] paths on. Pure: callers run Git in their own ways.

use std::collections::HashMap;

/// Paths from which on it pays.
pub const MANY: usize = 32;
/// Paths in one question: Git compares each with each.
const ASKED_MAX: usize = 1024;
/// Bytes of the paths in one question: macOS takes 1 MiB with the environment.
const ASKED_BYTES_MAX: usize = 128 << 10;

/// The question: paths follow.
pub const ASK: [&str; 4] = ["--literal-pathspecs", "ls-tree", "-z", "--full-tree"];

/// Paths in as few questions as they fit in. One that is too long is asked for alone.
pub fn questions<'a, 'p>(paths: &'a [&'p str]) -> impl Iterator<Item = &'a [&'p str]> {
    let mut rest = paths;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |path: &&&str| {
            bytes += path.len() + 1;
            bytes <= ASKED_BYTES_MAX
        };
        let count = rest.iter().take(ASKED_MAX).take_while(fits).count().max(1);
        let (some, others) = rest.split_at_checked(count)?;
        rest = others;
        Some(some)
    })
}

/// The ids, in hex, by path; submodules are left out, as their commits are not here. `None` when the answer is none.
#[must_use]
pub fn parse(out: &[u8]) -> Option<HashMap<Vec<u8>, String>> {
    let lines = out.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let entry = |line: &[u8]| {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let (_, kind, id) = (words.next()?, words.next()?, words.next()?);
        Some((kind != "commit", line[tab + 1..].to_vec(), id.to_owned()))
    };
    let entries: Option<Vec<_>> = lines.map(entry).collect();
    Some(entries?.into_iter().filter(|(here, ..)| *here).map(|(_, path, id)| (path, id)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_odd_names_have_ids_and_submodules_none() {
        let out =
            b"100644 blob aa\ta b\x00040000 tree bb\td\x00160000 commit cc\tsub\x00120000 blob dd\tx\ty\x00";
        let found = parse(out).unwrap();
        let id = |path: &str| found.get(path.as_bytes()).map(String::as_str);
        assert_eq!([id("a b"), id("d"), id("sub"), id("x\ty")], [Some("aa"), Some("bb"), None, Some("dd")]);
        assert_eq!((parse(b""), parse(b"what\0")), (Some(HashMap::new()), None));
    }

    #[test]
    fn questions_hold_all_paths_in_order_and_fit_a_command_line() {
        let counts = |paths: &[&str]| {
            let asked: Vec<_> = questions(paths).collect();
            assert_eq!(asked.concat(), paths);
            asked.iter().map(|some| some.len()).collect::<Vec<_>>()
        };
        let (short, long, huge) = ("a".to_owned(), "b".repeat(1023), "c".repeat(ASKED_BYTES_MAX + 1));
        assert_eq!(counts(&[]), [0; 0]);
        assert_eq!(counts(&vec![&short[..]; 1500]), [1024, 476]);
        assert_eq!(counts(&vec![&long[..]; 300]), [128, 128, 44]);
        assert_eq!(counts(&[&short, &huge, &huge, &short]), [1, 1, 1, 1]);
    }
}
