//! How many client connections the process has file descriptors for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::{Limits, Plan};

/// Descriptors beside connections: the journal, the admin API's connections, sockets, runtimes.
const BESIDE: u64 = 512;

/// Descriptors of one worker's pipes for large bodies.
const PIPES_PER_WORKER: u64 = 256;

/// Descriptors that one client connection takes: its own, and one to an endpoint.
const PER_CLIENT: u64 = 2;

/// Raises the limit as far as the process may, and returns how many client connections it is enough for: those of the plan,
/// or fewer. Were all descriptors taken by clients, no endpoint could be connected to, and healthy sides would be blamed.
pub(crate) fn client_connections(plan: &Plan) -> usize {
    let Limits { connections, .. } = plan.limits;
    let Some(descriptors) = raise() else {
        return connections;
    };
    let workers = u64::try_from(plan.workers).unwrap_or(u64::MAX);
    let possible = affordable(descriptors, workers);
    if possible >= connections {
        return connections;
    }
    tracing::warn!(
        descriptors,
        connections,
        possible,
        "there are too few file descriptors for the connections of [limits]: fewer are accepted"
    );
    possible
}

/// The limit in force after it was raised; `None` where there is none.
fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return raised.current;
    }
    limit.current
}

fn affordable(descriptors: u64, workers: u64) -> usize {
    let others = BESIDE.saturating_add(workers.saturating_mul(PIPES_PER_WORKER));
    // Of few descriptors, half are for clients all the same.
    let left = descriptors.saturating_sub(others).max(descriptors / 2);
    usize::try_from(left / PER_CLIENT)
        .unwrap_or(usize::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_everything_else() {
        assert_eq!(affordable(1_048_576, 2), 523_776);
        assert_eq!(affordable(4_096, 2), 1_536);
        assert_eq!(affordable(64, 2), 16);
        assert_eq!(affordable(0, 2), 1);
    }
}
