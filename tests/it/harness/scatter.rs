//! How long answers take, beside what is typical: as the clients of `tests/evidence` have it.

use std::{
    f64::consts::TAU,
    hash::{DefaultHasher, Hash, Hasher},
};

use fastrand::Rng;

/// The standard deviations of the logarithm: of a client's requests, and of clients.
const WITHIN: f64 = 0.5;
const BETWEEN: f64 = 0.55;

/// Requests that are five times as slow as they would be.
const OUTLIERS: f64 = 0.03;

/// How many times the typical latency a request of this client takes. A client is as fast or slow on both sides, always.
pub fn factor(client: Option<&[u8]>) -> f64 {
    let own = client.map_or(0.0, |it| {
        let mut hasher = DefaultHasher::new();
        it.hash(&mut hasher);
        BETWEEN * normal(&mut Rng::with_seed(hasher.finish()))
    });
    let mut rng = Rng::new();
    let outlier = if rng.f64() < OUTLIERS { 5.0 } else { 1.0 };
    (own + WITHIN * normal(&mut rng)).exp() * outlier
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (TAU * rng.f64()).cos()
}
