//! What a client is recognised by, so that it keeps its side.
//!
//! The cookie holds an opaque id and nothing else, so a rollback and a resume re-issue nothing: the slot is the keyed
//! hash of the id under the salt in force. A first visit's id is derived from the client's address and user agent
//! instead of drawn, so that requests sent in parallel agree, and a client that takes no cookies keeps one id.

use std::{hash::Hasher, io::Write, net::IpAddr};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::{
    plan::{CookiePlan, Sticky},
    proxy::head::{
        Client, ClientScheme, Fields,
        names::{COOKIE, USER_AGENT},
    },
    split::{ClientKey, Draw, WriterCell, slot_of},
    units::{Salt, Slot},
};

/// The digits of an id: 32 of them, five bits each, none that is taken for another.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Whether it is one of them.
const fn is_digit(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z'
    )
}

/// The opaque id that our cookie carries: 128 bits as 26 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId([u8; 26]);

/// What a client was recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: each request is drawn anew.
    Nobody,
    /// The id in its cookie.
    Returning(ClientId),
    /// The id that it is given.
    FirstVisit(ClientId),
    /// Its address.
    Address(IpAddr),
    /// A header of the application's.
    Header(Vec<u8>),
}

impl ClientId {
    fn from_bits(bits: u128) -> Self {
        let mut digits = [0; 26];
        let mut rest = bits;
        for digit in digits.iter_mut().rev() {
            let index = usize::try_from(rest % 32).expect("a remainder of 32 is small");
            *digit = DIGITS[index];
            rest /= 32;
        }
        Self(digits)
    }

    /// Takes an id as a client sends it back; `None` when it cannot be one of ours.
    fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; 26] = text.try_into().ok()?;
        // 26 digits hold 130 bits, so the first one is below 8.
        let is_ours = digits[0] < b'8' && digits.iter().all(|it| is_digit(*it));
        is_ours.then_some(Self(digits))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("the digits are ASCII")
    }
}

impl Identity {
    /// The slot under `salt`; `draw` is for whoever is not recognised.
    #[must_use]
    pub fn slot(&self, salt: &Salt, draw: Draw) -> Slot {
        let slot = self.with_key(|key| slot_of(salt, key));
        slot.unwrap_or_else(|| draw.slot())
    }

    /// Where it is kept count of what the client writes; `None` for whoever is not recognised.
    #[must_use]
    pub fn cell(&self) -> Option<WriterCell> {
        self.with_key(WriterCell::of)
    }

    fn with_key<T>(&self, with: impl FnOnce(ClientKey<'_>) -> T) -> Option<T> {
        Some(match self {
            Self::Nobody => return None,
            Self::Returning(id) | Self::FirstVisit(id) => with(ClientKey(&id.0)),
            Self::Address(IpAddr::V4(address)) => with(ClientKey(&address.octets())),
            Self::Address(IpAddr::V6(address)) => with(ClientKey(&address.octets())),
            Self::Header(value) => with(ClientKey(value)),
        })
    }
}

/// Recognises the client, and removes our cookie from what the endpoint will see.
pub fn recognize(headers: &mut Fields, sticky: &Sticky, client: &Client, salt: &Salt) -> Identity {
    match sticky {
        Sticky::None => Identity::Nobody,
        Sticky::ClientIp => Identity::Address(client.address),
        Sticky::Header(name) => match headers.get(name) {
            Some(value) if !value.is_empty() => Identity::Header(value.to_vec()),
            _ => Identity::Address(client.address),
        },
        Sticky::Cookie(plan) => match take_cookie(headers, plan.name.as_bytes()) {
            Some(id) => Identity::Returning(id),
            None => Identity::FirstVisit(derive(headers, client.address, salt)),
        },
    }
}

/// Writes the value of the `Set-Cookie` that gives a first visitor its id.
pub(super) fn write_cookie(
    id: &ClientId,
    plan: &CookiePlan,
    scheme: ClientScheme,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(plan.name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(&id.0);
    let age = plan.lifetime.as_secs();
    write!(out, "; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax")
        .expect("a vector takes everything");
    if scheme == ClientScheme::Https {
        out.extend_from_slice(b"; Secure");
    }
}

/// Removes every cookie called `name` and returns the first id of ours among them. Other cookies stay as they are, byte
/// for byte, but for white space at the ends of a line.
fn take_cookie(headers: &mut Fields, name: &[u8]) -> Option<ClientId> {
    // A client that has no other cookie sends this one alone.
    let alone = headers.single(COOKIE).filter(|it| !it.contains(&b';'));
    if let Some(value) = alone.and_then(|it| value_of(it, name)) {
        let id = ClientId::parse(value);
        headers.remove(COOKIE);
        return id;
    }
    let is_ours = |line: &[u8]| pairs(line).any(|pair| value_of(pair, name).is_some());
    if !headers.get_all(COOKIE).any(is_ours) {
        return None;
    }
    let lines: Vec<Vec<u8>> = headers.get_all(COOKIE).map(<[u8]>::to_vec).collect();
    headers.remove(COOKIE);
    let mut found = None;
    for line in lines {
        let mut kept = Vec::with_capacity(line.len());
        for pair in pairs(&line) {
            match value_of(pair, name) {
                Some(value) => found = found.or_else(|| ClientId::parse(value)),
                None if kept.is_empty() => kept.extend_from_slice(pair.trim_ascii_start()),
                None => {
                    kept.push(b';');
                    kept.extend_from_slice(pair);
                }
            }
        }
        // The space that stood before ours is no end of a value: RFC 9113 section 8.2.1 forbids it there.
        let kept = kept.trim_ascii_end();
        if !kept.is_empty() {
            headers.append(COOKIE, kept);
        }
    }
    found
}

/// The pairs of a `Cookie` line, with the white space before them.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b';')
}

/// The value of a pair that is called `name`.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = pair.trim_ascii().strip_prefix(name)?;
    rest.strip_prefix(b"=")
}

/// An id that requests of one client agree on before it has one: a keyed hash of address and user agent.
fn derive(headers: &Fields, address: IpAddr, salt: &Salt) -> ClientId {
    let mut hasher = SipHasher24::new_with_key(salt.bytes());
    match address {
        IpAddr::V4(address) => hasher.write(&address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    if let Some(agent) = headers.get(USER_AGENT) {
        hasher.write(agent);
    }
    ClientId::from_bits(hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests;
