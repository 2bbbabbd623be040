//! `wavemark.ticks`: when the scheduler looked, because of what, and where.

use std::time::Duration;

use uuid::Uuid;

use super::{Project, Result, Store, sql::query_as};
use crate::model::{Instant, LastTick, TickEnd};

/// A tick that is over.
#[derive(Clone, Debug)]
pub struct Tick {
    /// What started it: an event of GitHub Actions, or [`Tick::TERMINAL`].
    pub event: String,
    /// Where it ran.
    pub place: String,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub end: TickEnd,
    /// Why it did not do all it should have; absent when it did.
    pub detail: Option<String>,
}

impl Tick {
    /// What starts a tick that GitHub Actions has nothing to do with.
    pub const TERMINAL: &str = "terminal";
}

/// How many ticks of a project are kept: of those in GitHub Actions, and of the
/// others.
const KEPT: i64 = 300;

#[derive(sqlx::FromRow)]
struct Row {
    at: Instant,
    age: f64,
    event: String,
    place: String,
    outcome: TickEnd,
    detail: Option<String>,
}

impl Store {
    /// Writes down that a tick of the project ended now. Returns the last one in
    /// GitHub Actions before it, with its age when this one began.
    pub async fn record_tick(&self, project: &Project, tick: &Tick) -> Result<Option<LastTick>> {
        let id = Uuid::new_v4();
        let row: Option<Row> = self
            .tx(async |tx| {
                Ok(query_as(
                    "with told as (
                         insert into wavemark.ticks
                             (id, project_id, event, place, began_at, outcome, detail)
                         values ($1, $2, $3, $4, now() - make_interval(secs => $5), $6, $7)
                         on conflict do nothing
                     ), pruned as (
                         delete from wavemark.ticks where id in (
                             select id from wavemark.ticks
                             where project_id = $2 and (event = $8) = ($3 = $8)
                             order by ended_at desc offset $9 - 1
                         )
                     ), seen as (
                         update public.projects set last_tick_at = now() where id = $2
                     )
                     select ended_at as at, event, place, outcome, detail,
                         extract(epoch from now() - ended_at)::float8 - $5 as age
                     from wavemark.ticks
                     where project_id = $2 and event <> $8 and id <> $1
                     order by ended_at desc limit 1",
                )
                .bind(id)
                .bind(project.id)
                .bind(tick.event.as_str())
                .bind(tick.place.as_str())
                .bind(tick.took.as_secs_f64())
                .bind(tick.end)
                .bind(tick.detail.as_deref())
                .bind(Tick::TERMINAL)
                .bind(KEPT)
                .fetch_optional(tx.conn())
                .await?)
            })
            .await?;
        Ok(row.map(|row| last(row, project)))
    }

    /// The newest tick in GitHub Actions; `None` where there never was one, and
    /// so nobody expects any.
    pub async fn last_tick(&self, project: &Project) -> Result<Option<LastTick>> {
        let row: Option<Row> = self
            .read(async |tx| {
                Ok(query_as(
                    "select ended_at as at, event, place, outcome, detail,
                         extract(epoch from now() - ended_at)::float8 as age
                     from wavemark.ticks where project_id = $1 and event <> $2
                     order by ended_at desc limit 1",
                )
                .bind(project.id)
                .bind(Tick::TERMINAL)
                .fetch_optional(tx.conn())
                .await?)
            })
            .await?;
        Ok(row.map(|row| last(row, project)))
    }
}

fn last(row: Row, project: &Project) -> LastTick {
    LastTick {
        at: row.at,
        age: Duration::try_from_secs_f64(row.age).unwrap_or_default(),
        every: project.settings.tick_every,
        event: row.event,
        place: row.place,
        end: row.outcome,
        detail: row.detail,
    }
}
