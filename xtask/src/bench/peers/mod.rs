//! Who can do the same work: one file for each, all answering in the same words.
//!
//! A [`Peer`] opens a [`Life`]: a fresh place with everything set up, where nothing was measured yet. The life says which
//! commands a step takes there; no commands mean that the peer has no such step. What is to be kept lies in the folder
//! `data` below `work`.

mod archive;
mod borg;
mod casync;
mod desync;
mod dits;
mod gitlike;
mod lfs;
mod plain;
mod restic;
mod rustic;
mod xet;

use std::path::{Path, PathBuf};

use super::rig::{Rig, Server, User};

/// The steps of a life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Add,
    Push,
    Edit,
    PushEdit,
    Clone,
    Status,
    StatusAgain,
    StatusTouched,
    Back,
    Forth,
}

pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// How often its life is measured: several times, each with 'cp' beside its steps, or once.
    pub(super) again: bool,
    /// What is installed, if anything is.
    pub(super) version: fn(&Rig) -> Option<String>,
    pub(super) open: fn(&Rig, &Path) -> anyhow::Result<Life>,
}

pub(super) struct Life {
    pub(super) user: User,
    /// Where the files are kept from, and where they come back to.
    pub(super) work: PathBuf,
    pub(super) copy: PathBuf,
    /// What it keeps at the client's side, and at the server's.
    pub(super) client: Option<PathBuf>,
    pub(super) stored: PathBuf,
    pub(super) server: Option<Server>,
    /// Storing locally and bringing away are one.
    pub(super) joint: bool,
    pub(super) commands: Box<dyn Fn(What) -> Vec<Vec<String>>>,
}

pub(super) const OURS: Peer = dits::PEER;
pub(super) const OURS_BY_ADD: Peer = dits::BY_ADD;

/// Everybody else, those first who are asked for the same as ourselves.
pub(super) const OTHERS: [Peer; 9] = [
    lfs::PEER,
    plain::STORED,
    plain::ZLIB,
    restic::PEER,
    borg::PEER,
    xet::PEER,
    rustic::PEER,
    casync::PEER,
    desync::PEER,
];

/// Named by those who know it, and not driven here.
pub(super) const NOT_DRIVEN: [&str; 1] = ["lore"];

impl What {
    pub(super) const ALL: [What; 10] = [
        What::Add,
        What::Push,
        What::Edit,
        What::PushEdit,
        What::Clone,
        What::Status,
        What::StatusAgain,
        What::StatusTouched,
        What::Back,
        What::Forth,
    ];

    pub(super) fn name(self, joint: bool) -> &'static str {
        match (self, joint) {
            (What::Add, true) => "add+push",
            (What::Edit, true) => "add+push edited",
            (What::Add, _) => "add+commit",
            (What::Push, _) => "push",
            (What::Edit, _) => "add+commit edited",
            (What::PushEdit, _) => "push edited",
            (What::Clone, _) => "clone",
            (What::Status, _) => "status",
            (What::StatusAgain, _) => "status again",
            (What::StatusTouched, _) => "status after touch",
            (What::Back, _) => "switch back",
            (What::Forth, _) => "switch forth",
        }
    }

    /// Whether it moves so much that `cp` is measured beside it.
    pub(super) fn is_big(self) -> bool {
        !matches!(self, What::Status | What::StatusAgain | What::StatusTouched)
    }
}

/// The first line that a program says of its version.
fn version(rig: &Rig, words: &[&str]) -> Option<String> {
    rig.find(words.first()?)?;
    let user = rig.user(&rig.tmp).ok()?;
    Some(user.run(&rig.tmp, words).ok()?.lines().next()?.trim().to_owned())
}
