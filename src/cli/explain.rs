//! Renders a failure for a terminal: the error, its causes, and what to try.

use crate::{
    app::{NoWorkspace, PlanMoved},
    archive, embedded, github, store,
};

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

/// What somebody can do about an error, if that is known.
pub(super) fn hint(err: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(err) = err.downcast_ref::<store::Error>() {
        return of_store(err);
    }
    if err.downcast_ref::<NoWorkspace>().is_some() {
        return Some("change to a project's folder, or begin one with `wavemark init`");
    }
    if err.downcast_ref::<PlanMoved>().is_some() {
        return Some("nothing was changed; look at `wavemark plan` again");
    }
    if let Some(err) = err.downcast_ref::<embedded::Error>() {
        return err.hint();
    }
    if let Some(err) = err.downcast_ref::<archive::Error>() {
        return err.hint();
    }
    if let Some(err) = err.downcast_ref::<github::Error>() {
        return of_github(err);
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

fn of_github(err: &github::Error) -> Option<&'static str> {
    use github::Error;
    Some(match err {
        Error::RateLimited { .. } | Error::EnoughWrites { .. } => {
            "nothing is lost: the next tick goes on from here"
        }
        Error::Unknown(_) => "the next tick looks whether it was made before it tries again",
        Error::Unreachable(_) => {
            "check GITHUB_API_URL and the network; the next tick tries again, and nothing is lost"
        }
        Error::NoAnswer(_) => {
            "the next tick tries again; https://www.githubstatus.com says how GitHub is"
        }
        Error::Unauthorized => {
            "GITHUB_TOKEN may have expired: make a new one; for a GitHub App, compare \
             WAVEMARK_APP_ID and WAVEMARK_APP_KEY with its settings"
        }
        Error::Forbidden { .. } => {
            "in a workflow, add it below the job's `permissions:`; for a fine-grained token or a \
             GitHub App, add it in its settings on GitHub (an App's owner then accepts it once)"
        }
        Error::NoSuchRepo { .. } => {
            "check GITHUB_REPOSITORY; a fine-grained token must have this repository among its \
             own"
        }
        Error::Renamed { .. } => {
            "set GITHUB_REPOSITORY to the new name, and `git remote set-url origin` to its address"
        }
        Error::IssuesDisabled { .. } => {
            "switch them on in the repository's settings: General, Features, Issues"
        }
        Error::Archived { .. } => {
            "unarchive it in its settings, or set GITHUB_REPOSITORY to another one"
        }
        Error::NotInstalled { .. } => {
            "install it from the App's page on GitHub, with this repository among its own"
        }
        Error::BadUrl { .. } => {
            "leave it unset for github.com; on GitHub Enterprise Server it is https://host/api/v3"
        }
        Error::BadSecret { .. } => "set it again, as GitHub showed it",
        Error::Tls(_) => "install the system's CA certificates, or set SSL_CERT_FILE",
        Error::Missing { .. } | Error::Refused { .. } | Error::Blocked { .. } => return None,
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
        hint: the next tick looks whether it was made before it tries again
        ");
    }
}
