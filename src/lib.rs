//! Runs waves of agents from plans kept in git.

pub mod app;
pub mod engine;
pub mod model;
pub mod store;
