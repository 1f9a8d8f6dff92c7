//! Settings shared by client and server: the transport numbers and the socket.
//!
//! Why these numbers (measured on loopback, see the research notes): default kernel socket buffers lose
//! packets even without a network, 4 MiB ones nearly none; 8 MiB windows gave the best throughput at the
//! normal packet size; segmentation offload (quinn's default) is worth a factor of four and stays on; packets
//! above the usual Ethernet size sent quinn's black-hole detector down to 1200 bytes, so discovery stops at
//! 1452. Congestion control is quinn's default, Cubic: its BBR is experimental and was erratic.
//!
//! Always holds: a peer opens at most [`MAX_STREAMS`] bidirectional streams at once and no unidirectional
//! one, so it cannot make this side hold more than one connection window of unread bytes.
//!
//! Units: bytes and `Duration`. Fails as [`TransportError::Socket`] when no UDP socket can be bound; small
//! kernel limits on socket buffers (`net.core.rmem_max`) only cost speed and are not an error.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::VarInt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::TransportError;

/// A connection without a packet for this long is lost.
pub const MAX_IDLE: Duration = Duration::from_secs(30);
/// A quiet connection sends a ping this often.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Bidirectional streams a peer may have open at once.
pub const MAX_STREAMS: u32 = 64;

/// Kernel buffer of the UDP socket, each direction, bytes.
const SOCKET_BUFFER: usize = 4 << 20;
/// Unread bytes accepted on one stream and on the whole connection.
const RECEIVE_WINDOW: u32 = 8 << 20;
/// Unacknowledged bytes kept for sending, all streams together.
const SEND_WINDOW: u64 = 16 << 20;
/// Largest UDP payload path discovery tries, bytes.
const MAX_UDP_PAYLOAD: u16 = 1452;

/// The transport settings of either end.
pub(super) fn transport() -> Arc<quinn::TransportConfig> {
    let idle = VarInt::from_u32(MAX_IDLE.as_millis() as u32);
    let mut discovery = quinn::MtuDiscoveryConfig::default();
    discovery.upper_bound(MAX_UDP_PAYLOAD);
    let mut config = quinn::TransportConfig::default();
    config
        .max_idle_timeout(Some(idle.into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .send_window(SEND_WINDOW)
        .mtu_discovery_config(Some(discovery));
    Arc::new(config)
}

/// A QUIC endpoint on a tuned UDP socket; without `server` it only connects out.
///
/// Must be called inside a tokio runtime; outside of one it fails like an unusable socket.
pub(super) fn endpoint(
    addr: SocketAddr,
    config: quinn::EndpointConfig,
    server: Option<quinn::ServerConfig>,
) -> Result<quinn::Endpoint, TransportError> {
    let open = || {
        let runtime = quinn::default_runtime().ok_or_else(|| std::io::Error::other("no async runtime"))?;
        quinn::Endpoint::new(config, server, socket(addr)?, runtime)
    };
    open().map_err(|source| TransportError::Socket { source })
}

fn socket(addr: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // Best effort, all three: a system that refuses serves one family, or runs slower.
    if addr.is_ipv6() {
        let _ = socket.set_only_v6(false);
    }
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.bind(&addr.into())?;
    Ok(socket.into())
}
