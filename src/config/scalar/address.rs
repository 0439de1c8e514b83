//! Socket addresses, endpoint URLs and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::{
    config::{
        fault::Complaint,
        nearest::did_you_mean,
        scalar::{host, quoted},
    },
    plan::{EndpointPlan, Scheme},
};

/// What a socket address looks like.
pub(in crate::config) const ADDRESS: &str =
    "an IP address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
/// What an endpoint looks like.
pub(in crate::config) const URL: &str = "a URL such as \"http://10.0.0.5:8080\"";

/// Reads an IP address with a port.
pub(in crate::config) fn address(text: &str) -> Result<SocketAddr, Complaint> {
    text.parse().map_err(|_malformed| {
        let remedy = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => Some(format!("add a port: \"{ip}:8080\"")),
            Ok(IpAddr::V6(ip)) => Some(format!("add a port: \"[{ip}]:8080\"")),
            Err(_) => {
                let port = text
                    .strip_prefix("localhost:")
                    .or_else(|| text.strip_prefix(':'));
                port.map(|port| format!("write the address: \"127.0.0.1:{port}\""))
            }
        };
        Complaint::new(quoted(text), ADDRESS).maybe(remedy)
    })
}

/// Reads the URL of an endpoint: scheme, host and maybe a port; nothing else.
pub(in crate::config) fn endpoint(text: &str) -> Result<EndpointPlan, Complaint> {
    if text.contains('@') {
        let complaint = Complaint::new("a URL with user information", URL);
        return Err(complaint.remedy("leave out what stands before the @"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let remedy = format!("write {}", quoted(&format!("http://{text}")));
        return Err(Complaint::new(quoted(text), URL).remedy(remedy));
    };
    let scheme = scheme_of(scheme)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(end) = rest.find(['/', '?', '#']) {
        let base = rest.get(..end).unwrap_or_default();
        let complaint = Complaint::new(quoted(text), "a URL without a path");
        return Err(complaint.remedy(format!("write \"{scheme}://{base}\"")));
    }
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (rest, None),
    };
    let host = host(name).map_err(|it| Complaint {
        found: quoted(text),
        ..it
    })?;
    let port = match port {
        None => default_port(scheme),
        Some(port) => port_of(port).ok_or_else(|| {
            Complaint::new(quoted(text), "a port from 1 to 65535 after the colon")
        })?,
    };
    Ok(EndpointPlan { scheme, host, port })
}

/// Reads a network such as `"10.0.0.0/8"`, or one address.
pub(in crate::config) fn network(text: &str) -> Result<IpNet, Complaint> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_malformed| Complaint::new(quoted(text), "a network such as \"10.0.0.0/8\""))?;
    if network.trunc() == network {
        return Ok(network);
    }
    let complaint = Complaint::new(quoted(text), "a network without bits beyond its prefix");
    Err(complaint.remedy(format!(
        "write \"{}\" or \"{}\"",
        network.trunc(),
        network.addr()
    )))
}

fn scheme_of(text: &str) -> Result<Scheme, Complaint> {
    match text {
        "http" => Ok(Scheme::Http),
        "h2c" => Ok(Scheme::H2c),
        "https" => Ok(Scheme::Https),
        _ => {
            let expected = "a scheme of \"http\", \"h2c\", \"https\"";
            let near = did_you_mean(text, ["http", "h2c", "https"]);
            Err(Complaint::new(quoted(text), expected).maybe(near))
        }
    }
}

const fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http | Scheme::H2c => 80,
        Scheme::Https => 443,
    }
}

fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_endpoints() {
        let check = |text: &str, expected: Option<&str>| {
            let read = endpoint(text).ok().map(|it| it.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        };
        check("http://10.0.0.5:8080", Some("http://10.0.0.5:8080"));
        check("http://Shop.Example", Some("http://shop.example:80"));
        check("h2c://a.test/", Some("h2c://a.test:80"));
        check("https://[::1]", Some("https://[::1]:443"));
        check("https://[::1]:8443", Some("https://[::1]:8443"));
        check("10.0.0.5:8080", None);
        check("ftp://a.test", None);
        check("http://a.test/path", None);
        check("http://a.test?x", None);
        check("http://a.test:0", None);
        check("http://a.test:+80", None);
        check("http://a.test:99999", None);
        check("http://", None);
        check("http://user:password@a.test", None);
    }

    #[test]
    fn never_shows_user_information() {
        let complaint = endpoint("http://ada:hunter2@a.test").expect_err("refused");
        assert!(!complaint.to_string().contains("hunter2"), "{complaint}");
    }

    #[test]
    fn reads_networks() {
        let check = |text, expected: Option<&str>| {
            let read = network(text).ok().map(|it| it.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        };
        check("10.0.0.0/8", Some("10.0.0.0/8"));
        check("10.0.0.5", Some("10.0.0.5/32"));
        check("fd00::/8", Some("fd00::/8"));
        check("10.0.0.5/8", None);
        check("10.0.0.0/33", None);
        check("everybody", None);
    }
}
