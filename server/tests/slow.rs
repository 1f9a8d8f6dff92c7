//! Somebody who connects over TCP and takes its time: it is let go at the deadline of the handshake.
//! The wait is real, and as long as that deadline.

mod common;

use common::{PATIENCE, Rig};
use std::io::{Read, Write};
use std::net::TcpStream;

/// How a TLS record begins, and no more of it.
const HALF_A_RECORD: &[u8] = &[0x16, 0x03, 0x01, 0x02];

#[test]
fn a_handshake_that_does_not_come_to_its_end_is_given_up() {
    let rig = Rig::new();
    let connect = |words: &[u8]| {
        let mut socket = TcpStream::connect(rig.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(words).unwrap();
        socket
    };
    let slow = [connect(b""), connect(HALF_A_RECORD)];
    // Junk is told at once, with an alert.
    let mut junk = connect(b"GET / HTTP/1.1\r\n\r\n");
    let mut said = Vec::new();
    junk.read_to_end(&mut said).unwrap();
    assert_eq!(said.first(), Some(&0x15));
    for mut socket in slow {
        assert_eq!(socket.read(&mut [0]).unwrap(), 0, "it says nothing, and ends");
    }
}
