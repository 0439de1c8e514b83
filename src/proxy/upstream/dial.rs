//! Opening one connection: TCP, TLS. A name's addresses come from the board, so that no request waits for a resolver.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    measure::Board,
    plan::{EndpointId, EndpointPlan, Scheme},
    proxy::upstream::{
        error::DialError,
        slots::Slot,
        socket::{Protocol, Socket, Transport},
        tls::ClientTls,
    },
};

/// Addresses of one name that are tried; each gets an equal share of the time that is left.
const ADDRESSES_MAX: usize = 4;

/// Which protocol a request can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Whatever the endpoint prefers.
    Any,
    /// The same, on a connection that nothing was sent on before.
    Fresh,
    /// HTTP/1.1, as for an upgrade.
    Http1,
}

/// What to connect to, parsed once.
#[derive(Debug)]
pub(crate) struct Target {
    place: Place,
    security: Security,
}

#[derive(Debug)]
enum Place {
    Address(SocketAddr),
    Name {
        board: Arc<Board>,
        id: EndpointId,
        port: u16,
    },
}

enum Security {
    None(Protocol),
    Tls {
        name: ServerName<'static>,
        any: TlsConnector,
        http1: TlsConnector,
    },
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None(protocol) => f.debug_tuple("None").field(protocol).finish(),
            Self::Tls { name, .. } => f.debug_tuple("Tls").field(name).finish(),
        }
    }
}

impl Target {
    /// The endpoint `id`, which stands at `place` in the list of the side whose TLS settings are `tls`; where it has a name,
    /// `board` says where that leads.
    pub(crate) fn new(
        plan: &EndpointPlan,
        (id, place): (EndpointId, u16),
        tls: &ClientTls,
        board: &Arc<Board>,
    ) -> Self {
        let leads_to = match plan.host.parse::<IpAddr>() {
            Ok(ip) => Place::Address(SocketAddr::new(ip, plan.port)),
            Err(_) => Place::Name {
                board: Arc::clone(board),
                id,
                port: plan.port,
            },
        };
        let security = match plan.scheme {
            Scheme::Http => Security::None(Protocol::Http1),
            Scheme::H2c => Security::None(Protocol::Http2),
            Scheme::Https => {
                let (name, any, http1) = tls
                    .of(place)
                    .expect("loading made settings for every https endpoint of the same plan");
                Security::Tls { name, any, http1 }
            }
        };
        Self {
            place: leads_to,
            security,
        }
    }

    /// The protocol, where it is known without connecting.
    pub(crate) const fn protocol(&self) -> Option<Protocol> {
        match &self.security {
            Security::None(protocol) => Some(*protocol),
            Security::Tls { .. } => None,
        }
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, DialError> {
        match &self.place {
            Place::Address(address) => Ok(vec![*address]),
            Place::Name { board, id, port } => {
                let resolved = board.resolved(*id);
                let found = resolved.addresses.iter().take(ADDRESSES_MAX);
                let found: Vec<_> = found.map(|ip| SocketAddr::new(*ip, *port)).collect();
                match (&resolved.failure, found.is_empty()) {
                    (_, false) => Ok(found),
                    (Some(failure), true) => Err(DialError::Resolve(failure.reason.clone())),
                    (None, true) => Err(DialError::NoAddress),
                }
            }
        }
    }
}

/// Connects to `target` within `limit`, over TCP and TLS together.
pub(crate) async fn dial(
    target: &Target,
    want: Want,
    limit: Duration,
    slot: Option<Slot>,
) -> Result<(Socket, Protocol), DialError> {
    let deadline = Instant::now() + limit;
    let connecting = async {
        let tcp = connect(target, deadline).await?;
        match &target.security {
            Security::None(protocol) => Ok((Socket::new(Transport::Tcp(tcp), slot), *protocol)),
            Security::Tls { name, any, http1 } => {
                let connector = match want {
                    Want::Any | Want::Fresh => any,
                    Want::Http1 => http1,
                };
                let tls = connector.connect(name.clone(), tcp).await;
                let tls = Box::new(tls.map_err(DialError::Tls)?);
                let protocol = match tls.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    Some(_) | None => Protocol::Http1,
                };
                Ok((Socket::new(Transport::Tls(tls), slot), protocol))
            }
        }
    };
    let connected = timeout_at(deadline, connecting).await;
    connected.unwrap_or(Err(DialError::TimedOut(limit)))
}

async fn connect(target: &Target, deadline: Instant) -> Result<TcpStream, DialError> {
    let addresses = target.addresses()?;
    let mut failure = DialError::NoAddress;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        // The last address may use all that is left; one that does not answer must not cost the others their turn.
        let share = remaining / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Heads and ends of bodies are small writes that must not wait for an acknowledgement.
                tcp.set_nodelay(true).map_err(DialError::Tcp)?;
                return Ok(tcp);
            }
            Ok(Err(error)) => failure = DialError::Tcp(error),
            Err(_) => failure = DialError::Tcp(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure)
}
