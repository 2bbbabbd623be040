//! Programs that nobody here starts: they have a run's id and its token, and
//! call the functions of the database.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use crate::support::{Grants, Plan, Project, Rest, wait_until};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Work for a person, which needs what a program makes.
fn plan() -> Plan {
    Plan::new().agent("brief", "produces: [doc/brief.md]", "emit doc/brief.md 'Be brief.'").entry(
        "vision",
        "run: { manual: {} }, needs: [brief], produces: [doc/summary.md], retries: 0",
    )
}

/// A project of which `vision` waits for a person, with its API and the address
/// of that.
fn waiting() -> (Project, Rest, String) {
    let mut project = Project::on_supabase(&plan(), Grants::Nothing);
    project.run(&["sync"]).ok();
    project.run(&["run"]).ok();
    assert_eq!(project.statuses(), "brief complete, vision feedback");
    let rest = project.rest();
    let url = rest.url();
    project.env("WAVEMARK_API_URL", &url);
    project.env("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_test");
    (project, rest, url)
}

/// What `wavemark call` sets.
fn called(project: &Project, agent: &str) -> BTreeMap<String, String> {
    exported(&project.run(&["call", agent]).ok().stdout)
}

/// What a script sets.
fn exported(script: &str) -> BTreeMap<String, String> {
    let set = script.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    set.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

/// The program in the README that begins with this line.
fn program(first: &str) -> String {
    let readme = fs::read_to_string(README).unwrap();
    let blocks = readme.split("\n```").filter_map(|block| block.split_once('\n'));
    let found = blocks.map(|(_, text)| text).find(|text| text.starts_with(first));
    found.unwrap_or_else(|| panic!("README.md has no {first}")).to_owned()
}

/// Runs a program with these variables; what it printed, and whether it went
/// well.
fn start(command: &mut Command, env: &BTreeMap<String, String>) -> (bool, String) {
    let output = command.envs(env).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A line for curl, made by hand.
fn curl(url: &str, function: &str, body: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", " %{http_code}", "-H", "Content-Type: application/json"]);
    curl.args(["-d", body, &format!("{url}/rpc/{function}")]);
    let (_, said) = start(&mut curl, &BTreeMap::new());
    said
}

#[test]
fn the_programs_of_the_readme_build_an_agent_as_they_stand_there() {
    let programs: [(&str, &str, &str); 3] = [
        ("sh", "agent.sh", "# agent.sh"),
        ("python3", "agent.py", "# agent.py"),
        // Its types are none, so that every Node.js can run it.
        ("node", "agent.mjs", "// agent.ts"),
    ];
    for (interpreter, file, first) in programs {
        let (project, _rest, _) = waiting();
        let path: PathBuf = project.path(file);
        // Longer than this test waits, so that nothing ends by itself.
        fs::write(&path, program(first).replace("sleep 30", "sleep 3000")).unwrap();
        let env = called(&project, "vision");
        assert_eq!(project.statuses(), "brief complete, vision building");

        // Not a pipe: what it left behind would hold that open.
        let output = File::create(project.path("said")).unwrap();
        let mut command = Command::new(interpreter);
        command.arg(&path).current_dir(project.path(".")).envs(&env);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let status = command.status().unwrap();
        let said = project.read("said");
        assert!(status.success(), "{file}: {said}");
        wait_until("nothing is left of it", || project.alive() == 0);
        assert!(!said.contains(&env["WAVEMARK_TOKEN"]), "{said}");
        let mut again = Command::new(interpreter);
        let (went_well, said) = start(again.arg(&path).current_dir(project.path(".")), &env);
        assert!(!went_well, "{file} a second time: {said}");

        project.run(&["tick"]).ok();
        project.run(&["tick"]).ok();
        assert_eq!(project.statuses(), "brief complete, vision complete", "{file}");
        let made = project.run(&["show", "vision", "doc/summary.md"]).ok().stdout;
        assert_eq!(made.trim_end(), "Built on:\nBe brief.", "{file}");
        project.agrees_with_git();
    }
}

#[test]
fn the_steps_of_a_call_work_as_they_are_printed() {
    let (project, _rest, _) = waiting();
    let script = project.run(&["call", "vision"]).ok().stdout;
    let steps: Vec<&str> = script
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter(|line| line.starts_with("printf"))
        .collect();
    assert_eq!(steps.len(), 7, "{script}");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &format!("{script}\n{}", steps.join("\n"))]);
    let (went_well, said) = start(&mut bash, &BTreeMap::new());
    assert!(went_well, "{said}");
    project.run(&["tick"]).ok();
    // It asked something, as one of the steps does.
    assert_eq!(project.outcomes("vision"), "paused");
    assert_eq!(project.sql("select content from artifacts where name = 'summary.md'"), "Hello.");

    let asked = project.sql("select number from feedback where not resolved");
    project.run(&["feedback", "resolve", &asked, "--comment", "The EU."]).ok();
    project.run(&["tick"]).ok();
    let script = project.run(&["call", "vision"]).ok().stdout;
    let env = exported(&script);
    let given = format!("'{}', '{}'", env["WAVEMARK_RUN"], env["WAVEMARK_TOKEN"]);
    let steps = script.lines().filter_map(|line| line.strip_prefix("#   select "));
    for step in steps.filter(|step| !step.contains("run_ask") && !step.contains("\\bind")) {
        project.sql(&format!(
            "prepare step (uuid, text) as select ({step})::text;
             execute step ({given}); deallocate step"
        ));
    }
    project.run(&["tick"]).ok();
    assert_eq!(project.outcomes("vision"), "paused, succeeded");
}

#[test]
fn a_call_shows_its_token_once_and_the_database_never_has_it() {
    let (project, ..) = waiting();
    let env = called(&project, "vision");
    let token = &env["WAVEMARK_TOKEN"];

    let again = project.run(&["call", "vision"]).ok();

    assert!(!again.stdout.contains(token) && again.stdout.contains("run_finish"), "{again}");
    let json = project.run(&["call", "vision", "--json"]).ok().json();
    assert_eq!(json["run"], env["WAVEMARK_RUN"].as_str());
    assert_eq!(json["token"], serde_json::Value::Null);
    for table in ["runs", "events", "feedback", "agents"] {
        let rows = project.sql(&format!("select to_jsonb(t)::text from {table} t"));
        assert!(!rows.contains(token), "{table}");
    }
}

#[test]
fn an_agent_that_cannot_be_built_cannot_be_called() {
    let project = Project::with(&plan());
    let told = project.run(&["call", "vision"]).exits(1);
    assert_eq!(told.stderr, "error: vision cannot be called now: it waits for brief\n");
    project.run(&["pause", "brief"]).ok();
    let told = project.run(&["call", "brief"]).exits(1);
    assert_eq!(told.stderr, "error: brief cannot be called now: it is paused by an operator\n");
    project.run(&["resume", "brief"]).ok();
    project.run(&["call", "brief"]).ok();
    let told = project.run(&["build", "brief"]).ok();
    assert!(told.stdout.contains("built elsewhere"), "{told}");
}

#[test]
fn http_callers_get_the_status_that_fits() {
    let (project, _rest, url) = waiting();
    let env = called(&project, "vision");
    let (run, token) = (&env["WAVEMARK_RUN"], &env["WAVEMARK_TOKEN"]);
    let body = |token: &str, more: &str| format!(r#"{{"run": "{run}", "token": "{token}"{more}}}"#);
    let mut answers = vec![
        curl(&url, "run_heartbeat", &body("nonsense", "")),
        curl(&url, "run_heartbeat", &body(token, "")),
        curl(&url, "run_claim", &body(token, r#", "reference": "curl""#)),
        curl(&url, "run_claim", &body(token, r#", "reference": "another""#)),
        curl(&url, "run_checkpoint", &body(token, r#", "key": "../a", "content": "x""#)),
    ];
    let large = format!(r#", "key": "doc/a.md", "content": "{}""#, "x".repeat(70_000));
    project.sql("update projects set settings = settings || '{\"max_artifact_bytes\": 65536}'");
    answers.push(curl(&url, "run_checkpoint", &body(token, &large)));
    project.sql("update agents set epoch = epoch + 1 where name = 'vision'");
    answers.push(curl(&url, "run_finish", &body(token, "")));

    let statuses: Vec<&str> =
        answers.iter().map(|answer| answer.rsplit(' ').next().unwrap()).collect();
    assert_eq!(statuses, ["401", "409", "200", "409", "422", "413", "409"], "{answers:#?}");
    assert!(answers.iter().all(|answer| !answer.contains(token.as_str())), "{answers:#?}");
}

#[test]
fn supabase_js_takes_part_as_anybody() {
    let (project, rest, _) = waiting();
    let env = called(&project, "vision");
    let (run, token) = (&env["WAVEMARK_RUN"], &env["WAVEMARK_TOKEN"]);
    let of = |who: &str, function: &str, more: &str| {
        format!("{who}.rpc('{function}', {{ run: '{run}', token: '{token}', {more} }})")
    };
    let stranger =
        format!("anon.rpc('run_claim', {{ run: '{run}', token: '{run}', reference: 'stranger' }})");
    let calls = [
        stranger,
        of("anon", "run_claim", "reference: 'supabase-js'"),
        of("service", "run_progress", "message: 'halfway'"),
        of("user('eve')", "run_checkpoint", "key: 'doc/summary.md', content: 'Seen.'"),
        of("anon", "run_ask", "question: 'Which region?'"),
        of("anon", "run_finish", "status: 'feedback'"),
        "anon.from('runs').select()".to_owned(),
    ];
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let statuses: Vec<i64> = rest.ask(&calls).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [401, 200, 200, 200, 200, 200, 401]);

    project.run(&["tick"]).ok();
    assert_eq!(project.outcomes("vision"), "paused");
    assert_eq!(project.statuses(), "brief complete, vision feedback");
}

#[test]
fn a_credential_from_elsewhere_is_kept_out_of_git() {
    let (project, _rest, url) = waiting();
    let env = called(&project, "vision");
    let (run, token) = (&env["WAVEMARK_RUN"], &env["WAVEMARK_TOKEN"]);
    let body = |more: &str| format!(r#"{{"run": "{run}", "token": "{token}", {more}}}"#);
    curl(&url, "run_claim", &body(r#""reference": "curl""#));
    // Put together here, so that no scanner takes this file for a leak.
    let secret = format!("ghp_{}", "Ab3dEf6hIj9lMn2pQr5tUv8xYz1aBc4eFg7i");
    for (key, content) in [("doc/leak.md", secret.as_str()), ("doc/summary.md", "Fine.")] {
        let said = curl(
            &url,
            "run_checkpoint",
            &body(&format!(r#""key": "{key}", "content": "{content}""#)),
        );
        assert!(said.ends_with(" 200"), "{said}");
    }

    project.run(&["tick"]).ok();

    let states = project.sql(
        "select name, git_state, git_reason from artifacts where run_id is not null order by 1",
    );
    assert_eq!(
        states,
        "brief.md|committed|\nleak.md|blocked|a GitHub token\nsummary.md|committed|"
    );
    let told =
        project.sql("select count(*) from feedback where request like 'secret:doc/leak.md:%'");
    assert_eq!(told, "1");
    let history = project.git(&["log", "-p", "wavemark/artifacts"]);
    assert!(!history.contains(&secret));
}

#[test]
fn what_is_promised_and_not_made_is_no_success() {
    let (project, _rest, url) = waiting();
    let env = called(&project, "vision");
    let (run, token) = (&env["WAVEMARK_RUN"], &env["WAVEMARK_TOKEN"]);
    let body = |more: &str| format!(r#"{{"run": "{run}", "token": "{token}"{more}}}"#);
    curl(&url, "run_claim", &body(r#", "reference": "curl""#));
    let said = curl(&url, "run_finish", &body(""));
    assert!(said.contains(r#""missing": ["doc/summary.md"]"#), "{said}");

    project.run(&["tick"]).ok();

    assert_eq!(project.outcomes("vision"), "failed");
    let detail = project.sql("select detail from runs where outcome = 'failed'");
    assert_eq!(detail, "said that it finished but did not produce doc/summary.md");
}

#[test]
fn a_run_elsewhere_is_claimed_and_judged_through_a_pooler() {
    let mut project = Project::with(&plan());
    let pooler = project.through_pooler();
    pooler.spoil();
    project.run(&["run"]).ok();
    let env = called(&project, "vision");
    let (run, token) = (&env["WAVEMARK_RUN"], &env["WAVEMARK_TOKEN"]);
    for call in
        ["run_claim($, 'psql')", "run_checkpoint($, 'doc/summary.md', 'By SQL.')", "run_finish($)"]
    {
        let call = call.replace('$', &format!("'{run}', '{token}'"));
        let mut psql = Command::new("psql");
        psql.args([
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            &format!("begin read write; select public.{call}; commit"),
        ]);
        let (went_well, said) = start(psql.arg(pooler.url()), &BTreeMap::new());
        assert!(went_well, "{said}");
    }

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "brief complete, vision complete");
    project.agrees_with_git();
}
