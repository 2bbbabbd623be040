//! What several adapters promise together.

mod agreement;
mod crowd;
mod plans;
