//! Which client, and which path, the next request of a load has.

use fastrand::Rng;

use super::{Choice, Load};

pub(super) struct Picks {
    choice: Choice,
    clients: u64,
    paths: &'static [&'static str],
    /// The share of clients up to each one, not yet divided by all; empty where nothing is drawn.
    up_to: Vec<f64>,
    rng: Rng,
}

impl Picks {
    pub(super) fn new(load: &Load) -> Self {
        let ranks = match load.choice {
            Choice::InTurn => 0,
            Choice::AtRandom => load.clients,
        };
        let mut up_to = Vec::new();
        let mut sum = 0.0;
        for rank in 1..=ranks {
            sum += 1.0 / f64::from(u32::try_from(rank).expect("not that many clients"));
            up_to.push(sum);
        }
        Self {
            choice: load.choice,
            clients: load.clients,
            paths: load.paths,
            up_to,
            rng: Rng::new(),
        }
    }

    /// Client and path of the request of this number.
    pub(super) fn of(&mut self, number: u64) -> (u64, &'static str) {
        let in_turn = number.checked_rem(self.clients).unwrap_or(number);
        match self.choice {
            Choice::InTurn => {
                let paths = u64::try_from(self.paths.len()).expect("few paths");
                let place = usize::try_from(number % paths).expect("few paths");
                (in_turn, self.paths[place])
            }
            Choice::AtRandom => {
                let path = self.paths[self.rng.usize(..self.paths.len())];
                let Some(all) = self.up_to.last() else {
                    return (in_turn, path);
                };
                let place = self.rng.f64() * all;
                let client = self.up_to.partition_point(|it| *it <= place);
                (u64::try_from(client).expect("not that many clients"), path)
            }
        }
    }
}
