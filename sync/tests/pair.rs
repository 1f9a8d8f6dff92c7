//! Both ends of a push and of a pull, face to face on a virtual clock: no socket, no sleep, no thread.
//!
//! `link` moves the encoded bytes of every message between two machines and counts bytes and flights;
//! `content` fills stores. The rest is tests: what arrives (`push`, `edit`, `pull`, `twice`, `ranges`), what goes
//! ahead of its answer (`early`, `filters`), what comes in the end (`lack`), what it costs (`figures`), what is
//! known (`asking`), what would arrive (`weigh`, `weigh_push`), what breaks
//! (`cut`, `checkpoint`), what lies (`hostile`, `answers`), in what form chunks travel (`encoded`, `deltas`), what fails beneath (`damaged`), what is bounded (`bounds`), and
//! random sets of it all (`random`).

#[path = "pair/answers.rs"]
mod answers;
#[path = "pair/asking.rs"]
mod asking;
#[path = "pair/bounds.rs"]
mod bounds;
#[path = "pair/checkpoint.rs"]
mod checkpoint;
#[path = "pair/content.rs"]
mod content;
#[path = "pair/cut.rs"]
mod cut;
#[path = "pair/damaged.rs"]
mod damaged;
#[path = "pair/deltas.rs"]
mod deltas;
#[path = "pair/early.rs"]
mod early;
#[path = "pair/edit.rs"]
mod edit;
#[path = "pair/encoded.rs"]
mod encoded;
#[path = "pair/example.rs"]
mod example;
#[path = "pair/figures.rs"]
mod figures;
#[path = "pair/filters.rs"]
mod filters;
#[path = "pair/follow.rs"]
mod follow;
#[path = "pair/hostile.rs"]
mod hostile;
#[path = "pair/lack.rs"]
mod lack;
#[path = "pair/link.rs"]
mod link;
#[path = "pair/pull.rs"]
mod pull;
#[path = "pair/push.rs"]
mod push;
#[path = "pair/random.rs"]
mod random;
#[path = "pair/ranges.rs"]
mod ranges;
#[path = "pair/twice.rs"]
mod twice;
#[path = "pair/weigh.rs"]
mod weigh;
#[path = "pair/weigh_push.rs"]
mod weigh_push;
