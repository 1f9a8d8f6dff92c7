//! Logging in with a key: the client proves that it holds one, and gets a token for a while.
//!
//! After the welcome the server sends [`Message::Challenge`], the client answers with [`Message::Signature`], the server with
//! [`Message::Token`], or refuses. What is signed ([`to_be_signed`]) names the challenge, the user, the repository and the
//! certificate that the client saw: a signature is of no use with any other server, for whoever stands between sees another certificate than
//! the server has. Two machines without I/O: signing and checking are handed in.

use crate::machine::{Machine, SyncError, Tally};
use crate::message::{Message, Reason};

/// Namespace of the signatures (SSHSIG): they count for nothing else, and nothing else counts here.
pub const NAMESPACE: &str = "login@git-dits";

/// What the client signs. No part holds a line break: names are checked before, the rest is hex.
pub fn to_be_signed(nonce: &[u8; 32], user: &str, repository: &str, server: &str) -> Vec<u8> {
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("git-dits login 1\nnonce {nonce}\nserver {server}\nrepository {repository}\nuser {user}\n")
        .into_bytes()
}

/// The client's end: `sign` gives the signature of a challenge, PEM.
pub struct KeyHolder<'a> {
    sign: &'a mut (dyn FnMut(&[u8; 32]) -> Option<String> + Send),
    answer: Option<Message>,
    token: Option<String>,
}

impl<'a> KeyHolder<'a> {
    /// Waits for a challenge.
    pub fn new(sign: &'a mut (dyn FnMut(&[u8; 32]) -> Option<String> + Send)) -> KeyHolder<'a> {
        KeyHolder { sign, answer: None, token: None }
    }

    /// The token, when all went well.
    pub fn token(self) -> Option<String> {
        self.token
    }
}

impl Machine for KeyHolder<'_> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Challenge(nonce) if self.answer.is_none() => {
                let signed = (self.sign)(&nonce).ok_or(SyncError::Protocol("the key could not sign"))?;
                self.answer = Some(Message::Signature(signed));
                Ok(())
            }
            Message::Token { token, .. } => {
                self.token = Some(token);
                Ok(())
            }
            other => Err(SyncError::out_of_place(other)),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        Ok(self.answer.take())
    }

    fn is_done(&self) -> bool {
        self.token.is_some()
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// A token and the seconds of its life.
pub type Granted = (String, u32);

/// The server's end: `check` decides about a signature.
pub struct Challenger<F> {
    outbox: Option<Message>,
    check: F,
    done: bool,
}

impl<F: FnMut(&str) -> Option<Granted> + Send> Challenger<F> {
    /// Asks for a signature of `nonce`, which must be new and random.
    pub fn new(nonce: [u8; 32], check: F) -> Challenger<F> {
        Challenger { outbox: Some(Message::Challenge(nonce)), check, done: false }
    }
}

impl<F: FnMut(&str) -> Option<Granted> + Send> Machine for Challenger<F> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        match message {
            Message::Signature(pem) if self.outbox.is_none() && !self.done => {
                self.outbox = Some(match (self.check)(&pem) {
                    Some((token, seconds)) => Message::Token { token, seconds },
                    None => Message::Refuse {
                        reason: Reason::Unauthorized,
                        text: "the signature is not valid".into(),
                        challenges: Vec::new(),
                    },
                });
                Ok(())
            }
            other => Err(SyncError::out_of_place(other)),
        }
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        self.done |= matches!(self.outbox, Some(Message::Token { .. } | Message::Refuse { .. }));
        Ok(self.outbox.take())
    }

    fn is_done(&self) -> bool {
        self.done && self.outbox.is_none()
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_signature_is_answered_with_a_token_and_a_bad_one_with_a_refusal() {
        for good in [true, false] {
            let mut sign = |nonce: &[u8; 32]| Some(format!("signed {}", nonce[0]));
            let mut holder = KeyHolder::new(&mut sign);
            let check = |pem: &str| (good && pem == "signed 7").then(|| ("token".to_owned(), 60));
            let mut challenger = Challenger::new([7; 32], check);
            holder.receive(challenger.poll().unwrap().unwrap()).unwrap();
            challenger.receive(holder.poll().unwrap().unwrap()).unwrap();
            assert!(!challenger.is_done());
            let ended = holder.receive(challenger.poll().unwrap().unwrap());
            assert!(challenger.is_done() && ended.is_ok() == good && holder.is_done() == good);
            assert!(challenger.receive(Message::Signature("again".into())).is_err(), "one try each");
            assert_eq!(holder.token().is_some(), good);
        }
    }

    #[test]
    fn every_part_is_bound() {
        let base = to_be_signed(&[0; 32], "u", "r", "s");
        for other in [
            to_be_signed(&[1; 32], "u", "r", "s"),
            to_be_signed(&[0; 32], "v", "r", "s"),
            to_be_signed(&[0; 32], "u", "q", "s"),
            to_be_signed(&[0; 32], "u", "r", "t"),
        ] {
            assert_ne!(base, other);
        }
    }
}
