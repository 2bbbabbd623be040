//! Renders a failure for a terminal: the error, its causes, and what to try.

use crate::{
    app::{BadPast, NoGithub, NoWorkspace, NothingReviewed, PlanMoved, SeveralPulls},
    archive, embedded, github, store,
};

/// Trouble that was met and told elsewhere, with what can be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Hinted {
    pub(super) what: String,
    pub(super) hint: Option<&'static str>,
}

/// The error, its causes and a hint, a line each.
pub(super) fn explain(err: &anyhow::Error) -> String {
    tell("error", err)
}

/// The same for an error that fails nothing.
pub(super) fn warn(err: &anyhow::Error) -> String {
    tell("warning", err)
}

fn tell(what: &str, err: &anyhow::Error) -> String {
    let mut text = format!("{what}: {err}\n");
    for cause in err.chain().skip(1).map(ToString::to_string) {
        // Some libraries repeat their cause in their own message.
        if !text.trim_end().ends_with(&cause) {
            text += &format!("  because {cause}\n");
        }
    }
    if let Some(hint) = err.chain().find_map(hint) {
        text += &format!("hint: {hint}\n");
    }
    text
}

fn hint(err: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(err) = err.downcast_ref::<store::Error>() {
        return of_store(err);
    }
    if err.downcast_ref::<NoWorkspace>().is_some() {
        return Some(
            "change to a project's folder, or write waves/project.yaml: `project: my-project`",
        );
    }
    if err.downcast_ref::<PlanMoved>().is_some() {
        return Some(
            "nothing was changed; look at `wavemark plan`, and if it is what you want, run the \
             `wavemark sync --expect` that it ends with",
        );
    }
    if err.downcast_ref::<NothingReviewed>().is_some() {
        return Some(
            "nothing was changed; look at `wavemark plan`, and if it is what you want, run the \
             `wavemark sync --expect` that it ends with",
        );
    }
    if err.downcast_ref::<NoGithub>().is_some() {
        return Some(
            "set GITHUB_TOKEN and, unless `origin` is on GitHub, GITHUB_REPOSITORY=owner/name",
        );
    }
    if err.downcast_ref::<SeveralPulls>().is_some() {
        return Some("say which one with --pull-request");
    }
    if err.downcast_ref::<BadPast>().is_some() {
        return Some("compare with an earlier revision, such as its parent");
    }
    if let Some(err) = err.downcast_ref::<archive::NoRevision>() {
        return of_revision(err);
    }
    if let Some(err) = err.downcast_ref::<embedded::Error>() {
        return err.hint();
    }
    if let Some(err) = err.downcast_ref::<archive::Error>() {
        return err.hint();
    }
    if let Some(err) = err.downcast_ref::<Hinted>() {
        return err.hint;
    }
    if let Some(err) = err.downcast_ref::<github::Error>() {
        return err.hint();
    }
    None
}

fn of_store(err: &store::Error) -> Option<&'static str> {
    use store::Error;
    Some(match err {
        Error::Unreachable { source, .. } => return source.hint(),
        Error::BadUrl(err) => err.hint(),
        Error::Insecure { .. } => {
            "take `sslmode` out of DATABASE_URL, or make it verify-full, and give the server's \
             authority in WAVEMARK_DATABASE_CA; or take the risk with --database-insecure"
        }
        Error::BadAuthorities { source, .. } => source.hint(),
        Error::TwoAuthorities => "keep one of them",
        Error::SessionOptions => {
            "unset it; DATABASE_URL may say `?options=-c%20name%3Dvalue` for what is meant for \
             Wavemark"
        }
        Error::Foreign(_) => "give Wavemark a database of its own; nothing was touched",
        Error::Newer(_) => "use the newest wavemark",
        Error::NoProject(_) => "run `wavemark sync` first",
        Error::RetiresMost(_) => {
            "nothing was changed; if they are meant to go, `wavemark sync --allow-retire`"
        }
        Error::Older(_) => "`wavemark sync` migrates it",
        Error::NoAgent(_) => "`wavemark status` lists the agents",
        Error::NoFeedback(_) => "`wavemark feedback list --all` lists the numbers",
        Error::TookOver => "nothing is lost: the other process goes on with it",
        Error::Migrate(_) | Error::BadRow(_) | Error::Database(_) => return None,
    })
}

fn of_revision(err: &archive::NoRevision) -> Option<&'static str> {
    use archive::NoRevision;
    Some(match err {
        NoRevision::NoRepository(_) => "leave `--against` out to compare with the database",
        NoRevision::Unknown { .. } => "is it spelled so, and was it fetched? `git fetch origin`",
        NoRevision::Shallow { .. } => {
            "fetch it: `git fetch --unshallow`; with actions/checkout, `fetch-depth: 0`"
        }
        NoRevision::Git(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let cause = store::Error::Unreachable {
            place: "db.example:5432/postgres".into(),
            source: store::Obstacle::Refused(std::io::ErrorKind::ConnectionRefused.into()),
        };
        let err = anyhow::Error::new(cause).context("cannot read the facts");
        insta::assert_snapshot!(explain(&err), @"
        error: cannot read the facts
          because cannot connect to Postgres at db.example:5432/postgres
          because nothing listens there
          because connection refused
        hint: check the host and the port in DATABASE_URL, and that the server runs; without DATABASE_URL a private Postgres is started
        ");
    }

    #[test]
    fn a_missing_permission_is_named_and_where_to_give_it() {
        let err = github::Error::Forbidden {
            repo: "acme/waves".parse().unwrap(),
            needs: "issues: write".to_owned(),
            message: "Resource not accessible by integration".to_owned(),
        };
        let err = anyhow::Error::new(err).context("cannot open an issue for f-7");
        insta::assert_snapshot!(explain(&err), @"
        error: cannot open an issue for f-7
          because the token lacks a permission for acme/waves: issues: write (GitHub says: Resource not accessible by integration)
        hint: in a workflow, add it below the job's `permissions:`; for a fine-grained token or a GitHub App, add it in its settings on GitHub (an App's owner then accepts it once)
        ");
    }

    #[test]
    fn a_change_that_may_have_been_made_is_looked_for() {
        let err = github::Error::Unknown(github::Trouble::Failing(502));
        insta::assert_snapshot!(explain(&err.into()), @"
        error: GitHub may or may not have made the change
          because GitHub answered 502
        hint: the next tick, or running this again, looks whether it was made before it tries again
        ");
    }
}
