//! The blocking client over a real loopback connection.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_net::certificate::ServerIdentity;
use dits_net::file_pins::FilePins;
use dits_net::listen::Arrived;
use dits_net::{Listener, Options};
use dits_sync::Address;
use dits_sync::client::Client;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
/// Much less than the time after which a silent connection is given up.
const AT_ONCE: Duration = Duration::from_secs(5);

fn identity() -> ServerIdentity {
    let made = rcgen::generate_simple_self_signed(vec!["dits".to_owned()]).unwrap();
    ServerIdentity { cert_der: made.cert.der().to_vec(), key_der: made.signing_key.serialize_der() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fails_says_goodbye() {
    let folder = tempfile::tempdir().unwrap();
    let pins = FilePins { path: folder.path().join("known_hosts") };
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), identity()).unwrap();
    let address = format!("dits://{}/a", listener.address().unwrap());
    let client = tokio::task::spawn_blocking(move || {
        let options = Options::new(Arc::new(pins), PATIENCE);
        // Not closed: as when an error takes the short way out.
        drop(Client::connect(&Address::parse(&address).unwrap(), &options).unwrap());
    });
    let arrived = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap().greet().await.unwrap();
    let Arrived::Peer(peer) = arrived else { panic!("{arrived:?}") };
    assert!(timeout(AT_ONCE, peer.next_stream()).await.unwrap().is_none());
    timeout(PATIENCE, client).await.unwrap().unwrap();
}
