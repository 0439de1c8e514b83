//! An open load: requests begin at random moments of a Poisson process, whether earlier ones were answered or not.
//!
//! Latency counts from the moment at which a request was meant to be sent. One that waits for a free connection waits in
//! the figure as well, so a proxy that stalls cannot hide it. Prints one JSON object with microseconds.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use peers_tools::{answer, cookies::Requests};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    thread::set_current_timer_slack,
};

/// How long answers may take after the last request was sent.
const AFTER: Duration = Duration::from_secs(5);
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const EVENTS: usize = 256;

#[derive(Parser)]
struct Arguments {
    /// The proxy
    #[arg(long)]
    address: SocketAddr,
    /// A file with a `Cookie` value on each line, sent in turn
    #[arg(long)]
    cookies: Option<PathBuf>,
    /// Requests a second, on average
    #[arg(long)]
    rate: f64,
    /// Keep-alive connections, each with one request at a time
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// How long requests are sent
    #[arg(long)]
    seconds: f64,
    /// How long at the beginning nothing is recorded
    #[arg(long, default_value_t = 0.0)]
    warm: f64,
    /// Of the random process
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Sleep to the microsecond, not to the default of 50.
    set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    let mut visitors = Visitors::connect(&arguments)?;
    let (mut arrivals, begun) = (Arrivals::new(&arguments), Instant::now());
    let warm = Duration::try_from_secs_f64(arguments.warm)?;
    let ends = Duration::try_from_secs_f64(arguments.seconds)?;
    let mut recorded = Histogram::<u64>::new_with_max(LATENCY_MAX_NS, 3)?;
    let (mut waiting, mut sent, mut answered) = (VecDeque::new(), 0_u64, 0_u64);
    loop {
        let now = begun.elapsed();
        while arrivals.next <= now && arrivals.next < ends {
            waiting.push_back(arrivals.next);
            arrivals.step();
        }
        while let Some(due) = waiting.front()
            && visitors.send(*due)?
        {
            waiting.pop_front();
            sent += 1;
        }
        let is_over = arrivals.next >= ends && waiting.is_empty();
        if is_over && answered == sent {
            break;
        }
        if now >= ends + AFTER {
            break;
        }
        let pause = arrivals
            .next
            .min(ends + AFTER)
            .saturating_sub(begun.elapsed());
        for due in visitors.answers(pause)? {
            answered += 1;
            if due >= warm {
                let latency = begun.elapsed().saturating_sub(due);
                recorded.record(u64::try_from(latency.as_nanos())?)?;
            }
        }
    }
    let at = |quantile| recorded.value_at_quantile(quantile) / 1000;
    println!(
        "{}",
        serde_json::json!({
            "requests": answered,
            "errors": 0,
            "unanswered": sent - answered + waiting.len() as u64,
            "seconds": begun.elapsed().as_secs_f64(),
            "p50_us": at(0.5),
            "p99_us": at(0.99),
            "p999_us": at(0.999),
            "max_us": recorded.max() / 1000,
        })
    );
    Ok(())
}

/// When the next request is due.
struct Arrivals {
    next: Duration,
    gap: f64,
    random: fastrand::Rng,
}

impl Arrivals {
    fn new(arguments: &Arguments) -> Self {
        let mut arrivals = Self {
            next: Duration::ZERO,
            gap: 1.0 / arguments.rate,
            random: fastrand::Rng::with_seed(arguments.seed),
        };
        arrivals.step();
        arrivals
    }

    fn step(&mut self) {
        // Gaps of a Poisson process are exponential; 1 - x is never 0.
        let gap = -(1.0 - self.random.f64()).ln() * self.gap;
        self.next += Duration::from_secs_f64(gap);
    }
}

/// The connections, and what each is busy with.
struct Visitors {
    requests: Requests,
    connections: Vec<Connection>,
    /// Connections without a request. The one that waited longest is next, so that all are used.
    free: VecDeque<usize>,
    poll: OwnedFd,
    events: Vec<epoll::Event>,
}

struct Connection {
    stream: TcpStream,
    due: Duration,
    buffer: [u8; 4 << 10],
    filled: usize,
}

impl Visitors {
    fn connect(arguments: &Arguments) -> Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(arguments.connections);
        for at in 0..arguments.connections {
            let stream = TcpStream::connect(arguments.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(at as u64);
            epoll::add(&poll, &stream, data, epoll::EventFlags::IN)?;
            connections.push(Connection {
                stream,
                due: Duration::ZERO,
                buffer: [0; 4 << 10],
                filled: 0,
            });
        }
        let cookies = arguments.cookies.as_deref();
        Ok(Self {
            requests: Requests::read(cookies, "localhost", "/", "keep-alive")?,
            free: (0..connections.len()).collect(),
            connections,
            poll,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Sends a request that was due at this moment; false if every connection is busy.
    fn send(&mut self, due: Duration) -> Result<bool> {
        let Some(at) = self.free.pop_front() else {
            return Ok(false);
        };
        let connection = &mut self.connections[at];
        (connection.due, connection.filled) = (due, 0);
        // A connection without a request has room for one.
        connection.stream.write_all(self.requests.draw())?;
        Ok(true)
    }

    /// Waits for answers, `pause` at most; when each request that was answered had been due.
    fn answers(&mut self, pause: Duration) -> Result<Vec<Duration>> {
        let pause = Timespec::try_from(pause)?;
        self.events.clear();
        epoll::wait(&self.poll, spare_capacity(&mut self.events), Some(&pause))?;
        let mut found = Vec::new();
        for event in &self.events {
            let at = usize::try_from(event.data.u64())?;
            let connection = &mut self.connections[at];
            if connection.read()? {
                found.push(connection.due);
                self.free.push_back(at);
            }
        }
        Ok(found)
    }
}

impl Connection {
    /// Reads what is there; whether the answer is whole.
    fn read(&mut self) -> Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("closed by the proxy"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let Some(answer) = answer::parse(&self.buffer[..self.filled]).context("an odd answer")?
        else {
            return Ok(false);
        };
        ensure!(answer.status == 200, "status {}", answer.status);
        Ok(self.filled >= answer.length)
    }
}
