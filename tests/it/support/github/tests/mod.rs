//! The fake is as strict as the real one, forgets as little, and breaks only
//! where it is told to.

mod access;
mod client;
mod contract;
mod faults;
mod issues;
mod programs;
mod pulls;
