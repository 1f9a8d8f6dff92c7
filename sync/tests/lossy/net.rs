//! Datagrams on their way: lost, doubled, late, or held, as the weather says; and the TLS that both ends use.

use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::{ClientConfig, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A name in the certificate.
pub const NAME: &str = "dits";

/// Numbers that depend on the seed only (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x632b_e59b_d9b4_e019))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to `limit` - 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn per_mille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// How a network is during one try.
#[derive(Debug, Clone)]
pub struct Weather {
    loss: u64,
    twice: u64,
    late: u64,
    latency: Duration,
    jitter: Duration,
    /// Everything is lost in these times.
    outages: Vec<(Duration, Duration)>,
    /// Everything waits until the end of these times.
    stalls: Vec<(Duration, Duration)>,
    /// From then on nothing passes.
    cut: Option<Duration>,
}

impl Weather {
    /// Weather of the try with this number: no two are the same, and in the end it is fair.
    pub fn of(random: &mut Random, number: u64) -> Weather {
        let fair = number > 20;
        let time = |random: &mut Random| {
            let start = random.millis(100, 8000);
            (start, start + random.millis(200, 9000))
        };
        let some = |random: &mut Random| (0..random.below(3)).map(|_| time(random)).collect();
        Weather {
            loss: random.below(if fair { 50 } else { 301 }),
            twice: random.below(100),
            late: random.below(200),
            latency: random.millis(1, 150),
            jitter: random.millis(1, 40),
            outages: if fair { Vec::new() } else { some(random) },
            stalls: if fair { Vec::new() } else { some(random) },
            cut: (!fair && random.below(2) == 0).then(|| random.millis(10, 6000)),
        }
    }
}

/// The way between two ends, 0 and 1.
pub struct Net {
    weather: Weather,
    random: Random,
    /// By the time of arrival and a number, so that the order is fixed.
    under_way: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    sent: u64,
    pub lost: u64,
}

impl Net {
    pub fn new(weather: Weather, seed: u64) -> Net {
        Net { weather, random: Random::new(seed), under_way: BTreeMap::new(), sent: 0, lost: 0 }
    }

    pub fn send(&mut self, now: Duration, to: usize, bytes: &[u8]) {
        let Weather { loss, twice, late, latency, jitter, .. } = self.weather;
        let within = |times: &[(Duration, Duration)]| {
            times.iter().find(|(start, end)| (*start..*end).contains(&now)).map(|(_, end)| *end)
        };
        let copies = if self.random.per_mille(twice) { 2 } else { 1 };
        for _ in 0..copies {
            self.sent += 1;
            let cut = self.weather.cut.is_some_and(|cut| now >= cut);
            if cut || within(&self.weather.outages).is_some() || self.random.per_mille(loss) {
                self.lost += 1;
                continue;
            }
            let start = within(&self.weather.stalls).unwrap_or(now);
            let mut at = start + latency + self.random.millis(0, jitter.as_millis() as u64 + 1);
            if self.random.per_mille(late) {
                at += latency * 3;
            }
            self.under_way.insert((at, self.sent), (to, bytes.to_vec()));
        }
    }

    /// When the next one arrives.
    pub fn next_at(&self) -> Option<Duration> {
        self.under_way.keys().next().map(|(at, _)| *at)
    }

    /// The next one that is there at `now`.
    pub fn take(&mut self, now: Duration) -> Option<(usize, Vec<u8>)> {
        let first = self.under_way.first_entry()?;
        if first.key().0 <= now { Some(first.remove()) } else { None }
    }

    pub fn datagrams(&self) -> u64 {
        self.sent
    }
}

/// Certificate, key and settings, made once.
pub struct Tls {
    pub client: ClientConfig,
    pub server: Arc<ServerConfig>,
}

impl Tls {
    pub fn new() -> Tls {
        let made =
            rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("it is a certificate");
        let versions = &[&rustls::version::TLS13];
        let client =
            rustls::ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let client = client.expect("TLS 1.3 is known").with_root_certificates(roots).with_no_client_auth();
        let server = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let server = server.expect("TLS 1.3 is known").with_no_client_auth();
        let server =
            server.with_single_cert(vec![made.cert.der().clone()], key).expect("they belong together");
        let client = QuicClientConfig::try_from(client).expect("TLS 1.3 goes with QUIC");
        let server = QuicServerConfig::try_from(server).expect("TLS 1.3 goes with QUIC");
        let mut client = ClientConfig::new(Arc::new(client));
        client.transport_config(transport());
        let mut server = ServerConfig::with_crypto(Arc::new(server));
        server.transport_config(transport());
        Tls { client, server: Arc::new(server) }
    }
}

/// As `dits_net` sets it, where it matters here.
fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(Some(VarInt::from_u32(30_000).into()))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(8 << 20))
        .receive_window(VarInt::from_u32(8 << 20))
        .send_window(16 << 20)
        .mtu_discovery_config(None);
    Arc::new(config)
}
