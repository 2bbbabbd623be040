//! Who can have an account, and what a repo lets them do.

/// The account behind every `GITHUB_TOKEN`.
pub(crate) const ACTIONS: (u64, &str) = (41_898_282, "github-actions[bot]");

/// A person or a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) login: String,
}

impl User {
    pub(super) fn new(id: u64, login: &str) -> Self {
        let id = if login == ACTIONS.1 { ACTIONS.0 } else { id };
        Self { id, login: login.to_owned() }
    }

    pub(crate) fn is_bot(&self) -> bool {
        self.login.ends_with("[bot]")
    }
}

/// What somebody may do in a repo. The later ones may do what the earlier may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Of a private repo: nothing.
    None,
    Read,
    Triage,
    Write,
    /// A role that the organization made up, on top of `write`.
    Custom(String),
    Maintain,
    Admin,
}

impl Role {
    /// As `role_name`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Custom(name) => name,
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// As `permission`, which knows only four.
    pub(crate) fn permission(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Custom(_) | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}
