//! Questions and answers on the wire, with servers that answer as real ones do on bad days.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use changeover::{
    dns::look::{Authorities, Comparison, NamedBy, Server, Unanswered, ask, ask_resolvers},
    plan::dns::{Kind, LookPlan, RecordSet},
};
use hickory_resolver::proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{NS, SOA},
    },
};

use super::{run, set, shop};
use crate::harness::{
    bind::{ZONE, role::free_port},
    eventually,
};

/// Long enough for a busy machine, and short enough to wait for it.
const LIMIT: Duration = Duration::from_secs(1);

/// How a server answers by UDP.
#[derive(Clone, Copy)]
enum Udp {
    Whole,
    /// Nothing in it but that it is cut off.
    CutOff,
    Silent,
    /// Other answers first: of another id, to another question, and a question.
    AmongForged,
}

/// How a server answers over TCP.
#[derive(Clone, Copy)]
enum Tcp {
    Whole,
    /// The connection is closed as soon as the question is there.
    Closed,
    Absent,
}

/// A server of the zone on 127.0.0.1.
struct Fake {
    address: SocketAddr,
    by_udp: Arc<AtomicUsize>,
    over_tcp: Arc<AtomicUsize>,
    wants_recursion: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Fake {
    fn start(udp: Udp, tcp: Tcp, answer: fn(&Message) -> Message) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut fake = Self {
            address,
            by_udp: Arc::default(),
            over_tcp: Arc::default(),
            wants_recursion: Arc::default(),
            is_over: Arc::default(),
            threads: Vec::new(),
        };
        fake.answer_by_udp(udp, answer);
        if !matches!(tcp, Tcp::Absent) {
            fake.answer_over_tcp(tcp, answer);
        }
        fake
    }

    fn answer_by_udp(&mut self, udp: Udp, answer: fn(&Message) -> Message) {
        let socket = UdpSocket::bind(self.address).expect("the port is free");
        let (asked, is_over) = (Arc::clone(&self.by_udp), Arc::clone(&self.is_over));
        let wants_recursion = Arc::clone(&self.wants_recursion);
        self.threads.push(thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let question = Message::from_vec(&buffer[..length]).expect("a question");
                wants_recursion.store(question.recursion_desired, Ordering::SeqCst);
                let whole = answer(&question);
                let answers = match udp {
                    Udp::Whole => vec![whole],
                    Udp::CutOff => vec![whole.truncate()],
                    Udp::Silent => Vec::new(),
                    Udp::AmongForged => forged(&whole),
                };
                for it in answers {
                    let bytes = it.to_vec().expect("it can be sent");
                    socket.send_to(&bytes, client).expect("it is sent");
                }
            }
        }));
    }

    fn answer_over_tcp(&mut self, tcp: Tcp, answer: fn(&Message) -> Message) {
        let listener = TcpListener::bind(self.address).expect("the port is free");
        let (asked, is_over) = (Arc::clone(&self.over_tcp), Arc::clone(&self.is_over));
        self.threads.push(thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                let mut stream = stream.expect("a connection");
                let mut length = [0; 2];
                stream.read_exact(&mut length).expect("a length");
                let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut bytes).expect("a question");
                if matches!(tcp, Tcp::Closed) {
                    continue;
                }
                let question = Message::from_vec(&bytes).expect("a question");
                let bytes = answer(&question).to_vec().expect("it can be sent");
                let length = u16::try_from(bytes.len()).expect("it is short");
                let framed = [&length.to_be_bytes()[..], &bytes].concat();
                stream.write_all(&framed).expect("it is sent");
            }
        }));
    }

    fn authorities(&self) -> Authorities {
        let zone = Name::from_ascii(ZONE).expect("a name");
        let server = Server {
            name: zone.clone(),
            address: self.address,
            named_by: NamedBy::Both,
        };
        Authorities {
            zone,
            servers: vec![server],
            parent: None,
            child: [].into(),
            unresolved: [].into(),
            parents: Vec::new(),
        }
    }

    /// What comes of asking for the address of the shop.
    fn asked(&self) -> Result<Vec<RecordSet>, Unanswered> {
        let plan = plan(self.address);
        let subjects = [(shop(), Kind::A)];
        let views = run(ask(&self.authorities(), &subjects, &plan));
        let [view] = views.try_into().expect("one server, one view");
        view.answers.map(|it| it.sets)
    }

    fn counts(&self) -> (usize, usize) {
        let of = |it: &AtomicUsize| it.load(Ordering::SeqCst);
        (of(&self.by_udp), of(&self.over_tcp))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Each thread waits for something to come.
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
        let _ = socket.send_to(&[0], self.address);
        let _ = std::net::TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server failed");
        }
    }
}

fn plan(resolver: SocketAddr) -> LookPlan {
    LookPlan {
        start: Vec::new(),
        port: 53,
        timeout: LIMIT,
        resolvers: vec![resolver],
    }
}

fn expected() -> RecordSet {
    set(Kind::A, 60, &["192.0.2.1"])
}

/// What a server of the zone says: its SOA, and the address of the shop.
fn of_zone(question: &Message) -> Message {
    let mut answer = Message::response(question.id, question.op_code);
    answer.metadata.authoritative = true;
    answer.add_queries(question.queries.clone());
    let zone = Name::from_ascii(ZONE).expect("a name");
    let asked = &question.queries[0];
    if asked.query_type == RecordType::SOA {
        let data = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, 5);
        answer.add_answer(Record::from_rdata(zone, 3600, RData::SOA(data)));
    } else if asked.query_type == RecordType::A && asked.name == shop() {
        answer.add_answers(expected().records());
    }
    answer
}

/// The same from a server that does not hold the zone: it knows from elsewhere.
fn of_cache(question: &Message) -> Message {
    let mut answer = of_zone(question);
    answer.metadata.authoritative = false;
    answer
}

/// It does not hold the zone and leads to others.
fn lame(question: &Message) -> Message {
    let mut answer = Message::response(question.id, question.op_code);
    answer.add_queries(question.queries.clone());
    let data = RData::NS(NS(shop()));
    answer.add_authority(Record::from_rdata(Name::root(), 60, data));
    answer
}

/// A refusal that does not repeat the question.
fn refusing(question: &Message) -> Message {
    Message::error_msg(question.id, question.op_code, ResponseCode::Refused)
}

/// Before the true answer: one of another id, one to another question, one that is a question itself. Each says something else.
fn forged(whole: &Message) -> Vec<Message> {
    let mut wrong = whole.clone();
    wrong.answers.clear();
    let mut of_other_id = wrong.clone();
    of_other_id.metadata.id = wrong.id.wrapping_add(1);
    let mut to_other = wrong.clone();
    to_other.queries[0].query_type = RecordType::TXT;
    let mut question = wrong;
    question.metadata.message_type = MessageType::Query;
    vec![of_other_id, to_other, question, whole.clone()]
}

#[test]
fn an_answer_by_udp_is_enough_and_no_recursion_is_wanted() {
    let fake = Fake::start(Udp::Whole, Tcp::Whole, of_zone);
    assert_eq!(fake.asked(), Ok(vec![expected()]));
    assert_eq!(fake.counts(), (2, 0), "the zone and its name, by UDP");
    assert!(!fake.wants_recursion.load(Ordering::SeqCst));
}

#[test]
fn what_is_cut_off_or_does_not_come_is_asked_for_over_tcp() {
    for udp in [Udp::CutOff, Udp::Silent] {
        let fake = Fake::start(udp, Tcp::Whole, of_zone);
        assert_eq!(fake.asked(), Ok(vec![expected()]));
        assert_eq!(fake.counts(), (2, 2));
    }
}

#[test]
fn answers_to_something_else_are_passed_over() {
    let fake = Fake::start(Udp::AmongForged, Tcp::Absent, of_zone);
    assert_eq!(fake.asked(), Ok(vec![expected()]));
}

#[test]
fn a_server_without_a_whole_answer_is_unknown_with_the_reason() {
    let silent = Fake::start(Udp::Silent, Tcp::Closed, of_zone);
    assert_eq!(silent.asked(), Err(Unanswered::Silent { limit: LIMIT }));
    assert_eq!(silent.counts(), (1, 1), "who is silent is not asked on");
    let cut_off = Fake::start(Udp::CutOff, Tcp::Closed, of_zone);
    let closed = |it| matches!(it, Err(Unanswered::Closed { why }) if why.contains("closed"));
    assert!(closed(cut_off.asked()));
    let no_tcp = Fake::start(Udp::CutOff, Tcp::Absent, of_zone);
    let nobody = |it| matches!(it, Err(Unanswered::Closed { why }) if why.contains("nobody"));
    assert!(nobody(no_tcp.asked()));
}

#[test]
fn only_a_server_of_the_zone_is_believed() {
    for answer in [of_cache, lame] {
        let fake = Fake::start(Udp::Whole, Tcp::Whole, answer);
        assert_eq!(fake.asked(), Err(Unanswered::NotAuthoritative));
    }
    let fake = Fake::start(Udp::Whole, Tcp::Whole, refusing);
    let code = ResponseCode::Refused;
    assert_eq!(fake.asked(), Err(Unanswered::Refused { code }));
    assert_eq!(fake.counts(), (1, 0), "a refusal is an answer");
}

#[test]
fn a_resolver_is_asked_to_find_out_and_need_not_hold_the_zone() {
    let fake = Fake::start(Udp::Whole, Tcp::Whole, of_cache);
    let subjects = [(shop(), Kind::A), (shop(), Kind::Aaaa)];
    let views = run(ask_resolvers(&subjects, &plan(fake.address)));
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].address, fake.address);
    assert_eq!(views[0].sets, Ok(vec![expected()]));
    assert!(fake.wants_recursion.load(Ordering::SeqCst));
}

#[test]
fn a_watch_sees_at_once_that_a_server_has_gone() {
    let fake = Fake::start(Udp::Whole, Tcp::Whole, of_zone);
    let (authorities, plan) = (fake.authorities(), plan(fake.address));
    let subjects = [(shop(), Kind::A)];
    let expected = [expected()];
    let views = run(ask(&authorities, &subjects, &plan));
    assert_eq!(views[0].compare(&expected), Comparison::Serves);
    drop(fake);
    // A process that another test starts may hold the socket for a moment.
    eventually("nobody listens", Duration::from_secs(10), || {
        let views = run(ask(&authorities, &subjects, &plan));
        let comparison = views[0].compare(&expected);
        let gone = matches!(comparison, Comparison::Unknown(Unanswered::Closed { .. }));
        gone.then_some(())
    });
}
