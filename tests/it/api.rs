//! Rows that people and other programs write, with the columns that everybody
//! knows: through the REST API of a Supabase project, and with psql.

use crate::support::{Grants, Plan, Project, Rest};

fn plan() -> Plan {
    Plan::new().agent("vision", "produces: [doc/a.md]", "emit doc/a.md one").agent(
        "echo",
        "needs: [vision], produces: [doc/b.md]",
        "emit doc/b.md two",
    )
}

/// The project `tested`, of which `ann` is a member, and beside it `other`.
fn two_projects() -> (Project, Rest) {
    let project = Project::on_supabase(&plan(), Grants::Everything);
    project.run(&["sync"]).ok();
    project.sql(
        "insert into projects (name) values ('other');
         insert into agents (project_id, name) select id, 'others' from projects
             where name = 'other';
         insert into artifacts (agent_id, artifact_type, content) select id, 'doc', 'x' from agents;
         insert into feedback (agent_id, feedback_text) select id, 'Hm.' from agents;
         insert into wavemark.members select id, 'ann' from projects where name = 'tested'",
    );
    let rest = project.rest();
    (project, rest)
}

/// The requests, in which `$name` stands for the id of an agent, and below each
/// what came of it.
fn asked(project: &Project, rest: &Rest, requests: &[&str]) -> String {
    let ids = project.sql("select name, id from agents order by name");
    let with_ids = |request: &&str| {
        ids.lines().fold((*request).to_owned(), |request, line| {
            let (name, id) = line.split_once('|').unwrap();
            request.replace(&format!("${name}"), &format!("'{id}'"))
        })
    };
    let sent: Vec<String> = requests.iter().map(with_ids).collect();
    let answers = rest.ask(&sent.iter().map(String::as_str).collect::<Vec<_>>());
    let lines =
        requests.iter().zip(answers).map(|(asked, answer)| format!("{asked}\n    {answer}\n"));
    lines.collect()
}

#[test]
fn what_the_api_refuses_it_explains() {
    let (project, rest) = two_projects();

    let asked = asked(
        &project,
        &rest,
        &[
            "service.from('agents').insert({ name: 'reel' })",
            "service.from('agents').update({ status: 'done' }).eq('id', $vision)",
            "service.from('agents').update({ status: 'building' }).eq('id', $vision)",
            "service.from('agents').update({ name: 'The Reel' }).eq('id', $vision)",
            "service.from('agents').update({ name: 'echo' }).eq('id', $vision)",
            "service.from('agents').update({ dependencies: ['vision'] }).eq('id', $vision)",
            "service.from('agents').delete().eq('id', $vision)",
            "service.from('artifacts').insert({ agent_id: $vision, artifact_type: 'pdf', content: 'x' })",
            "service.from('artifacts').insert({ agent_id: $vision, artifact_type: 'doc' })",
            "service.from('artifacts').update({ content: 'y' }).eq('agent_id', $vision)",
            "service.from('feedback').insert({ feedback_text: 'Hm.' })",
            "service.from('feedback').insert({ agent_id: $vision })",
            "service.from('feedback').update({ resolution: 'ignored', resolved: true }).eq('number', 1)",
            "service.from('members').select()",
            "service.schema('wavemark').from('members').select()",
        ],
    );

    insta::with_settings!({ filters => [("[0-9a-f]{8}-[0-9a-f-]{27}", "<id>")] }, {
        insta::assert_snapshot!(asked, @r#"
        service.from('agents').insert({ name: 'reel' })
            400 there is more than one project; set project_id
        service.from('agents').update({ status: 'done' }).eq('id', $vision)
            400 new row for relation "agents" violates check constraint "status is draft, ready, building, feedback or complete"
        service.from('agents').update({ status: 'building' }).eq('id', $vision)
            400 new row for relation "agents" violates check constraint "only a run makes an agent build"
        service.from('agents').update({ name: 'The Reel' }).eq('id', $vision)
            400 new row for relation "agents" violates check constraint "name is lower case letters, digits and hyphens"
        service.from('agents').update({ name: 'echo' }).eq('id', $vision)
            409 duplicate key value violates unique constraint "agents_project_id_name_key"
        service.from('agents').update({ dependencies: ['vision'] }).eq('id', $vision)
            400 invalid input syntax for type uuid: "vision"
        service.from('agents').delete().eq('id', $vision)
            403 permission denied for table agents
        service.from('artifacts').insert({ agent_id: $vision, artifact_type: 'pdf', content: 'x' })
            400 new row for relation "artifacts" violates check constraint "artifact_type is schema, prompt or doc"
        service.from('artifacts').insert({ agent_id: $vision, artifact_type: 'doc' })
            400 null value in column "content" of relation "artifacts" violates not-null constraint
        service.from('artifacts').update({ content: 'y' }).eq('agent_id', $vision)
            400 artifacts never change; insert another version
        service.from('feedback').insert({ feedback_text: 'Hm.' })
            409 there is no agent NULL
        service.from('feedback').insert({ agent_id: $vision })
            400 null value in column "feedback_text" of relation "feedback" violates not-null constraint
        service.from('feedback').update({ resolution: 'ignored', resolved: true }).eq('number', 1)
            400 new row for relation "feedback" violates check constraint "resolution is completed, dismissed or superseded"
        service.from('members').select()
            404 relation "public.members" does not exist
        service.schema('wavemark').from('members').select()
            406 The schema must be one of the following: public
        "#);
    });
}

#[test]
fn the_api_shows_and_takes_what_the_project_of_a_user_allows() {
    let (project, rest) = two_projects();

    let asked = asked(
        &project,
        &rest,
        &[
            "anon.from('agents').select()",
            "anon.from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' })",
            "user('eve').from('agents').select()",
            "user('eve').from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' })",
            "user('ann').from('agents').select('name')",
            "user('ann').from('artifacts').select()",
            "user('ann').from('agents').update({ status: 'complete' }).eq('id', $vision)",
            "user('ann').from('agents').insert({ name: 'mine' })",
            "user('ann').from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' }).select()",
            "user('ann').from('feedback').insert({ agent_id: $others, feedback_text: 'Hm.' })",
            "user('ann').from('feedback').update({ resolved: true }).eq('agent_id', $vision).select()",
            "user('ann').from('feedback').update({ resolved: true }).eq('agent_id', $others).select()",
            "user('ann').from('feedback').update({ feedback_text: '' }).eq('agent_id', $vision)",
            "user('ann').from('feedback').delete().eq('agent_id', $vision)",
        ],
    );

    insta::with_settings!({ filters => [("[0-9a-f]{8}-[0-9a-f-]{27}", "<id>")] }, {
        insta::assert_snapshot!(asked, @r#"
        anon.from('agents').select()
            401 permission denied for table agents
        anon.from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' })
            401 permission denied for table feedback
        user('eve').from('agents').select()
            200, 0 rows
        user('eve').from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' })
            409 there is no agent '<id>'
        user('ann').from('agents').select('name')
            200, 2 rows
        user('ann').from('artifacts').select()
            200, 2 rows
        user('ann').from('agents').update({ status: 'complete' }).eq('id', $vision)
            403 permission denied for table agents
        user('ann').from('agents').insert({ name: 'mine' })
            403 permission denied for table agents
        user('ann').from('feedback').insert({ agent_id: $vision, feedback_text: 'Hm.' }).select()
            201, 1 rows
        user('ann').from('feedback').insert({ agent_id: $others, feedback_text: 'Hm.' })
            409 there is no agent '<id>'
        user('ann').from('feedback').update({ resolved: true }).eq('agent_id', $vision).select()
            200, 2 rows
        user('ann').from('feedback').update({ resolved: true }).eq('agent_id', $others).select()
            200, 0 rows
        user('ann').from('feedback').update({ feedback_text: '' }).eq('agent_id', $vision)
            403 permission denied for table feedback
        user('ann').from('feedback').delete().eq('agent_id', $vision)
            403 permission denied for table feedback
        "#);
    });
}

/// Agents in no plan appear, with feedback on one that is in it; later, a person
/// does the work of the first of them, and resolves everything.
fn are_built_and_committed(project: &Project, appear: impl FnOnce(), later: impl FnOnce()) {
    appear();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "echo draft, scout feedback, vision feedback, writer draft");

    later();
    project.run(&["run"]).ok();
    assert_eq!(
        project.statuses(),
        "echo complete, scout complete, vision complete, writer feedback"
    );
    assert_eq!(project.run(&["show", "scout", "doc/doc.md"]).ok().stdout, "Found.");
    project.agrees_with_git();
}

#[test]
fn rows_that_come_through_the_api_are_built_and_committed() {
    let project = Project::on_supabase(&plan(), Grants::Nothing);
    project.run(&["sync"]).ok();
    let rest = project.rest();
    let scout = "11111111-1111-4111-8111-111111111111";
    let vision = project.sql("select id from agents where name = 'vision'");

    // What a row lacks that another one in the request has comes as null.
    let appear = || {
        rest.does(&[
            &format!(
                "service.from('agents').insert([
                    {{ id: '{scout}', name: 'scout', status: 'draft', output_summary: null }},
                    {{ name: 'writer', dependencies: ['{scout}'] }},
                ])"
            ),
            &format!(
                "service.from('feedback').insert([
                    {{ agent_id: '{vision}', feedback_text: 'Wait.', resolved: false }},
                    {{ agent_id: '{vision}', feedback_text: 'Or not.', author: 'ann' }},
                ])"
            ),
        ]);
    };
    let later = || {
        rest.does(&[
            &format!(
                "service.from('artifacts').insert([
                    {{ agent_id: '{scout}', artifact_type: 'doc', content: 'Found.' }},
                    {{ agent_id: '{scout}', artifact_type: 'schema', content: '[]', name: 'a.json' }},
                ])"
            ),
            "service.from('feedback').update({ resolved: true }).eq('resolved', false)",
        ]);
    };
    are_built_and_committed(&project, appear, later);
}

#[test]
fn rows_that_come_from_psql_are_built_and_committed() {
    let project = Project::on_supabase(&plan(), Grants::Everything);
    project.run(&["sync"]).ok();

    let appear = || {
        project.psql(
            "insert into agents (id, name, status, output_summary, dependencies) values
                 ('11111111-1111-4111-8111-111111111111', 'scout', 'draft', null, '{}'),
                 ('22222222-2222-4222-8222-222222222222', 'writer', 'draft', null,
                     array['11111111-1111-4111-8111-111111111111'::uuid]);
             insert into feedback (id, agent_id, feedback_text, resolved)
             select gen_random_uuid(), id, 'Wait.', false from agents where name = 'vision'",
        );
    };
    let later = || {
        project.psql(
            "insert into artifacts (id, agent_id, artifact_type, content)
             select gen_random_uuid(), id, 'doc', 'Found.' from agents where name = 'scout';
             update feedback set resolved = true",
        );
    };
    are_built_and_committed(&project, appear, later);
}
