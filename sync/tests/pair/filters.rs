//! A server's filter on its way: asked for within bounds, given in parts, never larger than was asked for.

use crate::content::{MIB, add, filter_of, noise};
use crate::hostile::{feed, protocol};
use crate::link::{Ended, Link, Pair};
use dits_format::ChunkId;
use dits_store::MemoryStore;
use dits_sync::filter::{FILTER_BYTES_MAX, Filter};
use dits_sync::filter_fetch::FilterFetcher;
use dits_sync::machine::{Machine, SyncError};
use dits_sync::message::{FILTER_PART_BYTES_MAX, Message};
use dits_sync::push::Taker;
use std::sync::Arc;

const MOST: u32 = FILTER_BYTES_MAX as u32;

fn fetch(filter: Option<&Filter>, epoch: u64, most: u32) -> Ended<FilterFetcher, Taker> {
    let mut taker = Taker::new(&MemoryStore::new()).expect("memory has room");
    if let Some(filter) = filter {
        let bytes = Arc::new(filter.encode());
        taker.set_filters(Arc::new(move || Ok(bytes.clone())));
    }
    Pair::new(FilterFetcher::new(epoch, most), taker, Link::default()).run().ok()
}

/// Ids that cost nothing to make.
fn many(count: u32) -> Filter {
    let id = |n: u32| {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&n.wrapping_mul(2000).to_be_bytes());
        ChunkId(id)
    };
    Filter::build((0..count).map(id)).expect("in order")
}

#[test]
fn a_filter_comes_in_parts_and_only_when_it_is_news() {
    let store = MemoryStore::new();
    add(&store, &noise(1, 3 * MIB));
    let small = filter_of(&store);
    let ended = fetch(Some(&small), 0, MOST);
    assert_eq!((ended.count("Filter"), ended.flights()), (1, 4));
    assert_eq!(ended.left.into_filter(), Some(small.clone()));
    let large = many(2_000_000);
    let ended = fetch(Some(&large), small.epoch(), MOST);
    assert_eq!(ended.count("Filter"), large.encode().len().div_ceil(FILTER_PART_BYTES_MAX));
    assert!(ended.left.into_filter() == Some(large));
    let length = small.encode().len() as u32;
    for (filter, epoch, most) in
        [(None, 0, MOST), (Some(&small), small.epoch(), MOST), (Some(&small), 0, length - 1)]
    {
        let ended = fetch(filter, epoch, most);
        assert_eq!((ended.count("Filter"), ended.bytes(|sent| sent.kind == "Filter")), (1, 18));
        assert_eq!(ended.left.into_filter(), None);
    }
    assert_eq!(fetch(Some(&small), 0, length).left.into_filter(), Some(small));
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let good = filter_of(&MemoryStore::new());
    let (epoch, bytes) = (good.epoch(), good.encode());
    let part = |part: &[u8], last| Message::Filter { epoch, part: part.to_vec(), last };
    let asked = |most| {
        let mut fetcher = FilterFetcher::new(0, most);
        while fetcher.poll().unwrap().is_some() {}
        fetcher
    };
    assert!(feed(&mut asked(MOST), vec![part(&bytes, true)]).is_none());
    let endless = std::iter::repeat_n(part(&vec![1; FILTER_PART_BYTES_MAX], false), 17).collect();
    for (most, said) in [
        (MOST, endless),
        (10, vec![part(&bytes, true)]),
        (MOST, vec![part(&[], false)]),
        (MOST, vec![part(&bytes, true), part(&[], true)]),
        (MOST, vec![Message::Filter { epoch: epoch ^ 2, part: bytes.clone(), last: true }]),
        (MOST, vec![Message::Done { contents: 0, proved: 0 }]),
        (MOST, vec![Message::Have(vec![])]),
    ] {
        let error = feed(&mut asked(most), said);
        assert!(error.as_ref().is_some_and(protocol), "{error:?}");
    }
    let error = feed(&mut asked(MOST), vec![part(&bytes[1..], true)]);
    assert!(matches!(error, Some(SyncError::Format(_))), "{error:?}");
    // Asked twice in one breath, or after the commit.
    let ask = Message::FilterAsk { epoch: 0, most: MOST };
    let mut taker = Taker::new(&MemoryStore::new()).unwrap();
    taker.receive(ask.clone()).unwrap();
    assert!(taker.receive(ask.clone()).as_ref().is_err_and(protocol));
    let mut taker = Taker::new(&MemoryStore::new()).unwrap();
    assert!(feed(&mut taker, vec![Message::Commit, ask]).as_ref().is_some_and(protocol));
}
