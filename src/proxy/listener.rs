//! Listening sockets: one a worker and listener, sharing their address through `SO_REUSEPORT`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{plan::ListenerPlan, proxy::StartError};

/// Connections that wait to be accepted, per socket; the system caps it at its own maximum.
const BACKLOG: i32 = 4096;

/// Every socket, by worker and then in the order of the plan's listeners.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The addresses in force.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Each worker's sockets.
    pub(crate) by_worker: Vec<Vec<TcpListener>>,
}

/// Binds all listeners for all workers. The first worker's bind decides a port 0; the others share it.
pub(crate) fn bind(listeners: &[ListenerPlan], workers: usize) -> Result<Bound, StartError> {
    let mut bound = Bound {
        addresses: Vec::with_capacity(listeners.len()),
        by_worker: (0..workers).map(|_| Vec::new()).collect(),
    };
    for listener in listeners {
        let mut address = listener.address;
        claim(address).map_err(|source| StartError::Bind { address, source })?;
        for sockets in &mut bound.by_worker {
            let found = listen(address).and_then(|socket| {
                address = socket.local_addr()?;
                Ok(socket)
            });
            sockets.push(found.map_err(|source| StartError::Bind { address, source })?);
        }
        bound.addresses.push(address);
    }
    Ok(bound)
}

/// Fails if anybody listens there already. Our own sockets share their address, and the kernel would let another
/// instance of this program, forgotten or started twice, take a part of the connections without a word.
fn claim(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections that linger from an earlier run are nobody.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_somebody_else_shares_is_in_use() {
        let plan = |address| ListenerPlan {
            address,
            certificates: Vec::new(),
            proxy_protocol: Vec::new(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = bind(&[plan(any)], 2).unwrap();
        let taken = first.addresses[0];
        let second = bind(&[plan(taken)], 2).unwrap_err();
        assert!(
            matches!(&second, StartError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse),
            "{second:?}"
        );
        drop(first);
        assert!(bind(&[plan(taken)], 2).is_ok());
    }
}
