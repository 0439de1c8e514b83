//! Finding a request's route, side and endpoint.

use std::time::Duration;

use changeover::{
    measure::{Board, Standing},
    plan::{EndpointId, RouteId},
    proxy::stages::choose,
    split::{
        ClientKey, Draw, Facts, Intent, Publication, Target, WriterCell, Writers, assign, slot_of,
    },
    units::{PerSide, Side},
};
use divan::{Bencher, black_box};
use http::Method;

use crate::world::{START, plan, table};

/// A returning client: its slot from its cookie, and its side.
#[divan::bench]
fn assign_sticky(bencher: Bencher<'_, '_>) {
    let table = table(&plan(0));
    let id = b"7zzzzzzzzzzzzzzzzzzzzzzzzz";
    bencher.bench_local(|| {
        let slot = slot_of(&table.salt, ClientKey(black_box(id)));
        assign(&table, facts(slot))
    });
}

/// Without stickiness: a slot from random bits, and a side.
#[divan::bench]
fn assign_drawn(bencher: Bencher<'_, '_>) {
    let table = table(&plan(0));
    bencher.bench_local(|| assign(&table, facts(Draw(fastrand::u64(..)).slot())));
}

/// Whether a returning client has just written, where that is asked.
#[divan::bench]
fn has_just_written(bencher: Bencher<'_, '_>) {
    let writers = Writers::default();
    writers.wrote(WriterCell::of(ClientKey(b"another")), START);
    let id = b"7zzzzzzzzzzzzzzzzzzzzzzzzz";
    bencher.bench_local(|| {
        let cell = WriterCell::of(ClientKey(black_box(id)));
        writers.is_kept(cell, Duration::from_secs(30), START)
    });
}

/// The table in force, and the second look at it before the first byte goes upstream.
#[divan::bench]
fn table_in_force(bencher: Bencher<'_, '_>) {
    let publication = Publication::new(table(&plan(0)));
    let mut reader = publication.reader();
    bencher.bench_local(|| {
        let generation = reader.table().generation;
        reader.is_in_force(black_box(generation))
    });
}

#[divan::bench(args = [1, 1_000])]
fn route(bencher: Bencher<'_, '_>, routes: usize) {
    let table = table(&plan(routes));
    let target = Target {
        host: "shop.example",
        path: "/part/0/cart",
        method: &Method::GET,
    };
    bencher.bench_local(|| table.routes.find(black_box(target)));
}

#[divan::bench(args = [1, 2, 100])]
fn choose_endpoint(bencher: Bencher<'_, '_>, endpoints: u16) {
    let count = usize::from(endpoints);
    let board = Board::new(PerSide {
        old: count,
        new: count,
    });
    let loads: Vec<usize> = (0..count).map(|it| it % 7).collect();
    let is_usable = |it: usize| {
        let id = EndpointId {
            side: Side::Old,
            index: u16::try_from(it).expect("one of them"),
        };
        board.standing(id, START) == Standing::Usable
    };
    let mut random = fastrand::Rng::with_seed(7);
    bencher.bench_local(|| {
        choose(
            black_box(count),
            is_usable,
            |it| loads[it],
            |below| random.usize(..below),
        )
    });
}

fn facts(slot: changeover::units::Slot) -> Facts {
    Facts {
        route: RouteId::REST,
        intent: Intent::Read,
        forced: None,
        slot,
        is_kept: false,
    }
}
