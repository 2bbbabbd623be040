//! How agents are run: the six fields that an agent, its wave and the project
//! may all set. The nearest one wins.

use std::time::Duration;

use super::{
    fields::{Fields, Reading},
    place::Span,
    units::duration,
    values::{number, parsed, word},
};
use crate::model::{OnStale, PoolName, Review};

/// The names of the fields.
pub(super) const FIELDS: [&str; 6] =
    ["timeout", "retries", "pool", "priority", "review", "on_stale"];

/// What is set, each with nothing filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) pool: Option<PoolName>,
    pub(super) priority: Option<i32>,
    pub(super) review: Option<Review>,
    pub(super) on_stale: Option<OnStale>,
}

impl Policy {
    /// What `fields` set, and where they name the pool.
    pub(super) fn read(fields: &Fields<'_>, cx: &mut Reading<'_>) -> (Self, Option<Span>) {
        let pool = fields.get("pool");
        let policy = Self {
            timeout: fields.get("timeout").and_then(|node| duration(node, cx)),
            retries: fields.get("retries").and_then(|node| {
                number(node, "a whole number: how many times to try again", (0, 100), cx)
            }),
            pool: pool.and_then(|node| parsed(node, "the name of a pool", cx)),
            priority: fields
                .get("priority")
                .and_then(|node| number(node, "a whole number", (-1_000_000, 1_000_000), cx)),
            review: fields.get("review").and_then(|node| word(node, Review::ALL, cx)),
            on_stale: fields.get("on_stale").and_then(|node| word(node, OnStale::ALL, cx)),
        };
        let named = policy.pool.as_ref().and(pool).map(|node| node.span);
        (policy, named)
    }

    /// The `defaults` of a wave or a project.
    pub(super) fn read_defaults(owner: &Fields<'_>, cx: &mut Reading<'_>) -> (Self, Option<Span>) {
        let node = owner.get("defaults");
        let fields = node.and_then(|node| Fields::open(node, "`defaults`", &FIELDS, cx));
        fields.map_or_else(Default::default, |fields| Self::read(&fields, cx))
    }

    /// This, with `outer` where this sets nothing.
    pub(super) fn or(&self, outer: &Self) -> Self {
        Self {
            timeout: self.timeout.or(outer.timeout),
            retries: self.retries.or(outer.retries),
            pool: self.pool.clone().or_else(|| outer.pool.clone()),
            priority: self.priority.or(outer.priority),
            review: self.review.or(outer.review),
            on_stale: self.on_stale.or(outer.on_stale),
        }
    }
}
