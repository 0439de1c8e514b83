//! The demo's plan, in the words that a user would write.

use std::net::SocketAddr;

use crate::demo::{
    Options,
    name_server::KEY,
    places::{NEW, PROXY},
    zone::{SERVICE, ZONE},
};

/// What the name's TTL is at first, in seconds: a day where nothing is hurried.
pub(super) const TTL_BEFORE: u32 = 3;
/// What it is lowered to.
const TTL: u32 = 1;
/// The file with the key's secret, beside the configuration.
pub(super) const SECRET_FILE: &str = "tsig.secret";

/// Where everything is that the plan names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) proxy: SocketAddr,
    pub(super) old: SocketAddr,
    pub(super) new: SocketAddr,
    pub(super) name_server: SocketAddr,
}

/// The file's text.
pub(super) fn configuration(options: Options, addresses: &Addresses) -> String {
    // Four steps, and a little for the start.
    let bake = options.seconds.saturating_mul(1000) / 5;
    let Addresses {
        proxy,
        old,
        new,
        name_server,
    } = addresses;
    format!(
        r#"name = "demo"
[store]
url = "sqlite:demo.db"
[admin]
address = "{PROXY}:0"
[[listener]]
address = "{proxy}"
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
[dns]
zone = "{ZONE}"
move = "when-complete"
ttl = "{TTL}s"
start = ["{name_server}"]
port = {port}
[dns.provider]
kind = "rfc2136"
server = "{name_server}"
key_name = "{KEY}"
secret_file = "{SECRET_FILE}"
[[dns.name]]
name = "{SERVICE}"
from = {{ A = ["{PROXY}"] }}
to = {{ A = ["{NEW}"] }}
"#,
        port = name_server.port(),
    )
}
