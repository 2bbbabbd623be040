//! Writes what is due.

use super::{
    Extent, Stopped, Talk,
    words::{self, id},
};
use crate::{
    github::{Error, NewIssue},
    mail::{Letter, Mark, Sighted},
    model::{Issue, IssueNumber},
    store::{NewState, Saying, ToOpen, ToPost},
};

impl Talk<'_> {
    /// Opens the issues that are missing, and delivers letters.
    pub(super) async fn write(&mut self, extent: Extent) -> Result<(), Stopped> {
        let mail = self.mail;
        let mut missing = mail.store.issues_to_open(mail.project.id, &mail.blobs).await?;
        if extent == Extent::Both && missing.iter().any(|wanted| wanted.was_tried) {
            self.find_unlisted().await?;
            missing = mail.store.issues_to_open(mail.project.id, &mail.blobs).await?;
        }
        for wanted in missing {
            // One that may be there already would have been found by reading.
            if wanted.was_tried && extent == Extent::Writing {
                continue;
            }
            self.go_on().await?;
            if !self.open(&wanted).await? {
                return Ok(());
            }
        }
        for letter in mail.store.letters(mail.holder()).await? {
            self.go_on().await?;
            if !self.deliver(&letter).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens one issue; says whether to go on.
    async fn open(&mut self, wanted: &ToOpen) -> Result<bool, Stopped> {
        let store = &self.mail.store;
        let feedback = wanted.subject.feedback;
        let Letter { title, body, labels } = Letter::about(&wanted.subject, &self.mailbox.key);
        store.opening_issue(self.mail.holder(), feedback).await?;
        match self.visit.create_issue(&NewIssue { title, body, labels }).await {
            Ok(issue) => {
                let issue = Sighted::of(&Issue::from(issue));
                self.mailbox.us = issue.author.or(self.mailbox.us);
                store.opened_issue(self.mail.holder(), feedback, &issue).await?;
                self.exchanged.opened += 1;
                Ok(true)
            }
            Err(err @ Error::Unknown(_)) => {
                self.note(err);
                Ok(true)
            }
            Err(err) => {
                // That this try came to nothing says nothing about the one before.
                if !wanted.was_tried {
                    store.refused_issue(feedback).await?;
                }
                self.after(err)
            }
        }
    }

    /// Delivers one letter; says whether to go on.
    async fn deliver(&mut self, letter: &ToPost) -> Result<bool, Stopped> {
        match self.post(letter).await {
            Ok(()) => {
                self.exchanged.posted += 1;
                Ok(true)
            }
            Err(Stopped::Github(Error::Missing { what, .. })) => {
                let why = format!("there is no {what} any more");
                self.mail.store.undeliverable(self.mail.holder(), letter, &why).await?;
                Ok(true)
            }
            Err(Stopped::Github(err)) => self.after(err),
            Err(stopped) => Err(stopped),
        }
    }

    async fn post(&mut self, letter: &ToPost) -> Result<(), Stopped> {
        if let Some((body, saying)) = &letter.body {
            self.say(letter, body, *saying).await?;
        }
        if let Some((comment, reaction)) = letter.reaction {
            match self.visit.react(id(comment), words::reaction(reaction)).await {
                // They took it back.
                Err(Error::Missing { .. }) => {}
                reacted => reacted?,
            }
        }
        let number = id(letter.number.0);
        let issue = match letter.state {
            None => None,
            Some(NewState::Open) => Some(self.visit.reopen_issue(number).await?),
            Some(NewState::Closed(reason)) => {
                Some(self.visit.close_issue(number, words::reason(reason)).await?)
            }
        };
        let issue = issue.map(Issue::from);
        Ok(self.mail.store.posted(letter.id, issue.as_ref()).await?)
    }

    /// Says what a letter has to say, unless it was said.
    async fn say(&mut self, letter: &ToPost, body: &str, saying: Saying) -> Result<(), Stopped> {
        let store = &self.mail.store;
        let is_there = match saying {
            Saying::Said => return Ok(()),
            Saying::Unsure => self.finds(letter).await?,
            Saying::ToSay => false,
        };
        if !is_there {
            store.saying(self.mail.holder(), letter.id).await?;
            let mark = self.mailbox.key.line(Mark::Note(letter.id));
            let body = format!("{body}\n\n{mark}\n");
            match self.visit.comment(id(letter.number.0), &body).await {
                Ok(_) => {}
                Err(err @ Error::Unknown(_)) => return Err(err.into()),
                Err(err) => {
                    store.said(letter.id, false).await?;
                    return Err(err.into());
                }
            }
        }
        Ok(store.said(letter.id, true).await?)
    }

    /// Whether a letter of which nobody knows it has arrived.
    async fn finds(&mut self, letter: &ToPost) -> Result<bool, Stopped> {
        let IssueNumber(number) = letter.number;
        let comments = self.visit.comments(id(number), None).await?;
        let mark = Some(Mark::Note(letter.id));
        Ok(comments.iter().any(|comment| self.mailbox.key.find(&comment.body) == mark))
    }

    /// What an error means for the rest of the visit: whether to go on.
    fn after(&mut self, err: Error) -> Result<bool, Stopped> {
        match err {
            // The next visit goes on from here.
            Error::EnoughWrites { .. } => Ok(false),
            err if err.ends_visit() => Err(err.into()),
            err @ (Error::Forbidden { .. }
            | Error::Archived { .. }
            | Error::IssuesDisabled { .. }) => Err(err.into()),
            err => {
                self.note(err);
                Ok(true)
            }
        }
    }
}
