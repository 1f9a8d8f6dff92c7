//! The arguments of `git clone`, as far as they must be understood.
//!
//! Ours are taken out, the others stay as they are and in their order. To tell the address and the folder from the
//! values of options, those options of `git clone` are known that take a value in a word of their own. One that is
//! not known here costs only the summary at the end.

use crate::report::Failure;
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Long options of `git clone` whose value may be the next word.
const WITH_VALUE: [&str; 17] = [
    "--branch",
    "--bundle-uri",
    "--config",
    "--depth",
    "--filter",
    "--jobs",
    "--origin",
    "--ref-format",
    "--reference",
    "--reference-if-able",
    "--revision",
    "--separate-git-dir",
    "--server-option",
    "--shallow-exclude",
    "--shallow-since",
    "--template",
    "--upload-pack",
];
/// Short ones.
const SHORT_WITH_VALUE: &[u8] = b"bcjou";

/// What was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// For `git clone`.
    pub git: Vec<OsString>,
    /// Patterns of `-I`.
    pub include: Option<String>,
    /// Patterns of `-X`.
    pub exclude: Option<String>,
    /// No content.
    pub no_content: bool,
    /// `git clone` shall be quiet.
    pub quiet: bool,
    operands: Vec<OsString>,
}

impl Arguments {
    /// Takes ours out.
    ///
    /// # Errors
    /// When an option of ours lacks its value.
    pub fn parse(words: &[OsString]) -> Result<Arguments> {
        let mut found = Arguments::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(text) = word.to_str() else {
                found.operand(word);
                continue;
            };
            if let Some((list, value)) = found.list(text) {
                let missing =
                    || Failure::new(format!("option '{text}' needs a value"), "see 'git dits clone --help'");
                let next = || words.next().map(|word| word.to_string_lossy().into_owned());
                *list = Some(value.or_else(next).ok_or_else(missing)?);
                continue;
            }
            match text {
                "--no-content" | "--filter=none" => found.no_content = true,
                "--" => {
                    found.git.push(word.clone());
                    words.by_ref().for_each(|word| found.operand(word));
                }
                "--filter" if words.as_slice().first().is_some_and(|next| next == "none") => {
                    words.next();
                    found.no_content = true;
                }
                _ if text.starts_with('-') && text.len() > 1 => {
                    found.quiet |= text == "--quiet" || (is_short(text) && text.contains('q'));
                    found.git.push(word.clone());
                    if takes_next(text) {
                        found.git.extend(words.next().cloned());
                    }
                }
                _ => found.operand(word),
            }
        }
        Ok(found)
    }

    fn operand(&mut self, word: &OsStr) {
        self.git.push(word.to_owned());
        self.operands.push(word.to_owned());
    }

    /// The list that `text` sets, with the value if that is in the same word.
    fn list(&mut self, text: &str) -> Option<(&mut Option<String>, Option<String>)> {
        let lists = [("-I", "--include", &mut self.include), ("-X", "--exclude", &mut self.exclude)];
        for (short, long, list) in lists {
            if text == short || text == long {
                return Some((list, None));
            }
            let value = text.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
            if let Some(value) = value.or_else(|| text.strip_prefix(short)) {
                return Some((list, Some(value.to_owned())));
            }
        }
        None
    }

    /// Where `git clone` makes the repository: the folder that is given, or the end of the address.
    pub fn folder(&self) -> Option<PathBuf> {
        if let Some(folder) = self.operands.get(1) {
            return Some(PathBuf::from(folder));
        }
        let url = self.operands.first()?.to_str()?.trim_end_matches('/');
        let url = url.strip_suffix("/.git").unwrap_or(url).trim_end_matches('/');
        let name = url.rsplit(['/', ':']).next()?;
        let name = name.strip_suffix(".git").or_else(|| name.strip_suffix(".bundle")).unwrap_or(name);
        (!name.is_empty()).then(|| PathBuf::from(name))
    }
}

fn is_short(text: &str) -> bool {
    !text.starts_with("--")
}

/// Whether the next word belongs to this option.
fn takes_next(text: &str) -> bool {
    if !is_short(text) {
        return WITH_VALUE.contains(&text);
    }
    // The first letter that takes a value takes the rest of the word, if there is any.
    let at = text.bytes().position(|letter| SHORT_WITH_VALUE.contains(&letter));
    at.is_some_and(|at| at + 1 == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Arguments {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Arguments::parse(&words).expect("well formed")
    }

    #[test]
    fn what_is_not_ours_goes_to_git_as_it_is() {
        let line = "--depth 1 -qb main --filter=blob:none -c a.b=c --no-checkout -- url dir";
        let found = parse(line);
        assert_eq!(found.git.join(OsStr::new(" ")), line);
        assert_eq!((found.quiet, found.no_content, found.folder()), (true, false, Some("dir".into())));
        let found = parse("-I *.psd --exclude=a,b --filter none -v url -Xc");
        assert_eq!(found.git, ["-v", "url"]);
        assert_eq!((found.include.as_deref(), found.exclude.as_deref()), (Some("*.psd"), Some("c")));
        assert!(found.no_content && !found.quiet);
        assert!(parse("--no-content u").no_content && parse("--filter=none u").no_content);
        assert!(Arguments::parse(&["url".into(), "-I".into()]).is_err());
    }

    #[test]
    fn the_folder_is_the_one_that_git_makes() {
        for (line, folder) in [
            ("dits://host/team/project", "project"),
            ("-b main --origin up host:a/b.git", "b"),
            ("https://host/a/b.git/", "b"),
            ("../a/.git", "a"),
            ("host:b", "b"),
            ("-j4 a/b.bundle", "b"),
            ("-j 4 -ofork ./x y/z", "y/z"),
        ] {
            assert_eq!(parse(line).folder(), Some(folder.into()), "{line}");
        }
        assert_eq!(parse("-q").folder(), None);
    }
}
