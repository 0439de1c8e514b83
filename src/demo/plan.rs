//! The demo's plan, in the words that a user would write.

use std::net::Ipv4Addr;

use crate::demo::{Options, environment::Environment};

/// The file's text.
pub(super) fn configuration(options: Options, old: &Environment, new: &Environment) -> String {
    // Four steps, and a little for the start.
    let bake = options.seconds.saturating_mul(1000) / 5;
    format!(
        r#"name = "demo"
[store]
url = "sqlite:demo.db"
[admin]
address = "{local}:0"
[[listener]]
address = "{local}:{port}"
[old]
endpoints = ["http://{old}"]
[new]
endpoints = ["http://{new}"]
[split]
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
start = "manual"
step = [
  {{ weight = "5%", bake = "{bake}ms", requests = 10 }},
  {{ weight = "25%", bake = "{bake}ms", requests = 40 }},
  {{ weight = "50%", bake = "{bake}ms", requests = 80 }},
  {{ weight = "100%", bake = "{bake}ms", requests = 100 }},
]
[[trigger]]
name = "errors"
reading = "error_rate"
above = "5%"
window = "2s"
requests = 20
[[trigger]]
name = "slow"
reading = "latency_p99"
above = "250ms"
window = "2s"
requests = 20
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5
"#,
        local = Ipv4Addr::LOCALHOST,
        port = options.port,
        old = old.address(),
        new = new.address(),
    )
}
