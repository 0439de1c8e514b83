//! Clients read what they have just written, though new has it later.

use std::{
    fmt::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use changeover::{
    config::parse,
    plan::DatabasePlan,
    replication::{Session, connect},
};

use crate::harness::{
    eventually, metrics, now, pause,
    postgres::{Cluster, Pair},
    proxy::{Proxy, configuration},
    raw::Raw,
    scripted::{Scripted, ok},
    turn,
};

use super::lag::{Blocked, Lock};

const LIMIT: Duration = Duration::from_secs(20);

/// Clients that write and read at once.
const CLIENTS: u64 = 6;

/// How far new is made to trail.
const TRAILS: Duration = Duration::from_millis(1_500);

/// An environment in front of its own database: it inserts what is posted, once it may, and counts what is asked for.
fn shop(name: &'static str, database: DatabasePlan, may_write: &Arc<AtomicBool>) -> Scripted {
    let may_write = Arc::clone(may_write);
    Scripted::start(move |caller| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let session = runtime.block_on(connect(&database));
        let session: Session = session.expect("the database answers");
        while let Some((method, item)) = asked(caller) {
            let sql = match method.as_str() {
                "POST" => {
                    eventually("it may be written", LIMIT, || {
                        may_write.load(Ordering::SeqCst).then_some(())
                    });
                    format!("INSERT INTO public.item VALUES ({item}, 'ordered') RETURNING 1::int8")
                }
                _ => format!("SELECT count(*) FROM public.item WHERE id = {item}"),
            };
            let rows = runtime.block_on(session.rows("ask", &sql, &[]));
            let found: i64 = rows.expect("it is right")[0].get(0);
            caller.say(ok(&format!("{name} {found}")));
        }
    })
}

/// The method, and the item in the path.
fn asked(caller: &mut crate::harness::scripted::Caller) -> Option<(String, u64)> {
    let head = caller.head()?;
    let mut words = head.split(' ');
    let method = words.next()?.to_owned();
    let item = words.next()?.strip_prefix("/item/")?.parse().ok()?;
    Some((method, item))
}

fn database(cluster: &Cluster) -> DatabasePlan {
    let url = cluster.url("postgres");
    let unused = "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable";
    let text = format!(
        "[[replication]]\nname = \"shop\"\nkind = \"postgres\"\nold = \"{url}\"\nnew = \"{unused}\"\n\
         [old]\nendpoints = [\"http://127.0.0.1:1\"]\n[new]\nendpoints = [\"http://127.0.0.1:1\"]\n"
    );
    let loaded = parse(&text, Path::new("test.toml"), Path::new("")).expect("it is right");
    loaded.plan.replications[0].databases.old.clone()
}

fn proxy(pair: &Pair, (old, new): (&Scripted, &Scripted), split: &str) -> Proxy {
    let more = format!(
        "workers = 2\n[split]\nsticky = \"header:x-client\"\nwrites = \"old\"\n{split}\n{}",
        pair.configuration("shop")
    );
    // Top-level keys come first.
    let (workers, more) = more.split_once('\n').expect("lines");
    let whole = configuration(&old.url(), &new.url(), more);
    Proxy::start(&format!("{workers}\n{whole}"))
}

/// One request of a client on a connection of its own, which may come to either worker.
fn ask(proxy: &Proxy, method: &str, client: u64, item: u64) -> String {
    let mut connection = Raw::to(proxy.address());
    let mut head = String::new();
    write!(
        head,
        "{method} /item/{item} HTTP/1.1\r\nHost: a\r\nx-client: {client}\r\n\r\n"
    )
    .expect("a string takes everything");
    connection.say(head);
    let said = connection.answer(method);
    assert_eq!(said.status, 200, "{said}");
    said.body
}

/// What clients that write and read at once saw.
#[derive(Debug, Default)]
struct Seen {
    reads: usize,
    /// Reads in which what was just written is not to be seen.
    lost: usize,
    /// Reads that old answered.
    on_old: usize,
    /// How long after a write old still answered its reads.
    longest: Duration,
}

/// Each client writes once and reads it until new has answered, while new trails.
fn order(proxy: &Proxy, pair: &Pair, first: u64) -> Seen {
    let blocked = Blocked::begin_with(pair, u32::try_from(first).expect("small"), Lock::Writes);
    let seen = thread::scope(|scope| {
        let clients: Vec<_> = (1..=CLIENTS)
            .map(|client| scope.spawn(move || read_behind_write(proxy, client, first + client)))
            .collect();
        pause(TRAILS);
        drop(blocked);
        let seen = clients.into_iter().map(|it| it.join().expect("no panic"));
        seen.collect::<Vec<Seen>>()
    });
    seen.into_iter().fold(Seen::default(), |all, it| Seen {
        reads: all.reads + it.reads,
        lost: all.lost + it.lost,
        on_old: all.on_old + it.on_old,
        longest: all.longest.max(it.longest),
    })
}

fn read_behind_write(proxy: &Proxy, client: u64, item: u64) -> Seen {
    assert_eq!(ask(proxy, "POST", client, item), "old 1");
    let wrote = now();
    let mut seen = Seen::default();
    while now() - wrote < TRAILS + Duration::from_secs(3) {
        let asked_after = now() - wrote;
        let answer = ask(proxy, "GET", client, item);
        seen.reads += 1;
        seen.lost += usize::from(answer.ends_with(" 0"));
        if answer.starts_with("old") {
            seen.on_old += 1;
            seen.longest = asked_after;
        }
        if answer == "new 1" {
            return seen;
        }
    }
    seen
}

/// Waits until somebody who has written nothing reads on new.
fn settled(proxy: &Proxy) {
    eventually("reads go to new", LIMIT, || {
        (ask(proxy, "GET", 99, 0) == "new 0").then_some(())
    });
}

#[test]
fn who_has_just_written_reads_it_though_new_has_it_later() {
    let _turn = turn();
    let pair = Pair::replicating();
    let may_write = Arc::new(AtomicBool::new(true));
    let old = shop("old", database(&pair.old), &may_write);
    let new = shop("new", database(&pair.new), &may_write);
    let without = proxy(&pair, (&old, &new), "");
    let with = proxy(&pair, (&old, &new), "read_your_writes = \"30s\"");
    let short = proxy(&pair, (&old, &new), "read_your_writes = \"1s\"");
    for it in [&without, &with, &short] {
        it.set_weight(100.0);
        settled(it);
    }

    let seen = order(&without, &pair, 1_000);
    assert!(
        seen.lost > 0,
        "new does not trail, so nothing is shown: {seen:?}"
    );

    let seen = order(&with, &pair, 2_000);
    println!("kept on old: {seen:?}");
    assert_eq!(seen.lost, 0, "{seen:?}");
    assert!(seen.on_old > 0, "{seen:?}");
    assert!(seen.longest >= TRAILS / 2, "{seen:?}");
    // A heartbeat a second says that new has it.
    assert!(
        seen.longest <= TRAILS + Duration::from_millis(2_900),
        "{seen:?}"
    );
    let kept = [("side", "old"), ("cause", "kept")];
    let counted = metrics::sum(with.admin, "changeover_assignments_total", &kept);
    assert!(counted > 0.0, "{counted}");
    let status = with.status();
    assert_eq!(status["sides"]["new"]["kept"], 0, "{status}");

    // The bound ends it, whether or not new has it.
    let seen = order(&short, &pair, 3_000);
    assert!(seen.lost > 0, "{seen:?}");
    assert!(
        seen.longest < Duration::from_millis(1_400),
        "kept for longer than the bound: {seen:?}"
    );

    // A new process does not know who has written, and keeps everybody until new has it.
    let blocked = Blocked::begin_with(&pair, 4_000, Lock::Writes);
    assert_eq!(ask(&with, "POST", 1, 4_001), "old 1");
    let with = Proxy::start_in(&with.kill());
    assert_eq!(ask(&with, "GET", 1, 4_001), "old 1");
    drop(blocked);
    settled(&with);
    assert_eq!(ask(&with, "GET", 1, 4_001), "new 1");
    a_write_that_the_process_before_finishes_counts(&pair, &with, &may_write);
}

fn a_write_that_the_process_before_finishes_counts(
    pair: &Pair,
    proxy: &Proxy,
    may_write: &AtomicBool,
) {
    may_write.store(false, Ordering::SeqCst);
    thread::scope(|scope| {
        let writing = scope.spawn(|| ask(proxy, "POST", 1, 5_001));
        proxy.status_when("the write is under way", LIMIT, |it| {
            it["sides"]["old"]["in_flight"] == 1
        });
        proxy.upgrade();
        // Everybody is kept at first, and then only who still writes in the process before.
        settled(proxy);
        let blocked = Blocked::begin_with(pair, 5_000, Lock::Writes);
        may_write.store(true, Ordering::SeqCst);
        assert_eq!(writing.join().expect("no panic"), "old 1");
        assert_eq!(ask(proxy, "GET", 1, 5_001), "old 1");
        assert_eq!(ask(proxy, "GET", 99, 0), "new 0");
        drop(blocked);
        eventually("it reads on new", LIMIT, || {
            (ask(proxy, "GET", 1, 5_001) == "new 1").then_some(())
        });
    });
}
