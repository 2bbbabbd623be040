//! What is read of a process while it goes on, and what follows from that at
//! once.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    sync::{mpsc, oneshot},
};

use super::{
    events::{Events, Fault},
    log::Log,
    report::Report,
    spawn::Printed,
    talk::Talk,
};
use crate::model::Usage;

/// How long output is waited for after the run has ended. Never for the end of
/// the pipe: any process that was missed may hold it open.
const DRAIN: Duration = Duration::from_secs(2);

/// How often a line of output is reported.
const THROTTLE: Duration = Duration::from_millis(250);

/// How much of a line is reported, in bytes.
pub(super) const LINE: usize = 1024;

/// What is read of a process.
pub(super) struct Reading<'r> {
    log: &'r mut Log,
    raw: &'r mut Log,
    talk: Option<&'r mut Talk>,
    events: Option<Events>,
    /// Tells why going on is hopeless.
    give_up: Option<oneshot::Sender<Fault>>,
    /// What the run was last said to have used.
    used: Usage,
    /// What went wrong with the files.
    error: Option<String>,
}

impl<'r> Reading<'r> {
    /// Nothing is read yet.
    pub(super) fn new(
        log: &'r mut Log,
        raw: &'r mut Log,
        talk: Option<&'r mut Talk>,
        give_up: oneshot::Sender<Fault>,
    ) -> Self {
        let events = talk.as_ref().map(|talk| talk.events());
        let (give_up, used) = (Some(give_up), Usage::default());
        Self { log, raw, talk, events, give_up, used, error: None }
    }

    /// What was told, and what went wrong with the files.
    pub(super) fn end(self) -> (Option<Events>, Option<String>) {
        (self.events, self.error)
    }

    /// Reads what a process prints, until its pipes end, or shortly after it
    /// has.
    pub(super) async fn follow(
        &mut self,
        printed: Printed,
        reports: &mpsc::Sender<Report>,
        ended: oneshot::Receiver<()>,
    ) {
        let (mut output, mut events) = (Some(printed.output), printed.events);
        let (mut for_people, mut for_us) = (Vec::with_capacity(16 * 1024), Vec::new());
        let deadline = async {
            let _ = ended.await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::pin!(deadline);
        let mut news = false;
        let mut next_report = Instant::now();
        while output.is_some() || events.is_some() {
            tokio::select! {
                biased;
                () = &mut deadline => break,
                () = tokio::time::sleep_until(next_report.into()), if news => {
                    next_report = Instant::now() + THROTTLE;
                    let line = self.log.last_line();
                    let line = line[..line.floor_char_boundary(LINE)].to_owned();
                    // A full channel has other signs of life in it.
                    drop(reports.try_send(Report::Output { line }));
                    // What it used is not to wait for more to come.
                    news = !self.tell_usage(reports);
                }
                () = receive(&mut output, &mut for_people) => {
                    if let Some(events) = &mut self.events {
                        events.push_aside(&for_people);
                        self.give_up_if_hopeless();
                    }
                    let written = self.log.push(&for_people);
                    self.note(written);
                    news |= !for_people.is_empty();
                    for_people.clear();
                }
                () = receive(&mut events, &mut for_us) => {
                    self.hear(&for_us);
                    news |= !for_us.is_empty();
                    for_us.clear();
                }
            }
        }
        let last = self.events.as_mut().map(Events::finish);
        self.show(last.unwrap_or_default());
        let finished = self.log.finish().and(self.raw.finish());
        self.note(finished);
    }

    /// Takes in events.
    fn hear(&mut self, bytes: &[u8]) {
        let Some(events) = &mut self.events else { return };
        let lines = events.push(bytes);
        if let (Some(id), Some(talk)) = (&events.transcript().session, &mut self.talk) {
            talk.is_about(id);
        }
        self.give_up_if_hopeless();
        let written = self.raw.push(bytes);
        self.note(written);
        self.show(lines);
    }

    /// Has the process stopped if going on leads nowhere, or costs too much.
    fn give_up_if_hopeless(&mut self) {
        let (Some(talk), Some(events)) = (&self.talk, &self.events) else { return };
        if let Some(fault) = talk.is_hopeless(events.transcript())
            && let Some(give_up) = self.give_up.take()
        {
            // It may have ended by itself.
            let _ended = give_up.send(fault);
        }
    }

    /// Tells what the run used, if that is more than was told; false if there
    /// was no room for it.
    fn tell_usage(&mut self, reports: &mpsc::Sender<Report>) -> bool {
        let (Some(talk), Some(events)) = (&self.talk, &self.events) else { return true };
        let usage = talk.used(events.transcript());
        if usage == self.used {
            return true;
        }
        let told = reports.try_send(Report::Used { usage }).is_ok();
        if told {
            self.used = usage;
        }
        told
    }

    fn show(&mut self, lines: Vec<String>) {
        for line in lines {
            let written = self.log.push(format!("{line}\n").as_bytes());
            self.note(written);
        }
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(err) = written {
            self.error.get_or_insert(format!("cannot be written, output was lost: {err}"));
        }
    }
}

/// Reads what there is, and closes a pipe that has ended.
async fn receive(pipe: &mut Option<pipe::Receiver>, buffer: &mut Vec<u8>) {
    match pipe {
        Some(open) => {
            if matches!(open.read_buf(buffer).await, Ok(0) | Err(_)) {
                *pipe = None;
            }
        }
        None => std::future::pending().await,
    }
}
