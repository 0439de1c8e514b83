//! What evidence costs: on the control thread, and nothing on the path of a request.

use std::time::Duration;

use changeover::{clock, evidence::Unit};

use crate::world::{Mood, Traffic, World};

/// Seconds of traffic that are judged.
const SECONDS: u32 = 5;

#[test]
fn ten_thousand_requests_a_second_leave_the_control_thread_idle() {
    for unit in [Unit::Request, Unit::Slot] {
        let traffic = Traffic {
            unit,
            rate: 10_000.0,
            clients: 20_000,
            errors: 0.01,
            mood: Mood::Calm,
        };
        let mut world = World::new(traffic, 1_000, 1);
        world.publish(1_000);
        let (mut requests, mut spent) = (0, Duration::ZERO);
        for _ in 0..SECONDS * 10 {
            world.tick(Duration::from_millis(100));
            // The same outcomes once more, without the drawing of them.
            let outcomes = world.outcomes.clone();
            requests += outcomes.len();
            let mut again = world.evidence.clone();
            let now = world.now();
            let begun = clock::now();
            again.take(outcomes.iter().copied(), now);
            spent += clock::now() - begun;
        }
        let requests = u32::try_from(requests).expect("few");
        println!(
            "{unit:?}: {:?} for a request, {:?} for a turn of 1,000 of them",
            spent / requests,
            spent / (SECONDS * 10)
        );
        // A tenth of the time that there is, in a build that is not made for speed.
        assert!(spent < Duration::from_millis(100) * SECONDS, "{spent:?}");
    }
}
