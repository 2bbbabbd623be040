//! What a database looks like from the inside, for those who examine it. Nothing
//! is changed.

use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::{
    Error, Result, Store,
    access::Target,
    migrate,
    sql::{query_as, query_scalar},
};
use crate::model::Instant;

/// How often two clients are compared. Once is enough for a pooler that nobody
/// else uses.
const ROUNDS: usize = 5;

/// How a client is connected to the server, as far as can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// To the server itself, or through something that behaves like it.
    Direct,
    /// To a pooler that keeps a server connection for each client.
    SessionPooler,
    /// To a pooler that shares server connections between transactions.
    TransactionPooler,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Such as `17.4`.
    pub version: String,
    /// The number before the point.
    pub major: i32,
    /// Who we are there.
    pub user: String,
    /// Its clock.
    pub now: Instant,
}

/// How the schema is, compared with what this version knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Nobody ever brought it.
    Absent,
    /// Up to date.
    Current,
    /// So many migrations are still to be applied.
    Behind(usize),
    /// A newer version was here, with this migration.
    Newer(i64),
}

/// A right that somebody has and should not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// The role of Supabase's API.
    pub role: String,
    /// The table, with its schema.
    pub table: String,
    /// What it may do, such as `insert`.
    pub right: String,
}

/// The tables that are ours: those of our schemas, and in `public` those that say
/// so in their comments.
macro_rules! ours {
    () => {
        "(select c.oid, format('%I.%I', nspname, relname) as name, relrowsecurity
          from pg_class c join pg_namespace n on n.oid = relnamespace
          where relkind in ('r', 'p') and (nspname in ('wavemark', 'wavemark_migrations')
              or nspname = 'public' and obj_description(c.oid, 'pg_class') like 'Wavemark:%')
         ) ours"
    };
}

impl Store {
    /// The server.
    pub async fn server(&self) -> Result<Server> {
        self.read(async |tx| {
            let (version, number, user, now): (String, i32, String, Instant) = query_as(
                "select split_part(current_setting('server_version'), ' ', 1),
                     current_setting('server_version_num')::int, current_user::text, now()",
            )
            .fetch_one(tx.conn())
            .await?;
            Ok(Server { version, major: number / 10_000, user, now })
        })
        .await
    }

    /// How the schema is.
    pub async fn schema(&self) -> Result<Schema> {
        self.read(async |tx| match migrate::pending(tx).await {
            _ if !migrate::is_there(tx).await? => Ok(Schema::Absent),
            Ok(0) => Ok(Schema::Current),
            Ok(pending) => Ok(Schema::Behind(pending)),
            Err(Error::Newer(version)) => Ok(Schema::Newer(version)),
            Err(err) => Err(err),
        })
        .await
    }

    /// How many tables are ours, and those of them that anybody can read who is
    /// granted to: without row-level security.
    pub async fn unprotected_tables(&self) -> Result<(usize, Vec<String>)> {
        self.read(async |tx| {
            let tables: Vec<(String, bool)> = query_as(concat!(
                "select name, relrowsecurity from ",
                ours!(),
                // The history of migrations is sqlx's own table: it is granted to nobody.
                " where name not like 'wavemark_migrations.%' order by name"
            ))
            .fetch_all(tx.conn())
            .await?;
            let count = tables.len();
            let bare = tables.into_iter().filter(|(_, is_on)| !is_on).map(|(name, _)| name);
            Ok((count, bare.collect()))
        })
        .await
    }

    /// What the roles of Supabase's API may do to our tables that they should
    /// not; none if there are no such roles.
    pub async fn excess_rights(&self) -> Result<Option<Vec<Excess>>> {
        self.read(async |tx| {
            let there: bool = query_scalar(
                "select exists (select from pg_roles where rolname in ('anon', 'authenticated'))",
            )
            .fetch_one(tx.conn())
            .await?;
            if !there {
                return Ok(None);
            }
            let granted: Vec<(String, String, String, bool)> = query_as(concat!(
                "select rolname::text, ours.name, verb,
                         has_table_privilege(r.oid, ours.oid, verb)
                     from ",
                ours!(),
                " cross join pg_roles r
                     cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate',
                         'references', 'trigger']) verb
                     where rolname in ('anon', 'authenticated', 'service_role')
                         and (has_table_privilege(r.oid, ours.oid, verb)
                             or verb in ('select', 'insert', 'update', 'references')
                                 and has_any_column_privilege(r.oid, ours.oid, verb))
                     order by 1, 2, 3"
            ))
            .fetch_all(tx.conn())
            .await?;
            let excess = granted
                .into_iter()
                .filter(|(role, table, right, whole)| !may(role, table, right, *whole));
            Ok(Some(excess.map(|(role, table, right, _)| Excess { role, table, right }).collect()))
        })
        .await
    }
}

/// Whether a role of the API may have a right: on the `whole` table, or on some
/// of its columns.
fn may(role: &str, table: &str, right: &str, whole: bool) -> bool {
    let Some(table) = table.strip_prefix("public.") else { return false };
    match (role, right) {
        ("service_role", "select" | "insert" | "update") | ("authenticated", "select") => true,
        ("authenticated", "insert") => !whole && matches!(table, "feedback" | "feedback_comments"),
        ("authenticated", "update") => !whole && table == "feedback",
        _ => false,
    }
}

/// Finds out how clients of `target` are connected to its server.
///
/// A pooler refuses a parameter that only the server knows. One that shares
/// server connections gives the same one to two clients, one after the other,
/// while both are connected.
pub async fn connection(target: impl Into<Target>) -> Result<Connection> {
    let Target { options, .. } = target.into();
    let options = options.application_name("wavemark").extra_float_digits(None);
    let mut clients = [options.connect().await?, options.connect().await?];
    let mut seen: [Vec<i32>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (client, seen) in clients.iter_mut().zip(&mut seen) {
            seen.push(server_process(client).await?);
        }
        let is_shared = seen[0].iter().any(|process| seen[1].contains(process));
        let moves = |seen: &[i32]| seen.iter().any(|process| *process != seen[0]);
        if is_shared || moves(&seen[0]) || moves(&seen[1]) {
            return Ok(Connection::TransactionPooler);
        }
    }
    for client in clients {
        client.close().await?;
    }
    let picky = options.clone().options([("application_name", "wavemark")]).connect().await;
    let is_refused = match &picky {
        Err(sqlx::Error::Database(said)) => said.message().contains("startup parameter"),
        _ => false,
    };
    let is_supavisor = options.get_host().ends_with(".pooler.supabase.com");
    Ok(match is_refused || is_supavisor {
        true => Connection::SessionPooler,
        false => Connection::Direct,
    })
}

/// The process of the server that carries out a transaction of this client.
async fn server_process(client: &mut PgConnection) -> sqlx::Result<i32> {
    let mut tx = client.begin().await?;
    let process = query_scalar("select pg_backend_pid()").fetch_one(tx.as_mut()).await?;
    tx.commit().await?;
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_may_do_is_what_the_readme_says() {
        assert!(may("authenticated", "public.feedback", "update", false));
        for (role, table, right, whole) in [
            ("anon", "public.agents", "select", true),
            ("authenticated", "public.feedback", "update", true),
            ("authenticated", "public.agents", "update", false),
            ("authenticated", "wavemark.members", "select", true),
            ("service_role", "public.artifacts", "delete", true),
            ("service_role", "wavemark.letters", "select", true),
        ] {
            assert!(!may(role, table, right, whole), "{role} {right} {table}");
        }
    }
}
