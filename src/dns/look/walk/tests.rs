//! Where answers lead.

use hickory_resolver::proto::{
    op::{OpCode, ResponseCode},
    rr::rdata::{A, NS},
};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// A referral: servers of a zone, and addresses that come along.
fn referral(zone: &str, servers: &[&str], glue: &[(&str, [u8; 4])]) -> Message {
    let mut answer = Message::response(1, OpCode::Query);
    for server in servers {
        let data = RData::NS(NS(name(server)));
        answer.add_authority(Record::from_rdata(name(zone), 60, data));
    }
    for (server, address) in glue {
        let data = RData::A(A((*address).into()));
        answer.add_additional(Record::from_rdata(name(server), 60, data));
    }
    answer
}

fn led(cut: &str, answer: Message) -> Option<Delegation> {
    match lead(&name(cut), &name("shop.example.test."), answer) {
        Ok(Step::Down(below)) => Some(below),
        Ok(Step::Here(_)) | Err(_) => None,
    }
}

#[test]
fn a_delegation_leads_down_with_the_addresses_that_the_zone_may_give() {
    let servers = ["NS1.Example.Test.", "ns.example.net."];
    let glue = [
        ("ns1.example.test.", [192, 0, 2, 1]),
        ("ns.example.net.", [192, 0, 2, 2]),
        ("other.example.test.", [192, 0, 2, 3]),
    ];
    let below = led("test.", referral("example.test.", &servers, &glue)).expect("a delegation");
    assert_eq!(below.cut, name("example.test."));
    assert_eq!(below.names.len(), 2);
    let own: IpAddr = [192, 0, 2, 1].into();
    assert_eq!(below.glue, [(name("ns1.example.test."), own)]);
    let below = led(".", referral("example.test.", &servers, &glue)).expect("a delegation");
    assert_eq!(below.glue.len(), 2, "the root may give both");
}

#[test]
fn nothing_leads_up_aside_or_round_in_circles() {
    let servers = ["ns.example.net."];
    for zone in [
        "test.",
        ".",
        "other.test.",
        "a.shop.example.test.",
        "example.test.",
    ] {
        let led = led("example.test.", referral(zone, &servers, &[]));
        assert!(led.is_none(), "{zone}");
    }
}

#[test]
fn an_error_is_no_answer_and_an_answer_of_its_own_ends_the_way() {
    let cut = name("example.test.");
    let shop = name("shop.example.test.");
    let code = ResponseCode::Refused;
    let refused = Message::error_msg(1, OpCode::Query, code);
    let refused = lead(&cut, &shop, refused).err();
    assert_eq!(refused, Some(Unanswered::Refused { code }));
    let mut own = referral("example.test.", &["ns.example.net."], &[]);
    own.metadata.authoritative = true;
    assert!(matches!(lead(&cut, &shop, own), Ok(Step::Here(_))));
}

#[test]
fn a_walk_starts_at_what_it_knows_nearest_to_the_name() {
    let plan = LookPlan {
        start: Vec::new(),
        port: 53,
        timeout: Duration::from_secs(1),
        resolvers: Vec::new(),
    };
    let mut walker = Walker::new(&plan);
    let (cut, servers) = walker.nearest(&name("shop.example.test."));
    assert_eq!((cut, servers.len()), (Name::root(), root::SERVERS.len()));
    for zone in ["test.", "example.test.", "other.test."] {
        walker.known.insert(name(zone), Vec::new());
    }
    let (cut, _) = walker.nearest(&name("shop.example.test."));
    assert_eq!(cut, name("example.test."));
    let (cut, _) = walker.nearest(&name("shop.example.net."));
    assert_eq!(cut, Name::root());
}

#[test]
fn a_walk_ends_when_it_has_asked_enough() {
    let plan = LookPlan {
        start: Vec::new(),
        port: 53,
        timeout: Duration::from_secs(1),
        resolvers: Vec::new(),
    };
    let mut walker = Walker::new(&plan);
    assert_eq!(walker.spend(QUESTIONS), Ok(()));
    assert!(matches!(walker.spend(1), Err(LookError::TooMuch { .. })));
}
