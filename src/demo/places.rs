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
    /// Keeps a port that was chosen here from others until the proxy has it.
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

/// Binds without listening, so that only who shares the address as the proxy does can have it.
fn hold(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
