//! One reading of the configuration by a running process, and the ids that endpoints and routes keep from one reading to
//! the next: what was measured under an id stays that endpoint's, whatever a reload adds, takes out or moves.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    plan::{EndpointId, EndpointPlan, Plan, RouteId, RoutePlan},
    units::{PerSide, Side},
};

/// Endpoints of a side that a process may meet in its life. Each costs it a few hundred bytes for good.
const ENDPOINTS_MAX: u16 = 4_096;

/// Routes that a process may meet in its life.
const ROUTES_MAX: u16 = 16_384;

/// A plan in force, with its number and the ids of what it names.
#[derive(Clone, Debug)]
pub struct Edition {
    number: u32,
    plan: Arc<Plan>,
    text: Arc<str>,
    endpoints: PerSide<Ids>,
    routes: Ids,
}

/// The numbers of an edition: its own, and the ids of what it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    number: u32,
    endpoints: PerSide<Ids>,
    routes: Ids,
}

/// The ids of a list, in its order, and how many were ever given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: Vec<u16>,
    given: u16,
}

/// The process has met so many endpoints or routes that it cannot number more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process has met {max} different {what} since its start and numbers no more: a restart begins anew"
)]
pub struct IdsExhausted {
    what: &'static str,
    max: u16,
}

impl Edition {
    /// What a process starts with: ids are places.
    #[must_use]
    pub fn first(plan: Arc<Plan>) -> Self {
        Self {
            number: 0,
            endpoints: PerSide::from_fn(|side| Ids::first(plan.upstreams[side].endpoints.len())),
            routes: Ids::first(plan.routes.len()),
            plan,
            text: Arc::default(),
        }
    }

    /// One whose numbers are known.
    #[must_use]
    pub fn numbered(plan: Arc<Plan>, numbers: Numbers) -> Self {
        let Numbers {
            number,
            endpoints,
            routes,
        } = numbers;
        Self {
            number,
            plan,
            text: Arc::default(),
            endpoints,
            routes,
        }
    }

    /// With the file as it was written.
    #[must_use]
    pub fn written(self, text: &str) -> Self {
        let text = Arc::from(text);
        Self { text, ..self }
    }

    /// The next one, in which everything that was there before keeps its id.
    ///
    /// # Errors
    /// If there are no ids left for what is new.
    pub fn next(&self, plan: Arc<Plan>) -> Result<Self, IdsExhausted> {
        let before = &self.plan;
        let of_side = |side| {
            let (was, is) = (
                &before.upstreams[side].endpoints,
                &plan.upstreams[side].endpoints,
            );
            let next = self.endpoints[side].next(was, is, |a, b| a == b);
            next.limited("endpoints", ENDPOINTS_MAX)
        };
        let endpoints = PerSide {
            old: of_side(Side::Old)?,
            new: of_side(Side::New)?,
        };
        let routes = self
            .routes
            .next(&before.routes, &plan.routes, |a, b| a.name == b.name);
        Ok(Self {
            number: self.number.wrapping_add(1),
            endpoints,
            routes: routes.limited("routes", ROUTES_MAX)?,
            plan,
            text: Arc::default(),
        })
    }

    /// Its number, which tells it from the one before.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// All its numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        Numbers {
            number: self.number,
            endpoints: self.endpoints.clone(),
            routes: self.routes.clone(),
        }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The file as it was written; empty where nobody has said.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A side's endpoints with their ids, in the order of the plan.
    pub fn endpoints(&self, side: Side) -> impl Iterator<Item = (EndpointId, &EndpointPlan)> {
        let ids = self.endpoints[side].ids.iter();
        let ids = ids.map(move |index| EndpointId {
            side,
            index: *index,
        });
        ids.zip(&self.plan.upstreams[side].endpoints)
    }

    /// An endpoint; `None` where the plan does not name it any more.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&EndpointPlan> {
        let mut endpoints = self.endpoints(id.side);
        endpoints
            .find(|(known, _)| *known == id)
            .map(|(_, plan)| plan)
    }

    /// By side, the number above every endpoint's index so far.
    #[must_use]
    pub fn endpoint_places(&self) -> PerSide<usize> {
        PerSide::from_fn(|side| usize::from(self.endpoints[side].given))
    }

    /// The routes with their ids, in the order of the plan.
    pub fn routes(&self) -> impl Iterator<Item = (RouteId, &RoutePlan)> {
        let ids = self.routes.ids.iter().map(|id| RouteId(*id));
        ids.zip(&self.plan.routes)
    }

    /// A route; `None` for [`RouteId::REST`], and where the plan does not name it any more.
    #[must_use]
    pub fn route(&self, id: RouteId) -> Option<&RoutePlan> {
        let mut routes = self.routes();
        routes.find(|(known, _)| *known == id).map(|(_, plan)| plan)
    }
}

impl Ids {
    fn first(count: usize) -> Self {
        let given = u16::try_from(count).unwrap_or(u16::MAX);
        Self {
            ids: (0..given).collect(),
            given,
        }
    }

    /// Each item of `is` takes the id of one of `was` that is the same, and no two the same one.
    fn next<T>(&self, was: &[T], is: &[T], is_same: impl Fn(&T, &T) -> bool) -> Self {
        let mut left: Vec<(u16, &T)> = self.ids.iter().copied().zip(was).collect();
        let mut given = self.given;
        let ids = is.iter().map(|item| {
            let found = left.iter().position(|(_, it)| is_same(it, item));
            match found {
                Some(place) => left.remove(place).0,
                None => {
                    given = given.saturating_add(1);
                    given - 1
                }
            }
        });
        Self {
            ids: ids.collect(),
            given,
        }
    }

    fn limited(self, what: &'static str, max: u16) -> Result<Self, IdsExhausted> {
        match self.given <= max {
            true => Ok(self),
            false => Err(IdsExhausted { what, max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(ids: &Ids, was: &str, is: &str) -> Ids {
        let list = |text: &str| text.chars().collect::<Vec<_>>();
        ids.next(&list(was), &list(is), |a, b| a == b)
    }

    #[test]
    fn whoever_stays_keeps_its_id_and_nobody_gets_one_that_was_anothers() {
        let first = Ids::first(3);
        let moved = next(&first, "abc", "cda");
        assert_eq!((moved.ids.as_slice(), moved.given), (&[2, 3, 0][..], 4));
        let back = next(&moved, "cda", "abcd");
        assert_eq!((back.ids.as_slice(), back.given), (&[0, 4, 2, 3][..], 5));
    }

    #[test]
    fn two_of_the_same_name_have_two_ids() {
        let first = Ids::first(2);
        assert_eq!(next(&first, "aa", "aaa").ids, [0, 1, 2]);
        assert_eq!(next(&first, "aa", "a").ids, [0]);
    }

    #[test]
    fn ids_run_out_with_a_word_about_what_to_do() {
        let first = Ids::first(2);
        let one_more = next(&first, "ab", "abc");
        assert!(one_more.clone().limited("routes", 3).is_ok());
        let error = one_more.limited("routes", 2).unwrap_err();
        assert!(error.to_string().contains("a restart"), "{error}");
    }
}
