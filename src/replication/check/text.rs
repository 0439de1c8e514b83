//! Whether both sides store and sort text alike.

use crate::{
    replication::{
        catalog::{Catalog, Server},
        check::Fault,
    },
    units::{PerSide, Side},
};

pub(super) fn encoding(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let (old, new) = (&sides.old.server.encoding, &sides.new.server.encoding);
    if old == new {
        return Vec::new();
    }
    let found = format!("{old} on old, {new} on new");
    let fault = match new.as_str() {
        // Whatever old holds, UTF8 can hold. The way back is another matter.
        "UTF8" => Fault::warn(
            found,
            "text that old's encoding lacks will not find its way back",
        ),
        _ => Fault::fail(
            found,
            format!(
                "create new's database with ENCODING '{old}', or text that {new} lacks stops replication"
            ),
        ),
    };
    vec![fault]
}

pub(super) fn collation(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (old, new) = (&sides.old.server, &sides.new.server);
    let described = |it: &Server| {
        let locale = it.locale.as_ref().map(|it| format!(", locale {it}"));
        format!("{}/{}{}", it.collate, it.ctype, locale.unwrap_or_default())
    };
    if described(old) != described(new) || old.provider != new.provider {
        faults.push(Fault::warn(
            format!(
                "{} on old, {} on new: text sorts differently",
                described(old),
                described(new)
            ),
            "create new's database with old's locale, or look at what depends on the order of text",
        ));
    } else if old.collation_version != new.collation_version {
        let version = |it: &Server| {
            it.collation_version
                .clone()
                .unwrap_or_else(|| "none".into())
        };
        faults.push(Fault::warn(
            format!("version {} on old, {} on new: text may sort differently", version(old), version(new)),
            "compare by key on both sides only where keys are no text; never copy data files between them",
        ));
    }
    for side in Side::ALL {
        let server = &sides[side].server;
        let (Some(recorded), Some(now)) = (&server.collation_recorded, &server.collation_version)
        else {
            continue;
        };
        if recorded != now {
            faults.push(Fault::warn(
                format!("{side} was built with collation version {recorded} and runs with {now}"),
                format!(
                    "REINDEX DATABASE on {side}, then ALTER DATABASE … REFRESH COLLATION VERSION"
                ),
            ));
        }
    }
    faults
}
