//! Sockets that systemd has bound for us (`sd_listen_fds(3)`): clients that come before we accept wait in them, over
//! restarts too.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use socket2::SockRef;

use crate::{
    app::{ServeError, handover::Inheritance},
    plan::Plan,
};

/// The sockets that were passed to this process, by the addresses of the plan.
///
/// Takes what the environment says of them out of it, so that no process started later believes it; therefore to be called
/// before there are threads.
///
/// # Errors
/// If one of them is no listening TCP socket, or has no address of the plan: who connects to it would wait for nothing.
pub(super) fn sockets(plan: &Plan) -> Result<Inheritance, ServeError> {
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(passed.len());
    for place in 0..passed.len() {
        let socket = passed.take_tcp_listener(place);
        let socket = socket.and_then(|it| it.map(listening).transpose());
        sockets.extend(socket.map_err(|source| ServeError::Passed { place, source })?);
    }
    allot(plan, sockets)
}

fn listening(socket: TcpListener) -> io::Result<(SocketAddr, TcpListener)> {
    if !SockRef::from(&socket).is_listener()? {
        return Err(io::Error::other("it does not listen; is Accept= set?"));
    }
    socket.set_nonblocking(true)?;
    Ok((socket.local_addr()?, socket))
}

fn allot(plan: &Plan, sockets: Vec<(SocketAddr, TcpListener)>) -> Result<Inheritance, ServeError> {
    let planned = || plan.listeners.iter().map(|it| it.address);
    let mut found = Inheritance::default();
    for (address, socket) in sockets {
        let known = found.listeners.iter_mut().find(|(it, _)| *it == address);
        match known {
            Some((_, sockets)) => sockets.push(socket),
            None if planned().any(|it| it == address) => {
                found.listeners.push((address, vec![socket]));
            }
            None if plan.admin.address == address => found.admin = Some((address, socket)),
            None => {
                let planned = planned().chain([plan.admin.address]);
                let planned: Vec<String> = planned.map(|it| it.to_string()).collect();
                return Err(ServeError::Unplanned {
                    address,
                    planned: planned.join(", "),
                });
            }
        }
    }
    Ok(found)
}
