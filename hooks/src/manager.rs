//! Who else looks after the hooks of a repository.
//!
//! husky, lefthook and the pre-commit framework write hook files themselves, or set `core.hooksPath`, and would
//! overwrite ours or never run them. So where one of them is, no file is touched: the user gets the exact lines
//! to add to the manager's own configuration. Managers are known by their files at the top of the working tree,
//! whether they are set up in this clone already or not.

use crate::kind::ClientHook;
use std::path::{Path, PathBuf};

/// Bytes of a manager's file that are looked at.
const BYTES_MAX: u64 = 1 << 20;

/// A manager of hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// husky: shell scripts in `.husky`.
    Husky,
    /// lefthook, with its configuration.
    Lefthook(&'static str),
    /// The pre-commit framework.
    PreCommit,
    /// `core.hooksPath` is set, to this folder, by somebody unknown.
    HooksPath(PathBuf),
}

const LEFTHOOK_FILES: [&str; 6] =
    ["lefthook.yml", "lefthook.yaml", ".lefthook.yml", ".lefthook.yaml", "lefthook.toml", "lefthook.json"];
const PRE_COMMIT_FILES: [&str; 2] = [".pre-commit-config.yaml", ".pre-commit-config.yml"];

impl Manager {
    /// The manager of the repository whose working tree is `worktree` and whose `core.hooksPath` is `hooks_path`.
    pub fn of(worktree: Option<&Path>, hooks_path: Option<&str>) -> Option<Manager> {
        let has = |name: &&str| worktree.is_some_and(|top| top.join(name).exists());
        if has(&".husky") || hooks_path.is_some_and(|path| path.contains(".husky")) {
            return Some(Manager::Husky);
        }
        if let Some(name) = LEFTHOOK_FILES.into_iter().find(has) {
            return Some(Manager::Lefthook(name));
        }
        if PRE_COMMIT_FILES.iter().any(has) {
            return Some(Manager::PreCommit);
        }
        Some(Manager::HooksPath(hooks_path?.into()))
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Manager::Husky => "husky",
            Manager::Lefthook(_) => "lefthook",
            Manager::PreCommit => "pre-commit",
            Manager::HooksPath(_) => "core.hooksPath",
        }
    }

    /// The file, seen from the top of the working tree, in which a hook of ours has its place.
    pub fn file(&self, hook: ClientHook) -> PathBuf {
        match self {
            Manager::Husky => Path::new(".husky").join(hook.name()),
            Manager::Lefthook(name) => name.into(),
            Manager::PreCommit => PRE_COMMIT_FILES[0].into(),
            Manager::HooksPath(folder) => folder.join(hook.name()),
        }
    }

    /// Exactly what to add to that file. `lines` are those of a hook file of our own.
    pub fn snippet(&self, hook: ClientHook, lines: &str) -> String {
        let words = hook.words();
        match self {
            Manager::Husky => format!("{}\n", hook.line()),
            Manager::Lefthook(name) => lefthook(name, hook),
            Manager::PreCommit => match hook {
                // The framework hands neither input nor arguments on; it tells them in variables.
                ClientHook::PrePush => framework(
                    "push",
                    "sh -c 'git dits push \"$PRE_COMMIT_REMOTE_NAME\" \"$PRE_COMMIT_TO_REF\"'",
                    hook,
                ),
                ClientHook::PreCommit => framework("check", &format!("git dits {words}"), hook),
                ClientHook::PostCheckout => framework(
                    words,
                    "sh -c 'git dits post-checkout \"$PRE_COMMIT_FROM_REF\" \"$PRE_COMMIT_TO_REF\" \
                     \"$PRE_COMMIT_CHECKOUT_TYPE\"'",
                    hook,
                ),
                ClientHook::PostMerge => {
                    framework(words, "sh -c 'git dits post-merge \"$PRE_COMMIT_IS_SQUASH_MERGE\"'", hook)
                }
                ClientHook::PostCommit => framework(words, &format!("git dits {words}"), hook),
            },
            Manager::HooksPath(_) => lines.to_owned(),
        }
    }

    /// Whether that file mentions ours, so that nothing is left to be added.
    pub fn mentions(&self, worktree: Option<&Path>, hook: ClientHook) -> bool {
        let path = worktree.unwrap_or(Path::new(".")).join(self.file(hook));
        let small = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= BYTES_MAX);
        let text = if small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let text = String::from_utf8_lossy(&text).replace("git-dits ", "git dits ");
        let pushes =
            hook == ClientHook::PrePush && *self == Manager::PreCommit && text.contains("git dits push");
        pushes
            || text.contains(&format!("git dits {}", hook.words()))
            || crate::shim::find(text.as_bytes()).is_some()
    }
}

/// A hook for the pre-commit framework.
fn framework(name: &str, entry: &str, hook: ClientHook) -> String {
    format!(
        "- repo: local\n  hooks:\n    - id: git-dits-{name}\n      name: git dits {name}\n      entry: {entry}\n      \
         language: system\n      stages: [{}]\n      always_run: true\n      pass_filenames: false\n",
        hook.name()
    )
}

fn lefthook(file: &str, hook: ClientHook) -> String {
    let (name, words) = (hook.name(), hook.words());
    let (run, input) = match hook {
        ClientHook::PrePush => (format!("git dits {words} {{0}}"), true),
        ClientHook::PreCommit | ClientHook::PostCommit => (format!("git dits {words}"), false),
        ClientHook::PostCheckout | ClientHook::PostMerge => (format!("git dits {words} {{0}}"), false),
    };
    if file.ends_with(".toml") {
        let input = if input { "use_stdin = true\n" } else { "" };
        return format!("[{name}.commands.git-dits]\nrun = \"{run}\"\n{input}");
    }
    if file.ends_with(".json") {
        let input = if input { ", \"use_stdin\": true" } else { "" };
        return format!(
            "\"{name}\": {{ \"commands\": {{ \"git-dits\": {{ \"run\": \"{run}\"{input} }} }} }}\n"
        );
    }
    let input = if input { "      use_stdin: true\n" } else { "" };
    format!("{name}:\n  commands:\n    git-dits:\n      run: {run}\n{input}")
}
