//! What the agent contract promises, shown with real programs.

mod commands;
mod ending;
mod files;
mod output;
mod talks;
mod traps;
