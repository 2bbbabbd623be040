//! The way to the database, its schema, and who may do what in it.

use std::time::Duration;

use super::{Exam, here, listed, within};
use crate::{
    app::{database::access, workspace::Workspace},
    embedded::Embedded,
    model::{Instant, TickEnd},
    plan::Plan,
    report::count,
    store::{self, Connection, Error, Schema, Store, Target, TlsMode},
};

const AREA: &str = "database";
/// What cannot be told without a connection.
const CHECKS: [&str; 4] = ["server", "schema", "row security", "API roles"];
/// The oldest that our SQL runs on.
const OLDEST: i32 = 15;

/// Looks at the database, and returns it if it can be used.
pub(super) async fn examine(exam: &mut Exam<'_>, workspace: Option<&Workspace>) -> Option<Store> {
    let target = match access(exam.settings) {
        Err(err) => {
            exam.wrong(AREA, "connection", err);
            return without(exam, "there is no connection");
        }
        Ok(Some(access)) => {
            encryption(exam, access.is_local(), access.risk());
            access.target()
        }
        Ok(None) => match private(exam, workspace) {
            Ok(target) => target,
            Err(why) => return without(exam, why),
        },
    };
    let asked = here();
    let store = match within(Store::connect(target.clone())).await {
        Ok(store) => store,
        Err(err) => {
            exam.wrong(AREA, "connection", err);
            return without(exam, "there is no connection");
        }
    };
    match within(store::connection(target)).await {
        Ok(Connection::Direct) => exam.ok(AREA, "connection", "direct: each client has a server connection of its own"),
        Ok(Connection::SessionPooler) => exam.ok(AREA, "connection", "through a session pooler: each client keeps its server connection"),
        Ok(Connection::TransactionPooler) => exam.ok(
            AREA,
            "connection",
            "through a transaction pooler: clients share server connections, which Wavemark is made for",
        ),
        Err(err) => exam.wrong(AREA, "connection", err),
    }
    server(exam, &store, asked).await;
    let usable = schema(exam, &store).await;
    protection(exam, &store, usable).await;
    usable.then_some(store)
}

fn without(exam: &mut Exam<'_>, why: &str) -> Option<Store> {
    for check in CHECKS {
        exam.skip(AREA, check, format!("not looked at: {why}"));
    }
    None
}

/// The private Postgres, if it runs. To start it is not for one who only looks.
fn private(exam: &mut Exam<'_>, workspace: Option<&Workspace>) -> Result<Target, &'static str> {
    let Some(workspace) = workspace else {
        exam.skip(AREA, "connection", "no DATABASE_URL, and no project to have a private one");
        return Err("there is no database");
    };
    let embedded = Embedded::at(&workspace.private());
    match (embedded.running(), embedded.is_made()) {
        (Ok(Some(address)), _) => {
            exam.ok(
                AREA,
                "encryption",
                "not needed: the private Postgres has a socket on this machine",
            );
            Ok(address.connect_options().into())
        }
        (Ok(None), Ok(true)) => {
            exam.ok(AREA, "connection", "the private Postgres sleeps: the next command starts it");
            Err("it sleeps")
        }
        (Ok(None), Ok(false)) => {
            exam.ok(
                AREA,
                "connection",
                "no DATABASE_URL: the first command makes a private Postgres",
            );
            Err("there is none yet")
        }
        (Err(err), _) | (_, Err(err)) => {
            exam.wrong(AREA, "connection", err);
            Err("there is no connection")
        }
    }
}

fn encryption(exam: &mut Exam<'_>, is_local: bool, (mode, risk): (TlsMode, Option<String>)) {
    match (risk, is_local) {
        (Some(risk), _) => exam.warn(
            AREA,
            "encryption",
            risk,
            "say `sslmode=verify-full` in DATABASE_URL, and give the server's authority in \
             WAVEMARK_DATABASE_CA",
        ),
        (None, true) => exam.ok(AREA, "encryption", "not needed: the server is on this machine"),
        (None, false) => exam.ok(
            AREA,
            "encryption",
            format!(
                "TLS, and the certificate is compared with the host's name ({})",
                mode.as_str()
            ),
        ),
    }
}

async fn server(exam: &mut Exam<'_>, store: &Store, asked: Instant) {
    match within(store.server()).await {
        Ok(server) => {
            exam.clock("the database", server.now, asked);
            let what = format!("PostgreSQL {}, as `{}`", server.version, server.user);
            if server.major < OLDEST {
                let next = format!("Wavemark needs PostgreSQL {OLDEST} or newer");
                exam.fail(AREA, "server", what, next);
            } else {
                exam.ok(AREA, "server", what);
            }
        }
        Err(err) => exam.wrong(AREA, "server", err),
    }
}

/// Whether there is a schema to look into.
async fn schema(exam: &mut Exam<'_>, store: &Store) -> bool {
    match within(store.schema()).await {
        Ok(Schema::Current) => exam.ok(AREA, "schema", "every migration is applied"),
        Ok(Schema::Absent) => {
            let found = "there are no tables yet";
            exam.warn(AREA, "schema", found, "`wavemark sync` makes them");
            return false;
        }
        Ok(Schema::Behind(pending)) => exam.warn(
            AREA,
            "schema",
            format!("{} to be applied", count(pending, "migration")),
            "`wavemark sync` applies them",
        ),
        Ok(Schema::Newer(version)) => exam.fail(
            AREA,
            "schema",
            format!("a newer Wavemark was here: the database knows migration {version}"),
            "use the newest wavemark",
        ),
        Err(err) => {
            exam.wrong(AREA, "schema", err);
            return false;
        }
    }
    true
}

async fn protection(exam: &mut Exam<'_>, store: &Store, has_schema: bool) {
    if !has_schema {
        exam.skip(AREA, "row security", "not looked at: there are no tables");
        exam.skip(AREA, "API roles", "not looked at: there are no tables");
        return;
    }
    match within(store.unprotected_tables()).await {
        Ok((tables, bare)) if bare.is_empty() => {
            exam.ok(
                AREA,
                "row security",
                format!("on for {}, which are all", count(tables, "table")),
            );
        }
        Ok((_, bare)) => {
            let next: Vec<String> = bare
                .iter()
                .map(|table| format!("alter table {table} enable row level security;"))
                .collect();
            let found = format!("off for {}", listed(&bare, 5));
            exam.fail(AREA, "row security", found, next.join(" "));
        }
        Err(err) => exam.wrong(AREA, "row security", err),
    }
    match within(store.excess_rights()).await {
        Ok(None) => exam.skip(AREA, "API roles", "not used: this is no Supabase project"),
        Ok(Some(excess)) if excess.is_empty() => {
            exam.ok(
                AREA,
                "API roles",
                "anon, authenticated and service_role may do no more than they need",
            );
        }
        Ok(Some(excess)) => {
            let told: Vec<String> = excess
                .iter()
                .map(|one| format!("{} may {} {}", one.role, one.right, one.table))
                .collect();
            let next: Vec<String> = excess
                .iter()
                .map(|one| {
                    format!("revoke {} on {} from public, {};", one.right, one.table, one.role)
                })
                .collect();
            exam.fail(AREA, "API roles", listed(&told, 5), listed(&next, 5));
        }
        Err(err) => exam.wrong(AREA, "API roles", err),
    }
}

/// Looks when GitHub ticked last. Where it never did, nobody expects it to.
pub(super) async fn last_tick(
    exam: &mut Exam<'_>,
    store: Option<&Store>,
    plan: Option<&Plan>,
    repo: &super::github::Seen,
) {
    const AREA: &str = "workflows";
    const CHECK: &str = "last tick";
    let (Some(store), Some(plan)) = (store, plan) else {
        return exam.skip(AREA, CHECK, "not looked at: there is no database with this plan");
    };
    let last = async {
        let project = store.project(&plan.project.name).await?;
        store.last_tick(&project).await
    };
    let last = match within(last).await {
        Ok(Some(last)) => last,
        Ok(None) if repo.is_there() => {
            let next = "set the secrets and push, then `gh workflow run tick.yml`";
            return exam.warn(AREA, CHECK, "there was none in GitHub Actions yet", next);
        }
        Ok(None) => return exam.skip(AREA, CHECK, "not used: there was none in GitHub Actions"),
        Err(err) if matches!(err.downcast_ref(), Some(Error::NoProject(_))) => {
            let found = "the plan was never brought into the database";
            return exam.warn(AREA, CHECK, found, "`wavemark sync`");
        }
        Err(err) if matches!(err.downcast_ref(), Some(Error::Older(_) | Error::Database(_))) => {
            return exam.skip(AREA, CHECK, "not looked at: the schema is not up to date");
        }
        Err(err) => return exam.wrong(AREA, CHECK, err),
    };
    let found = format!("{} ago, {} ({})", spoken(last.age), last.end, last.place);
    let next = "see whether the workflow `tick` is enabled, and how its runs ended; \
                `gh workflow run tick.yml` starts one";
    if last.age > last.every * 2 {
        let every = spoken(last.every);
        exam.fail(AREA, CHECK, format!("{found}; there is to be one every {every}"), next);
    } else if let Some(late) = last.late() {
        exam.warn(AREA, CHECK, format!("{found}; the next is {} late", spoken(late)), next);
    } else if last.end == TickEnd::Failed {
        let why = last.detail.unwrap_or_default();
        exam.warn(AREA, CHECK, format!("{found}: {why}"), "look at its log");
    } else {
        exam.ok(AREA, CHECK, found);
    }
}

/// A length of time to the minute.
fn spoken(time: Duration) -> String {
    match (time.as_secs() / 3600, time.as_secs() / 60) {
        (0, 0) => format!("{} s", time.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours @ ..48, minutes) if minutes % 60 == 0 => format!("{hours} h"),
        (hours @ ..48, minutes) => format!("{hours} h {} min", minutes % 60),
        (hours, _) => format!("{} days", hours / 24),
    }
}
