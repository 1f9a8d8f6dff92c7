//! The example of `docs/protocol.md`: its bytes are those that travel.
//!
//! The section is read as hex: of each line what stands in pairs of digits; words in between are for people.

use crate::content::{add, item, push_over};
use crate::link::{Link, Side};
use dits_store::MemoryStore;
use dits_sync::message::{Hello, Message, Purpose, priority};

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

fn hex(message: &Message) -> String {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_example_in_the_document_is_what_travels() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oid = add(&from, b"hello world");
    let (repository, token) = ("team/project".into(), String::new());
    let hello = Hello { repository, token, priority: priority::NORMAL, purpose: Purpose::Push };
    let (mut said, welcome) = (vec![hex(&Message::Hello(hello))], hex(&Message::Welcome));
    let mut bytes = [said[0].len() / 2, welcome.len() / 2];
    let record = |side: Side, message: Message| {
        said.push(hex(&message));
        bytes[side as usize] += said[said.len() - 1].len() / 2;
        vec![message]
    };
    let link = Link { tamper: Box::new(record), ..Link::default() };
    push_over(link, &from, &to, vec![item(&from, oid, None)]).ok();
    let (_, example) = DOCUMENT.split_once("## Example").expect("there is one");
    let (_, block) = example.split_once("```\n").expect("a block of bytes");
    let (block, _) = block.split_once("```").expect("its end");
    let is_byte = |word: &&str| word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
    let shown: String = block.split_whitespace().filter(is_byte).collect();
    // The driver's: behind the first flight.
    said.insert(4, welcome);
    assert_eq!(said.concat(), shown, "{said:#?}");
    let sum = format!("Client {} bytes, server {}", bytes[0], bytes[1]);
    assert!(DOCUMENT.contains(&sum), "{sum}");
}
