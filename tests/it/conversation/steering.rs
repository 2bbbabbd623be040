//! Who says what on GitHub and what comes of it, also where both sides changed.

use super::{comments, issues, plan, project};
use crate::support::{
    Project,
    github::{GitHub, Reason},
};

/// What the agent is given of the thread.
fn thread(project: &Project) -> String {
    project.run(&["feedback", "show", "1"]).ok().stdout
}

/// Nothing comes of two more ticks.
#[track_caller]
fn rests(project: &Project, github: &GitHub) {
    let before = (issues(github), comments(github, 1));
    for _ in 0..2 {
        project.run(&["tick"]).ok();
    }
    assert_eq!((issues(github), comments(github, 1)), before);
}

#[test]
fn a_row_that_is_resolved_by_sql_comments_and_closes_its_issue() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();

    project.sql("update feedback set resolved = true where number = 1");
    project.run(&["tick"]).ok();

    assert!(issues(&github).starts_with("#1 completed"), "{}", issues(&github));
    let said = comments(&github, 1);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].ends_with("in Wavemark: acted on."), "{said:#?}");
    rests(&project, &github);
}

#[test]
fn a_row_that_is_opened_again_by_sql_opens_its_issue_again() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    github.as_user("ann").close(1, Reason::NotPlanned);
    project.run(&["tick"]).ok();
    assert_eq!(project.sql("select resolution from feedback where number = 1"), "dismissed");

    project.sql("update feedback set resolved = false where number = 1");
    project.run(&["tick"]).ok();

    assert!(issues(&github).starts_with("#1 open"), "{}", issues(&github));
    assert_eq!(comments(&github, 1), ["github-actions[bot]: Opened again in Wavemark."]);
    rests(&project, &github);
}

#[test]
fn where_both_sides_resolved_it_nothing_bounces() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();

    project.run(&["feedback", "resolve", "1", "--dismiss"]).ok();
    github.as_user("ann").close(1, Reason::Completed);
    project.run(&["tick"]).ok();

    assert!(issues(&github).starts_with("#1 completed"), "{}", issues(&github));
    assert_eq!(project.sql("select resolved from feedback where number = 1"), "t");
    assert_eq!(comments(&github, 1).len(), 0, "people closed it: there is nothing to say");
    rests(&project, &github);
}

#[test]
fn who_opens_it_again_after_it_was_closed_from_here_has_the_last_word() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    project.run(&["run"]).ok();
    project.run(&["feedback", "resolve", "1", "--dismiss"]).ok();
    // Between our closing and the moment that we hear of it.
    github.before("GET /repos/*/*/issues", 1, |github| {
        github.as_user("ann").close(1, Reason::Completed);
        github.as_user("ann").reopen(1);
    });
    project.run(&["tick"]).ok();
    project.run(&["tick"]).ok();
    // It was open when we last saw it and is open now: ours is the later word.
    assert!(issues(&github).starts_with("#1 not_planned"), "{}", issues(&github));

    github.as_user("ann").reopen(1);
    project.run(&["tick"]).ok();

    assert!(issues(&github).starts_with("#1 open"), "{}", issues(&github));
    assert_eq!(project.sql("select resolved from feedback where number = 1"), "f");
    rests(&project, &github);
}

#[test]
fn edits_of_people_who_count_reach_the_agent_and_those_of_strangers_do_not() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    let (ann, eve) = (github.as_user("ann"), github.as_user("eve"));
    let remark = ann.open_issue("Louder", "It is too quiet.");
    ann.label(remark, "agent:echo");
    let said = ann.comment(remark, "By three.");
    let strange = eve.comment(remark, "By ten.");
    project.run(&["tick"]).ok();
    let before = thread(&project);
    assert!(before.contains("too quiet") && before.contains("By three."), "{before}");

    ann.edit_comment(said, "By four.");
    eve.edit_comment(strange, "By twenty.");
    ann.edit(remark, "It is much too quiet.");
    project.run(&["tick"]).ok();

    let after = thread(&project);
    assert!(after.contains("much too quiet") && after.contains("By four."), "{after}");
    assert!(!after.contains("By three.") && !after.contains("twenty"), "{after}");
}

#[test]
fn a_command_on_an_issue_of_two_agents_is_answered_once() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    let ann = github.as_user("ann");
    let remark = ann.open_issue("Louder", "Both of you.");
    ann.label(remark, "agent:echo");
    ann.label(remark, "agent:vision");
    project.run(&["tick"]).ok();
    assert_eq!(project.sql("select count(*) from feedback where not resolved"), "2");

    let wrong = ann.comment(remark, "/wavemark destroy");
    let right = ann.comment(remark, "/wavemark pause");
    for _ in 0..2 {
        project.run(&["tick"]).ok();
    }

    assert_eq!(github.reactions(wrong), ["confused"]);
    assert_eq!(github.reactions(right), ["+1"]);
    let said = comments(&github, remark);
    let help = said.iter().filter(|said| said.contains("That is not a command")).count();
    assert_eq!((help, said.len()), (1, 3), "{said:#?}");
}

#[test]
fn a_form_counts_although_the_repo_has_no_such_label() {
    let github = GitHub::start();
    let project = project(&plan(), &github);
    let form = "### Agent\n\necho\n\n### What should change?\n\nLess noise.";
    github.as_user("eve").fill_form("Mine", form, &["wavemark"]);
    github.as_user("ann").fill_form("Quieter", form, &["wavemark"]);

    project.run(&["tick"]).ok();

    assert_eq!(
        project.sql("select author || ' ' || feedback_text from feedback where author like '@%'"),
        "@ann Quieter\n\nLess noise."
    );
}
