//! `changeover` stands in front of an old and a new environment while a service moves between them.
//!
//! A request goes `proxy/listener → … → split → proxy/upstream → … → measure`; a decision goes
//! `measure → control/observe → cutover → store → control/apply → split`. `docs/ARCHITECTURE.md` draws both.

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cutover;
pub mod demo;
pub mod dns;
pub mod evidence;
pub mod measure;
pub mod plan;
pub mod proxy;
pub mod recording;
pub mod replication;
pub mod shadow;
pub mod split;
pub mod store;
pub mod units;
