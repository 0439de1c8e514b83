//! A DNS server that says what a test wants of it, over UDP.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

/// What it says to every question for addresses.
#[derive(Clone, Debug)]
pub enum Says {
    /// These, to be kept for a second.
    Addresses(Vec<Ipv4Addr>),
    /// That it cannot tell.
    Failure,
    /// That there is no such name.
    NoSuchName,
    /// Nothing at all.
    Nothing,
}

/// A running server; it ends with the test's process.
pub struct NameServer {
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
}

impl NameServer {
    pub fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let says = Arc::new(Mutex::new(says));
        let said = Arc::clone(&says);
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let says = said.lock().expect("no panic").clone();
                if let Some(answer) = answer(&question[..length], &says) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, says }
    }

    /// Says this from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().expect("no panic") = says;
    }
}

const HEADER: usize = 12;
const A: u16 = 1;
const KEPT_FOR: u32 = 1;

/// The question again, and what is said to it (RFC 1035 section 4.1).
fn answer(question: &[u8], says: &Says) -> Option<Vec<u8>> {
    let name = question.get(HEADER..)?.iter().position(|it| *it == 0)?;
    let end = HEADER + name + 1 + 4;
    let kind = question.get(end - 4..end - 2)?;
    let addresses = match says {
        Says::Addresses(addresses) if kind == A.to_be_bytes() => addresses.as_slice(),
        Says::Addresses(_) | Says::Failure | Says::NoSuchName | Says::Nothing => &[],
    };
    let code = match says {
        Says::Nothing => return None,
        Says::Addresses(_) => 0,
        Says::Failure => 2,
        Says::NoSuchName => 3,
    };
    let mut out = question.get(..2)?.to_vec();
    // A response, recursion asked for and available.
    out.extend([0x81, 0x80 | code]);
    let count = u16::try_from(addresses.len()).expect("few");
    for count in [1, count, 0, 0] {
        out.extend(count.to_be_bytes());
    }
    out.extend(question.get(HEADER..end)?);
    for address in addresses {
        // The name of the question.
        out.extend([0xc0, 12]);
        for field in [A, 1] {
            out.extend(field.to_be_bytes());
        }
        out.extend(KEPT_FOR.to_be_bytes());
        out.extend(4_u16.to_be_bytes());
        out.extend(address.octets());
    }
    Some(out)
}
