//! Reads what people did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{
    Stopped, Talk,
    words::{comment, id},
};
use crate::{
    github::Found,
    mail::{Ask, Deed, Heard, Link, Mark, Place, Rules, fingerprint, of_comment, of_issue},
    model::{Digest, FeedbackId, Instant, Issue, IssueComment, IssueNumber},
    store::{Desk, News},
};

/// What changed shortly before the newest that was seen may not have been shown
/// yet.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// What changed so long before the project was made has nothing to do with it.
const BEFORE: TimeDelta = TimeDelta::days(1);

impl Talk<'_> {
    /// Takes in what changed since the last visit.
    pub(super) async fn read(&mut self) -> Result<(), Stopped> {
        let beginning = self.mail.project.created_at - BEFORE;
        let from = |cursor: Option<Instant>| Some(cursor.map_or(beginning, |at| at - OVERLAP));
        // Issues first: a comment made just before an issue is closed is then
        // read with the closing, or before it.
        let changes = self.visit.issues_since(from(self.mailbox.issues_cursor)).await?;
        let issues: Vec<Issue> = changes.issues.into_iter().map(Issue::from).collect();
        let comments = self.visit.comments_since(from(self.mailbox.comments_cursor)).await?;
        let comments: Vec<IssueComment> = comments.into_iter().filter_map(comment).collect();

        let issues_cursor = self.mailbox.issues_cursor.max(changes.up_to);
        let newest = comments.iter().map(|comment| comment.updated_at).max();
        let comments_cursor = self.mailbox.comments_cursor.max(newest);
        let recent = recent(&issues, issues_cursor);
        let fresh: Vec<Issue> = issues
            .into_iter()
            .filter(|it| self.mailbox.recent.get(&it.number) != Some(&fingerprint(it)))
            .collect();
        let (deeds, new) = self.meaning(fresh, comments).await?;
        let is_news = !deeds.is_empty()
            || issues_cursor != self.mailbox.issues_cursor
            || comments_cursor != self.mailbox.comments_cursor
            || recent != self.mailbox.recent;
        let mut news = News { deeds, ..News::default() };
        if !new.is_empty() {
            // The comments on an issue that was just taken up go to its
            // feedback, which has to be there.
            self.take_in(&news).await?;
            news = News { deeds: self.comments_on(new).await?, ..News::default() };
        }
        if is_news {
            news = News { issues_cursor, comments_cursor, recent: recent.clone(), ..news };
            self.take_in(&news).await?;
            // What is looked at later in this visit is not to undo that.
            self.mailbox.recent = recent;
        }
        Ok(())
    }

    /// Looks at every issue that should be open, by its number: it may have
    /// been deleted, which no list tells.
    pub(super) async fn review(&mut self) -> Result<(), Stopped> {
        let numbers = self.mail.store.issues_to_review(self.mail.project.id).await?;
        let mut issues = Vec::new();
        for number in numbers {
            self.go_on().await?;
            let why = match self.visit.issue(id(number.0)).await? {
                Found::Here(issue) => {
                    issues.push(Issue::from(issue));
                    continue;
                }
                Found::Gone => "was deleted".to_owned(),
                Found::Moved { to } => format!("was moved to {to}"),
            };
            self.mail.store.missing_issue(self.mail.holder(), number, &why).await?;
        }
        let (deeds, _) = self.meaning(issues, Vec::new()).await?;
        let recent = self.mailbox.recent.clone();
        self.take_in(&News { deeds, recent, ..News::default() }).await
    }

    /// Looks for issues that we opened without hearing that it worked, where no
    /// list shows them yet.
    pub(super) async fn find_unlisted(&mut self) -> Result<(), Stopped> {
        let issues = self.visit.unlisted_issues().await?;
        let issues = issues.into_iter().map(Issue::from).collect();
        let (deeds, _) = self.meaning(issues, Vec::new()).await?;
        let recent = self.mailbox.recent.clone();
        self.take_in(&News { deeds, recent, ..News::default() }).await
    }

    async fn take_in(&mut self, news: &News) -> Result<(), Stopped> {
        let repo = self.mail.github.repo().to_string();
        self.mail.store.take_in(self.mail.holder(), news, &repo).await?;
        let done = |deed: &Deed| {
            !matches!(deed, Deed::See { .. } | Deed::Read { .. } | Deed::Answer { .. })
        };
        self.exchanged.received += news.deeds.iter().filter(|deed| done(deed)).count();
        Ok(())
    }

    /// What issues and comments mean, and which issues are new to us.
    async fn meaning(
        &mut self,
        mut issues: Vec<Issue>,
        comments: Vec<IssueComment>,
    ) -> Result<(Vec<Deed>, Vec<IssueNumber>), Stopped> {
        if issues.is_empty() && comments.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        issues.sort_by_key(|issue| issue.number);
        let marks: BTreeMap<IssueNumber, FeedbackId> = issues
            .iter()
            .filter_map(|issue| match self.mailbox.key.find(&issue.body)? {
                Mark::Issue(feedback) => Some((issue.number, feedback)),
                Mark::Note(_) => None,
            })
            .collect();
        let numbers: BTreeSet<IssueNumber> = issues
            .iter()
            .map(|issue| issue.number)
            .chain(comments.iter().map(|comment| comment.issue))
            .collect();
        let numbers: Vec<IssueNumber> = numbers.into_iter().collect();
        let marked: Vec<FeedbackId> = marks.values().copied().collect();
        let mut desk = self.mail.store.desk(self.mail.project.id, &numbers, &marked).await?;

        let mut heard = Heard::default();
        let mut deeds = Vec::new();
        let mut new = Vec::new();
        for comment in &comments {
            for link in desk.links.get(&comment.issue).into_iter().flatten() {
                let said = self.of_comment(comment, link, &desk, &mut heard).await?;
                deeds.extend(said);
            }
        }
        for issue in issues {
            let place = self.place(&issue, &marks, &mut desk, &mut deeds);
            let found = self.of_issue(&issue, &place, &desk, &mut heard).await?;
            if found.iter().any(|deed| matches!(deed, Deed::Open { .. } | Deed::Link(..))) {
                new.push(issue.number);
            }
            deeds.extend(found);
        }
        Ok((deeds, new))
    }

    /// What an issue is to us. The first issue with the mark of a feedback is
    /// its issue; the others are copies.
    fn place(
        &self,
        issue: &Issue,
        marks: &BTreeMap<IssueNumber, FeedbackId>,
        desk: &mut Desk,
        deeds: &mut Vec<Deed>,
    ) -> Place {
        if let Some(links) = desk.links.get(&issue.number) {
            return Place::Linked(links.clone());
        }
        let marked = marks.get(&issue.number).and_then(|mark| desk.marked.get_mut(mark));
        let Some(marked) = marked else { return Place::Unknown };
        let is_ours = issue.author.as_ref().is_some_and(|it| self.mailbox.us == Some(it.id));
        match marked.number {
            None => {
                marked.number = Some(issue.number);
                Place::Found(marked.link.clone())
            }
            // Anybody could have copied the mark since it can be seen.
            Some(_) if !is_ours => Place::Unknown,
            Some(first) if first < issue.number => Place::Copy(first),
            Some(later) => {
                marked.number = Some(issue.number);
                deeds.push(Deed::Merge { copy: later, of: issue.number });
                Place::Found(marked.link.clone())
            }
        }
    }

    /// What was said on issues that we have just come to know.
    async fn comments_on(&mut self, numbers: Vec<IssueNumber>) -> Result<Vec<Deed>, Stopped> {
        let desk = self.mail.store.desk(self.mail.project.id, &numbers, &[]).await?;
        let mut heard = Heard::default();
        let mut deeds = Vec::new();
        for number in numbers {
            self.go_on().await?;
            for found in self.visit.comments(id(number.0), None).await? {
                let Some(comment) = comment(found) else { continue };
                for link in desk.links.get(&number).into_iter().flatten() {
                    let said = self.of_comment(&comment, link, &desk, &mut heard).await?;
                    deeds.extend(said);
                }
            }
        }
        Ok(deeds)
    }

    async fn of_issue(
        &mut self,
        issue: &Issue,
        place: &Place,
        desk: &Desk,
        heard: &mut Heard,
    ) -> Result<Vec<Deed>, Stopped> {
        let rules = Rules { least: self.least(), agents: &desk.agents, us: self.mailbox.us };
        loop {
            match of_issue(issue, place, &rules, heard) {
                Ok(deeds) => return Ok(deeds),
                Err(ask) => self.find_out(ask, heard).await?,
            }
        }
    }

    async fn of_comment(
        &mut self,
        comment: &IssueComment,
        link: &Link,
        desk: &Desk,
        heard: &mut Heard,
    ) -> Result<Vec<Deed>, Stopped> {
        let rules = Rules { least: self.least(), agents: &desk.agents, us: self.mailbox.us };
        if let Some(Mark::Note(_)) = self.mailbox.key.find(&comment.body) {
            return Ok(Vec::new());
        }
        let before = desk.read.get(&(link.feedback, comment.id)).copied();
        loop {
            match of_comment(comment, link, before, &rules, heard) {
                Ok(deeds) => return Ok(deeds),
                Err(ask) => self.find_out(ask, heard).await?,
            }
        }
    }

    async fn find_out(&mut self, ask: Ask, heard: &mut Heard) -> Result<(), Stopped> {
        self.go_on().await?;
        match ask {
            Ask::Role(login) => {
                let role = self.visit.role(&login).await?;
                heard.roles.insert(login, role);
            }
            Ask::Closer(number) => {
                let closer = match self.visit.issue(id(number.0)).await? {
                    Found::Here(issue) => Issue::from(issue).closed_by,
                    Found::Gone | Found::Moved { .. } => None,
                };
                heard.closers.insert(number, closer);
            }
            Ask::Labelers(number) => {
                let labelings = self.visit.labelings(id(number.0)).await?;
                let by = labelings.into_iter().filter_map(|it| Some((it.label, it.actor?.into())));
                heard.labelers.insert(number, by.collect());
            }
        }
        Ok(())
    }
}

/// The issues that may be shown again, by what they say.
fn recent(issues: &[Issue], cursor: Option<Instant>) -> BTreeMap<IssueNumber, Digest> {
    let late = |issue: &&Issue| cursor.is_some_and(|cursor| issue.updated_at >= cursor - OVERLAP);
    issues.iter().filter(late).map(|issue| (issue.number, fingerprint(issue))).collect()
}
