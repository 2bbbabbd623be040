//! The conversation on GitHub: what an issue means here, and what is written
//! there.
//!
//! People own an issue's open or closed and their comments; Wavemark owns the
//! title, the labels and the text of the issues it opens. All of it is decided
//! here from what GitHub shows *now*, never from what it once announced, so a
//! missed or repeated look does no harm.
//!
//! **Invariants:** the word of a stranger changes nothing and reaches no
//! prompt. What another program or person wrote is quoted in what we write, so
//! that it cannot call people, close issues, or pass for ours: ours carries a
//! [mark](Mark) that only we can make. Times are compared with times of
//! GitHub's clock only.

mod command;
mod form;
mod inbox;
mod letter;
mod mark;
mod quote;
mod review;
#[cfg(test)]
mod tests;

pub use command::{Command, Misfit, Said};
pub use form::{FORM_LABEL, FORM_PATH, form};
pub use inbox::{
    Ask, Deed, Edition, Heard, Hold, Link, Origin, Place, Rules, Sighted, fingerprint, of_comment,
    of_issue,
};
pub use letter::{
    Artifact, Letter, Subject, agent_label, closing, doing, duplicate, help, reopening,
};
pub use mark::{Key, Mark};
pub use review::{PlanMark, Step, Upkeep};
