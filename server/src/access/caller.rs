//! Who a stream is from, and what that one may do: all that the rest of the server asks about rights.
//! A value: it stays what it was when its stream began.

use super::role::{Role, Scope};

/// What somebody is known by who has shown nothing.
const NOTHING: &str = "nothing";

/// A role within a scope.
pub type Right = (Role, Scope);

/// Who a stream is from: a name, and what it may do where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For logs and messages.
    pub name: String,
    /// What it was known by, for logs: the id of a token, the fingerprint of a key; never a secret.
    pub by: String,
    /// Roles, each within a scope.
    pub rights: Vec<Right>,
}

impl Caller {
    /// Somebody who has shown nothing.
    pub fn anonymous(rights: Vec<Right>) -> Caller {
        Caller { name: "anonymous".into(), by: NOTHING.into(), rights }
    }

    /// Whether the caller has shown nothing.
    pub fn is_anonymous(&self) -> bool {
        self.by == NOTHING
    }

    /// What the caller may do in `repository`: the strongest of its roles there.
    pub fn role_in(&self, repository: &str) -> Option<Role> {
        self.rights.iter().filter(|(_, scope)| scope.covers(repository)).map(|(role, _)| *role).max()
    }

    /// Whether the caller may read every repository of a realm, those to come too.
    pub fn reads_all_of(&self, realm: &str) -> bool {
        self.role_in(realm).is_some()
    }
}

/// What is left of `rights` below a cap: no role stronger, no place outside.
pub fn capped(rights: Vec<Right>, role: Option<Role>, scope: Option<&Scope>) -> Vec<Right> {
    let within = |(own, place): Right| {
        let place = scope.map_or(Some(place.clone()), |cap| cap.and(&place))?;
        Some((role.map_or(own, |cap| own.min(cap)), place))
    };
    rights.into_iter().filter_map(within).collect()
}
