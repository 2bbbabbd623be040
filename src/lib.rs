//! Runs waves of agents from plans kept in git.

pub mod model;
pub mod plan;
