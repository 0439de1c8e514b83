//! Where the public DNS begins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The root servers, each by IPv4 and then by IPv6, as IANA publishes them (`named.root`). An address that is given up goes on
/// answering for a long time, and one that answers is enough.
pub(super) const SERVERS: [IpAddr; 26] = [
    v4(198, 41, 0, 4),
    v6([0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30]),
    v4(170, 247, 170, 2),
    v6([0x2801, 0x1b8, 0x10, 0, 0, 0, 0, 0xb]),
    v4(192, 33, 4, 12),
    v6([0x2001, 0x500, 2, 0, 0, 0, 0, 0xc]),
    v4(199, 7, 91, 13),
    v6([0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd]),
    v4(192, 203, 230, 10),
    v6([0x2001, 0x500, 0xa8, 0, 0, 0, 0, 0xe]),
    v4(192, 5, 5, 241),
    v6([0x2001, 0x500, 0x2f, 0, 0, 0, 0, 0xf]),
    v4(192, 112, 36, 4),
    v6([0x2001, 0x500, 0x12, 0, 0, 0, 0, 0xd0d]),
    v4(198, 97, 190, 53),
    v6([0x2001, 0x500, 1, 0, 0, 0, 0, 0x53]),
    v4(192, 36, 148, 17),
    v6([0x2001, 0x7fe, 0, 0, 0, 0, 0, 0x53]),
    v4(192, 58, 128, 30),
    v6([0x2001, 0x503, 0xc27, 0, 0, 0, 2, 0x30]),
    v4(193, 0, 14, 129),
    v6([0x2001, 0x7fd, 0, 0, 0, 0, 0, 1]),
    v4(199, 7, 83, 42),
    v6([0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42]),
    v4(202, 12, 27, 33),
    v6([0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35]),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(it: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(
        it[0], it[1], it[2], it[3], it[4], it[5], it[6], it[7],
    ))
}
