//! The demo's name server: the only one of its zone, on loopback, by UDP and over TCP, which takes signed updates (RFC 2136, 8945).
//!
//! Answers and signatures are hickory's. What an update changes is [`crate::demo::zone`]'s, since hickory's own store for that
//! is built on another SQLite than our journal, and a program can have but one.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use hickory_resolver::proto::{
    op::ResponseCode,
    rr::{
        LowerName, RecordType, TSigResponseContext, TSigner,
        rdata::tsig::{TsigAlgorithm, TsigError},
    },
};
use hickory_server::{
    Server,
    dnssec::NxProofKind,
    server::{Request, RequestInfo},
    store::in_memory::InMemoryZoneHandler,
    zone_handler::{
        AuthLookup, AxfrPolicy, Catalog, LookupControlFlow, LookupOptions, Nsec3QueryInfo,
        UpdateRequest, ZoneHandler, ZoneType,
    },
};
use tokio::net::{TcpListener, UdpSocket};

use crate::demo::zone::{self, Sets, ZONE};

/// The name of the key that updates are signed with.
pub(super) const KEY: &str = "demo.";
/// How far clocks may be apart, in seconds, as RFC 8945 section 10 recommends.
const FUDGE: u16 = 300;
/// For a whole message over TCP.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that wait to be written to one connection.
const ANSWERS: usize = 16;
/// Ports that are tried until one is free both for UDP and for TCP.
const TRIES: usize = 16;

/// A running name server. It answers while the runtime that it was started on runs, and until it is dropped.
pub(super) struct NameServer {
    address: SocketAddr,
    /// Its tasks end with it.
    _server: Server<Catalog>,
}

impl NameServer {
    /// Starts it on a free port of this address, with these sets and the key's secret.
    pub(super) async fn start(on: Ipv4Addr, sets: Sets, secret: &[u8]) -> io::Result<Self> {
        let (tcp, udp) = sockets(on).await?;
        let address = tcp.local_addr()?;
        let mut catalog = Catalog::new();
        let origin = LowerName::from(&zone::name(ZONE));
        let zone: Arc<dyn ZoneHandler> = Arc::new(Zone::new(sets, secret).await?);
        catalog.upsert(origin, vec![zone]);
        let mut server = Server::new(catalog);
        server.register_socket(udp);
        server.register_listener(tcp, PATIENCE, ANSWERS);
        Ok(Self {
            address,
            _server: server,
        })
    }

    /// Where it answers.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One port for both.
async fn sockets(on: Ipv4Addr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let tcp = TcpListener::bind((on, 0)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => (),
            Err(error) => return Err(error),
        }
    }
}

/// The zone in memory, and who may change it.
struct Zone {
    held: InMemoryZoneHandler,
    signer: TSigner,
}

impl Zone {
    async fn new(sets: Sets, secret: &[u8]) -> io::Result<Self> {
        let origin = zone::name(ZONE);
        let held = InMemoryZoneHandler::empty(origin, ZoneType::Primary, AxfrPolicy::Deny, None);
        *held.records_mut().await = sets;
        let key = zone::name(KEY);
        let signer = TSigner::new(secret.to_vec(), TsigAlgorithm::HmacSha256, key, FUDGE);
        Ok(Self {
            held,
            signer: signer.map_err(io::Error::other)?,
        })
    }

    /// Whether our key has signed the message now, and how it is answered.
    fn authorize(
        &self,
        request: &Request,
        now: u64,
    ) -> (Result<(), ResponseCode>, Option<TSigResponseContext>) {
        let Some(signature) = request.signature() else {
            return (Err(ResponseCode::Refused), None);
        };
        let (id, signer) = (request.id(), &self.signer);
        if signature.name != *signer.signer_name() {
            let context = TSigResponseContext::unknown_key(id, now, signature.name.clone());
            return (Err(ResponseCode::NotAuth), Some(context));
        }
        let Ok((mac, _signed_at, span)) =
            signer.verify_message_byte(request.as_slice(), None, true)
        else {
            let context = TSigResponseContext::bad_signature(id, now, signer.clone());
            return (Err(ResponseCode::NotAuth), Some(context));
        };
        let (taken, error) = match span.contains(&now) {
            true => (Ok(()), None),
            false => (Err(ResponseCode::NotAuth), Some(TsigError::BadTime)),
        };
        let context = TSigResponseContext::new(id, now, signer.clone(), mac, error);
        (taken, Some(context))
    }

    /// Everything or nothing, in one step for whoever asks.
    async fn change(&self, request: &Request) -> Result<bool, ResponseCode> {
        let mut sets = self.held.records_mut().await;
        *sets = zone::updated(&sets, request.prerequisites(), request.updates())?;
        Ok(!request.updates().is_empty())
    }
}

#[async_trait]
impl ZoneHandler for Zone {
    fn zone_type(&self) -> ZoneType {
        self.held.zone_type()
    }

    fn axfr_policy(&self) -> AxfrPolicy {
        self.held.axfr_policy()
    }

    async fn update(
        &self,
        request: &Request,
        now: u64,
    ) -> (Result<bool, ResponseCode>, Option<TSigResponseContext>) {
        match self.authorize(request, now) {
            (Ok(()), context) => (self.change(request).await, context),
            (Err(code), context) => (Err(code), context),
        }
    }

    fn origin(&self) -> &LowerName {
        self.held.origin()
    }

    async fn lookup(
        &self,
        name: &LowerName,
        kind: RecordType,
        info: Option<&RequestInfo<'_>>,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        self.held.lookup(name, kind, info, options).await
    }

    async fn search(
        &self,
        request: &Request,
        options: LookupOptions,
    ) -> (LookupControlFlow<AuthLookup>, Option<TSigResponseContext>) {
        self.held.search(request, options).await
    }

    async fn nsec_records(
        &self,
        name: &LowerName,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        self.held.nsec_records(name, options).await
    }

    async fn nsec3_records(
        &self,
        info: Nsec3QueryInfo<'_>,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        self.held.nsec3_records(info, options).await
    }

    fn nx_proof_kind(&self) -> Option<&NxProofKind> {
        self.held.nx_proof_kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        demo::zone::SERVICE,
        dns::{
            look::{ask, servers},
            provider::{Applied, ProviderError, Rfc2136, Validation},
        },
        plan::{
            Secret,
            dns::{Change, Kind, LookPlan, RecordSet, Rfc2136Plan, TsigAlgorithm, Ttl, Value},
        },
    };

    const SECRET: &[u8] = b"a secret of the tests";

    async fn start() -> NameServer {
        let loopback = Ipv4Addr::LOCALHOST;
        let sets = zone::zone(loopback, loopback, 3);
        let started = NameServer::start(loopback, sets, SECRET).await;
        started.expect("a free port")
    }

    fn provider(server: &NameServer, key: &'static str, secret: &[u8]) -> Rfc2136 {
        Rfc2136::new(Rfc2136Plan {
            server: server.address(),
            key_name: zone::name(key),
            algorithm: TsigAlgorithm::HmacSha256,
            secret: Secret::new(secret.to_vec()),
        })
    }

    fn set(ttl: u32, address: &str) -> RecordSet {
        RecordSet {
            name: zone::name(SERVICE),
            kind: Kind::A,
            ttl: Ttl(ttl),
            values: [Value::parse(Kind::A, address).expect("a value")].into(),
        }
    }

    fn change(before: RecordSet, after: RecordSet) -> Change {
        Change::new(zone::name(ZONE), vec![before], vec![after]).expect("a change")
    }

    /// What the product sees at every server of the zone.
    async fn said(server: &NameServer) -> Vec<Vec<RecordSet>> {
        let plan = LookPlan {
            start: vec![server.address()],
            port: server.address().port(),
            timeout: PATIENCE,
            resolvers: Vec::new(),
        };
        let found = servers(&zone::name(ZONE), &plan).await;
        let found = found.expect("the zone leads to its server");
        let subjects = Kind::ALL.map(|kind| (zone::name(SERVICE), kind));
        let views = ask(&found, &subjects, &plan).await;
        let sets = views
            .into_iter()
            .map(|it| it.answers.expect("it answers").sets);
        sets.collect()
    }

    #[tokio::test]
    async fn a_signed_change_is_made_at_once_and_seen_by_whoever_looks() {
        let server = start().await;
        let provider = provider(&server, KEY, SECRET);
        let (before, after) = (set(3, "127.0.0.1"), set(1, "127.0.0.2"));
        assert_eq!(said(&server).await, [[before.clone()]]);
        let change = change(before.clone(), after.clone());
        assert_eq!(provider.validate(&change).await, Ok(Validation::Held));
        assert_eq!(said(&server).await, [[before.clone()]], "it was only tried");
        assert_eq!(provider.apply(&change).await, Ok(Applied::Done));
        assert_eq!(said(&server).await, [[after.clone()]]);
        // What is there already is done; what is there instead is a conflict.
        assert_eq!(provider.apply(&change).await, Ok(Applied::Done));
        let other = self::change(set(1, "127.0.0.3"), before);
        let refused = provider.apply(&other).await;
        let found = vec![after];
        assert!(
            matches!(&refused, Err(ProviderError::Conflict { found: it, .. }) if *it == found),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn nobody_else_changes_anything() {
        let server = start().await;
        let before = set(3, "127.0.0.1");
        let change = change(before.clone(), set(1, "127.0.0.2"));
        for stranger in [
            provider(&server, KEY, b"another secret"),
            provider(&server, "stranger.", SECRET),
        ] {
            let refused = stranger.apply(&change).await;
            assert_eq!(refused, Err(ProviderError::Unauthorized));
        }
        assert_eq!(said(&server).await, [[before]]);
    }
}
