//! Runs waves of agents from plans kept in git.

pub mod app;
pub mod archive;
pub mod cli;
pub mod embedded;
pub mod engine;
pub mod model;
pub mod plan;
pub mod report;
pub mod runner;
pub mod store;
