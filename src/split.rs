//! Who goes where: the table in force, the pure assignment of one request, and its publication by one swap.
//!
//! The control side publishes a new [`SplitTable`]; the proxy loads it once per request, assigns with it, and
//! compares its generation again before the first byte goes upstream. Nothing else connects the two.

mod assign;
mod copying;
mod injection;
mod leave;
mod publication;
mod route;
mod speaker;
mod table;
mod writers;

pub use assign::{Assignment, Cause, ClientKey, Draw, Facts, Intent, assign, slot_of};
pub use copying::Copying;
pub use injection::Injected;
pub use leave::LeaveBefore;
pub use publication::{Publication, Reader};
pub use route::{RouteTable, Target};
pub use speaker::Speaker;
pub use table::{SplitTable, Withdrawal};
pub use writers::{HEARD_WITHIN, WriterCell, Writers};
