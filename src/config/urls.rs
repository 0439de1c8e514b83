//! A plan without a file: two URLs on the command line, and a default for everything else.

use crate::{
    config::{
        defaults,
        fault::{Complaint, Fault, Faults, Place},
        load::Loaded,
        scalar, warning,
    },
    units::PerSide,
};

/// The plan for two environments with one endpoint each; `listen` and `admin` are addresses with ports.
///
/// # Errors
/// Every argument that is wrong, at once, called as on the command line: `--old`, `--new`, `--listen`, `--admin-listen`.
pub fn from_urls(
    old: &str,
    new: &str,
    listen: Option<&str>,
    admin: Option<&str>,
) -> Result<Loaded, Faults> {
    let mut faults = Vec::new();
    let text = file(old, new, listen, admin);
    let old = noted("--old", scalar::endpoint(old), &mut faults);
    let new = noted("--new", scalar::endpoint(new), &mut faults);
    let listen = listen.map(|it| noted("--listen", scalar::address(it), &mut faults));
    let admin = admin.map(|it| noted("--admin-listen", scalar::address(it), &mut faults));
    let (listen, admin) = (listen.flatten(), admin.flatten());
    if let Some(address) = admin.filter(|it| !it.ip().is_loopback()) {
        let complaint = Complaint::new(address.to_string(), "a loopback address");
        let remedy = "other addresses need operators, and those a configuration file";
        faults.push(fault("--admin-listen", complaint.remedy(remedy)));
    }
    let (Some(old), Some(new)) = (old, new) else {
        return Err(Faults::new(faults).expect("an endpoint that is missing was noted"));
    };
    let mut plan = defaults::plan(PerSide {
        old: defaults::upstream(vec![old]),
        new: defaults::upstream(vec![new]),
    });
    if let (Some(address), Some(listener)) = (listen, plan.listeners.first_mut()) {
        listener.address = address;
    }
    plan.admin.address = admin.unwrap_or(plan.admin.address);
    let is_taken = plan
        .listeners
        .iter()
        .any(|it| it.address == plan.admin.address);
    if is_taken && plan.admin.address.port() != 0 {
        let complaint = Complaint::new(plan.admin.address.to_string(), "another address");
        faults.push(fault(
            "--listen",
            complaint.remedy("the admin API listens there"),
        ));
    }
    match Faults::new(faults) {
        Some(faults) => Err(faults),
        None => Ok(Loaded {
            warnings: warning::of(&plan),
            plan,
            text,
        }),
    }
}

/// The file that says the same.
fn file(old: &str, new: &str, listen: Option<&str>, admin: Option<&str>) -> String {
    // TOML's basic strings are written as JSON's are.
    let string = |it: &str| serde_json::Value::from(it).to_string();
    let address = |section: &str, address: Option<&str>| {
        let line = address.map(|it| format!("{section}\naddress = {}\n", string(it)));
        line.unwrap_or_default()
    };
    let (old, new) = (string(old), string(new));
    let (listen, admin) = (address("[[listener]]", listen), address("[admin]", admin));
    format!("[old]\nendpoints = [{old}]\n[new]\nendpoints = [{new}]\n{listen}{admin}")
}

fn noted<T>(
    argument: &'static str,
    result: Result<T, Complaint>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    result
        .map_err(|complaint| faults.push(fault(argument, complaint)))
        .ok()
}

const fn fault(argument: &'static str, complaint: Complaint) -> Fault {
    Fault {
        place: Place::Argument(argument),
        complaint,
    }
}
