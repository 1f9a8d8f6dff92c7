//! Where the process that serves a mount answers commands and hooks.
//!
//! A thread lets in whoever is its own user, reads one question with a deadline and a bound, and hands it to a thread that answers it. At most
//! [`TALKS_MAX`] are answered at a time; others wait. Dropping the desk takes the socket away and waits for the answers that are being given.

use super::control::ShortPath;
use super::state::State;
use dits_mount::control::{Answer, Ask, LINE_BYTES_MAX};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// Talks at a time.
const TALKS_MAX: usize = 32;
/// Time for a question to arrive, and for an answer to be taken.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time for the last answers when the desk closes.
const CLOSING_MAX: Duration = Duration::from_secs(2);
/// How long nobody is let in after that has failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells the one who asks how far it is; false when he is gone.
pub type Say<'a> = dyn FnMut(&Answer) -> bool + 'a;
/// Answers a question.
pub type Answerer = dyn Fn(Ask, &mut Say<'_>) -> Answer + Send + Sync;

/// The open desk.
#[derive(Debug)]
pub struct Desk {
    socket: PathBuf,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Desk {
    /// Opens it. Whoever calls holds the lock of the mount: a socket that is there is a dead process's.
    pub fn open(state: &State, answerer: Arc<Answerer>) -> io::Result<Desk> {
        let socket = state.socket();
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&ShortPath::to(&socket)?.path)?
        };
        let (close, closed) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = let_in(listener, answerer) => {}
                    _ = closed => {}
                }
            });
            runtime.shutdown_timeout(CLOSING_MAX);
        };
        let thread = std::thread::Builder::new().name("desk".into()).spawn(serve)?;
        Ok(Desk { socket, close: Some(close), thread: Some(thread) })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // First its name: who comes now hears that nobody is there.
        let _ = std::fs::remove_file(&self.socket);
        drop(self.close.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn let_in(listener: UnixListener, answerer: Arc<Answerer>) {
    let places = Arc::new(Semaphore::new(TALKS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) if is_owner(&stream) => {
                let answerer = answerer.clone();
                tokio::spawn(async move {
                    // Who is gone, or says nothing, gets no answer.
                    if let Ok(Some((ask, stream))) = timeout(SILENCE_MAX, hear(stream)).await {
                        let _ = tokio::task::spawn_blocking(move || answer(ask, stream, &*answerer)).await;
                    }
                    drop(place);
                });
            }
            Ok(_) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// The folder of the socket keeps others out; so does this, should somebody open it.
fn is_owner(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// The one question of a connection.
async fn hear(stream: UnixStream) -> Option<(Ask, UnixStream)> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut limited = (&mut reader).take(LINE_BYTES_MAX as u64);
    limited.read_until(b'\n', &mut line).await.ok()?;
    let ask = serde_json::from_slice(&line).ok()?;
    Some((ask, reader.into_inner()))
}

fn answer(ask: Ask, stream: UnixStream, answerer: &Answerer) -> io::Result<()> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let say = |answer: &Answer| {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        (&stream).write_all(&line)
    };
    let last = answerer(ask, &mut |answer| say(answer).is_ok());
    say(&last)
}
