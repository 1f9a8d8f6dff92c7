//! The server's end of what a hook and it say to each other ([`dits_lock::push`]).
//!
//! Always holds: from [`Said::Look`] on the branches that are to move are reserved, so nobody gets a lock that the verdict has not
//! seen; a talk that breaks off reserves nothing, and its hook says no.

use super::desk::Live;
use super::pending::Pending;
use super::reserve::Places;
use super::settle::touches;
use super::verdict::{Case, Doubt};
use super::{LocksError, tip};
use crate::door::now;
use crate::session::Shared;
use dits_lock::push::{Changed, Heard, LINE_BYTES_MAX, Move, Said};
use dits_lock::{Branch, Lock, LockPath, Table};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// Silence of a hook, which compares trees meanwhile.
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// Branches in one push.
const MOVES_MAX: usize = 500_000;

/// Why a talk breaks off.
#[derive(Debug, thiserror::Error)]
enum TalkError {
    #[error("the hook is gone: {0}")]
    Gone(#[from] io::Error),
    #[error("{0}")]
    Wrong(&'static str),
    #[error(transparent)]
    Locks(#[from] LocksError),
}

/// Talks with one hook.
pub(super) async fn serve(shared: Arc<Shared>, stream: UnixStream) {
    let mut hook = Hook(BufReader::new(stream));
    let live = match hook.begin(&shared).await {
        Ok(live) => live,
        Err(error) => return hook.broken(&shared, &error).await,
    };
    if let Err(error) = hook.talk(&shared, &live).await {
        live.refuse();
        hook.broken(&shared, &error).await;
    }
}

struct Hook(BufReader<UnixStream>);

impl Hook {
    async fn hear(&mut self) -> Result<Said, TalkError> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(LINE_BYTES_MAX as u64 + 1);
        let read = timeout(SILENCE_MAX, limited.read_until(b'\n', &mut line)).await;
        read.map_err(io::Error::from)??;
        if line.pop() != Some(b'\n') {
            return Err(TalkError::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_slice(&line)
            .map_err(|_| TalkError::Wrong("a hook said something else than it should"))
    }

    async fn say(&mut self, heard: &Heard) -> Result<(), TalkError> {
        let mut line = serde_json::to_vec(heard).map_err(io::Error::from)?;
        line.push(b'\n');
        Ok(timeout(SILENCE_MAX, self.0.get_mut().write_all(&line)).await.map_err(io::Error::from)??)
    }

    async fn begin(&mut self, shared: &Shared) -> Result<Arc<Live>, TalkError> {
        match self.hear().await? {
            Said::Begin { key } => shared.desk.find(&key).ok_or(TalkError::Wrong("a hook of no push")),
            _ => Err(TalkError::Wrong("a hook did not say of which push it is")),
        }
    }

    async fn moves(&mut self) -> Result<Vec<Move>, TalkError> {
        let mut moves = Vec::new();
        loop {
            match self.hear().await? {
                Said::Moves(more) if moves.len() + more.len() <= MOVES_MAX => moves.extend(more),
                Said::Moves(_) => return Err(TalkError::Wrong("too many branches in one push")),
                Said::Look => return Ok(moves),
                _ => return Err(TalkError::Wrong("a hook named files before branches")),
            }
        }
    }

    async fn talk(&mut self, shared: &Shared, live: &Live) -> Result<(), TalkError> {
        let moves = self.moves().await?;
        let places = moves.iter().map(|one| (one.branch.clone(), Places::All)).collect();
        let look = |table: &Table| table.branches().cloned().collect::<Vec<Branch>>();
        let (reservation, targets) = block_in_place(|| {
            let look = || shared.locks.look(&live.repository, now(), look);
            shared.locks.reserved.reserve(&live.repository, &live.who, places, look)
        });
        live.reserve(reservation);
        let targets = targets?;
        if targets.is_empty() {
            let pending = Pending { who: live.who.clone(), at: now(), moves, own: Vec::new() };
            live.agree(shared, pending, false)?;
            return self.say(&Heard::Free).await;
        }
        self.say(&Heard::Targets(targets)).await?;
        let mut case = self.case(shared, live, moves).await?;
        if case.is_fine() {
            let reserves = case.reserves();
            live.with_reservation(|reservation| reservation.narrow(reserves));
            let pending = Pending {
                who: live.who.clone(),
                at: now(),
                own: case.own(),
                moves: std::mem::take(&mut case.moves),
            };
            block_in_place(|| {
                let touches = shared.locks.look(&live.repository, now(), |table| touches(table, &pending))?;
                let touches = touches || !pending.own.is_empty();
                live.agree(shared, pending, touches)
            })?;
        } else {
            live.refuse();
        }
        self.say(&Heard::Verdict(case.verdict)).await
    }

    /// Hears what changes, and judges it.
    async fn case(&mut self, shared: &Shared, live: &Live, moves: Vec<Move>) -> Result<Case, TalkError> {
        let mut case = Case::new(&live.who, moves);
        loop {
            match self.hear().await? {
                Said::Files { of, target, files } => {
                    let judge = |table: &Table| case.judge(table, of, &target, files);
                    let doubts = block_in_place(|| shared.locks.look(&live.repository, now(), judge))?;
                    let doubts = doubts.ok_or(TalkError::Wrong("a hook named files of no branch"))?;
                    for (file, lock) in confirmed(shared, live, doubts).await? {
                        case.verdict.refused.add(Some(&file.path), &lock);
                    }
                }
                Said::Decide => break,
                _ => return Err(TalkError::Wrong("a hook named branches after files")),
            }
        }
        block_in_place(|| shared.locks.look(&live.repository, now(), |table| case.judge_deletions(table)))?;
        Ok(case)
    }

    /// Tells the hook, and the owner what is the server's own fault.
    async fn broken(&mut self, shared: &Shared, error: &TalkError) {
        if let TalkError::Locks(error) = error {
            (shared.tell)(&format!("cannot check the locks of a push: {error}"));
        }
        let text = match error {
            TalkError::Locks(_) => "the server failed".to_owned(),
            other => other.to_string(),
        };
        // Nobody may be there to hear it.
        let _ = self.say(&Heard::No(text)).await;
    }
}

/// Which of these are not of the change that the owner of the lock has pushed.
async fn confirmed(
    shared: &Shared,
    live: &Live,
    doubts: Vec<Doubt>,
) -> Result<Vec<(Changed, Lock)>, TalkError> {
    let name = |doubt: &Doubt| {
        let commit = &doubt.lock.change.as_ref()?.commit;
        // What is no place cannot be asked for either.
        LockPath::parse(&doubt.file.path).ok()?;
        Some(format!("{commit}:{}", doubt.file.path))
    };
    let names: Vec<Option<String>> = doubts.iter().map(name).collect();
    let asked: Vec<String> = names.iter().flatten().cloned().collect();
    let mut objects =
        tip::objects(&shared.git, &live.folder, &asked).await.map_err(LocksError::Git)?.into_iter();
    let mut refused = Vec::new();
    for (Doubt { file, lock }, name) in doubts.into_iter().zip(names) {
        if name.is_none() || objects.next() != Some(file.blob.clone()) {
            refused.push((file, lock));
        }
    }
    Ok(refused)
}
