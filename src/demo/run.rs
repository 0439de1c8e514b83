//! The demo from its first line to its summary.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

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
        Scenario, Summary,
        client::{Seen, clients},
        environment::Environment,
        plan::configuration,
        story::Story,
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
    let old = Environment::start(Side::Old)?;
    let new = Environment::start(Side::New)?;
    let text = configuration(options, &old, &new);
    let loaded = config::parse(&text, Path::new("demo.toml"), folder.path());
    let loaded = loaded.map_err(|faults| DemoError::Config(faults.to_string()))?;
    let running = app::start(loaded.plan, None)?;
    let mut story = Story {
        out,
        started,
        options,
        new: Some(new),
        fault_at: None,
    };
    story.introduce(&running)?;
    let seen = Arc::new(Seen::default());
    let (stop, stopped) = watch::channel(false);
    let clients = tokio::spawn(clients(running.listeners[0], Arc::clone(&seen), stopped));
    let told = story.tell(&running, &mut interrupt).await;
    stop.send_replace(true);
    // A panic of the clients has already been printed by its hook.
    drop(clients.await);
    let status = last_status(&running, seen.requests.load(Ordering::Relaxed)).await;
    running.stop(std::future::pending()).await;
    told?;
    let summary = Summary {
        scenario: options.scenario,
        requests: seen.requests.load(Ordering::Relaxed),
        errors: seen.errors.load(Ordering::Relaxed),
        fault_at: story.fault_at,
        status,
        took: clock::wall().since(started),
    };
    writeln!(story.out, "\n{summary}")?;
    Ok(summary)
}

/// The status once every request of the clients is counted. What a client gave up on never is, so that the wait has
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
