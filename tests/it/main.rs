//! The whole product, used as people use it: the real binary, a real Postgres,
//! real git, real programs as agents.
//!
//! One binary, so that it links once. What can be said about a module alone is
//! tested in the module; here are the sentences that only hold when all of them
//! work together, and each test is one that would catch the lie if it didn't.
//!
//! | module | what it holds |
//! |---|---|
//! | `support` | a project in a folder, a database, a process to signal |
//! | `terminal` | what people read, as they read it |
//! | `order`, `crowd` | what starts when, alone and beside others |
//! | `crash`, `signals` | what a killed or interrupted process leaves |
//! | `git_server` | publishing to a git host, and all that it may say |
//! | `ticks`, `remote` | doing it again, doing it without git |
//! | `feedback`, `review`, `resolving` | what people say, and what it does |
//! | `retries`, `contract`, `secrets` | agents, good ones and bad ones |
//! | `changes`, `views` | plans that change; what a script reads |
//! | `tidy` | the architecture, executable |
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::print_stderr, reason = "what cannot be tidied up is told, and fails nothing")]

mod changes;
mod contract;
mod crash;
mod crowd;
mod feedback;
mod git_server;
mod order;
mod remote;
mod resolving;
mod retries;
mod review;
mod secrets;
mod signals;
mod support;
mod terminal;
mod ticks;
mod tidy;
mod views;
