//! Tokens: whose they are, and what they open.

use std::collections::BTreeMap;

use super::super::clock::Instant;

/// How much of something a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    None,
    Read,
    Write,
}

impl Access {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A token that GitHub gave out.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) login: String,
    /// The permissions it was given, where it has any of its own: a classic
    /// token of a person opens what the person may open.
    pub(crate) permissions: Option<BTreeMap<String, Access>>,
    /// Whether it is a program's own, not a person's.
    pub(crate) of_app: bool,
    pub(crate) expires_at: Option<Instant>,
}

impl Token {
    /// What a job of GitHub Actions gets, with the permissions that its
    /// workflow asks for.
    pub(crate) fn of_actions(permissions: &[(&str, Access)]) -> Self {
        Self {
            login: super::user::ACTIONS.1.to_owned(),
            permissions: Some(named(permissions)),
            of_app: true,
            expires_at: None,
        }
    }

    /// A person's classic token.
    pub(crate) fn of(login: &str) -> Self {
        Self { login: login.to_owned(), permissions: None, of_app: false, expires_at: None }
    }

    /// A person's fine-grained token.
    pub(crate) fn of_with(login: &str, permissions: &[(&str, Access)]) -> Self {
        Self { permissions: Some(named(permissions)), ..Self::of(login) }
    }

    pub(crate) fn opens(&self, what: &str) -> Access {
        match &self.permissions {
            None => Access::Write,
            Some(_) if what == "metadata" => Access::Read,
            Some(permissions) => permissions.get(what).copied().unwrap_or(Access::None),
        }
    }
}

/// Permissions by their names, as in a workflow's `permissions:`.
pub(in super::super) fn named(permissions: &[(&str, Access)]) -> BTreeMap<String, Access> {
    permissions.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect()
}
