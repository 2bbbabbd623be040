//! The whole product, used as people use it: the real binary, a real Postgres,
//! real git, real programs as agents.
//!
//! One binary, so that it links once. What can be said about a module alone is
//! tested in the module; here are the sentences that only hold when all of them
//! work together, and each test is one that would catch the lie if it didn't.
//!
//! | module | what it holds |
//! |---|---|
//! | `support` | a project in a folder, a database, a process to signal, a GitHub and its Actions |
//! | `terminal` | what people read, as they read it |
//! | `checking` | plans that are wrong, files that are none |
//! | `order`, `crowd` | what starts when, alone and beside others |
//! | `crash`, `signals` | what a killed or interrupted process leaves |
//! | `git_server` | publishing to a git host, and all that it may say |
//! | `ticks`, `remote` | doing it again, doing it without git |
//! | `jobs` | machines that come and go: budgets, cancels, dispatched ticks |
//! | `feedback`, `review`, `resolving` | what people say, and what it does |
//! | `retries`, `contract`, `secrets` | agents, good ones and bad ones |
//! | `mcp` | a run, offered to a model |
//! | `client`, `conversation` | the client of GitHub, by its description; feedback as issues |
//! | `tls` | a database elsewhere, and whoever poses as one |
//! | `plans`, `changes` | plans before they are synced; plans that change |
//! | `views` | what a script reads |
//! | `postgres`, `pooler`, `commits` | other servers, and trouble on the way to them |
//! | `story` | one with everything in it, and the record that it leaves |
//! | `calls`, `webhooks`, `n8n` | programs that nobody here starts, and workflows that are launched |
//! | `five` | all kinds of agents in one wave, and everything goes wrong once |
//! | `supabase`, `api` | on a Supabase project; rows that others write there |
//! | `init`, `doctor` | the first day, and whether everything is there |
//! | `workflows` | what GitHub runs: the workflows of this repo, run here |
//! | `tidy` | the architecture, executable |
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::print_stderr, reason = "what cannot be tidied up is told, and fails nothing")]

mod api;
mod calls;
mod changes;
mod checking;
mod client;
mod commits;
mod contract;
mod conversation;
mod crash;
mod crowd;
mod doctor;
mod feedback;
mod five;
mod git_server;
mod init;
mod jobs;
mod mcp;
mod n8n;
mod order;
mod plans;
mod pooler;
mod postgres;
mod pull_requests;
mod remote;
mod resolving;
mod retries;
mod review;
mod secrets;
mod signals;
mod story;
mod subagents;
mod supabase;
mod support;
mod terminal;
mod ticks;
mod tidy;
mod tls;
mod views;
mod webhooks;
mod workflows;
