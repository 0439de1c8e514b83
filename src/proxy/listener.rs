//! Listening sockets: one a worker and listener, sharing their address through `SO_REUSEPORT`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    plan::ListenerPlan,
    proxy::{StartError, worker::Port},
};

/// Connections that wait to be accepted, per socket; the system caps it at its own maximum.
const BACKLOG: i32 = 4096;

/// Sockets by the address that the plan names: those that a process before, or the system, had bound.
pub type Sockets = Vec<(SocketAddr, Vec<TcpListener>)>;

/// Every socket.
#[derive(Debug)]
pub struct Bound {
    /// The addresses in force.
    pub(super) addresses: Vec<SocketAddr>,
    /// Each worker's sockets.
    pub(super) by_worker: Vec<Vec<Port>>,
    /// The same once more, for another process that takes over.
    pub(super) spare: Sockets,
}

/// Binds all listeners for all workers, but for those that are among `inherited`. The first worker's bind decides a port
/// 0; the others share it.
///
/// # Errors
/// When an address cannot be bound, or there are no descriptors left.
pub fn bind(
    listeners: &[ListenerPlan],
    workers: usize,
    mut inherited: Sockets,
) -> Result<Bound, StartError> {
    let mut bound = Bound {
        addresses: Vec::with_capacity(listeners.len()),
        by_worker: (0..workers).map(|_| Vec::new()).collect(),
        spare: Vec::with_capacity(listeners.len()),
    };
    for (index, listener) in listeners.iter().enumerate() {
        let planned = listener.address;
        let failed = |source| StartError::Bind {
            address: planned,
            source,
        };
        let found = inherited
            .iter()
            .position(|(address, _)| *address == planned);
        let sockets = match found {
            Some(at) => for_each(workers, inherited.remove(at).1),
            None => listen_anew(planned, workers),
        };
        let sockets = sockets.map_err(failed)?;
        let address = sockets.first().map_or(Ok(planned), TcpListener::local_addr);
        bound.addresses.push(address.map_err(failed)?);
        let spare: io::Result<_> = sockets.iter().map(TcpListener::try_clone).collect();
        bound.spare.push((planned, spare.map_err(failed)?));
        for (place, socket) in sockets.into_iter().enumerate() {
            bound.by_worker[place % workers].push((index, socket));
        }
    }
    Ok(bound)
}

fn listen_anew(mut address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    claim(address)?;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = listen(address)?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// At least one for each worker: where there are fewer, some accept from the same one. None is left out, since who waits
/// in its queue would be lost with it.
fn for_each(workers: usize, mut sockets: Vec<TcpListener>) -> io::Result<Vec<TcpListener>> {
    let count = sockets.len();
    for place in count..workers {
        sockets.push(sockets[place % count.max(1)].try_clone()?);
    }
    Ok(sockets)
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
        let first = bind(&[plan(any)], 2, Vec::new()).unwrap();
        let taken = first.addresses[0];
        let second = bind(&[plan(taken)], 2, Vec::new()).unwrap_err();
        assert!(
            matches!(&second, StartError::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse),
            "{second:?}"
        );
        drop(first);
        assert!(bind(&[plan(taken)], 2, Vec::new()).is_ok());
    }

    #[test]
    fn every_socket_that_was_inherited_is_somebodys() {
        let plan = ListenerPlan {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificates: Vec::new(),
            proxy_protocol: Vec::new(),
        };
        let plans = [plan];
        let first = bind(&plans, 3, Vec::new()).unwrap();
        let address = first.addresses[0];
        for workers in [2, 5] {
            let spare = first.spare.iter();
            let spare = spare.map(|(planned, sockets)| {
                let sockets = sockets.iter().map(|it| it.try_clone().unwrap());
                (*planned, sockets.collect())
            });
            let next = bind(&plans, workers, spare.collect()).unwrap();
            assert_eq!(next.addresses, [address]);
            let counts = next.by_worker.iter().map(Vec::len);
            assert_eq!(counts.sum::<usize>(), workers.max(3));
            assert!(next.by_worker.iter().all(|it| !it.is_empty()));
        }
    }
}
