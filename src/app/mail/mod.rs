//! Keeps up the conversation on GitHub: reads what changed, writes what is due.
//!
//! One process at a time does it for a project, under a lease on its mailbox.
//! What issues mean is decided in [`mail`](crate::mail) and stored in one
//! transaction together with how far was read, so nothing is read past. What
//! takes effect at most once is written down before it is sent, and looked for
//! before it is sent again.
//!
//! **Invariant:** trouble with GitHub holds up nothing else. It ends the visit,
//! is told, and the next visit goes on from what is stored.

mod read;
mod words;
mod write;

use std::{convert::Infallible, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    github::{Error, Github, Repo, Visit},
    model::{Instant, Role},
    store::{Holder, Mailbox, Project, Store, Visited},
};

/// How long a holder of the mailbox may be silent; one that lives renews it.
const LEASE: Duration = Duration::from_secs(60);
/// How long to wait for another holder: one that died lets go within this.
const PATIENCE: Duration = Duration::from_secs(75);
const PAUSE: Duration = Duration::from_millis(500);

/// One end of the conversation of a project.
#[derive(Clone, Debug)]
pub struct Mail {
    store: Store,
    project: Project,
    github: Github,
    /// Below here, people see the files of a commit.
    blobs: String,
    me: Uuid,
}

/// What an exchange came to.
#[derive(Clone, Debug, Default)]
pub struct Exchanged {
    /// How many things that people did were taken in.
    pub received: usize,
    /// How many issues were opened.
    pub opened: usize,
    /// How many issues were commented on, closed or opened again.
    pub posted: usize,
    /// How many requests it took.
    pub requests: u32,
    /// How many of them were changes.
    pub writes: u32,
    /// Until when GitHub wants to be left alone.
    pub paused_until: Option<Instant>,
    /// Why not all was done that should have been.
    pub trouble: Option<String>,
    /// What a person can do about that.
    pub hint: Option<&'static str>,
}

impl Exchanged {
    /// Nothing was done, and this is why.
    pub(super) fn failed(why: &anyhow::Error) -> Self {
        Self { trouble: Some(format!("{why:#}")), ..Self::default() }
    }

    /// Whether another visit may do more.
    pub(super) fn goes_on(&self) -> bool {
        self.paused_until.is_none() && self.trouble.is_none()
    }

    /// Adds what another visit came to.
    pub(super) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.opened += other.opened;
        self.posted += other.posted;
        self.requests += other.requests;
        self.writes += other.writes;
        self.paused_until = other.paused_until.or(self.paused_until);
        if other.trouble.is_some() {
            (self.trouble, self.hint) = (other.trouble, other.hint);
        }
    }

    /// Notes trouble, unless there was some before: that is more to the point.
    fn note(&mut self, err: Error) {
        if self.trouble.is_none() {
            self.hint = err.hint();
            self.trouble = Some(format!("{:#}", anyhow::Error::from(err)));
        }
    }

    /// The trouble as it is kept, and shown until the next visit.
    fn kept_trouble(&self) -> Option<String> {
        let trouble = self.trouble.as_ref()?;
        Some(match self.hint {
            Some(hint) => format!("{trouble} ({hint})"),
            None => trouble.clone(),
        })
    }

    /// All of it in a line, unless nothing happened.
    pub fn summary(&self) -> Option<String> {
        let Self { received, opened, posted, .. } = self;
        let parts =
            [(received, "taken in"), (opened, "issues opened"), (posted, "issues answered")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|&(&count, _)| count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!parts.is_empty()).then(|| format!("GitHub: {}", parts.join(", ")))
    }
}

/// How much of the conversation is kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What people did is read, and what is due is written.
    Both,
    /// Only what is due is written.
    Writing,
}

impl Mail {
    /// The conversation of `project` in the repo of `github`, whose files people
    /// see below `blobs`.
    pub fn new(store: Store, project: Project, github: Github, blobs: String) -> Self {
        Self { store, project, github, blobs, me: Uuid::new_v4() }
    }

    /// Reads what changed and writes what is due.
    ///
    /// Waits for another process that is just at it. When `stop` says so, what
    /// is left is left to the next one.
    ///
    /// # Errors
    ///
    /// Only when the database fails: trouble with GitHub is in the answer.
    pub async fn exchange(&self, stop: &watch::Receiver<bool>) -> anyhow::Result<Exchanged> {
        self.visit(Extent::Both, 0, stop).await
    }

    /// Writes what is due, if anything is, in a tick that made so many changes
    /// before.
    ///
    /// # Errors
    ///
    /// Like [`exchange`](Self::exchange).
    pub async fn send(
        &self,
        before: u32,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Exchanged> {
        if !self.store.has_mail(self.project.id).await? {
            return Ok(Exchanged::default());
        }
        self.visit(Extent::Writing, before, stop).await
    }

    /// Exchanges again and again, until `stop` says so.
    pub async fn keep_up(&self, every: Duration, mut stop: watch::Receiver<bool>) {
        let mut last = None;
        while !*stop.borrow() {
            tokio::select! {
                () = sleep(every) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            match self.exchange(&stop).await {
                Ok(exchanged) => {
                    if let Some(summary) = exchanged.summary() {
                        info!("{summary}");
                    }
                    // Once for each trouble, not once a minute.
                    if exchanged.trouble != last
                        && let Some(trouble) = &exchanged.trouble
                    {
                        warn!("GitHub: {trouble}");
                    }
                    last = exchanged.trouble;
                }
                Err(err) => warn!("cannot keep up with GitHub, trying again: {err:#}"),
            }
        }
    }

    async fn visit(
        &self,
        extent: Extent,
        before: u32,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Exchanged> {
        let Some(mailbox) = self.open(stop).await? else {
            let trouble = Some("another process is talking to GitHub".to_owned());
            return Ok(Exchanged { trouble, ..Exchanged::default() });
        };
        if let Some(paused_until) = mailbox.paused_until {
            self.store.close_mailbox(self.holder(), &Visited::pausing(paused_until)).await?;
            return Ok(Exchanged { paused_until: Some(paused_until), ..Exchanged::default() });
        }
        if let Some(id) = mailbox.installation.and_then(|id| id.try_into().ok()) {
            self.github.remember_installation(id);
        }
        let mut talk = Talk {
            mail: self,
            mailbox,
            visit: self.github.visit().after(before),
            stop,
            exchanged: Exchanged::default(),
            reviewed: false,
        };
        let stopped = tokio::select! {
            biased;
            done = talk.all(extent) => done.err(),
            never = self.hold() => match never {},
        };
        let mut exchanged = talk.exchanged;
        exchanged.requests = talk.visit.requests();
        exchanged.writes = talk.visit.writes() - before;
        let (failure, trouble) = match stopped {
            Some(Stopped::Database(err)) => (Some(err), None),
            Some(Stopped::Github(err)) => (None, Some(err)),
            Some(Stopped::Asked) | None => (None, None),
        };
        if let Some(wait) = talk.visit.limited() {
            exchanged.paused_until = Some(self.store.now().await? + wait);
        } else if let Some(err) = trouble {
            exchanged.note(err);
        }
        let visited = Visited {
            trouble: exchanged.kept_trouble(),
            paused_until: exchanged.paused_until,
            reviewed: talk.reviewed,
            installation: self.github.installation().and_then(|id| id.try_into().ok()),
        };
        self.store.close_mailbox(self.holder(), &visited).await?;
        failure.map_or(Ok(exchanged), |err| Err(err.into()))
    }

    /// Renews the lease for as long as this goes on: reading may take longer than
    /// one lasts. Who lost it finds that out before the next change.
    async fn hold(&self) -> Infallible {
        loop {
            sleep(LEASE / 3).await;
            if let Err(err) = self.store.keep_mailbox(self.holder(), LEASE).await {
                warn!("cannot keep the mailbox: {err:#}");
            }
        }
    }

    /// The mailbox, once nobody else has it.
    async fn open(&self, stop: &watch::Receiver<bool>) -> anyhow::Result<Option<Mailbox>> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mailbox = self.store.open_mailbox(self.holder(), LEASE).await?;
            if mailbox.is_some() || *stop.borrow() || tokio::time::Instant::now() > patience {
                return Ok(mailbox);
            }
            sleep(PAUSE).await;
        }
    }

    fn holder(&self) -> Holder {
        Holder { project: self.project.id, me: self.me }
    }
}

/// Why a visit ended before its end.
#[derive(Debug)]
enum Stopped {
    Database(crate::store::Error),
    Github(Error),
    /// It was asked to.
    Asked,
}

impl From<crate::store::Error> for Stopped {
    fn from(err: crate::store::Error) -> Self {
        match err {
            // Whoever took over goes on with it.
            crate::store::Error::TookOver => Self::Asked,
            err => Self::Database(err),
        }
    }
}

impl From<Error> for Stopped {
    fn from(err: Error) -> Self {
        Self::Github(err)
    }
}

/// One visit, with all it needs.
struct Talk<'a> {
    mail: &'a Mail,
    mailbox: Mailbox,
    visit: Visit,
    stop: &'a watch::Receiver<bool>,
    exchanged: Exchanged,
    reviewed: bool,
}

impl Talk<'_> {
    async fn all(&mut self, extent: Extent) -> Result<(), Stopped> {
        self.check_address().await?;
        if extent == Extent::Both {
            self.read().await?;
            if !self.mailbox.is_reviewed {
                self.review().await?;
                self.reviewed = true;
            }
        }
        self.write(extent).await
    }

    /// Numbers of issues mean nothing in another repo.
    async fn check_address(&mut self) -> Result<(), Stopped> {
        let repo = self.mail.github.repo().to_string();
        match self.mailbox.repo.clone() {
            None => {
                self.mail.store.address_mailbox(self.mail.holder(), &repo).await?;
                self.mailbox.repo = Some(repo);
            }
            Some(known) if known.eq_ignore_ascii_case(&repo) => {}
            Some(known) if self.is_renamed(known.parse().ok()).await? => {
                info!("{known} is called {repo} now");
                self.mail.store.address_mailbox(self.mail.holder(), &repo).await?;
                self.mailbox.repo = Some(repo);
            }
            Some(known) => {
                self.exchanged.trouble =
                    Some(format!("this project's issues are in {known}, not in {repo}"));
                self.exchanged.hint =
                    Some("set GITHUB_REPOSITORY to the repository that the issues are in");
                return Err(Stopped::Asked);
            }
        }
        Ok(())
    }

    /// Whether a repo of another name is this one.
    async fn is_renamed(&mut self, known: Option<Repo>) -> Result<bool, Stopped> {
        let Some(known) = known else { return Ok(false) };
        let now = self.visit.called_now(&known).await?;
        Ok(now.is_some_and(|now| now.is(self.mail.github.repo())))
    }

    /// Goes on only as long as nobody says otherwise, and nobody took over.
    async fn go_on(&self) -> Result<(), Stopped> {
        if *self.stop.borrow() {
            return Err(Stopped::Asked);
        }
        match self.mail.store.keep_mailbox(self.mail.holder(), LEASE).await? {
            true => Ok(()),
            false => Err(Stopped::Asked),
        }
    }

    fn least(&self) -> Role {
        self.mail.project.trusted_role
    }

    /// Notes trouble that does not end the visit.
    fn note(&mut self, err: Error) {
        self.exchanged.note(err);
    }
}
