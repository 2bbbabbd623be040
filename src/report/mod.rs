//! What people see: the state of a project as text, or as JSON.
//!
//! Each view is plain data that somebody else fills; `render(width)` turns it
//! into lines for a terminal and `Serialize` into JSON, so that both say the
//! same. What can be worked out from a view (how long ago, what to do next) is
//! worked out here, and nowhere else.
//!
//! | file | what it shows | command |
//! |---|---|---|
//! | `status`, `agent`, `github` | every agent, by wave; trouble with GitHub | `wavemark status` |
//! | `why`, `reason` | why an agent stands where it does, and what helps | `wavemark why` |
//! | `feedback` | what waits for a person | `wavemark feedback list`, `show` |
//! | `events` | what happened | `wavemark events` |
//! | `artifacts` | what was made, and where its bytes are | `wavemark artifacts`, `history` |
//! | `compare` | whether row and commit agree | the end of `wavemark demo` |
//! | `summary` | what a run came to | the end of `wavemark run` |
//! | `timeline` | who built when | the end of `wavemark demo` |
//! | `live` | one agent at work | `wavemark run`, on a terminal |
//!
//! Below them: `text` knows how wide text is, `page` makes lines of it, `table`
//! lines up columns, `words` says times and sizes as people do.
//!
//! **Invariants:** no line is wider than asked for, and nothing an agent or a
//! stranger wrote reaches the terminal as anything but visible text: both are
//! ensured in one place, `page`. Colour repeats what a word already says.

mod agent;
mod artifacts;
mod compare;
mod events;
mod feedback;
mod github;
mod late;
#[cfg(test)]
mod laws;
mod live;
mod page;
mod reason;
#[cfg(test)]
mod sample;
mod status;
mod summary;
mod table;
mod text;
mod timeline;
mod why;
mod words;

pub use agent::{AgentView, RunView};
pub use artifacts::{ArtifactView, ArtifactsView, HistoryView};
pub use compare::{ComparedView, ComparisonView};
pub use events::{EventView, EventsView};
pub use feedback::{FeedbackListView, FeedbackRef, FeedbackView, ThreadView};
pub use github::{GithubView, MissingIssueView};
pub use late::LateView;
pub use live::LiveView;
pub use reason::Reason;
pub use status::{StatusView, Totals, WaveView};
pub use summary::{CompletedView, RunSummaryView, WaitingView};
pub use timeline::{Activity, SpanView, TimelineRow, TimelineView};
pub use why::WhyView;
pub use words::count;
