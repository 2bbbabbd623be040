//! The rules of the scheduler, an example each.

use super::world::world;
use crate::engine::decide;

/// What is decided in the world that `text` describes: a line per effect, and
/// a line per agent that waits.
fn tick(text: &str) -> String {
    decide(&world(text)).to_string()
}

mod status {
    use super::tick;

    #[test]
    fn an_agent_starts_when_its_needs_are_complete() {
        insta::assert_snapshot!(tick("
            vision: complete
            echo:   draft <- vision
            pixel:  draft <- echo, vision
        "), @"
        echo: launch
        pixel: waits for echo
        ");
    }

    #[test]
    fn a_live_run_comes_before_everything() {
        insta::assert_snapshot!(tick("
            vision: draft
            echo:   building <- vision
        "), @"
        vision: launch
        echo: running
        ");
    }

    #[test]
    fn open_feedback_comes_before_what_is_finished() {
        insta::assert_snapshot!(tick("
            echo: complete !7
        "), @"
        echo: complete -> feedback
        echo: waits for a person: comment #7
        ");
    }

    #[test]
    fn what_is_finished_comes_before_its_needs_and_an_operator() {
        insta::assert_snapshot!(tick("
            vision: draft paused
            echo:   ready <- vision built paused
        "), @"
        echo: ready -> complete
        vision: paused by an operator
        ");
    }

    #[test]
    fn an_agent_whose_needs_are_taken_away_is_a_draft_again() {
        insta::assert_snapshot!(tick("
            vision: complete !7
            echo:   ready <- vision
        "), @"
        echo: ready -> draft
        vision: complete -> feedback
        echo: waits for vision
        vision: waits for a person: comment #7
        ");
    }

    #[test]
    fn a_wave_opens_when_the_waves_before_it_are_complete() {
        insta::assert_snapshot!(tick("
            wave second after first
            vision: complete wave=first
            echo:   building wave=first
            pixel:  draft wave=second
            reel:   draft wave=third
        "), @"
        reel: launch
        echo: running
        pixel: waits for all of wave first
        ");
        insta::assert_snapshot!(tick("
            wave second after first
            vision: complete wave=first
            pixel:  draft wave=second
        "), @"pixel: launch");
    }

    #[test]
    fn a_wave_does_not_open_for_work_that_is_still_under_review() {
        insta::assert_snapshot!(tick("
            wave second after first
            vision: feedback wave=first built review=parallel review!7
            pixel:  draft wave=second
        "), @"
        pixel: waits for all of wave first
        vision: waits for a person: review #7
        ");
    }

    #[test]
    fn a_need_that_is_not_in_the_plan_is_told() {
        insta::assert_snapshot!(tick("
            echo:  draft unknown=1
            pixel: ready unknown=2
        "), @"
        pixel: ready -> draft
        echo: needs an agent that is not in the plan
        pixel: needs 2 agents that are not in the plan
        ");
    }

    #[test]
    fn an_agent_that_left_the_plan_is_only_swept() {
        insta::assert_snapshot!(tick("
            echo:  building retired ?7=completed
            pixel: building retired lease=expired
            reel:  complete retired
            vision: draft <- reel
        "), @"
        pixel: its run is lost
        vision: waits for reel
        ");
    }

    #[test]
    fn a_retired_agent_keeps_no_wave_shut() {
        insta::assert_snapshot!(tick("
            wave second after first
            vision: building wave=first retired
            pixel:  draft wave=second
        "), @"pixel: launch");
    }
}

mod feedback {
    use super::tick;

    #[test]
    fn feedback_pauses_one_agent_and_no_other() {
        insta::assert_snapshot!(tick("
            vision: building !7
            echo:   building
            pixel:  ready !8
            reel:   ready
        "), @"
        vision: stop its run (feedback)
        pixel: ready -> feedback
        reel: launch
        echo: running
        pixel: waits for a person: comment #8
        vision: stopping (feedback)
        ");
    }

    #[test]
    fn a_note_holds_nobody_back() {
        insta::assert_snapshot!(tick("
            echo: ready note!7
        "), @"echo: launch");
    }

    #[test]
    fn a_gate_holds_even_if_somebody_wrote_that_it_does_not() {
        let mut world = super::world("echo: complete review=required review!7");
        for echo in world.agents.values_mut() {
            echo.feedback[0].blocking = false;
        }
        insta::assert_snapshot!(super::decide(&world), @"
        echo: complete -> feedback
        echo: waits for a person: review #7
        ");
    }

    #[test]
    fn a_comment_that_is_acted_on_resumes_an_agent() {
        insta::assert_snapshot!(tick("
            echo: feedback ?7=completed
        "), @"
        echo: #7 is answered, go on
        echo: launch
        ");
    }

    #[test]
    fn a_comment_that_is_acted_on_builds_a_finished_agent_again() {
        insta::assert_snapshot!(tick("
            echo: feedback built ?7=completed
        "), @"
        echo: #7 asks to build again
        echo: launch
        ");
    }

    #[test]
    fn two_comments_build_it_again_only_once() {
        insta::assert_snapshot!(tick("
            echo: feedback built ?8=completed ?7=completed
        "), @"
        echo: #7 asks to build again
        echo: #8 is answered, go on
        echo: launch
        ");
    }

    #[test]
    fn a_comment_that_is_dismissed_changes_nothing() {
        insta::assert_snapshot!(tick("
            echo:   feedback ?7=dismissed
            vision: feedback built ?8=dismissed
        "), @"
        echo: #7 is closed
        vision: #8 is closed
        vision: feedback -> complete
        echo: launch
        ");
    }

    #[test]
    fn an_answer_that_a_run_cannot_know_makes_way_for_one_that_does() {
        insta::assert_snapshot!(tick("
            echo:   building ?7=completed
            pixel:  building question?8=completed
            reel:   building question?9=dismissed
            social: building stop=feedback ?10=completed
        "), @"
        reel: #9 is answered, go on
        echo: stop its run (feedback)
        pixel: stop its run (feedback)
        echo: stopping (feedback)
        pixel: stopping (feedback)
        reel: running
        social: stopping (feedback)
        ");
    }

    #[test]
    fn one_open_remark_is_enough_to_wait() {
        insta::assert_snapshot!(tick("
            echo: feedback ?7=completed question!8 !9
        "), @"
        echo: #7 is answered, go on
        echo: waits for a person: question #8, comment #9
        ");
    }

    #[test]
    fn a_question_is_answered_or_not_and_the_agent_goes_on() {
        insta::assert_snapshot!(tick("
            echo:   feedback question?7=completed
            vision: feedback question?8=dismissed
            pixel:  complete question?9=completed
        "), @"
        echo: #7 is answered, go on
        pixel: #9 is answered, go on
        vision: #8 is answered, go on
        echo: launch
        vision: launch
        ");
    }

    #[test]
    fn what_was_overtaken_is_only_closed() {
        insta::assert_snapshot!(tick("
            echo:  feedback ?7=superseded
            pixel: ready generation=2 review=required review?8=completed
            reel:  ready review=required review?9=dismissed
        "), @"
        echo: #7 is closed
        pixel: #8 is closed
        reel: #9 is closed
        echo: launch
        pixel: launch
        reel: launch
        ");
    }
}

mod review {
    use super::tick;

    #[test]
    fn a_finished_agent_with_a_gate_asks_for_a_review_and_dependents_wait() {
        insta::assert_snapshot!(tick("
            vision: building built review=required
            echo:   draft <- vision
        "), @"
        vision: ask a person (review)
        vision: building -> feedback
        echo: waits for vision
        vision: waits for a person: new review
        ");
    }

    #[test]
    fn dependents_do_not_wait_for_a_parallel_review() {
        insta::assert_snapshot!(tick("
            vision: building built review=parallel
            echo:   draft <- vision
        "), @"
        vision: ask a person (review)
        vision: building -> feedback
        echo: launch
        vision: waits for a person: new review
        ");
        insta::assert_snapshot!(tick("
            vision: feedback built review=parallel review!7
            echo:   draft <- vision
        "), @"
        echo: launch
        vision: waits for a person: review #7
        ");
    }

    #[test]
    fn dependents_wait_for_any_other_objection_to_it() {
        insta::assert_snapshot!(tick("
            vision: feedback built review=parallel review!7 !8
            echo:   draft <- vision
        "), @"
        echo: waits for vision
        vision: waits for a person: review #7, comment #8
        ");
    }

    #[test]
    fn an_approved_agent_is_complete() {
        insta::assert_snapshot!(tick("
            vision: feedback built review=required review?7=completed
            echo:   draft <- vision
        "), @"
        vision: #7 approves
        vision: feedback -> complete
        echo: launch
        ");
    }

    #[test]
    fn an_agent_that_is_sent_back_is_built_again() {
        insta::assert_snapshot!(tick("
            vision: feedback built review=required review?7=dismissed
            echo:   draft <- vision
        "), @"
        vision: #7 asks to build again
        vision: launch
        echo: waits for vision
        ");
    }

    #[test]
    fn each_generation_is_reviewed() {
        insta::assert_snapshot!(tick("
            vision: building generation=2 built review=required review?7=completed
        "), @"
        vision: #7 is closed
        vision: ask a person (review)
        vision: building -> feedback
        vision: waits for a person: new review
        ");
    }

    #[test]
    fn sending_back_what_was_not_there_yet_is_no_approval() {
        let mut world = super::world("echo: building built review=required review?7=dismissed");
        for echo in world.agents.values_mut() {
            echo.feedback[0].applied = true;
        }
        insta::assert_snapshot!(super::decide(&world), @"
        echo: ask a person (review)
        echo: building -> feedback
        echo: waits for a person: new review
        ");
    }
}

mod failure {
    use super::tick;

    #[test]
    fn an_agent_that_failed_is_tried_again_after_a_while() {
        insta::assert_snapshot!(tick("
            echo:  building ended failed=1 seconds-ago=1
            pixel: building ended failed=1 seconds-ago=10
            reel:  building ended failed=3 seconds-ago=10
        "), @"
        echo: building -> ready
        reel: building -> ready
        pixel: launch
        echo: is tried again at 00:00:08
        reel: is tried again at 00:00:29
        ");
    }

    #[test]
    fn used_up_attempts_are_a_matter_for_people() {
        insta::assert_snapshot!(tick("
            echo:  building ended failed=2 retries=1
            pixel: building ended failed=1 retries=1
            reel:  building ended lost=10
            vision: building ended lost=11
            social: building ended refused
        "), @"
        echo: ask a person (failure)
        social: ask a person (failure)
        vision: ask a person (failure)
        echo: building -> feedback
        social: building -> feedback
        vision: building -> feedback
        pixel: launch
        reel: launch
        echo: waits for a person: new failure
        social: waits for a person: new failure
        vision: waits for a person: new failure
        ");
    }

    #[test]
    fn a_failure_is_tried_again_at_once_or_given_up() {
        insta::assert_snapshot!(tick("
            echo:  feedback failed=4 seconds-ago=0 failure?7=completed
            pixel: feedback failed=4 seconds-ago=0 failure?8=dismissed
        "), @"
        echo: #7 asks to try again
        pixel: #8 gives up, pause
        pixel: feedback -> draft
        echo: launch
        pixel: paused by an operator
        ");
    }

    #[test]
    fn a_late_finish_settles_the_failure() {
        insta::assert_snapshot!(tick("
            echo: feedback built lost=11 failure?7=dismissed
        "), @"
        echo: #7 is closed
        echo: feedback -> complete
        ");
    }

    #[test]
    fn a_finished_agent_has_not_failed() {
        insta::assert_snapshot!(tick("
            echo: building built failed=9
        "), @"echo: building -> complete");
    }
}

mod runs {
    use super::tick;

    #[test]
    fn a_run_that_fell_silent_is_lost_and_its_agent_is_tried_again_later() {
        insta::assert_snapshot!(tick("
            echo: building lease=expired
        "), @"
        echo: its run is lost
        echo: building -> ready
        echo: is tried again at 00:00:09
        ");
    }

    #[test]
    fn a_lost_run_makes_room_in_its_pool() {
        insta::assert_snapshot!(tick("
            pool default: 1
            echo:  building lease=expired
            pixel: ready
        "), @"
        echo: its run is lost
        echo: building -> ready
        pixel: launch
        echo: is tried again at 00:00:09
        ");
    }

    #[test]
    fn news_for_a_lost_run_are_acted_on_at_once() {
        insta::assert_snapshot!(tick("
            echo: building lease=expired ?7=completed
        "), @"
        echo: its run is lost
        echo: #7 is answered, go on
        echo: building -> ready
        echo: is tried again at 00:00:09
        ");
    }

    #[test]
    fn a_run_that_takes_too_long_or_does_nothing_is_stopped() {
        insta::assert_snapshot!(tick("
            echo:  building deadline=passed
            pixel: building silent
            reel:  building silent deadline=passed lease=expired
        "), @"
        reel: its run is lost
        echo: stop its run (timeout)
        pixel: stop its run (stalled)
        reel: building -> ready
        echo: stopping (timeout)
        pixel: stopping (stalled)
        reel: is tried again at 00:00:09
        ");
    }

    #[test]
    fn an_operator_pauses_a_run() {
        insta::assert_snapshot!(tick("
            echo:  building paused
            pixel: building ended paused
        "), @"
        echo: stop its run (paused)
        pixel: building -> draft
        echo: stopping (paused)
        pixel: paused by an operator
        ");
    }

    #[test]
    fn a_run_is_asked_to_stop_only_once() {
        insta::assert_snapshot!(tick("
            echo: building stop=feedback !7 paused deadline=passed
        "), @"echo: stopping (feedback)");
    }
}

mod pools {
    use super::tick;

    #[test]
    fn the_higher_priority_goes_first_and_the_rest_waits_for_room() {
        insta::assert_snapshot!(tick("
            pool gpu: 2
            echo:   building pool=gpu
            pixel:  draft pool=gpu
            reel:   ready pool=gpu priority=3
            social: ready pool=gpu
            vision: draft
        "), @"
        reel: launch
        pixel: draft -> ready
        vision: launch
        echo: running
        pixel: waits for room in pool gpu (cap 2)
        social: waits for room in pool gpu (cap 2)
        ");
    }

    #[test]
    fn a_pool_that_nobody_defined_has_no_room() {
        insta::assert_snapshot!(tick("
            echo: draft pool=gpu
        "), @"
        echo: draft -> ready
        echo: waits for room in pool gpu (cap 0)
        ");
    }
}

mod manual {
    use super::tick;

    #[test]
    fn a_person_is_asked_once_the_needs_are_met() {
        insta::assert_snapshot!(tick("
            vision: complete
            brief:  draft <- vision manual missing=doc/a.md
            logo:   draft <- brief manual missing=doc/b.md
        "), @"
        brief: ask a person (question)
        brief: draft -> feedback
        brief: waits for a person: new question
        logo: waits for brief
        ");
    }

    #[test]
    fn what_is_handed_in_completes_it() {
        insta::assert_snapshot!(tick("
            brief: feedback manual asked=1 question?7=completed
            echo:  draft <- brief
        "), @"
        brief: #7 is handed in
        brief: feedback -> complete
        echo: launch
        ");
    }

    #[test]
    fn what_is_handed_in_anew_makes_its_dependents_stale() {
        insta::assert_snapshot!(tick("
            brief: feedback manual built generation=2 asked=1 handed-in=9 question?7=completed
            echo:  complete <- brief inputs=5 rebuild-when-stale
            pixel: complete <- brief inputs=9 rebuild-when-stale
        "), @"
        brief: #7 is handed in
        echo: build again, its inputs changed
        brief: feedback -> complete
        echo: launch
        ");
    }

    #[test]
    fn the_person_is_asked_again_for_what_is_missing() {
        insta::assert_snapshot!(tick("
            brief: feedback manual asked=1 missing=doc/a.md question?7=completed
        "), @"
        brief: #7 is answered, go on
        brief: ask a person (question)
        brief: waits for a person: new question
        ");
    }

    #[test]
    fn an_answer_to_a_run_of_it_is_no_work_of_a_person() {
        insta::assert_snapshot!(tick("
            brief: feedback manual asked?7=completed
            echo:  feedback manual asked?8=dismissed
        "), @"
        brief: #7 is answered, go on
        echo: #8 is answered, go on
        brief: ask a person (question)
        echo: ask a person (question)
        brief: waits for a person: new question
        echo: waits for a person: new question
        ");
    }

    #[test]
    fn a_dismissed_request_pauses_it() {
        insta::assert_snapshot!(tick("
            brief: feedback manual asked=1 missing=doc/a.md question?7=dismissed
        "), @"
        brief: #7 gives up, pause
        brief: feedback -> draft
        brief: paused by an operator
        ");
    }
}

mod rebuild {
    use super::tick;

    #[test]
    fn a_changed_definition_builds_a_finished_agent_again() {
        insta::assert_snapshot!(tick("
            echo:  complete redefined
            pixel: building redefined
            reel:  draft paused redefined
        "), @"
        echo: build again, its definition changed
        echo: launch
        pixel: running
        reel: paused by an operator
        ");
    }

    #[test]
    fn stale_inputs_are_kept_unless_it_says_rebuild() {
        insta::assert_snapshot!(tick("
            vision: complete outputs=9
            echo:   complete <- vision inputs=5
            pixel:  complete <- vision inputs=5 rebuild-when-stale
            reel:   complete <- vision inputs=9 rebuild-when-stale
            social: building <- vision rebuild-when-stale
        "), @"
        pixel: build again, its inputs changed
        pixel: launch
        social: running
        ");
    }

    #[test]
    fn a_chain_of_stale_agents_is_built_again_in_order() {
        insta::assert_snapshot!(tick("
            vision: complete outputs=9
            echo:   complete <- vision inputs=5 outputs=6 rebuild-when-stale
            alpha:  complete <- echo inputs=5 rebuild-when-stale
        "), @"
        alpha: build again, its inputs changed
        echo: build again, its inputs changed
        alpha: complete -> draft
        echo: launch
        alpha: waits for echo
        ");
    }

    #[test]
    fn stale_inputs_are_noticed_while_their_maker_is_at_it_again() {
        insta::assert_snapshot!(tick("
            vision: building built outputs=9 generation=2
            echo:   complete <- vision inputs=5 rebuild-when-stale
        "), @"
        echo: build again, its inputs changed
        echo: complete -> draft
        vision: launch
        echo: waits for vision
        ");
    }

    #[test]
    fn late_feedback_on_a_need_does_not_stop_who_is_building_on_it() {
        insta::assert_snapshot!(tick("
            vision: complete ?7=completed
            echo:   building <- vision
            pixel:  ready <- vision
            reel:   complete <- vision
        "), @"
        vision: #7 asks to build again
        pixel: ready -> draft
        vision: launch
        echo: running
        pixel: waits for vision
        ");
    }
}

mod budget {
    use super::tick;

    #[test]
    fn an_agent_that_cost_as_much_as_it_may_asks_before_it_goes_on() {
        insta::assert_snapshot!(tick("
            echo:  ready spent=5 budget=5
            pixel: ready spent=4.99 budget=5
            reel:  building spent=5 budget=5
        "), @"
        reel: stop its run (budget)
        echo: ask a person (failure)
        echo: ready -> feedback
        pixel: launch
        echo: waits for a person: new failure
        reel: stopping (budget)
        ");
    }

    #[test]
    fn more_is_allowed_by_closing_the_question() {
        insta::assert_snapshot!(tick("
            echo: feedback spent=5 budget=5 failure?7=completed
        "), @"
        echo: #7 asks to try again
        echo: launch
        ");
    }

    #[test]
    fn one_person_is_asked_for_all_that_share_a_budget() {
        insta::assert_snapshot!(tick("
            budget project: 9 of 8
            alfa: draft spent=1
            echo: draft spent=1 priority=1
            free: draft
            reel: building spent=1
        "), @"
        reel: stop its run (budget)
        echo: ask a person (failure)
        echo: draft -> feedback
        alfa: draft -> ready
        free: launch
        alfa: waits for money: the budget of the project ($8.00) is used up
        echo: waits for a person: new failure
        reel: stopping (budget)
        ");
    }

    #[test]
    fn nobody_is_asked_a_second_time_for_the_same_money() {
        insta::assert_snapshot!(tick("
            budget project: 9 of 8, asked
            echo:  ready spent=1
            brief: draft manual missing=doc/a.md
        "), @"
        brief: ask a person (question)
        brief: draft -> feedback
        brief: waits for a person: new question
        echo: waits for money: the budget of the project ($8.00) is used up
        ");
    }

    #[test]
    fn the_budget_of_a_wave_holds_back_no_other_wave() {
        insta::assert_snapshot!(tick("
            budget first: 3 of 2
            echo:  ready spent=1 wave=first
            pixel: ready spent=1 wave=second
        "), @"
        echo: ask a person (failure)
        echo: ready -> feedback
        pixel: launch
        echo: waits for a person: new failure
        ");
    }

    #[test]
    fn the_budget_of_a_day_comes_back_by_itself() {
        insta::assert_snapshot!(tick("
            budget day: 20 of 20
            echo: building spent=1
            reel: draft spent=1
        "), @"
        echo: stop its run (budget)
        reel: draft -> ready
        echo: stopping (budget)
        reel: waits for money: the budget of a day ($20.00) is used up
        ");
    }
}
