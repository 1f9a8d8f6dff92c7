//! The filters of servers' chunks, kept between pushes: with one, new data goes out without a question.
//!
//! Beside each filter stands [what was pushed](There) to the same place: a filter is older than that, and knows nothing of whole contents.
//!
//! One file of each kind for each server and realm in `.git/dits/filters`. A filter is a hint, so nothing here fails: a file that is
//! absent, damaged or cannot be written means a push that asks. It is fetched when all is done, never before, and only
//! where that is [cheap](worth) against what was just sent.

use dits_format::Oid;
use dits_repo::Repository;
use dits_store::{Modes, durable};
use dits_sync::Address;
use dits_sync::address::realm;
use dits_sync::filter::{FILTER_BYTES_MAX, Filter};
use dits_sync::there::{KEY_BYTES, THERE_MAX, There, key};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// A filter may cost so much less than what a push has sent: it saves the next pushes of new data a round trip each.
const COST_SHARE: u64 = 64;
/// A filter below this says too little to be asked for.
const BYTES_MIN: u64 = 16 << 10;

/// The filter of one server and realm.
#[derive(Debug, Clone)]
pub struct KeptFilter {
    path: PathBuf,
}

/// The most bytes that a filter may have after a push that sent `sent` bytes of chunks; `None` when it is not worth asking.
pub fn worth(sent: u64) -> Option<u32> {
    let most = (sent / COST_SHARE).min(FILTER_BYTES_MAX as u64);
    (most >= BYTES_MIN).then_some(most as u32)
}

impl KeptFilter {
    /// Where `repository` keeps the filter of `address`.
    pub fn of(repository: &Repository, address: &Address) -> KeptFilter {
        let whose = format!("{}/{}", address.authority(), realm(&address.repository));
        let name = blake3::hash(whose.as_bytes()).to_hex();
        KeptFilter { path: repository.common_dir.join("dits").join("filters").join(&name[..32]) }
    }

    /// The filter, if there is one.
    pub fn load(&self) -> Option<Arc<Filter>> {
        let mut bytes = Vec::new();
        File::open(&self.path).ok()?.take(FILTER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        Filter::decode(&bytes).ok().map(Arc::new)
    }

    /// The contents that were pushed there.
    pub fn there(&self) -> There {
        let mut bytes = Vec::new();
        let read = File::open(self.pushed())
            .and_then(|file| file.take((KEY_BYTES * 2 * THERE_MAX) as u64).read_to_end(&mut bytes));
        if read.is_ok() { There::decode(&bytes) } else { There::default() }
    }

    /// Notes that the server has said of these contents that it has them.
    pub fn note(&self, oids: &[Oid]) {
        let keys: Vec<u8> = oids.iter().take(THERE_MAX).flat_map(key).collect();
        let path = self.pushed();
        let before = fs::metadata(&path).map_or(0, |meta| meta.len() as usize);
        if !before.is_multiple_of(KEY_BYTES) || before + keys.len() > KEY_BYTES * 2 * THERE_MAX {
            let kept = fs::read(&path).unwrap_or_default();
            let half = &kept[kept.len().saturating_sub(KEY_BYTES * THERE_MAX)..];
            let whole = if before.is_multiple_of(KEY_BYTES) { half } else { &[] };
            // What cannot be noted is described again, no more.
            let _ = fs::write(&path, [whole, &keys].concat());
            return;
        }
        let append = || {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            File::options().append(true).create(true).open(&path)?.write_all(&keys)
        };
        let _ = append();
    }

    fn pushed(&self) -> PathBuf {
        self.path.with_extension("pushed")
    }

    /// Keeps `filter` in its place.
    pub fn store(&self, filter: &Filter) {
        let Some(dir) = self.path.parent() else { return };
        let put = || {
            let temp = dir.join("tmp");
            durable::create_dir(&temp)?;
            durable::abandoned(&temp).iter().for_each(|path| durable::sweep(path));
            durable::write_file(&temp, &self.path, &filter.encode(), Modes::default())
        };
        // Without it the next push asks.
        if put().is_err() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_format::{ChunkId, Kind};

    #[test]
    fn a_filter_is_worth_a_small_share_of_what_was_sent() {
        assert_eq!(worth(0), None);
        assert_eq!(worth(COST_SHARE * BYTES_MIN - 1), None);
        assert_eq!(worth(COST_SHARE * BYTES_MIN), Some(BYTES_MIN as u32));
        assert_eq!(worth(u64::MAX), Some(FILTER_BYTES_MAX as u32));
    }

    #[test]
    fn what_was_pushed_is_known_and_the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let kept = KeptFilter { path: dir.path().join("filters").join("one") };
        let oids: Vec<Oid> = (0..5 * THERE_MAX).map(|n| Oid::of(&n.to_le_bytes())).collect();
        assert!(!kept.there().has(&oids[0]));
        kept.note(&oids[..2]);
        kept.note(&oids[2..3]);
        assert!(oids[..3].iter().all(|oid| kept.there().has(oid)) && !kept.there().has(&oids[3]));
        oids.chunks(THERE_MAX / 2).for_each(|some| kept.note(some));
        assert!(kept.there().has(&oids[oids.len() - 1]) && !kept.there().has(&oids[0]));
        assert!(fs::metadata(kept.pushed()).unwrap().len() as usize <= KEY_BYTES * 2 * THERE_MAX);
        fs::write(kept.pushed(), b"half").unwrap();
        assert_eq!(kept.there(), There::default());
        kept.note(&oids[..1]);
        assert!(kept.there().has(&oids[0]), "damage is passed over");
    }

    #[test]
    fn a_filter_is_kept_beside_others_replaced_and_when_damaged_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let kept = KeptFilter { path: dir.path().join("dits").join("filters").join("one") };
        assert!(kept.load().is_none());
        let other = KeptFilter { path: dir.path().join("dits").join("filters").join("other") };
        let filter = |text: &[u8]| Filter::build([ChunkId::of(Kind::Data, text)].into_iter()).unwrap();
        other.store(&filter(b"other"));
        for text in [b"one", b"two"] {
            kept.store(&filter(text));
            assert_eq!(*kept.load().unwrap(), filter(text));
        }
        let mut bytes = fs::read(&kept.path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::remove_file(&kept.path).unwrap();
        fs::write(&kept.path, bytes).unwrap();
        assert!(kept.load().is_none());
        kept.store(&filter(b"two"));
        assert_eq!(*other.load().unwrap(), filter(b"other"));
        assert!(kept.load().is_some());
    }
}
