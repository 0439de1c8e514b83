//! Where the proxy and new listen: at two addresses of loopback with one port, since A records hold addresses and no ports.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::demo::DemoError;

/// The proxy's address, which the name leads to at first.
pub(super) const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// New's address, which the name leads to in the end. Linux has the whole of 127.0.0.0/8 on its loopback.
pub(super) const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Ports that are tried until one is free at both.
const TRIES: usize = 16;

/// Both places.
#[derive(Debug)]
pub(super) struct Places {
    /// Where the proxy is to listen.
    pub(super) proxy: SocketAddr,
    /// Where new listens.
    pub(super) new: TcpListener,
    /// Keeps a port that was chosen here from whoever takes any that is free, until the proxy has it.
    _held: Option<Socket>,
}

impl Places {
    /// Finds them, with this port or, for 0, any that is free at both.
    pub(super) fn find(port: u16) -> Result<Self, DemoError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let new = TcpListener::bind((NEW, port)).map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => DemoError::OneAddress(NEW),
                _other => DemoError::Port(SocketAddr::from((NEW, port)), error),
            })?;
            let proxy = SocketAddr::from((PROXY, new.local_addr()?.port()));
            if port != 0 {
                // Whether that one is free the proxy says itself.
                return Ok(Self {
                    proxy,
                    new,
                    _held: None,
                });
            }
            match hold(proxy) {
                Ok(held) => {
                    return Ok(Self {
                        proxy,
                        new,
                        _held: Some(held),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => (),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Binds without listening: the system gives the port to nobody by itself then, and to the proxy, which shares its address.
fn hold(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_can_have_the_port_that_new_has() {
        let places = Places::find(0).expect("a port");
        let new = places.new.local_addr().expect("it is bound");
        assert_eq!(new, SocketAddr::from((NEW, places.proxy.port())));
        // As its workers do, while the port is held.
        let workers = [hold(places.proxy), hold(places.proxy)];
        for worker in workers {
            let worker = worker.expect("it can be shared");
            worker.listen(1).expect("nobody else listens");
        }
    }

    #[test]
    fn a_port_that_is_taken_at_news_address_is_named() {
        let taken = TcpListener::bind((NEW, 0)).expect("a port");
        let address = taken.local_addr().expect("it is bound");
        let found = Places::find(address.port());
        assert!(matches!(found, Err(DemoError::Port(it, _)) if it == address));
    }
}
