//! What everybody can do with everything, found out by trying.
//!
//! Catalogs say what there is. Whether somebody may touch it is found out by
//! touching it, in a transaction that is rolled back: grants, row-level security
//! and triggers answer together.
//!
//! **Invariant:** only a lack of rights counts as refused, and that something is
//! not there, which is what somebody is told who may not know of it. Any other
//! error is a mistake in the question.

use std::fmt::Write as _;

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, Row as _, error::DatabaseError,
    postgres::PgConnectOptions,
};

/// Who asks: a heading, the role, and the `sub` of their token.
const PEOPLE: [(&str, &str, &str); 5] = [
    ("nobody, `anon`", "anon", ""),
    ("a user, `authenticated`", "authenticated", "eve"),
    ("… who is a member of another project", "authenticated", "bob"),
    ("… who is a member", "authenticated", "ann"),
    ("a server, `service_role`", "service_role", ""),
];

/// What stands in our schemas, by kind: its name and the column that says which
/// project a row belongs to, if any.
const TABLES: &str = "select format('%I.%I', nspname, relname), coalesce((
        select attname::text from pg_attribute where attrelid = c.oid
        and attname = case relname when 'projects' then 'id' else 'project_id' end
    ), '')
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname in ('public', 'wavemark', 'wavemark_migrations') and relkind in ('r', 'p', 'v', 'm')
    order by nspname, c.oid";
const SEQUENCES: &str = "select format('%I.%I', nspname, relname), ''
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname in ('public', 'wavemark', 'wavemark_migrations') and relkind = 'S'
    order by c.oid";
const FUNCTIONS: &str = "select format('%I.%I(%s)', nspname, proname, (
        select string_agg('null::' || one::regtype, ', ') from unnest(proargtypes) one
    )), ''
    from pg_proc p join pg_namespace n on n.oid = pronamespace
    where nspname in ('public', 'wavemark', 'wavemark_migrations')
    order by p.oid";

/// What everybody can do with the rows of the project `demo`, as a Markdown
/// table. Things for which the answers are the same share a line.
pub(super) async fn measure(options: &PgConnectOptions) -> String {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let mut lines: Vec<(&str, Vec<String>, Vec<String>)> = vec![];
    for (kind, things) in [("table", TABLES), ("sequence", SEQUENCES), ("function", FUNCTIONS)] {
        for thing in rows(&mut connection, things).await {
            let mut cells = vec![];
            for (_, role, user) in PEOPLE {
                let mut person = Person { connection: &mut connection, role, user };
                cells.push(match kind {
                    "table" => person.table(&thing[0], &thing[1]).await,
                    "sequence" => person.sequence(&thing[0]).await,
                    _ => person.function(&thing[0]).await,
                });
            }
            let name = format!("`{}`", thing[0].replace("public.", "").replace("null::", ""));
            match lines.iter_mut().find(|line| line.0 == kind && line.2 == cells) {
                Some((_, names, _)) => names.push(name),
                None => lines.push((kind, vec![name], cells)),
            }
        }
    }
    connection.close().await.unwrap();
    table(&lines)
}

fn table(lines: &[(&str, Vec<String>, Vec<String>)]) -> String {
    let mut text = String::from("| |");
    for (heading, ..) in PEOPLE {
        write!(text, " {heading} |").unwrap();
    }
    text += "\n|---|";
    text += &"---|".repeat(PEOPLE.len());
    for (kind, names, cells) in lines {
        let plural = if names.len() == 1 { "" } else { "s" };
        write!(text, "\n| {kind}{plural} {} | {} |", names.join(", "), cells.join(" | ")).unwrap();
    }
    text + "\n"
}

/// Somebody who comes through the API.
struct Person<'a> {
    connection: &'a mut PgConnection,
    role: &'static str,
    user: &'static str,
}

impl Person<'_> {
    async fn table(&mut self, table: &str, project: &str) -> String {
        let of_project = match project {
            "" => "true".to_owned(),
            column => format!("{column} = (select id from public.projects where name = 'demo')"),
        };
        let mut can = vec![];

        let look = format!("create temp table seen on commit drop as select * from {table}");
        let seen = self.tries("", &look, &format!("select from seen where {of_project}")).await;
        if seen.is_some_and(|rows| rows > 0) {
            can.push("select".to_owned());
        }

        let columns = format!(
            "select quote_ident(attname) from pg_attribute
             where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped
             order by attnum"
        );
        let columns: Vec<String> = rows(self.connection, &columns).await.concat();
        for verb in ["insert", "update"] {
            let mut allowed = vec![];
            for column in &columns {
                let touch = match verb {
                    "insert" => format!(
                        "insert into {table} ({column}) overriding system value
                         select null where false"
                    ),
                    _ => format!("update {table} set {column} = default where false"),
                };
                if self.may(&touch).await {
                    allowed.push(column.as_str());
                }
            }
            let Some(one) = allowed.last() else { continue };
            let list = allowed.join(", ");
            let (before, act) = match verb {
                // Rows that fit in: those that were there a moment ago.
                "insert" => (
                    format!(
                        "create temp table model on commit drop as
                             select * from {table} where {of_project};
                         grant select on model to public;
                         set local session_replication_role = replica;
                         delete from {table} where {of_project};
                         set local session_replication_role = origin;"
                    ),
                    format!(
                        "insert into {table} ({list}) overriding system value
                         select {list} from model"
                    ),
                ),
                _ => (String::new(), format!("update {table} set {one} = {one}")),
            };
            let touched = format!(
                "select from {table} where {of_project} and xmin = pg_current_xact_id()::xid"
            );
            if self.tries(&before, &act, &touched).await.is_some_and(|rows| rows > 0) {
                can.push(match allowed.len() == columns.len() {
                    true => verb.to_owned(),
                    false => format!("{verb} {list}"),
                });
            }
        }
        for verb in ["delete from", "truncate"] {
            if self.may(&format!("{verb} {table}")).await {
                can.push(verb.replace(" from", ""));
            }
        }
        match (can.is_empty(), seen) {
            (false, _) => can.join(", "),
            (true, Some(_)) => "no rows".to_owned(),
            (true, None) => "–".to_owned(),
        }
    }

    async fn sequence(&mut self, name: &str) -> String {
        let mut can = vec![];
        for (verb, sql) in [
            ("select", format!("select last_value from {name}")),
            ("nextval", format!("select nextval('{name}')")),
            ("setval", format!("select setval('{name}', 1)")),
        ] {
            if self.may(&sql).await {
                can.push(verb);
            }
        }
        if can.is_empty() { "–".to_owned() } else { can.join(", ") }
    }

    async fn function(&mut self, call: &str) -> String {
        let may = self.may(&format!("select {call}")).await;
        (if may { "call" } else { "–" }).to_owned()
    }

    /// Whether it is not for a lack of rights that `act` fails, if it fails.
    async fn may(&mut self, act: &str) -> bool {
        match self.attempt("", act, "select").await {
            Ok(_) => true,
            Err(err) => err.as_database_error().is_some_and(|err| !is_refusal(err)),
        }
    }

    /// Lets the owner do `before` and this person do `act`. How many rows
    /// `outcome` then has for the owner; none if the person was refused.
    async fn tries(&mut self, before: &str, act: &str, outcome: &str) -> Option<u64> {
        match self.attempt(before, act, outcome).await {
            Ok(rows) => Some(rows),
            Err(err) if err.as_database_error().is_some_and(is_refusal) => None,
            Err(err) => panic!("{}: {act}: {err}", self.role),
        }
    }

    async fn attempt(&mut self, before: &str, act: &str, outcome: &str) -> sqlx::Result<u64> {
        let Self { role, user, .. } = self;
        let act = format!(
            "begin; {before}
             set local request.jwt.claims = '{{\"sub\": \"{user}\"}}';
             set local role {role};
             {act};
             reset role"
        );
        let done = sqlx::raw_sql(AssertSqlSafe(act)).execute(&mut *self.connection).await;
        let outcome = sqlx::raw_sql(AssertSqlSafe(outcome)).execute(&mut *self.connection).await;
        sqlx::raw_sql("rollback").execute(&mut *self.connection).await?;
        done.and(outcome).map(|result| result.rows_affected())
    }
}

fn is_refusal(err: &dyn DatabaseError) -> bool {
    // insufficient_privilege, foreign_key_violation.
    matches!(err.code().as_deref(), Some("42501" | "23503"))
}

async fn rows(connection: &mut PgConnection, sql: &str) -> Vec<Vec<String>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (0..row.len()).map(|index| row.get(index)).collect()).collect()
}
