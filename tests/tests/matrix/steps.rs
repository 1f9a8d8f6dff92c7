//! The commands: everything with which Git writes into a working tree or its index.
//!
//! A story starts in a fresh copy of a repository, on `main`, and has steps. After each step the working tree
//! and `git status` must be what plain Git gives for the same script, and no file may be read for that status.
//! What happens before the command that gives the step its name stands in front of it; the steps of a story
//! build on each other, which is cheaper than a copy for each and closer to a day of work.

mod branches;
mod changes;
mod elsewhere;
mod files;
mod submodules;

/// Where the result of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the repository that the script runs in.
    Here,
    /// In another working tree, from there.
    Tree(&'static str),
    /// In a folder without Git, from there.
    Folder(&'static str),
}

/// One command, and where to look after it.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The command, with the options that matter; also the name in messages and in the table of exceptions.
    pub name: &'static str,
    /// A script for `sh`, after the prelude.
    pub run: &'static str,
    /// Where its result is.
    pub place: Place,
}

/// Commands one after the other in one copy of a repository.
pub type Story = &'static [Step];

/// A step whose result is here.
const fn step(name: &'static str, run: &'static str) -> Step {
    Step { name, run, place: Place::Here }
}

/// A step whose result is in another working tree.
const fn tree(name: &'static str, place: &'static str, run: &'static str) -> Step {
    Step { name, run, place: Place::Tree(place) }
}

/// A step whose result is in a plain folder.
const fn folder(name: &'static str, place: &'static str, run: &'static str) -> Step {
    Step { name, run, place: Place::Folder(place) }
}

/// Stories for repositories with a working tree.
pub fn everywhere() -> Vec<Story> {
    [branches::STORIES, changes::STORIES, files::STORIES, elsewhere::STORIES].concat()
}

/// Stories for bare repositories.
pub fn bare() -> Vec<Story> {
    elsewhere::BARE.to_vec()
}

/// Stories for repositories with a submodule.
pub fn submodules() -> Vec<Story> {
    submodules::STORIES.to_vec()
}
