//! Matching a request to a route: by host, then the longest path prefix on segment boundaries, then method.

use std::collections::BTreeMap;

use http::Method;

use crate::plan::{RouteId, RoutePlan};

/// What routing looks at.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The host, lower case, without port.
    pub host: &'a str,
    /// The path, normalised: dot segments removed, unreserved octets decoded (RFC 3986 section 6.2.2).
    pub path: &'a str,
    /// The method.
    pub method: &'a Method,
}

/// The plan's routes, compiled for look-up.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<RoutePlan>,
    by_host: BTreeMap<String, Vec<u16>>,
    any_host: Vec<u16>,
}

impl RouteTable {
    /// Compiles the plan's routes; a [`RouteId`] stays the index in `routes`.
    #[must_use]
    pub fn new(routes: &[RoutePlan]) -> Self {
        let mut table = Self {
            routes: routes.to_vec(),
            ..Self::default()
        };
        for (index, route) in (0..u16::MAX).zip(routes) {
            match &route.host {
                Some(host) => table.by_host.entry(host.clone()).or_default().push(index),
                None => table.any_host.push(index),
            }
        }
        // A host's own routes are tried before those for every host only where their prefix is as long, so
        // each host's list holds both.
        let any_host = table.any_host.clone();
        for list in table.by_host.values_mut() {
            list.extend_from_slice(&any_host);
            sort(list, routes);
        }
        sort(&mut table.any_host, routes);
        table
    }

    /// The route that `target` matches, or [`RouteId::REST`].
    #[must_use]
    pub fn find(&self, target: Target<'_>) -> RouteId {
        let own = self.by_host.get(target.host);
        let list = own.unwrap_or(&self.any_host);
        let found = list.iter().find(|index| {
            let route = &self.routes[usize::from(**index)];
            has_prefix(target.path, &route.path)
                && (route.methods.is_empty() || route.methods.contains(target.method))
        });
        found.map_or(RouteId::REST, |index| RouteId(*index))
    }

    /// The route's plan; `None` for [`RouteId::REST`].
    #[must_use]
    pub fn plan(&self, id: RouteId) -> Option<&RoutePlan> {
        self.routes.get(usize::from(id.0))
    }
}

fn sort(list: &mut [u16], routes: &[RoutePlan]) {
    list.sort_by_key(|index| {
        let route = &routes[usize::from(*index)];
        let rank = (
            route.path.len(),
            route.host.is_some(),
            !route.methods.is_empty(),
        );
        (std::cmp::Reverse(rank), *index)
    });
}

/// Whether `path` lies under `prefix`: `/shop` covers `/shop` and `/shop/cart`, not `/shopping`.
fn has_prefix(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        None => false,
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str, methods: &[Method]) -> RoutePlan {
        RoutePlan {
            name: path.to_owned(),
            host: host.map(str::to_owned),
            path: path.to_owned(),
            methods: methods.to_vec(),
            pin: None,
            writes: None,
        }
    }

    #[test]
    fn longest_prefix_wins_then_host_then_method_then_order() {
        let table = RouteTable::new(&[
            route(None, "/", &[]),
            route(None, "/shop", &[]),
            route(Some("a.test"), "/shop", &[]),
            route(None, "/shop", &[Method::POST]),
            route(Some("a.test"), "/", &[]),
        ]);
        let check = |host, path, method: Method, expected| {
            let target = Target {
                host,
                path,
                method: &method,
            };
            assert_eq!(
                table.find(target),
                RouteId(expected),
                "{host}{path} {method}"
            );
        };
        check("b.test", "/", Method::GET, 0);
        check("b.test", "/shop/cart", Method::GET, 1);
        check("b.test", "/shop", Method::POST, 3);
        check("b.test", "/shopping", Method::GET, 0);
        check("a.test", "/shop", Method::GET, 2);
        check("a.test", "/shop", Method::POST, 2);
        check("a.test", "/x", Method::GET, 4);
    }

    #[test]
    fn what_nothing_matches_is_the_rest() {
        let table = RouteTable::new(&[route(None, "/api/", &[])]);
        let target = Target {
            host: "a.test",
            path: "/api",
            method: &Method::GET,
        };
        assert_eq!(table.find(target), RouteId::REST);
    }
}
