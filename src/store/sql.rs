//! The only door to the database: a transaction, and unnamed statements in it.

use sqlx::{
    FromRow, PgConnection, Postgres, Transaction,
    postgres::{PgArguments, PgRow},
    query::{Query, QueryAs, QueryScalar},
};

/// A transaction that is open.
///
/// Every query function takes one, so none can run outside.
#[derive(Debug)]
pub struct Tx(Transaction<'static, Postgres>);

impl Tx {
    pub(super) fn new(tx: Transaction<'static, Postgres>) -> Self {
        Self(tx)
    }

    /// The connection that the transaction holds.
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.0.commit().await
    }
}

/// A statement without an answer.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn query(sql: &'static str) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(sql).persistent(false)
}

/// A statement that answers with rows.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn query_as<T>(sql: &'static str) -> QueryAs<'static, Postgres, T, PgArguments>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_as(sql).persistent(false)
}

/// A statement that answers with one column.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn query_scalar<T>(sql: &'static str) -> QueryScalar<'static, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(sql).persistent(false)
}
