//! What n8n says of a run that said nothing about its end itself.

use secrecy::SecretString;

use super::launch::{asked, secret};
use crate::{
    app::context::Context,
    model::{AgentName, RunId},
    runner::Exit,
    store::RemoteRun,
    webhook::{Execution, Manners},
};

/// Where n8n can be asked about a run.
pub(super) struct Place {
    /// The webhook, with its variables filled in.
    pub(super) url: String,
    /// A key of its API.
    pub(super) key: SecretString,
    /// What the execution is called there.
    pub(super) id: String,
}

impl Place {
    /// Where n8n can be asked about `run`, if it can be.
    pub(super) fn of(cx: &Context, run: &RemoteRun) -> Option<Self> {
        let (Manners::N8n, webhook) = asked(&run.definition.as_ref()?.0)? else { return None };
        let id = run.reference.as_deref()?.strip_prefix("n8n:")?.to_owned();
        let key = secret(cx, webhook.api_key.as_ref()?.as_str()).ok()?;
        let environment = &cx.settings.environment;
        let url = webhook.url.fill(|name| environment.word(name).map(ToOwned::to_owned)).ok()?;
        Some(Self { url, key, id })
    }
}

/// What n8n said when it was asked about a run.
pub(in crate::app) struct Look {
    pub(super) run: RunId,
    pub(super) agent: AgentName,
    /// Whether the run had given no sign of life for long then.
    pub(super) is_silent: bool,
    pub(super) said: Result<Execution, String>,
}

/// What that says about the run.
pub(super) enum Meaning {
    /// It goes on.
    Alive,
    /// It is over.
    Over(Exit),
    /// Nothing.
    Nothing,
    /// Nothing, and here is why.
    Unseen(String),
}

impl Look {
    pub(super) fn meaning(self) -> Meaning {
        let unseen = |why: &str| Meaning::Over(Exit::Unseen(why.to_owned()));
        match self.said {
            Ok(Execution::GoesOn) => Meaning::Alive,
            // With the settings of our template, n8n forgets what succeeded.
            Ok(Execution::Unknown) if self.is_silent => unseen(
                "n8n does not know its execution any more, and it never called run_finish; \
                 or `api_key` belongs to somebody who cannot see it",
            ),
            Ok(Execution::Unknown) => Meaning::Nothing,
            Ok(Execution::Succeeded) => Meaning::Over(Exit::Elsewhere(
                "n8n says that it succeeded, but it never called run_finish".to_owned(),
            )),
            Ok(Execution::Failed(why)) => Meaning::Over(Exit::Elsewhere(why)),
            Ok(Execution::Crashed) => unseen("n8n was cut off while it worked on it"),
            Err(why) => Meaning::Unseen(why),
        }
    }
}
