//! Leasing an idle connection to an endpoint, and giving it back.

use std::net::TcpListener;

use changeover::{clock, proxy::stages::IdleConnections};
use divan::{Bencher, black_box};

use crate::world::plan;

/// The most recently used of so many, which is asked whether it still lives: no system call, as long as nothing came in.
#[divan::bench(args = [1, 64])]
fn lease(bencher: Bencher<'_, '_>, idle: usize) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a port");
    let address = listener.local_addr().expect("it is bound");
    let connections = IdleConnections::open(address, idle, &plan(0).limits)
        .expect("the backlog has room for them");
    let now = clock::now();
    bencher.bench_local(|| assert!(black_box(&connections).lease(now)));
}
