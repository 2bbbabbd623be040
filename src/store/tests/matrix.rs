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

/// What stands in our schemas, by its name. Of a table also the column that says
/// which project a row belongs to, if any, and all columns.
const TABLES: &str = "select format('%I.%I', nspname, relname),
        coalesce(max(attname::text) filter (
            where attname = case relname when 'projects' then 'id' else 'project_id' end
        ), ''),
        string_agg(quote_ident(attname), ', ' order by attnum)
    from pg_class c join pg_namespace n on n.oid = relnamespace
        join pg_attribute on attrelid = c.oid and attnum > 0 and not attisdropped
    where nspname in ('public', 'wavemark', 'wavemark_migrations') and relkind in ('r', 'p', 'v', 'm')
    group by nspname, relname, c.oid order by nspname, c.oid";
const SEQUENCES: &str = "select format('%I.%I', nspname, relname)
    from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname in ('public', 'wavemark', 'wavemark_migrations') and relkind = 'S'
    order by c.oid";
const FUNCTIONS: &str = "select format('%I.%I(%s)', nspname, proname, (
        select string_agg('null::' || one::regtype, ', ') from unnest(proargtypes) one
    ))
    from pg_proc p join pg_namespace n on n.oid = pronamespace
    where nspname in ('public', 'wavemark', 'wavemark_migrations')
    order by p.oid";

/// What everybody can do with the rows of the project `demo`, as a Markdown
/// table. Things for which the answers are the same share a line.
pub(super) async fn measure(options: &PgConnectOptions) -> String {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let mut lines: Vec<(&str, Vec<String>, Vec<String>)> = vec![];
    let tables = rows(&mut connection, TABLES).await.into_iter().map(|one| ("table", one));
    let sequences = rows(&mut connection, SEQUENCES).await.into_iter().map(|one| ("sequence", one));
    let functions = rows(&mut connection, FUNCTIONS).await.into_iter().map(|one| ("function", one));
    for (kind, thing) in tables.chain(sequences).chain(functions) {
        let mut cells = vec![];
        for (_, role, user) in PEOPLE {
            let mut person = Person { connection: &mut connection, role, user };
            cells.push(match (kind, &thing[..]) {
                (_, [table, project, columns]) => person.table(table, project, columns).await,
                ("sequence", [name]) => person.sequence(name).await,
                (_, call) => person.function(&call[0]).await,
            });
        }
        let name = format!("`{}`", thing[0].replace("public.", "").replace("null::", ""));
        match lines.iter_mut().find(|line| line.0 == kind && line.2 == cells) {
            Some((_, names, _)) => names.push(name),
            None => lines.push((kind, vec![name], cells)),
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
    async fn table(&mut self, table: &str, project: &str, columns: &str) -> String {
        let of_project = match project {
            "" => "true".to_owned(),
            column => format!("{column} = (select id from public.projects where name = 'demo')"),
        };
        let look = format!("create temp table seen on commit drop as select * from {table}");
        let seen = self.tries("", &look, &format!("select from seen where {of_project}")).await;
        let mut can = vec![];
        if seen.is_some_and(|rows| rows > 0) {
            can.push("select".to_owned());
        }
        can.extend(self.inserts(table, &of_project, columns).await);
        can.extend(self.updates(table, &of_project, columns).await);
        for (verb, act) in [("delete", "delete from"), ("truncate", "truncate")] {
            if self.may(&format!("{act} {table}")).await {
                can.push(verb.to_owned());
            }
        }
        match (can.is_empty(), seen) {
            (false, _) => can.join(", "),
            (true, Some(_)) => "no rows".to_owned(),
            (true, None) => "–".to_owned(),
        }
    }

    async fn inserts(&mut self, table: &str, of_project: &str, columns: &str) -> Option<String> {
        let touch = |columns: &[&str]| {
            let (list, nulls) = (columns.join(", "), vec!["null"; columns.len()].join(", "));
            format!(
                "insert into {table} ({list}) overriding system value select {nulls} where false"
            )
        };
        let (list, shown) = self.columns(columns, touch).await?;
        // Rows that fit in: those that were there a moment ago.
        let make_room = format!(
            "create temp table model on commit drop as select * from {table} where {of_project};
             grant select on model to public;
             set local session_replication_role = replica;
             delete from {table} where {of_project};
             set local session_replication_role = origin;"
        );
        let insert = format!(
            "insert into {table} ({list}) overriding system value select {list} from model"
        );
        let there = format!("select from {table} where {of_project}");
        let inserted = self.tries(&make_room, &insert, &there).await?;
        (inserted > 0).then(|| format!("insert{shown}"))
    }

    async fn updates(&mut self, table: &str, of_project: &str, columns: &str) -> Option<String> {
        let touch = |columns: &[&str]| {
            let list: Vec<String> = columns.iter().map(|one| format!("{one} = default")).collect();
            format!("update {table} set {} where false", list.join(", "))
        };
        let (list, shown) = self.columns(columns, touch).await?;
        let one = list.split(", ").last()?;
        let changed =
            format!("select from {table} where {of_project} and xmin = pg_current_xact_id()::xid");
        let updated =
            self.tries("", &format!("update {table} set {one} = {one}"), &changed).await?;
        (updated > 0).then(|| format!("update{shown}"))
    }

    /// Which of these columns may be touched: as a list, and as it is worth
    /// showing.
    async fn columns(
        &mut self,
        all: &str,
        touch: impl Fn(&[&str]) -> String,
    ) -> Option<(String, String)> {
        let columns: Vec<&str> = all.split(", ").collect();
        if self.may(&touch(&columns)).await {
            return Some((all.to_owned(), String::new()));
        }
        let mut some = vec![];
        for column in columns {
            if self.may(&touch(&[column])).await {
                some.push(column);
            }
        }
        let some = some.join(", ");
        (!some.is_empty()).then(|| (some.clone(), format!(" {some}")))
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
        let done = self.attempt("", act).await;
        !done.is_err_and(|err| is_refusal(&err))
    }

    /// Lets the owner do `before` and this person do `act`. How many rows
    /// `outcome` then has for the owner; none if the person was refused.
    async fn tries(&mut self, before: &str, act: &str, outcome: &str) -> Option<u64> {
        match self.attempt(before, act).await {
            Ok(()) => Some(rows(self.connection, outcome).await.len() as u64),
            Err(err) if is_refusal(&err) => None,
            Err(err) => panic!("{}: {act}: {err}", self.role),
        }
    }

    /// Leaves a transaction open, which the next attempt rolls back.
    async fn attempt(&mut self, before: &str, act: &str) -> sqlx::Result<()> {
        let Self { role, user, .. } = self;
        let sql = format!(
            "rollback; begin; {before}
             set local request.jwt.claims = '{{\"sub\": \"{user}\"}}';
             set local role {role};
             {act};
             reset role"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.connection).await?;
        Ok(())
    }
}

/// insufficient_privilege, foreign_key_violation.
fn is_refusal(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("42501" | "23503"))
}

async fn rows(connection: &mut PgConnection, sql: &str) -> Vec<Vec<String>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| (0..row.len()).map(|index| row.get(index)).collect()).collect()
}
