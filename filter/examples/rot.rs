//! A filter for the tests: clean makes lower case, smudge makes upper case; paths ending in `.bad` fail.
//!
//! Run by Git as `filter.rot.process`; see `tests/protocol.rs`.

use std::io::{self, BufRead, Write};

use dits_filter::protocol::{Answer, Handler, HandlerError, Request, serve};

struct Rot;

fn rot(
    request: &Request,
    content: &mut dyn BufRead,
    answer: &mut Answer<'_>,
    change: fn(&mut [u8]),
) -> Result<(), HandlerError> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    if request.pathname.ends_with(b".bad") {
        return Err(HandlerError::error("bad path"));
    }
    change(&mut bytes);
    Ok(answer.write_all(&bytes)?)
}

impl Handler for Rot {
    fn clean(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        rot(request, content, answer, <[u8]>::make_ascii_lowercase)
    }

    fn smudge(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        rot(request, content, answer, <[u8]>::make_ascii_uppercase)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(serve(io::stdin(), io::stdout(), &mut Rot)?)
}
