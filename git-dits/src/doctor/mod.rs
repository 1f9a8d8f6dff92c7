//! What can be wrong with a setup, a repository or a working tree, and what can be done about it.
//!
//! Each check only looks and appends findings; nothing is changed before [`Fix::apply`]. A fix never takes a choice
//! from somebody (foreign values, content, the index) and can be repeated; where only people can decide there is a
//! hint instead. A check that cannot be made is a finding too, so that one failure hides nothing else.
//! No network, no filter, and no content is read: `git dits fsck` does that.

mod attributes;
mod files;
mod hooks;
mod lockable;
mod remotes;
mod setup;
mod store;

use crate::context::Context;
use crate::report;
use anyhow::Result;
use dits_repo::Git;
use std::fmt;

/// Paths named in one finding.
const NAMED_MAX: usize = 3;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something will not work, or not as it should.
    Warning,
    /// Good to know; not counted.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// What `--fix` does about a finding.
pub struct Fix {
    /// In words.
    pub what: String,
    apply: Box<dyn FnOnce() -> Result<()>>,
}

impl Fix {
    fn new(what: impl Into<String>, apply: impl FnOnce() -> Result<()> + 'static) -> Option<Fix> {
        Some(Fix { what: what.into(), apply: Box::new(apply) })
    }

    /// Does it.
    pub fn apply(self) -> Result<()> {
        (self.apply)()
    }
}

/// Something worth telling.
pub struct Finding {
    /// A name for scripts that stays.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub text: String,
    /// What can be done about it here.
    pub fix: Option<Fix>,
    /// What people can do about it.
    pub hint: Option<String>,
}

/// Findings so far.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, text: impl Into<String>) -> &mut Finding {
        self.0.push(Finding { code, severity, text: text.into(), fix: None, hint: None });
        self.0.last_mut().expect("it was just pushed")
    }

    fn error(&mut self, code: &'static str, text: impl Into<String>) -> &mut Finding {
        self.add(Severity::Error, code, text)
    }

    fn warning(&mut self, code: &'static str, text: impl Into<String>) -> &mut Finding {
        self.add(Severity::Warning, code, text)
    }

    fn note(&mut self, code: &'static str, text: impl Into<String>) -> &mut Finding {
        self.add(Severity::Note, code, text)
    }

    /// Makes a check; one that fails is a finding.
    fn check(&mut self, what: &'static str, result: Result<()>) {
        if let Err(error) = result {
            let hint = error.chain().find_map(report::hint_for);
            self.error("check-failed", format!("cannot check {what}: {}", report::text(&error))).hint = hint;
        }
    }
}

impl Finding {
    fn hint(&mut self, hint: impl Into<String>) -> &mut Finding {
        self.hint = Some(hint.into());
        self
    }
}

/// The first of some files, for a finding.
fn named<'a>(paths: impl ExactSizeIterator<Item = &'a [u8]>) -> String {
    let more = paths.len().saturating_sub(NAMED_MAX);
    let mut text = paths
        .take(NAMED_MAX)
        .map(|path| format!("'{}'", String::from_utf8_lossy(path)))
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Looks at everything: at the setup for `git`, and at the repository unless there is none.
pub fn examine(git: &Git, found: Result<Context>) -> Result<Vec<Finding>> {
    let mut findings = Findings::default();
    let result = setup::check(git, &mut findings);
    findings.check("the setup", result);
    if let Some(context) = setup::repository(found, &mut findings)? {
        let result = attributes::check(&context, &mut findings);
        findings.check("attribute files", result);
        let result = store::check(&context, &mut findings);
        findings.check("the chunk store", result);
        let result = files::check(&context, &mut findings);
        findings.check("files", result);
        let result = hooks::check(&context, &mut findings);
        findings.check("hooks", result);
        let result = lockable::check(&context, &mut findings);
        findings.check("lockable files", result);
        let result = remotes::check(&context, &mut findings);
        findings.check("remotes", result);
    }
    Ok(findings.0)
}
