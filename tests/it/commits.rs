//! A commit that the client never hears of: the whole transaction is done again,
//! and nothing may come of it twice.

use crate::{story, support::Project};

#[test]
fn nothing_is_done_twice_when_the_answer_to_a_commit_is_lost() {
    let told = story::tell(&Project::unsynced(&story::plan()));

    let mut project = Project::unsynced(&story::plan());
    let cutter = project.through_cutter();
    let untold = story::tell(&project);

    assert!(cutter.cuts() > 20, "{}", cutter.cuts());
    assert_eq!(untold, told);
}
