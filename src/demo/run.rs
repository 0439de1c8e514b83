//! The demo from its first line to its summary.

use std::{
    fs,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::interval,
};

use crate::{
    app::{self, Running},
    clock, config,
    control::Status,
    demo::{
        Scenario, Summary, Traffic,
        client::{Seen, Way, clients},
        environment::Environment,
        name_server::NameServer,
        names::Chapter,
        places::{PROXY, Places},
        plan::{Addresses, SECRET_FILE, TTL_BEFORE, configuration},
        resolver::Resolver,
        story::Story,
        zone,
    },
    units::Side,
};

/// How the demo runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What happens to the new side.
    pub scenario: Scenario,
    /// About how long the ramp takes; at least [`Options::SECONDS_MIN`].
    pub seconds: u32,
    /// The proxy's port; 0 takes a free one.
    pub port: u16,
}

impl Options {
    /// The shortest ramp whose steps still see enough requests to judge.
    pub const SECONDS_MIN: u32 = 4;
    /// The longest one.
    pub const SECONDS_MAX: u32 = 600;
}

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No directory, no port, no thread, or nowhere to print.
    #[error("cannot set the demo up on loopback")]
    Io(#[from] io::Error),
    /// A name cannot move from one address to another where there is but one.
    #[error(
        "this machine's loopback has no {0}, to which the name moves; give it that address, as \
         with `ifconfig lo0 alias {0}` on macOS"
    )]
    OneAddress(Ipv4Addr),
    /// The port that was asked for is taken.
    #[error(
        "cannot listen on {0}, where new is to be: stop who listens there, or take another --port"
    )]
    Port(SocketAddr, #[source] io::Error),
    /// The demo's own configuration was refused.
    #[error("the demo's configuration was refused: {0}")]
    Config(String),
    /// The proxy could not start.
    #[error("cannot start the proxy")]
    Start(#[from] app::ServeError),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Runs one scenario, printing to `out` what happens as it happens, and the summary.
///
/// # Errors
/// See [`DemoError`]. A scenario that ends otherwise than it must is no error but the summary's verdict.
pub fn run(options: Options, out: &mut dyn Write) -> Result<Summary, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(play(options, out))
}

async fn play(options: Options, out: &mut dyn Write) -> Result<Summary, DemoError> {
    let started = clock::wall();
    // First of all, so that Ctrl-C never kills what has to be cleaned up.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let folder = tempfile::tempdir()?;
    let places = Places::find(options.port)?;
    let proxy = places.proxy;
    let old = Environment::start(Side::Old, TcpListener::bind((PROXY, 0))?)?;
    let new = Environment::start(Side::New, places.new.try_clone()?)?;
    let name_server = start_name_server(folder.path()).await?;
    let addresses = Addresses {
        proxy,
        old: old.address(),
        new: new.address(),
        name_server: name_server.address(),
    };
    let text = configuration(options, &addresses);
    let loaded = config::parse(&text, Path::new("demo.toml"), folder.path());
    let loaded = loaded.map_err(|faults| DemoError::Config(faults.to_string()))?;
    let running = app::start(loaded, None)?;
    drop(places);
    let seen = Arc::new(Seen::default());
    let arrived = new.direct();
    let mut story = Story {
        out,
        started,
        options,
        new: Some(new),
        fault_at: None,
        seen: Arc::clone(&seen),
        chapter: Chapter::default(),
    };
    story.introduce(&running, &addresses)?;
    let resolver = Resolver::new(name_server.address()).map_err(io::Error::other)?;
    let way = Arc::new(Way { proxy, resolver });
    let (stop, stopped) = watch::channel(false);
    let clients = tokio::spawn(clients(Arc::clone(&way), Arc::clone(&seen), stopped));
    let told = story.tell(&running, &mut interrupt).await;
    stop.send_replace(true);
    // A panic of the clients has already been printed by its hook.
    drop(clients.await);
    let traffic = Traffic::of(&seen);
    let status = last_status(&running, traffic.proxied).await;
    let ended = clock::wall();
    running.stop(std::future::pending()).await;
    told?;
    let summary = Summary {
        scenario: options.scenario,
        traffic,
        errors: seen.errors.load(Ordering::Relaxed),
        arrived: arrived.load(Ordering::Relaxed),
        lookups: way.resolver.lookups(),
        unanswered: way.resolver.unanswered(),
        afterwards: story.chapter.afterwards(traffic, ended),
        fault_at: story.fault_at,
        status,
        took: ended.since(started),
    };
    writeln!(story.out, "\n{summary}")?;
    Ok(summary)
}

/// Starts the name server, and leaves its key where the configuration finds it.
async fn start_name_server(folder: &Path) -> io::Result<NameServer> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    fs::write(folder.join(SECRET_FILE), BASE64.encode(secret))?;
    NameServer::start(PROXY, zone::zone(PROXY, PROXY, TTL_BEFORE), &secret).await
}

/// The status once so many requests of the clients are counted. What a client gave up on never is, so that the wait has
/// an end.
async fn last_status(running: &Running, requests: u64) -> Status {
    const LIMIT: Duration = Duration::from_secs(1);
    let counted = |it: &Status| it.sides.old.requests + it.sides.new.requests >= requests;
    let started = clock::now();
    let mut ticks = interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let status = running.control.status();
        if counted(&status) || clock::now() - started > LIMIT {
            return Status::clone(&status);
        }
    }
}
