//! Matching a request to a route: by host, then the longest path prefix on segment boundaries, then method.

use std::collections::{BTreeMap, HashMap};

use http::Method;

use crate::plan::{Edition, RouteId, RoutePlan};

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

/// The plan's routes, compiled for look-up: its cost grows with the lengths of prefixes in use, not with the routes.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    /// In the order of the file.
    routes: Vec<RoutePlan>,
    /// The id of each.
    ids: Vec<RouteId>,
    /// Where each id's route stands; ids of routes that are gone have none.
    places: Vec<Option<u16>>,
    by_host: BTreeMap<String, Prefixes>,
    any_host: Prefixes,
}

/// The routes of one host, or of every host, by path prefix.
#[derive(Clone, Debug, Default)]
struct Prefixes {
    /// The routes of each prefix, in the order in which they are tried.
    routes: HashMap<Box<str>, Vec<u16>>,
    /// The lengths of the prefixes, the longest first.
    lengths: Vec<usize>,
}

impl RouteTable {
    /// Compiles routes whose ids are their places.
    #[must_use]
    pub fn new(routes: &[RoutePlan]) -> Self {
        let ids = (0..u16::MAX).zip(routes).map(|(index, _)| RouteId(index));
        Self::numbered(routes, ids.collect())
    }

    /// Compiles the routes of an edition.
    #[must_use]
    pub fn of(edition: &Edition) -> Self {
        let ids = edition.routes().map(|(id, _)| id);
        Self::numbered(&edition.plan().routes, ids.collect())
    }

    fn numbered(routes: &[RoutePlan], ids: Vec<RouteId>) -> Self {
        let places = ids.iter().map(|id| usize::from(id.0) + 1).max();
        let mut places = vec![None; places.unwrap_or_default()];
        for (place, id) in (0..u16::MAX).zip(&ids) {
            places[usize::from(id.0)] = Some(place);
        }
        let mut lists: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut any_host = Vec::new();
        for (index, route) in (0..u16::MAX).zip(routes) {
            match &route.host {
                Some(host) => lists.entry(host).or_default().push(index),
                None => any_host.push(index),
            }
        }
        // A host's own routes are tried before those for every host only where their prefix is as long, so
        // each host's list holds both.
        let by_host = lists.into_iter().map(|(host, mut own)| {
            own.extend_from_slice(&any_host);
            (host.to_owned(), Prefixes::new(own, routes))
        });
        Self {
            routes: routes.to_vec(),
            ids,
            places,
            by_host: by_host.collect(),
            any_host: Prefixes::new(any_host, routes),
        }
    }

    /// The route that `target` matches, or [`RouteId::REST`].
    #[must_use]
    pub fn find(&self, target: Target<'_>) -> RouteId {
        if self.routes.is_empty() {
            return RouteId::REST;
        }
        let own = self.by_host.get(target.host);
        let prefixes = own.unwrap_or(&self.any_host);
        let candidates = prefixes.of(target.path);
        let found = candidates.into_iter().find(|index| {
            let methods = &self.routes[usize::from(*index)].methods;
            methods.is_empty() || methods.contains(target.method)
        });
        found.map_or(RouteId::REST, |place| self.ids[usize::from(place)])
    }

    /// The route's plan; `None` for [`RouteId::REST`], and for a route of another edition.
    #[must_use]
    pub fn plan(&self, id: RouteId) -> Option<&RoutePlan> {
        let place = self.places.get(usize::from(id.0)).copied().flatten()?;
        self.routes.get(usize::from(place))
    }
}

impl Prefixes {
    fn new(mut list: Vec<u16>, routes: &[RoutePlan]) -> Self {
        list.sort_by_key(|index| {
            let route = &routes[usize::from(*index)];
            let rank = (route.host.is_some(), !route.methods.is_empty());
            (std::cmp::Reverse(rank), *index)
        });
        let mut prefixes = Self::default();
        for index in list {
            let path = &routes[usize::from(index)].path;
            prefixes.lengths.push(path.len());
            let of_path = prefixes.routes.entry(path.as_str().into());
            of_path.or_default().push(index);
        }
        prefixes.lengths.sort_unstable();
        prefixes.lengths.dedup();
        prefixes.lengths.reverse();
        prefixes
    }

    /// The routes whose prefix covers `path`, those of the longest prefix first: `/shop` covers `/shop` and `/shop/cart`,
    /// not `/shopping`.
    fn of<'a>(&'a self, path: &'a str) -> impl IntoIterator<Item = u16> + 'a {
        let prefixes = self.lengths.iter().filter_map(move |length| {
            let (prefix, rest) = path.split_at_checked(*length)?;
            let is_segment = rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/');
            is_segment.then_some(prefix)
        });
        let lists = prefixes.filter_map(|prefix| self.routes.get(prefix));
        lists.flatten().copied()
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
            copied: None,
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
