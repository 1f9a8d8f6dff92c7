//! A filter that reads what Git sends and answers with a word: the least that any filter costs.
//!
//! What `git add` takes with it is the floor for what it takes with ours. `cargo xtask bench --rows filter` measures both.

#![expect(clippy::unwrap_used, reason = "a program for people who measure")]

use dits_filter::protocol::{Answer, Handler, HandlerError, Request, serve};
use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::AsFd;

struct Drain;

impl Handler for Drain {
    fn clean(
        &mut self,
        _: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        loop {
            let read = content.fill_buf()?.len();
            if read == 0 {
                break;
            }
            content.consume(read);
        }
        Ok(answer.write_all(b"drained\n")?)
    }

    fn smudge(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        self.clean(request, content, answer)
    }
}

fn main() {
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let output = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    // As wide as our own filter makes it.
    let _ = rustix::pipe::fcntl_setpipe_size(&input, 1 << 20);
    serve(input, output, &mut Drain).unwrap();
}
