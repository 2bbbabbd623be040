//! The only place that prints.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::OnceLock,
};

use indicatif::MultiProgress;
use serde::Serialize;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How wide output is where nothing says otherwise.
const WIDTH: usize = 80;

/// The live lines at the bottom of the terminal; whatever else is printed goes
/// above them.
static LIVE: OnceLock<MultiProgress> = OnceLock::new();

pub(super) fn live() -> &'static MultiProgress {
    LIVE.get_or_init(MultiProgress::new)
}

/// How wide stdout is.
pub(super) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|&width| width >= 20).unwrap_or(WIDTH)
}

/// Prints the answer.
///
/// A reader that has seen enough, such as `head`, is no failure.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    finish(live().suspend(|| {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    }))
}

/// Prints a view: as JSON, or as `render` writes it for the width there is.
pub(super) fn show(
    json: bool,
    view: &impl Serialize,
    render: impl FnOnce(usize) -> String,
) -> anyhow::Result<()> {
    match json {
        true => say_json(view),
        false => say(&render(width())),
    }
}

/// Prints bytes as they are.
pub(super) fn say_raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    finish(out.write_all(bytes).and_then(|()| out.flush()))
}

fn finish(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(err.into()),
        _ => Ok(()),
    }
}

/// Prints the answer as JSON.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Prints something that is not the answer.
pub(super) fn complain(text: &str) {
    live().suspend(|| {
        // Nobody is left to be told that stderr is closed.
        drop(anstream::stderr().lock().write_all(text.as_bytes()));
    });
}

/// Whether somebody watches stderr.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Sends log messages to stderr, as many as were asked for.
pub(super) fn log(verbosity: u8) {
    let default = match verbosity {
        // A lost connection is replaced; what cannot go on without says so.
        0 => "warn,sqlx_core::pool=error",
        1 => "warn,sqlx_core::pool=error,wavemark=info",
        _ => "info,wavemark=debug",
    };
    let filter = EnvFilter::try_from_env("WAVEMARK_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
        .with_ansi(
            is_watched()
                && anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never,
        )
        .with_writer(Stderr)
        .init();
}

/// Stderr, above the live lines.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        live().suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
