//! Names in DNS: when their TTLs are lowered, when they move, and when they come back.
//!
//! ```text
//!        lower-ttl                     move, once the TTL before has run out everywhere
//!  old TTL ──────▶ lowered TTL, from ─────────────────────────────────────────────────▶ lowered TTL, to
//!     ▲                 │      ▲                                                              │   │
//!     │   restore-ttl   │      └──────────── revert, by hand or because of a rollback ────────┘   │
//!     └─────────────────┴────────────────────────── restore-ttl, once the way back is closed ◀────┘
//! ```
//!
//! Each arrow is an order: an entry in the journal before anything is changed. It is carried out by who watches the zone, and
//! done when every server of the zone says what was ordered, which is another entry. A restart goes on from the order, and
//! finds by looking how far it had come.

mod due;
mod look;
mod names;
mod order;
mod quiet;
mod step;

pub use due::{DnsWait, due, waits};
pub use look::ttl_stretch;
pub(super) use look::{TTL, look};
pub use names::{DnsStanding, Leads, Lowered, Names};
pub use order::{DnsOrder, DnsPurpose, Wish, prepare};
pub(super) use quiet::is_key;
pub use quiet::quiet_stretch;
pub(super) use step::step;
pub use step::{DnsEvent, DnsStep};
