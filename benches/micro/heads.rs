//! Reading, rewriting and writing a request's and an answer's head, as of a small request over HTTP/1.1.

use std::net::Ipv4Addr;

use changeover::{
    plan::Plan,
    proxy::{
        head::{ClientScheme, HeadLimits, Peer, RequestHead, ResponseHead},
        stages::{Reader, Request, encode_answer, encode_request, read_answer},
    },
    split::SplitTable,
    units::Side,
};
use divan::{Bencher, black_box};

use crate::world::{START, plan, table};

/// A browser's, from a returning client.
const REQUEST: &[u8] = b"GET /part/7/cart?colour=green HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: http://shop.example/\r\n\
    Cookie: session=38afes7a8; changeover_id=7zzzzzzzzzzzzzzzzzzzzzzzzz\r\n\
    Connection: keep-alive\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: origin\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Content-Length: 15\r\n\
    Cache-Control: max-age=0, private\r\n\
    ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n\
    Vary: Accept-Encoding\r\n\
    Connection: keep-alive\r\n\r\n";

#[divan::bench]
fn request_1_read(bencher: Bencher<'_, '_>) {
    let mut reader = Reader::new(limits(&plan(0)));
    bencher.bench_local(|| reader.read(black_box(REQUEST)));
}

/// Route, client, cookie, hop-by-hop fields, forwarding, marks.
#[divan::bench(args = [0, 1_000])]
fn request_2_take_in(bencher: Bencher<'_, '_>, routes: usize) {
    let plan = plan(routes);
    let table = table(&plan);
    bencher
        .with_inputs(|| request(&plan))
        .bench_local_refs(|head| take_in(&plan, &table, head));
}

/// The same head as the endpoint's protocol wants it.
#[divan::bench]
fn request_3_address(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let table = table(&plan);
    bencher
        .with_inputs(|| {
            let mut head = request(&plan);
            (take_in(&plan, &table, &mut head), head)
        })
        .bench_local_refs(|(request, head)| request.address(&plan, Side::Old, head));
}

#[divan::bench]
fn request_4_encode(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let table = table(&plan);
    let mut head = request(&plan);
    take_in(&plan, &table, &mut head).address(&plan, Side::Old, &mut head);
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        encode_request(black_box(&head), &mut out);
    });
}

#[divan::bench]
fn answer_1_read(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let head = request(&plan);
    let limits = limits(&plan);
    bencher.bench_local(|| read_answer(black_box(ANSWER), &head, &limits));
}

#[divan::bench]
fn answer_2_rewrite(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let table = table(&plan);
    let mut head = request(&plan);
    let request = take_in(&plan, &table, &mut head);
    bencher
        .with_inputs(|| answer(&plan, &head))
        .bench_local_refs(|answer| request.answer(&plan, Side::Old, answer));
}

#[divan::bench]
fn answer_3_encode(bencher: Bencher<'_, '_>) {
    let plan = plan(0);
    let answer = answer(&plan, &request(&plan));
    let date = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let mut out = Vec::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        encode_answer(black_box(&answer), 15, date, &mut out);
    });
}

fn limits(plan: &Plan) -> HeadLimits {
    HeadLimits::from(&plan.limits)
}

fn request(plan: &Plan) -> RequestHead {
    let mut reader = Reader::new(limits(plan));
    reader.read(REQUEST).expect("it is a whole head")
}

fn answer(plan: &Plan, request: &RequestHead) -> ResponseHead {
    read_answer(ANSWER, request, &limits(plan)).expect("it is a whole head")
}

/// Takes the head in, as from a trusted peer on this machine.
fn take_in(plan: &Plan, table: &SplitTable, head: &mut RequestHead) -> Request {
    let peer = Peer {
        address: Ipv4Addr::LOCALHOST.into(),
        scheme: ClientScheme::Http,
    };
    let taken = Request::take_in(plan, peer, head, table, START);
    taken.expect("nothing is wrong with it")
}
