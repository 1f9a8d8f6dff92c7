//! TCP to a server, through whatever stands in between.
//!
//! Always holds: the proxy is told nothing but the server's name and port, and who we are if that is known; its answer is
//! at most [`HEAD_BYTES_MAX`]. Callers give the deadline. Fails as [`TransportError::Proxy`],
//! [`TransportError::ProxyAuthentication`] and [`TransportError::NobodyListens`].

use crate::TransportError;
use crate::error::printable;
use crate::proxy::{Proxy, Scheme, parse_answer};
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower_service::Service as _;

/// Longest answer of a proxy before it connects.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// What a proxy says that wants to know who we are; some say 401 where they do not like what they hear.
const WHO: [u16; 2] = [407, 401];

/// Where a connection goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Straight to this address.
    Direct(SocketAddr),
    /// To a server (`HOST:PORT`) through a proxy.
    Proxied {
        /// The proxy.
        proxy: Proxy,
        /// The server.
        server: String,
    },
}

impl Target {
    /// Opens a connection on which the server answers.
    pub(crate) async fn reach(&self) -> Result<TcpStream, TransportError> {
        match self {
            Target::Direct(address) => {
                TcpStream::connect(address).await.map_err(|error| match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => {
                        TransportError::NobodyListens { server: address.to_string() }
                    }
                    _ => error.into(),
                })
            }
            Target::Proxied { proxy, server } => match proxy.scheme() {
                Scheme::Http => connect(proxy, server).await,
                Scheme::Https => Err(no(proxy, server, "a proxy over TLS carries HTTPS requests only")),
                Scheme::Socks5 | Scheme::Socks5h => socks(proxy, server).await,
            },
        }
    }
}

/// The error of a proxy that says no.
fn no(proxy: &Proxy, server: &str, why: impl ToString) -> TransportError {
    let why = printable(why.to_string().as_bytes());
    TransportError::Proxy { proxy: proxy.to_string(), server: server.to_owned(), why }
}

async fn connect(proxy: &Proxy, server: &str) -> Result<TcpStream, TransportError> {
    let mut io = TcpStream::connect((proxy.host(), proxy.port())).await.map_err(|e| no(proxy, server, e))?;
    let login = proxy.basic().map(|basic| format!("Proxy-Authorization: {basic}\r\n")).unwrap_or_default();
    let ask = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{login}\r\n");
    io.write_all(ask.as_bytes()).await.map_err(|e| no(proxy, server, e))?;
    let mut head = Vec::new();
    // Byte by byte: what follows the answer is not ours to read. It is a few hundred, once a connection.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(no(proxy, server, "an endless answer"));
        }
        head.push(io.read_u8().await.map_err(|e| no(proxy, server, e))?);
    }
    match parse_answer(&head) {
        Some((200..=299, _)) => Ok(io),
        Some((status, words)) if WHO.contains(&status) => {
            let (proxy, answer) = (proxy.to_string(), format!("{status} {words}"));
            Err(TransportError::ProxyAuthentication { proxy, answer })
        }
        Some((status, words)) => Err(no(proxy, server, format!("{status} {words}"))),
        None => Err(no(proxy, server, "its answer is not HTTP")),
    }
}

async fn socks(proxy: &Proxy, server: &str) -> Result<TcpStream, TransportError> {
    let uri = |text: &str| format!("http://{text}/").parse::<Uri>().map_err(|e| no(proxy, server, e));
    let mut socks = SocksV5::new(uri(&proxy.authority())?, HttpConnector::new())
        .local_dns(proxy.scheme() == Scheme::Socks5);
    if let Some((user, password)) = proxy.login() {
        socks = socks.with_auth(user.to_owned(), password.to_owned());
    }
    let connected = socks.call(uri(server)?).await;
    connected.map(|io| io.into_inner()).map_err(|error| no(proxy, server, error))
}
