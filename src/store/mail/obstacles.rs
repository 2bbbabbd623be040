//! What keeps the conversation from going on, for people to see.

use crate::{
    model::{AgentName, FeedbackNumber, Instant, IssueNumber, ProjectId},
    store::{Result, Store, sql::query_as},
};

/// What keeps the conversation of a project from going on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacles {
    /// Until when GitHub asked to be left alone, if that is still to come.
    pub paused_until: Option<Instant>,
    /// Why the last visit did not do all it should have.
    pub trouble: Option<String>,
    /// Issues that are gone, with the open feedback they are of and its agent.
    pub missing: Vec<(IssueNumber, FeedbackNumber, AgentName)>,
}

impl Store {
    /// What keeps the conversation of a project from going on.
    pub async fn mail_obstacles(&self, project: ProjectId) -> Result<Obstacles> {
        self.read(async |tx| {
            let mailbox: Option<(Option<Instant>, Option<String>)> = query_as(
                "select case when paused_until > now() then paused_until end, trouble
                 from wavemark.mailboxes where project_id = $1",
            )
            .bind(project)
            .fetch_optional(tx.conn())
            .await?;
            let (paused_until, trouble) = mailbox.unwrap_or_default();
            let missing = query_as(
                "select i.number, f.number, a.name
                 from wavemark.issues i
                 join public.feedback f on f.id = i.feedback_id
                 join public.agents a on a.id = f.agent_id
                 where i.project_id = $1 and i.missing_since is not null and not f.resolved
                 order by f.number",
            )
            .bind(project)
            .fetch_all(tx.conn())
            .await?
            .into_iter()
            .map(|(issue, feedback, agent): (i64, _, _)| (IssueNumber(issue), feedback, agent))
            .collect();
            Ok(Obstacles { paused_until, trouble, missing })
        })
        .await
    }
}
