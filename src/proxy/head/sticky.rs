//! What a client is recognised by.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use crate::{
    plan::{CookiePlan, Sticky},
    proxy::head::{Client, ClientScheme},
    split::Draw,
    units::{Salt, Slot},
};

/// The opaque id that our cookie carries: 26 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId([u8; 26]);

/// What a client was recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing: each request is drawn anew.
    Nobody,
    /// The id in its cookie.
    Returning(ClientId),
    /// The id that it gets, or would get if it took cookies.
    FirstVisit(ClientId),
    /// Its address.
    Address(IpAddr),
    /// A header of the application's.
    Header(HeaderValue),
}

impl Identity {
    /// The slot under `salt`; `draw` is for whoever is not recognised.
    #[must_use]
    pub fn slot(&self, _salt: &Salt, _draw: Draw) -> Slot {
        todo!()
    }
}

/// Recognises the client, and removes our cookie from what the endpoint will see.
pub fn recognize(
    _headers: &mut HeaderMap,
    _sticky: &Sticky,
    _client: &Client,
    _salt: &Salt,
) -> Identity {
    todo!()
}

/// The `Set-Cookie` that gives a first visitor its id.
#[must_use]
pub fn set_cookie(_id: &ClientId, _plan: &CookiePlan, _scheme: ClientScheme) -> HeaderValue {
    todo!()
}
