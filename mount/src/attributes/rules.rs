//! The lines of one attribute file, and what they say of a path.
//!
//! Of several lines that match the last counts, for each attribute alone; an attribute that is set and has a macro of its name
//! sets what that lists, as far as nothing stronger did. As in Git, lines of more than [`LINE_BYTES_MAX`] and files of more than
//! [`FILE_BYTES_MAX`] do not count, nor do lines with a name that no attribute may have.

use gix_attributes::parse::{Iter, Kind};
use gix_attributes::{State, StateRef, parse};
use gix_glob::Pattern;
use gix_glob::pattern::Case;
use gix_glob::wildmatch::Mode;
use std::collections::HashMap;

/// Longest line that counts, in bytes.
const LINE_BYTES_MAX: usize = 2047;
/// Largest file that counts, in bytes.
pub const FILE_BYTES_MAX: u64 = 100 << 20;

/// What a line, or a macro, says of attributes, in its order.
type Assignments = Box<[(Box<str>, State)]>;

/// The lines of a file.
#[derive(Debug, Default)]
pub struct Rules {
    lines: Vec<(Pattern, Assignments)>,
    macros: HashMap<Box<str>, Assignments>,
}

impl Rules {
    /// Reads a file; its macros only count when they may.
    pub fn parse(text: &[u8], with_macros: bool) -> Rules {
        let mut rules = Rules::default();
        if text.len() as u64 > FILE_BYTES_MAX {
            return rules;
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for line in text.split(|byte| *byte == b'\n').filter(|line| line.len() <= LINE_BYTES_MAX) {
            for (kind, assignments, _) in parse(line).flatten() {
                match (kind, collect(assignments)) {
                    (Kind::Macro(name), Some(list)) if with_macros => {
                        rules.macros.insert(name.as_str().into(), list);
                    }
                    (Kind::Pattern(pattern), Some(list)) => rules.lines.push((pattern, list)),
                    _ => {}
                }
            }
        }
        rules
    }
}

/// `None` when one of them has no valid name.
fn collect(assignments: Iter<'_>) -> Option<Assignments> {
    let owned = |one: gix_attributes::AssignmentRef<'_>| (one.name.as_str().into(), one.state.to_owned());
    assignments.map(|one| one.ok().map(owned)).collect()
}

/// What the files say of one path, from the strongest to the weakest.
pub struct Answers<'a> {
    /// Where macros may stand, from the strongest to the weakest.
    macros: [&'a Rules; 4],
    case: Case,
    found: HashMap<&'a str, StateRef<'a>>,
}

impl<'a> Answers<'a> {
    /// Nothing was asked yet.
    pub fn new(macros: [&'a Rules; 4], case: Case) -> Answers<'a> {
        Answers { macros, case, found: HashMap::new() }
    }

    /// Adds what a file says of `path`, as seen from its folder.
    pub fn ask(&mut self, rules: &'a Rules, path: &[u8]) {
        let base = path.iter().rposition(|byte| *byte == b'/').map(|at| at + 1);
        for (pattern, assignments) in rules.lines.iter().rev() {
            let is_new = assignments.iter().any(|(name, _)| !self.found.contains_key(&**name));
            let mode = Mode::NO_MATCH_SLASH_LITERAL;
            if is_new && pattern.matches_repo_relative_path(path.into(), base, Some(false), self.case, mode) {
                self.fill(assignments);
            }
        }
    }

    fn fill(&mut self, assignments: &'a Assignments) {
        for (name, state) in assignments.iter().rev() {
            if self.found.contains_key(&**name) {
                continue;
            }
            self.found.insert(name, state.as_ref());
            if *state == State::Set {
                let body = self.macros.iter().find_map(|rules| rules.macros.get(name));
                // Ends, as each round finds another attribute.
                body.into_iter().for_each(|body| self.fill(body));
            }
        }
    }

    /// Whether an attribute is set, without a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.found.get(name) == Some(&StateRef::Set)
    }

    /// Whether an attribute has this value.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.found.get(name).and_then(|state| state.as_bstr()).is_some_and(|found| *found == value)
    }
}
