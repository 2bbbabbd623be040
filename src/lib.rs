//! Runs waves of agents from plans kept in git.

pub mod archive;
pub mod model;
