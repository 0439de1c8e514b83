//! Where a zone stands between the two sides of a change, for providers that do not compare by themselves. Pure.

use crate::{
    dns::provider::ProviderError,
    plan::dns::{Change, RecordSet},
};

/// Where a zone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everything is as it has to be before the change.
    Before,
    /// The change is made already.
    After,
}

impl Standing {
    /// Where these sets stand: all that there are of [`Change::subjects`].
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] with both if they are neither side.
    pub(super) fn of(change: &Change, found: Vec<RecordSet>) -> Result<Self, ProviderError> {
        if RecordSet::are_same(&found, change.after()) {
            return Ok(Self::After);
        }
        if RecordSet::are_same(&found, change.before()) {
            return Ok(Self::Before);
        }
        Err(ProviderError::Conflict {
            expected: change.before().to_vec(),
            found,
        })
    }
}

/// What was accepted has to be there.
///
/// # Errors
/// [`ProviderError::Unknown`], since the provider said that it has made the change.
pub(super) fn hold_to_after(
    change: &Change,
    read_back: Result<Vec<RecordSet>, ProviderError>,
) -> Result<(), ProviderError> {
    let unknown = |why: String| Err(ProviderError::Unknown { why });
    let found = match read_back {
        Ok(found) => found,
        Err(error) => {
            return unknown(format!(
                "it was accepted and could not be read back: {error}"
            ));
        }
    };
    if RecordSet::are_same(&found, change.after()) {
        return Ok(());
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let found = match found.is_empty() {
        true => "nothing".to_owned(),
        false => found.join("; "),
    };
    unknown(format!(
        "it was accepted, and read back there was {found}; has somebody else changed it at the same moment?"
    ))
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;
    use crate::plan::dns::{Kind, Ttl, Value};

    fn set(kind: Kind, ttl: u32, value: &str) -> RecordSet {
        RecordSet {
            name: Name::from_ascii("shop.example.test.").expect("a name"),
            kind,
            ttl: Ttl(ttl),
            values: [Value::parse(kind, value).expect("a value")].into(),
        }
    }

    fn change() -> Change {
        let before = vec![
            set(Kind::A, 60, "192.0.2.1"),
            set(Kind::Aaaa, 60, "2001:db8::1"),
        ];
        let zone = Name::from_ascii("example.test.").expect("a name");
        Change::new(zone, before, vec![set(Kind::A, 60, "198.51.100.1")]).expect("a change")
    }

    #[test]
    fn a_zone_is_on_one_side_with_everything_or_on_none() {
        let change = change();
        let mut before = change.before().to_vec();
        before.reverse();
        assert_eq!(Standing::of(&change, before.clone()), Ok(Standing::Before));
        let after = change.after().to_vec();
        assert_eq!(Standing::of(&change, after), Ok(Standing::After));
        // AAAA, which the change takes away, is still there beside the new A.
        let half = vec![change.after()[0].clone(), before[0].clone()];
        let slower = vec![before[0].clone(), before[1].with_ttl(Ttl(61))];
        for found in [Vec::new(), half, slower] {
            let expected = ProviderError::Conflict {
                expected: change.before().to_vec(),
                found: found.clone(),
            };
            assert_eq!(Standing::of(&change, found), Err(expected));
        }
    }

    #[test]
    fn what_was_accepted_and_is_not_there_is_not_known() {
        let change = change();
        assert_eq!(hold_to_after(&change, Ok(change.after().to_vec())), Ok(()));
        let error = hold_to_after(&change, Ok(Vec::new())).expect_err("nothing is there");
        assert!(error.to_string().contains("there was nothing"), "{error}");
        let error = hold_to_after(&change, Err(ProviderError::Unauthorized));
        assert!(matches!(error, Err(ProviderError::Unknown { .. })));
    }
}
