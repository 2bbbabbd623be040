//! Decides what should happen next, and why nothing does.
//!
//! [`decide()`] looks at one [`Snapshot`] of the facts and returns a
//! [`Decision`]: the [`Effect`]s to carry out, in order, and a [`Wait`] for
//! every unfinished agent that stays where it is. It is a plain function, so
//! the whole scheduler is tested with literals, without Postgres, git or a
//! clock.
//!
//! **Invariant:** an effect carries everything its executor needs. There is
//! nothing left to choose when it is applied, and it names the facts it was
//! decided on, so that a late one can be recognised and dropped.

mod backoff;
mod budget;
mod decide;
mod decision;
mod facts;
mod forecast;
mod resolve;
mod snapshot;
#[cfg(test)]
pub(crate) mod tests;

pub use backoff::retry_at;
pub use budget::{BudgetScope, Spending, Spent};
pub use decide::decide;
pub use decision::{Cause, Consequence, Decision, Effect, Request, Wait};
pub use snapshot::{Agent, Attempts, Build, Feedback, LiveRun, Pool, Snapshot};
