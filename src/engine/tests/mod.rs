//! What [`decide`](super::decide()) promises: examples one can read, laws
//! over random worlds.
//!
//! Nothing here knows how the decision is made. A test writes down facts, and
//! looks at the answer or at what becomes of the world when it is carried out.

pub(crate) mod apply;
mod examples;
mod laws;
mod night;
mod random;
mod rule;
mod world;
