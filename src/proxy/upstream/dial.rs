//! Opening one connection: name, TCP, TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    plan::{EndpointPlan, Scheme},
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
    Name(String, u16),
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
    /// The endpoint at `index` of the side whose TLS settings are `tls`.
    pub(crate) fn new(plan: &EndpointPlan, index: u16, tls: &ClientTls) -> Self {
        let place = match plan.host.parse::<IpAddr>() {
            Ok(ip) => Place::Address(SocketAddr::new(ip, plan.port)),
            Err(_) => Place::Name(plan.host.clone(), plan.port),
        };
        let security = match plan.scheme {
            Scheme::Http => Security::None(Protocol::Http1),
            Scheme::H2c => Security::None(Protocol::Http2),
            Scheme::Https => {
                let (name, any, http1) = tls
                    .of(index)
                    .expect("loading made settings for every https endpoint of the same plan");
                Security::Tls { name, any, http1 }
            }
        };
        Self { place, security }
    }

    /// The protocol, where it is known without connecting.
    pub(crate) const fn protocol(&self) -> Option<Protocol> {
        match &self.security {
            Security::None(protocol) => Some(*protocol),
            Security::Tls { .. } => None,
        }
    }

    async fn addresses(&self) -> Result<([Option<SocketAddr>; ADDRESSES_MAX], usize), DialError> {
        let mut addresses = [None; ADDRESSES_MAX];
        let mut count = 0;
        match &self.place {
            Place::Address(address) => {
                addresses[0] = Some(*address);
                count = 1;
            }
            Place::Name(name, port) => {
                let found = lookup_host((name.as_str(), *port)).await;
                let found = found.map_err(DialError::Resolve)?;
                for (slot, address) in addresses.iter_mut().zip(found) {
                    *slot = Some(address);
                    count += 1;
                }
            }
        }
        Ok((addresses, count))
    }
}

/// Connects to `target` within `limit`, over name, TCP and TLS together.
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
    let (addresses, count) = target.addresses().await?;
    let mut failure = DialError::NoAddress;
    for (address, left) in addresses.iter().flatten().zip((1..=count).rev()) {
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
