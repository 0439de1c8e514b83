//! One question to one server, and the answer to it: by UDP, and over TCP where no whole answer came.
//!
//! An answer is taken only from the address that was asked, with the id and the question of the message that was sent from a
//! port of its own. What it says is left to others.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RecordType},
};
use rustix::io::Errno;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    task::JoinSet,
    time::timeout,
};

/// The largest answer that we take by UDP: it passes every usual path in one piece.
const PAYLOAD: u16 = 1232;

/// What is read of one packet; servers that do not keep to [`PAYLOAD`] are read as well.
const PACKET: usize = 4096;

/// Questions on their way at a time.
const IN_FLIGHT: usize = 64;

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: RecordType,
    pub(super) asks: Asks,
}

/// What kind of answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// What the server itself holds.
    Authority,
    /// The same, with signatures.
    AuthorityWithSignatures,
    /// What a resolver finds, or has kept.
    Resolver,
}

/// How a question goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// By UDP; over TCP where the answer is cut off or does not come.
    Either,
    /// By UDP only, be the answer cut off or not.
    Udp,
    /// Over TCP only.
    Tcp,
}

/// Why a server gave no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unanswered {
    /// It cannot be asked from here, which says nothing about it.
    #[error("this machine has no route to it")]
    NoRoute,
    /// Nothing came.
    #[error("no answer within {limit:?}")]
    Silent {
        /// For how long it was waited.
        limit: Duration,
    },
    /// The system or the server ended it.
    #[error("{why}")]
    Closed {
        /// What the system says.
        why: String,
    },
    /// It answers with an error.
    #[error("it answers {code:?}")]
    Refused {
        /// Which one.
        code: ResponseCode,
    },
    /// It answers, but not for the zone itself: it does not hold it.
    #[error("it does not answer for the zone itself")]
    NotAuthoritative,
    /// Its answer is none that can be read, or one to something else.
    #[error("its answer cannot be read: {why}")]
    Garbled {
        /// What is wrong with it.
        why: String,
    },
}

/// Asks all of them, many at a time; the answers are in the order of the questions.
pub(super) async fn ask_all(
    questions: Vec<(SocketAddr, Question, Over)>,
    limit: Duration,
) -> Vec<Result<Message, Unanswered>> {
    let mut answers = vec![Err(Unanswered::Silent { limit }); questions.len()];
    let mut asking = JoinSet::new();
    let mut keep = |ended| {
        let Ok((index, answer)) = ended else {
            return;
        };
        if let Some(place) = answers.get_mut::<usize>(index) {
            *place = answer;
        }
    };
    for (index, (server, question, over)) in questions.into_iter().enumerate() {
        if asking.len() >= IN_FLIGHT
            && let Some(ended) = asking.join_next().await
        {
            keep(ended);
        }
        asking.spawn(async move { (index, exchange(server, &question, over, limit).await) });
    }
    while let Some(ended) = asking.join_next().await {
        keep(ended);
    }
    answers
}

/// Asks one server.
///
/// # Errors
/// Why there is no answer. One with an error in it is an answer.
pub(super) async fn exchange(
    server: SocketAddr,
    question: &Question,
    over: Over,
    limit: Duration,
) -> Result<Message, Unanswered> {
    let message = message(question);
    let bytes = message.to_vec().map_err(|error| garbled(&error))?;
    let sent = Sent {
        id: message.id,
        question,
        bytes: &bytes,
    };
    match over {
        Over::Udp => within(limit, sent.by_udp(server)).await,
        Over::Tcp => within(limit, sent.by_tcp(server)).await,
        Over::Either => match within(limit, sent.by_udp(server)).await {
            Ok(whole) if !whole.truncation => Ok(whole),
            Ok(_cut_off) => within(limit, sent.by_tcp(server)).await,
            Err(Unanswered::NoRoute) => Err(Unanswered::NoRoute),
            Err(why) => within(limit, sent.by_tcp(server))
                .await
                .map_err(|_same| why),
        },
    }
}

fn message(question: &Question) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = question.asks == Asks::Resolver;
    message.add_query(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    edns.set_dnssec_ok(question.asks == Asks::AuthorityWithSignatures);
    message.set_edns(edns);
    message
}

async fn within(
    limit: Duration,
    talk: impl Future<Output = Result<Message, Unanswered>>,
) -> Result<Message, Unanswered> {
    let ended = timeout(limit, talk).await;
    ended.unwrap_or(Err(Unanswered::Silent { limit }))
}

/// A question as it goes over the wire.
struct Sent<'q> {
    id: u16,
    question: &'q Question,
    bytes: &'q [u8],
}

impl Sent<'_> {
    async fn by_udp(&self, server: SocketAddr) -> Result<Message, Unanswered> {
        let any = match server.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(|it| failed(&it))?;
        // From then on the system hands over packets of this server only, and says when nobody listens there.
        let connected = socket.connect(server).await;
        connected.map_err(|it| failed(&it))?;
        socket.send(self.bytes).await.map_err(|it| failed(&it))?;
        let mut packet = vec![0; PACKET];
        loop {
            let length = socket.recv(&mut packet).await.map_err(|it| failed(&it))?;
            // What belongs to no question of ours may be forged: the true answer is still waited for.
            let received = packet.get(..length).unwrap_or_default();
            if received.starts_with(&self.id.to_be_bytes()) {
                let answer = Message::from_vec(received).map_err(|error| garbled(&error))?;
                if self.is_answered_by(&answer) {
                    return Ok(answer);
                }
            }
        }
    }

    /// Each message behind its length (RFC 1035 section 4.2.2).
    async fn by_tcp(&self, server: SocketAddr) -> Result<Message, Unanswered> {
        let connected = TcpStream::connect(server).await;
        let mut stream = connected.map_err(|it| failed(&it))?;
        let length = u16::try_from(self.bytes.len()).map_err(|error| garbled(&error))?;
        let framed = [&length.to_be_bytes()[..], self.bytes].concat();
        let talk = async {
            stream.write_all(&framed).await?;
            let length = stream.read_u16().await?;
            let mut received = vec![0; usize::from(length)];
            stream.read_exact(&mut received).await?;
            Ok::<_, io::Error>(received)
        };
        let received = talk.await.map_err(|it| failed(&it))?;
        let answer = Message::from_vec(&received).map_err(|error| garbled(&error))?;
        match self.is_answered_by(&answer) {
            true => Ok(answer),
            false => Err(Unanswered::Garbled {
                why: "it answers something else".to_owned(),
            }),
        }
    }

    fn is_answered_by(&self, answer: &Message) -> bool {
        let is_same = |it: &Query| {
            it.name == self.question.name
                && it.query_type == self.question.kind
                && it.query_class == DNSClass::IN
        };
        // Some servers refuse without repeating what they refuse.
        let says_no = !matches!(
            answer.response_code,
            ResponseCode::NoError | ResponseCode::NXDomain
        );
        let is_ours = match answer.queries.as_slice() {
            [] => says_no,
            [one] => is_same(one),
            _several => false,
        };
        answer.id == self.id
            && answer.message_type == MessageType::Response
            && answer.op_code == OpCode::Query
            && is_ours
    }
}

fn garbled(error: &dyn std::error::Error) -> Unanswered {
    Unanswered::Garbled {
        why: error.to_string(),
    }
}

/// A machine without IPv6, or without any way there, says nothing about the server.
fn failed(error: &io::Error) -> Unanswered {
    let has_no_family = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    match error.kind() {
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Unanswered::NoRoute,
        _ if has_no_family => Unanswered::NoRoute,
        ErrorKind::ConnectionRefused => Unanswered::Closed {
            why: "nobody listens there".to_owned(),
        },
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Unanswered::Closed {
            why: "it closed the connection without an answer".to_owned(),
        },
        _ => Unanswered::Closed {
            why: error.to_string(),
        },
    }
}
