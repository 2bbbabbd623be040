//! What an issue or a comment on one means, seen as it is now.
//!
//! Some answers need more than the issue shows: who closed it, what somebody
//! may do in the repo. Then the answer is an [`Ask`]; whoever calls finds it
//! out, adds it to what was [`Heard`], and calls again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    FORM_LABEL, agent_label,
    command::{self, Misfit, Order, Said},
    form,
    letter::help,
};
use crate::model::{
    Account, AgentName, CloseReason, Digest, FeedbackId, FeedbackKind, Instant, Issue,
    IssueComment, IssueNumber, IssueState, Reaction, Resolution, Role,
};

/// Who opened an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// We did.
    Ours,
    /// A person did.
    Theirs,
}

/// What is known of the issue of a feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The feedback.
    pub feedback: FeedbackId,
    /// Whose it is.
    pub agent: AgentName,
    /// What kind it is.
    pub kind: FeedbackKind,
    /// Whether it is resolved.
    pub resolved: bool,
    /// Its text.
    pub text: String,
    /// Who opened the issue.
    pub origin: Origin,
    /// Whether the issue was open when it last agreed with the feedback.
    pub is_open: bool,
    /// The issue's `updated_at` when it was last read.
    pub seen_at: Instant,
}

/// What an issue is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The issue of these.
    Linked(Vec<Link>),
    /// One that we opened without hearing that it worked.
    Found(Link),
    /// One that we opened although there is this other one.
    Copy(IssueNumber),
    /// Nothing yet.
    Unknown,
}

/// What the project says about who may steer, and what they may steer.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// The least that somebody must be allowed to do in the repo.
    pub least: Role,
    /// The agents there are.
    pub agents: &'a BTreeSet<AgentName>,
    /// Who we are on GitHub, once that is known.
    pub us: Option<i64>,
}

/// What has to be found out first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What somebody may do in the repo.
    Role(String),
    /// Who closed this issue.
    Closer(IssueNumber),
    /// Who gave this issue which labels.
    Labelers(IssueNumber),
}

/// What was found out.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// What people may do in the repo; `None` for those who may do nothing.
    pub roles: BTreeMap<String, Option<Role>>,
    /// Who closed issues; `None` where nobody knows.
    pub closers: BTreeMap<IssueNumber, Option<Account>>,
    /// Who gave which label.
    pub labelers: BTreeMap<IssueNumber, Vec<(String, Account)>>,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// This is the issue of that feedback.
    Link(FeedbackId, Sighted),
    /// A person says something about an agent: it becomes feedback.
    Open {
        /// Which agent.
        agent: AgentName,
        /// What they say.
        text: String,
        /// Who they are.
        author: String,
        /// In which issue.
        issue: Sighted,
    },
    /// The text of that feedback is now this.
    Retell(FeedbackId, String),
    /// Somebody said something, or changed what they said.
    Say {
        /// About what.
        feedback: FeedbackId,
        /// In which comment.
        comment: i64,
        /// Who.
        author: String,
        /// When.
        at: Instant,
        /// What.
        body: String,
    },
    /// The feedback is resolved.
    Resolve {
        /// Which.
        feedback: FeedbackId,
        /// How.
        resolution: Resolution,
        /// By whom.
        by: String,
    },
    /// The feedback is open again.
    Reopen(FeedbackId),
    /// Hold the agent, or let it go on.
    Operate {
        /// Which agent.
        agent: AgentName,
        /// Which of both.
        hold: Hold,
        /// Who says so.
        by: String,
    },
    /// The issue was read, and counts as open or not.
    See {
        /// Whose issue.
        feedback: FeedbackId,
        /// Whether it counts as open.
        is_open: bool,
        /// Its `updated_at`.
        at: Instant,
    },
    /// The comment was read as it is now.
    Read {
        /// On whose issue.
        feedback: FeedbackId,
        /// Which.
        comment: i64,
        /// How it is now.
        as_of: Edition,
    },
    /// Answer a comment.
    Answer {
        /// About what it was.
        feedback: FeedbackId,
        /// On which issue.
        issue: IssueNumber,
        /// Which.
        comment: i64,
        /// With this.
        reaction: Reaction,
        /// And this, if there is something to explain.
        help: Option<String>,
    },
    /// Close an issue as the same as another.
    Merge {
        /// This one.
        copy: IssueNumber,
        /// As the same as this one.
        of: IssueNumber,
    },
    /// Somebody who does not count closed the issue.
    Unheeded {
        /// Whose issue.
        feedback: FeedbackId,
        /// Who.
        by: String,
    },
}

/// What is remembered of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// Its number.
    pub number: IssueNumber,
    /// Where people read it.
    pub url: String,
    /// Who opened it.
    pub author: Option<i64>,
    /// Its `updated_at`.
    pub at: Instant,
}

impl Sighted {
    /// What is remembered of `issue`.
    pub fn of(issue: &Issue) -> Self {
        Self {
            number: issue.number,
            url: issue.url.clone(),
            author: issue.author.as_ref().map(|author| author.id),
            at: issue.updated_at,
        }
    }
}

/// Whether an agent is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It pauses.
    On,
    /// It goes on.
    Off,
}

/// One state of a text that people may change. Its time alone would not do:
/// GitHub's has whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// When it became so.
    pub at: Instant,
    /// What it says.
    pub digest: Digest,
}

impl Edition {
    /// The edition of a comment.
    pub fn of(comment: &IssueComment) -> Self {
        Self { at: comment.updated_at, digest: Digest::of(&comment.body) }
    }
}

/// Everything about an issue that means something here: when this is the same
/// as before, there is no news. A label that was taken off and put on again shows
/// in the time only, and means something if somebody who counts did it.
pub fn fingerprint(issue: &Issue) -> Digest {
    let Issue { title, body, labels, state, updated_at, .. } = issue;
    Digest::of(format!("{title:?} {body:?} {labels:?} {state:?} {updated_at}"))
}

/// What `issue` means.
///
/// # Errors
///
/// An [`Ask`], when that has to be found out first.
pub fn of_issue(
    issue: &Issue,
    place: &Place,
    rules: &Rules<'_>,
    heard: &Heard,
) -> Result<Vec<Deed>, Ask> {
    match place {
        Place::Copy(of) => match issue.state {
            IssueState::Open => Ok(vec![Deed::Merge { copy: issue.number, of: *of }]),
            IssueState::Closed(_) => Ok(Vec::new()),
        },
        Place::Found(link) => {
            let deeds = changed(issue, link, rules, heard)?;
            Ok([vec![Deed::Link(link.feedback, Sighted::of(issue))], deeds].concat())
        }
        Place::Unknown => opened(issue, &[], rules, heard),
        Place::Linked(links) => {
            let mut deeds = Vec::new();
            for link in links.iter().filter(|link| issue.updated_at >= link.seen_at) {
                deeds.extend(changed(issue, link, rules, heard)?);
            }
            if links.iter().all(|link| link.origin == Origin::Theirs) {
                deeds.extend(opened(issue, links, rules, heard)?);
            }
            Ok(deeds)
        }
    }
}

/// Feedback on the agents that `issue` is about and that have none from it yet.
fn opened(
    issue: &Issue,
    links: &[Link],
    rules: &Rules<'_>,
    heard: &Heard,
) -> Result<Vec<Deed>, Ask> {
    let Some(author) = &issue.author else { return Ok(Vec::new()) };
    if issue.state != IssueState::Open || is_us(author, rules) {
        return Ok(Vec::new());
    }
    let is_new = |agent: &&AgentName| links.iter().all(|link| link.agent != **agent);
    let mut wanted: Vec<&AgentName> = rules
        .agents
        .iter()
        .filter(is_new)
        .filter(|agent| issue.labels.contains(&agent_label(agent)))
        .collect();
    // GitHub gives an issue from the form its label only if the repo has one of
    // that name. So whoever answered both questions has filled it in, too.
    let is_form = |what: &str| issue.labels.contains(FORM_LABEL) || !what.is_empty();
    let filled_in = form::answers(&issue.body).filter(|(_, what)| is_form(what));
    let named = filled_in.as_ref().and_then(|(agent, _)| rules.agents.get(agent));
    let named = named.filter(is_new).filter(|agent| !wanted.contains(agent));
    if wanted.is_empty() && named.is_none() {
        return Ok(Vec::new());
    }
    if counts(author, rules, heard)? {
        wanted.extend(named);
    } else if !wanted.is_empty() {
        // Anybody could have asked; somebody who counts took it up.
        let labelers = heard.labelers.get(&issue.number).ok_or(Ask::Labelers(issue.number))?;
        let mut vouched = Vec::new();
        for agent in wanted {
            for (label, by) in labelers {
                if *label == agent_label(agent) && counts(by, rules, heard)? {
                    vouched.push(agent);
                    break;
                }
            }
        }
        wanted = vouched;
    }
    let (text, author) = (text_of(issue), by(author));
    let open = |agent: &AgentName| Deed::Open {
        agent: agent.clone(),
        text: text.clone(),
        author: author.clone(),
        issue: Sighted::of(issue),
    };
    Ok(wanted.into_iter().map(open).collect())
}

/// What changed about an issue that is the issue of a feedback.
fn changed(issue: &Issue, link: &Link, rules: &Rules<'_>, heard: &Heard) -> Result<Vec<Deed>, Ask> {
    let feedback = link.feedback;
    let mut deeds = Vec::new();
    let text = text_of(issue);
    if link.origin == Origin::Theirs
        && text != link.text
        && let Some(author) = &issue.author
        && counts(author, rules, heard)?
    {
        deeds.push(Deed::Retell(feedback, text));
    }
    let mut is_open = issue.state == IssueState::Open;
    match issue.state {
        IssueState::Closed(reason) if link.is_open => {
            let by_whom = closer(issue, link, rules, heard)?;
            match by_whom {
                Closer::Us => {}
                Closer::Counts(by) => {
                    // The other reasons all say that it is not to be done.
                    let resolution = match reason {
                        CloseReason::Completed => Resolution::Completed,
                        CloseReason::NotPlanned | CloseReason::Duplicate => Resolution::Dismissed,
                    };
                    deeds.push(Deed::Resolve { feedback, resolution, by });
                }
                Closer::Stranger(by) => {
                    is_open = true;
                    deeds.push(Deed::Unheeded { feedback, by });
                }
            }
        }
        IssueState::Open if !link.is_open => {
            // A stranger can reopen only what they closed, and that did not count.
            deeds.push(Deed::Reopen(feedback));
        }
        _ => {}
    }
    deeds.push(Deed::See { feedback, is_open, at: issue.updated_at });
    Ok(deeds)
}

enum Closer {
    Us,
    Counts(String),
    Stranger(String),
}

fn closer(issue: &Issue, link: &Link, rules: &Rules<'_>, heard: &Heard) -> Result<Closer, Ask> {
    let told = match &issue.closed_by {
        Some(account) => Some(account),
        None => heard.closers.get(&issue.number).ok_or(Ask::Closer(issue.number))?.as_ref(),
    };
    Ok(match told {
        Some(account) if is_us(account, rules) => Closer::Us,
        Some(account) if counts(account, rules, heard)? => Closer::Counts(by(account)),
        Some(account) => Closer::Stranger(by(account)),
        // Nobody but people with rights can close what we opened.
        None if link.origin == Origin::Ours => Closer::Counts("somebody".to_owned()),
        None => Closer::Stranger("somebody".to_owned()),
    })
}

/// What a comment on the issue of `link` means, given how it was last read.
///
/// # Errors
///
/// An [`Ask`], when that has to be found out first.
pub fn of_comment(
    comment: &IssueComment,
    link: &Link,
    before: Option<Edition>,
    rules: &Rules<'_>,
    heard: &Heard,
) -> Result<Vec<Deed>, Ask> {
    let now = Edition::of(comment);
    if before.is_some_and(|before| before.digest == now.digest || before.at > now.at) {
        return Ok(Vec::new());
    }
    let feedback = link.feedback;
    let read = Deed::Read { feedback, comment: comment.id, as_of: now };
    let Some(author) = comment.author.as_ref().filter(|author| !is_us(author, rules)) else {
        return Ok(vec![read]);
    };
    if author.is_bot || !counts(author, rules, heard)? {
        return Ok(vec![read]);
    }
    let (said, body) = command::read(&comment.body);
    let mut deeds = vec![read];
    if !body.is_empty() || before.is_some() {
        let (author, at) = (by(author), comment.created_at);
        deeds.push(Deed::Say { feedback, comment: comment.id, author, at, body });
    }
    // A command that is edited in later is not carried out: it was read without.
    if before.is_none() {
        deeds.extend(obeyed(said, comment, link, by(author)));
    }
    Ok(deeds)
}

/// What a person's words to us lead to.
fn obeyed(said: Said, comment: &IssueComment, link: &Link, by: String) -> Vec<Deed> {
    let feedback = link.feedback;
    let order = match said {
        Said::Nothing => return Vec::new(),
        Said::Unknown(words) => Err(Misfit::Unknown(words)),
        Said::Command(command) => command::order(command, link.kind, link.resolved),
    };
    let agent = link.agent.clone();
    let (issue, comment) = (comment.issue, comment.id);
    let answer = |reaction, help| Deed::Answer { feedback, issue, comment, reaction, help };
    match order {
        Ok(order) => vec![
            match order {
                Order::Resolve(resolution) => Deed::Resolve { feedback, resolution, by },
                Order::Pause => Deed::Operate { agent, hold: Hold::On, by },
                Order::Resume => Deed::Operate { agent, hold: Hold::Off, by },
            },
            answer(Reaction::Done, None),
        ],
        Err(misfit) => vec![answer(Reaction::Confused, Some(help(&misfit)))],
    }
}

fn is_us(account: &Account, rules: &Rules<'_>) -> bool {
    rules.us == Some(account.id)
}

/// Whether what somebody says has weight.
fn counts(account: &Account, rules: &Rules<'_>, heard: &Heard) -> Result<bool, Ask> {
    let role = heard.roles.get(&account.login);
    let role = role.ok_or_else(|| Ask::Role(account.login.clone()))?;
    Ok(role.is_some_and(|role| role >= rules.least))
}

fn by(account: &Account) -> String {
    format!("@{}", account.login)
}

/// What an issue of somebody else's says.
fn text_of(issue: &Issue) -> String {
    let filled_in = form::answers(&issue.body).map(|(_, what)| what);
    let body = filled_in.as_deref().unwrap_or(&issue.body).replace("\r\n", "\n");
    format!("{}\n\n{}", issue.title.trim(), body.trim()).trim().to_owned()
}
