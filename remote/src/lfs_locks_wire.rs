//! Locks as a host's LFS File Locking API writes them, read and written without any I/O.
//!
//! Hosts name a lock by a text: GitHub, GitLab and Gitea by a number in it. Ours is a number ([`LockId`]): a text that is one
//! stays it; any other becomes a number from the upper half of all, made of its hash, and its text is found again in a list. Some hosts
//! say the id as a JSON number, and both forms are read.
//!
//! A host's lock has neither mode nor lease, and most hosts keep one for all branches: [`HostLock::lock`] gives it the branch that was asked
//! about. A lock on what is no place for us (`LockPath`) is passed over: no client of ours can have such a file.

use dits_lock::{Branch, Lock, LockId, LockPath};
use serde::{Deserialize, Deserializer, Serialize};

/// Ids from here on are made of texts that are no numbers.
const MADE_IDS: u64 = 1 << 63;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HostLock {
    /// Its name at the host.
    #[serde(deserialize_with = "text_or_number")]
    pub id: String,
    /// The file.
    pub path: String,
    /// When it was taken.
    #[serde(default)]
    pub locked_at: Option<String>,
    /// Who holds it.
    #[serde(default)]
    pub owner: Option<Owner>,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Owner {
    /// The name that the host shows: a login at some, a person's name at others.
    pub name: String,
}

/// What the host says about one lock.
#[derive(Debug, Deserialize)]
pub struct One {
    /// The lock.
    pub lock: HostLock,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// Locks.
    #[serde(deserialize_with = "list")]
    pub locks: Vec<HostLock>,
    /// Where the next page begins.
    #[serde(default, deserialize_with = "cursor")]
    pub next_cursor: Option<String>,
}

/// A page of a list that says whose locks they are.
#[derive(Debug, Deserialize)]
pub struct Sides {
    /// The asker's.
    #[serde(deserialize_with = "list")]
    pub ours: Vec<HostLock>,
    /// Those of others.
    #[serde(deserialize_with = "list")]
    pub theirs: Vec<HostLock>,
    /// Where the next page begins.
    #[serde(default, deserialize_with = "cursor")]
    pub next_cursor: Option<String>,
}

/// What a host says when it says no.
#[derive(Debug, Default, Deserialize)]
pub struct Complaint {
    /// Why.
    #[serde(default)]
    pub message: String,
}

/// A branch, as the host wants it named.
#[derive(Debug, Serialize)]
pub struct Ref {
    /// In full.
    pub name: String,
}

/// `POST /locks`
#[derive(Debug, Serialize)]
pub struct Create<'a> {
    /// The file.
    pub path: &'a str,
    /// The branch.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub branch: Option<Ref>,
}

/// `POST /locks/verify`
#[derive(Debug, Serialize)]
pub struct Verify<'a> {
    /// The branch.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub branch: Option<Ref>,
    /// From where on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<&'a str>,
}

/// `POST /locks/:id/unlock`
#[derive(Debug, Serialize)]
pub struct Unlock {
    /// Also if it is somebody else's.
    pub force: bool,
    /// The branch.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub branch: Option<Ref>,
}

impl Ref {
    /// Of a branch, if one is known.
    pub fn of(branch: Option<&Branch>) -> Option<Ref> {
        branch.map(|branch| Ref { name: branch.full() })
    }
}

impl HostLock {
    /// Its number.
    pub fn number(&self) -> LockId {
        match self.id.parse::<u64>() {
            Ok(number) if number < MADE_IDS && number.to_string() == self.id => LockId(number),
            _ => {
                let mut first = [0; 8];
                first.copy_from_slice(&blake3::hash(self.id.as_bytes()).as_bytes()[..8]);
                LockId(u64::from_be_bytes(first) | MADE_IDS)
            }
        }
    }

    /// As a lock of `branch`.
    pub fn lock(&self, branch: &Branch) -> Option<Lock> {
        let path = LockPath::parse(&self.path).ok().filter(|path| !path.is_prefix())?;
        let owner = self.owner.as_ref().map(|owner| owner.name.replace(char::is_control, "?"));
        let at = self.locked_at.as_deref().and_then(seconds).unwrap_or_default();
        Some(Lock::taken(self.number(), path, branch.clone(), &owner.unwrap_or_default(), at))
    }
}

/// The text by which a host knows a number of ours, where the number says it.
pub fn text_of(id: LockId) -> Option<String> {
    (id.0 < MADE_IDS).then(|| id.to_string())
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(u64),
    }
    Ok(match Id::deserialize(from)? {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    })
}

/// It has to be there: an answer without it comes from somebody else. Some hosts say null for none.
fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<HostLock>, D::Error> {
    Ok(Option::<Vec<HostLock>>::deserialize(from)?.unwrap_or_default())
}

/// Some hosts say that there is no next page by an empty text, some by null.
fn cursor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|cursor| !cursor.is_empty()))
}

/// `2016-05-17T15:49:06.25+02:00` in seconds since 1970; `None` for what is no time, or one before.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let numbers = |text: &str, between: char| {
        text.split(between)
            .map(|part| part.parse::<i64>().ok().filter(|n| (0..10_000).contains(n)))
            .collect::<Option<Vec<_>>>()
    };
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let [hour, minute, second] = numbers(clock.split_once('.').map_or(clock, |(whole, _)| whole), ':')?[..]
    else {
        return None;
    };
    let offset = match zone.split_at(1) {
        ("+", zone) => {
            numbers(zone, ':').filter(|zone| zone.len() == 2).map(|zone| zone[0] * 60 + zone[1])?
        }
        ("-", zone) => {
            numbers(zone, ':').filter(|zone| zone.len() == 2).map(|zone| -zone[0] * 60 - zone[1])?
        }
        _ => 0,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + (minute - offset) * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_whatever_their_zone() {
        for (text, value) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2016-05-17T15:49:06+00:00", Some(1_463_500_146)),
            ("2016-05-17T17:49:06.123+02:00", Some(1_463_500_146)),
            ("2000-02-29T23:59:59-01:30", Some(951_874_199)),
            ("2024-12-31T00:00:00Z", Some(1_735_603_200)),
            ("1960-01-01T00:00:00Z", None),
            ("2016-13-17T15:49:06Z", None),
            ("2016-05-17", None),
            ("2016-05-17T15:49:06", None),
            ("2016-05-17T15:49:06+x", None),
            ("yesterday", None),
        ] {
            assert_eq!(seconds(text), value, "{text}");
        }
    }

    #[test]
    fn ids_are_texts_or_numbers_and_no_two_texts_are_one_number() {
        let read = |id: &str| {
            let json = format!("{{\"id\":{id},\"path\":\"a\"}}");
            serde_json::from_str::<HostLock>(&json).unwrap()
        };
        assert_eq!((read("\"7\"").number(), read("7").number()), (LockId(7), LockId(7)));
        assert_eq!(text_of(LockId(7)).as_deref(), Some("7"));
        for odd in ["\"07\"", "\"+7\"", "\"a4f\"", "\"18446744073709551615\"", "\"\""] {
            assert!(text_of(read(odd).number()).is_none(), "{odd}");
        }
        assert!(serde_json::from_str::<HostLock>("{\"id\":-1,\"path\":\"a\"}").is_err());
    }

    #[test]
    fn an_answer_without_a_list_is_none() {
        let read = |json: &str| serde_json::from_str::<Sides>(json).map(|sides| sides.ours.len());
        assert_eq!(read("{\"ours\":null,\"theirs\":[],\"next_cursor\":null}").unwrap(), 0);
        for bad in ["{}", "[]", "{\"ours\":[]}", "{\"ours\":{},\"theirs\":[]}", "<html>"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Page>("{\"message\":\"x\"}").is_err());
    }

    #[test]
    fn a_lock_on_what_is_no_place_is_none() {
        let main = Branch::parse("main").unwrap();
        let lock = |path: &str| {
            let owner = Some(Owner { name: "a\u{1b}[m".into() });
            HostLock { id: "1".into(), path: path.into(), locked_at: None, owner }.lock(&main)
        };
        for bad in ["../x", "/x", "a\\b", "folder/"] {
            assert!(lock(bad).is_none(), "{bad}");
        }
        assert_eq!(lock("a/b").unwrap().owner, "a?[m");
    }
}
