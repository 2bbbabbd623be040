//! Runs waves of agents from plans kept in git.

pub mod embedded;
pub mod model;
