//! Settings of git-dits: what Git's configuration says, else what `.ditsconfig` may say.
//!
//! Values are read as Git reads them: `true`, `yes`, `on`, `1` and their opposites; numbers with `k`, `m`, `g`
//! or `t` for powers of 1024. A value that is none is an error that names its key, never a default in silence.
//! Keys are in lower case except for a subsection, as Git lists them. What counts where nothing is set stands in
//! a [`Setting`], once, whoever uses or shows it.

use crate::ditsconfig::{self, Found};
use crate::{RepoError, Repository};
use dits_store::Compression;

/// A key, and its value where nothing is set.
#[derive(Debug, Clone, Copy)]
pub struct Setting<T> {
    /// The key.
    pub key: &'static str,
    /// The value.
    pub default: T,
}

impl<T> Setting<T> {
    /// A setting.
    pub const fn new(key: &'static str, default: T) -> Setting<T> {
        Setting { key, default }
    }
}

/// Push although content is missing.
pub const ALLOW_INCOMPLETE_PUSH: Setting<bool> = Setting::new("dits.allowincompletepush", false);
/// Fetch recent versions whenever something is fetched.
pub const FETCH_RECENT_ALWAYS: Setting<bool> = Setting::new("dits.fetchrecentalways", false);
/// Days for which branches count as recent.
pub const FETCH_RECENT_REFS_DAYS: Setting<u64> = Setting::new("dits.fetchrecentrefsdays", 7);
/// Days before the tip of a recent branch of which versions count as recent.
pub const FETCH_RECENT_COMMITS_DAYS: Setting<u64> = Setting::new("dits.fetchrecentcommitsdays", 0);
/// Whether remote-tracking branches can be recent.
pub const FETCH_RECENT_REMOTE_REFS: Setting<bool> = Setting::new("dits.fetchrecentremoterefs", true);
/// Progress also where there is no terminal.
pub const FORCE_PROGRESS: Setting<bool> = Setting::new("dits.forceprogress", false);
/// Days for which `prune` keeps more than what is recent.
pub const PRUNE_OFFSET_DAYS: Setting<u64> = Setting::new("dits.pruneoffsetdays", 3);
/// Whether a remote must prove what `prune` takes away.
pub const PRUNE_VERIFY_REMOTE: Setting<bool> = Setting::new("dits.pruneverifyremotealways", true);
/// Whether it must prove what nothing refers to as well.
pub const PRUNE_VERIFY_UNREACHABLE: Setting<bool> = Setting::new("dits.pruneverifyunreachablealways", false);
/// Whether locks are given back once what they were for is pushed.
pub const UNLOCK_ON_PUSH: Setting<bool> = Setting::new("dits.unlockonpush", false);
/// Whether a mount takes the lock of a lockable file that is opened for writing.
pub const MOUNT_AUTOLOCK: Setting<bool> = Setting::new("dits.mount.autolock", false);
/// Whether lockable files that Git ignores are read-only too.
pub const LOCK_IGNORED_FILES: Setting<bool> = Setting::new("dits.lockignoredfiles", false);
/// Whether lockable files are read-only without a lock.
pub const SET_LOCKABLE_READ_ONLY: Setting<bool> = Setting::new("dits.setlockablereadonly", true);
/// The remote that counts as pushed to.
pub const PRUNE_REMOTE: Setting<&str> = Setting::new("dits.pruneremotetocheck", "origin");
/// What carries content and Git's own traffic: `auto`, `quic` or `tcp`.
pub const TRANSPORT: Setting<&str> = Setting::new("dits.transport", "auto");
/// Whether new chunks are compressed: `auto`, where it pays, or `off`.
pub const COMPRESSION: Setting<Compression> = Setting::new("dits.compression", Compression::Auto);
/// Days for which the trash is kept; 0: there is none.
pub const TRASH_DAYS: Setting<u64> = Setting::new("dits.trashdays", 14);

impl Repository {
    /// The value of `key`; an empty one counts as not set, as in Git LFS.
    pub fn setting(&self, key: &str) -> Result<Option<String>, RepoError> {
        if let Some(value) = self.config(key)? {
            return Ok(Some(value).filter(|value| !value.is_empty()));
        }
        if !ditsconfig::is_safe(key) {
            return Ok(None);
        }
        Ok(self.ditsconfig()?.values.get(key).filter(|value| !value.is_empty()).cloned())
    }

    /// A setting that is true or false.
    pub fn setting_bool(&self, setting: Setting<bool>) -> Result<bool, RepoError> {
        self.parsed(setting, parse_bool)
    }

    /// A setting that is a number, of bytes or of anything else.
    pub fn setting_number(&self, setting: Setting<u64>) -> Result<u64, RepoError> {
        self.parsed(setting, parse_number)
    }

    /// Whether new chunks are compressed.
    pub fn compression(&self) -> Result<Compression, RepoError> {
        self.parsed(COMPRESSION, |value| match value {
            "auto" => Some(Compression::Auto),
            _ => (parse_bool(value) == Some(false)).then_some(Compression::Off),
        })
    }

    /// All of `.ditsconfig`, read once.
    pub fn ditsconfig(&self) -> Result<&Found, RepoError> {
        if self.ditsconfig.get().is_none() {
            let found = ditsconfig::read(&self.git, self.worktree.as_deref())?;
            let _ = self.ditsconfig.set(found);
        }
        Ok(self.ditsconfig.get_or_init(Found::default))
    }

    fn parsed<T>(&self, setting: Setting<T>, parse: impl Fn(&str) -> Option<T>) -> Result<T, RepoError> {
        let Setting { key, default } = setting;
        match self.setting(key)? {
            None => Ok(default),
            Some(value) => parse(&value).ok_or_else(|| RepoError::Setting { key: key.to_owned(), value }),
        }
    }
}

/// A true or false value as Git and Git LFS write it.
pub fn parse_bool(text: &str) -> Option<bool> {
    match &text.to_ascii_lowercase()[..] {
        "true" | "yes" | "on" | "1" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "f" => Some(false),
        _ => None,
    }
}

/// A number with an optional unit of a power of 1024.
pub fn parse_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..].to_ascii_lowercase()[..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    digits.trim_end().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_git_reads_them() {
        for (text, value) in [("YES", Some(true)), ("0", Some(false)), ("2", None), ("", None)] {
            assert_eq!(parse_bool(text), value, "{text}");
        }
        let numbers = [
            ("0", Some(0)),
            ("12", Some(12)),
            ("1k", Some(1024)),
            ("5 MiB", Some(5 << 20)),
            ("3G", Some(3 << 30)),
            ("16777216t", None),
            ("-1", None),
            ("k", None),
            ("1x", None),
        ];
        for (text, value) in numbers {
            assert_eq!(parse_number(text), value, "{text}");
        }
    }
}
