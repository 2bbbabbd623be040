//! What an agent may rely on.

use std::{collections::BTreeSet, fs};

use crate::support::{Plan, Project, wait_until};

#[test]
fn the_environment_is_what_is_documented_and_nothing_else() {
    let plan = Plan::new().agent(
        "vision",
        "env: { REGION: eu }, secrets: [SHEETS_TOKEN], produces: [doc/env.md]",
        "env -0 | cut -z -d= -f1 | tr '\\0' '\\n' | sort | grep -v '^_$' >\"$WAVEMARK_REPO/names\"
         printf '%s' \"$REGION $SHEETS_TOKEN\" >\"$WAVEMARK_REPO/values\"
         pwd >\"$WAVEMARK_REPO/cwd\"
         command -v wavemark >\"$WAVEMARK_REPO/which\"
         emit doc/env.md fine",
    );
    let mut project = Project::with(&plan);
    for (name, value) in [
        ("SHEETS_TOKEN", "sheets-s3cret-value"),
        ("GITHUB_TOKEN", "github-s3cret-value"),
        ("AWS_SECRET_ACCESS_KEY", "aws-s3cret-value"),
        ("LANG", "C.UTF-8"),
        ("TZ", "Europe/Berlin"),
        ("SSH_AUTH_SOCK", "/tmp/agent"),
    ] {
        project.env(name, value);
    }

    project.run(&["run"]).ok();

    let names: BTreeSet<String> = project.read("names").lines().map(ToOwned::to_owned).collect();
    let documented = [
        "HOME",
        "LANG",
        "PATH",
        "REGION",
        "SHEETS_TOKEN",
        "TZ",
        "WAVEMARK_AGENT",
        "WAVEMARK_ATTEMPT",
        "WAVEMARK_DEADLINE",
        "WAVEMARK_DIR",
        "WAVEMARK_EPOCH",
        "WAVEMARK_GENERATION",
        "WAVEMARK_INPUT",
        "WAVEMARK_OUT",
        "WAVEMARK_PROJECT",
        "WAVEMARK_REPO",
        "WAVEMARK_RUN",
        "WAVEMARK_WAVE",
        // The shell's own.
        "PWD",
    ];
    let shells_own = ["OLDPWD", "SHLVL"];
    let names: BTreeSet<&str> =
        names.iter().map(String::as_str).filter(|name| !shells_own.contains(name)).collect();
    assert_eq!(names, documented.into());
    assert_eq!(project.read("values"), "eu sheets-s3cret-value");
    let dir = project.run_dir("vision", 1);
    assert_eq!(
        project.read("cwd").trim(),
        fs::canonicalize(dir.join("work")).unwrap().to_str().unwrap()
    );
    assert!(project.read("which").trim().ends_with("/wavemark"));
}

#[test]
fn the_run_directory_holds_what_the_agent_is_told() {
    let plan = Plan::new()
        .agent("brief", "title: The brief, produces: [doc/brief.md]", "emit doc/brief.md sheets")
        .agent(
            "vision",
            "needs: [brief], prompt: Describe the sheet., produces: [doc/a.md]",
            "cd \"$WAVEMARK_DIR\"; cp -r . \"$WAVEMARK_REPO/seen\"; emit doc/a.md done",
        );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.read("seen/deps/brief/doc/brief.md"), "sheets\n");
    assert!(project.read("seen/prompt.md").contains("Describe the sheet."));
    let input: serde_json::Value = serde_json::from_str(&project.read("seen/input.json")).unwrap();
    assert_eq!(input["contract"], 1);
    assert_eq!(input["agent"], "vision");
    assert_eq!(input["produces"], serde_json::json!(["doc/a.md"]));
    assert_eq!(input["deps"][0]["path"], "deps/brief/doc/brief.md");
    assert_eq!(input["deps"][0]["title"], "The brief");
    for folder in ["work", "out/doc", "out/prompt", "out/schema", "out/.tmp"] {
        assert!(project.path("seen").join(folder).is_dir(), "{folder}");
    }
}

#[test]
fn a_renamed_file_is_stored_at_once_and_one_written_in_place_after_a_while() {
    let plan = Plan::new().agent(
        "vision",
        "produces: [doc/moved.md, doc/written.md, doc/last.md]",
        "emit doc/moved.md moved
         gate moved
         echo written >\"$WAVEMARK_OUT/doc/written.md\"
         gate written
         emit doc/moved.md moved
         echo last >\"$WAVEMARK_OUT/doc/last.md\"",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);
    let stored = |name: &str| {
        project.sql(&format!("select count(*) from artifacts where name = '{name}'")) == "1"
    };

    wait_until("the renamed one is stored", || stored("moved.md"));
    assert_eq!(project.status("vision"), "building");
    project.open("moved");
    wait_until("the written one is stored", || stored("written.md"));
    assert_eq!(project.status("vision"), "building");
    project.open("written");
    run.wait().ok();

    // The same bytes again are no new version.
    assert_eq!(
        project.sql("select string_agg(name || version, ' ' order by name) from artifacts"),
        "last.md1 moved.md1 written.md1"
    );
    project.agrees_with_git();
}

#[test]
fn commands_inside_a_run_need_no_credential_and_say_what_happened() {
    let plan = Plan::new().agent(
        "vision",
        "produces: [doc/a.md, schema/b.json]",
        "{
             echo one | wavemark checkpoint doc a.md
             echo one | wavemark checkpoint doc a.md -
             echo two >a.txt; wavemark checkpoint doc a.md a.txt
             echo '{}' | wavemark checkpoint schema b.json
             printf 'bad \\377' | wavemark checkpoint doc c.md && echo not refused
             wavemark checkpoint doc ../../x a.txt && echo not refused
             echo 'A fine sheet.' | wavemark finish --summary -
         } >\"$WAVEMARK_REPO/said\" 2>&1 || true
         exit 9",
    );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    let said = project.read("said");
    let lines: Vec<&str> = said.lines().map(|line| line.split(", sha").next().unwrap()).collect();
    assert_eq!(
        lines[..4],
        [
            "doc/a.md version 1 stored",
            "doc/a.md version 1 stored",
            "doc/a.md version 2 stored",
            "schema/b.json version 1 stored",
        ],
        "{said}"
    );
    assert!(!said.contains("not refused"), "{said}");
    assert!(said.ends_with("noted: exit now\n"), "{said}");
    // `finish` counts, whatever the exit code is.
    assert_eq!(project.status("vision"), "complete", "{said}");
    assert_eq!(project.sql("select output_summary from agents"), "A fine sheet.");
    assert_eq!(project.sql("select count(*) from artifacts"), "3");
    project.agrees_with_git();
}

#[test]
fn what_an_agent_says_of_its_progress_is_shown_whatever_it_prints() {
    let plan = Plan::new().agent(
        "vision",
        "",
        "wavemark progress --percent 40 \"reading the
             sheet\"
         echo '{\"type\":\"noise\"}'
         gate told
         wavemark progress --percent 101 x && note taken
         wavemark progress '' && note taken
         wavemark progress && note taken
         true",
    );
    let project = Project::with(&plan);
    let run = project.start(&["run"]);

    // The lease is the usual one: nobody waits for the next heartbeat.
    wait_until("people are shown it", || {
        let status = project.run(&["status"]).ok().stdout;
        status.contains("40% reading the sheet") && !status.contains("noise")
    });
    project.open("told");
    let run = run.wait().ok();

    assert!(run.stderr.contains("vision         40% reading the sheet"), "{run}");
    assert!(!project.has_noted("vision", "taken"));
    assert_eq!(project.status("vision"), "complete");
}

#[test]
fn a_run_can_say_how_else_it_ended() {
    let plan = Plan::new()
        .agent("asks", "", "echo 'Which one?' | wavemark finish --status feedback --summary -")
        .agent(
            "fails",
            "retries: 0",
            "echo 'No sheet.' | wavemark finish --status failed --summary -",
        )
        .agent("waits", "", "wavemark ask Which? && wavemark finish --status feedback");
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(project.statuses(), "asks feedback, fails feedback, waits feedback");
    assert_eq!(project.outcomes("asks"), "paused");
    assert_eq!(
        project.sql("select string_agg(trim(e'\\n' from feedback_text), ' ' order by feedback_text) from feedback where kind = 'question'"),
        "Which one? Which?"
    );
    assert_eq!(project.outcomes("fails"), "failed");
    let detail = project.sql("select detail from runs where outcome = 'failed'");
    assert_eq!(detail, "said that it failed: No sheet.");
}

#[test]
fn the_summary_comes_from_a_file() {
    let plan = Plan::new()
        .agent("one", "", "echo 'From a file.' >\"$WAVEMARK_OUT/SUMMARY.md\"")
        .agent(
            "two",
            "",
            "echo '{\"status\": \"complete\", \"summary\": \"From JSON.\"}' >\"$WAVEMARK_DIR/result.json\"",
        );
    let project = Project::with(&plan);

    project.run(&["run"]).ok();

    assert_eq!(
        project.sql(
            "select string_agg(trim(e'\\n' from output_summary), ' ' order by name) from agents"
        ),
        "From a file. From JSON."
    );
}

#[test]
fn what_cannot_be_taken_is_said_and_the_run_goes_on() {
    let plan = Plan::new().setting("artifacts: { max_size: 1KiB }").agent(
        "vision",
        "produces: [doc/good.md]",
        "ln -s /etc/passwd \"$WAVEMARK_OUT/doc/link.md\"
         head -c 2000 /dev/zero | tr '\\0' x >\"$WAVEMARK_OUT/doc/big.md\"
         printf 'bad \\377' >\"$WAVEMARK_OUT/doc/latin.md\"
         echo x >\"$WAVEMARK_OUT/doc/odd name.md\"
         echo x >\"$WAVEMARK_OUT/stray.md\"
         emit doc/good.md good",
    );
    let project = Project::with(&plan);

    let run = project.run(&["run"]).ok();

    assert_eq!(project.status("vision"), "complete");
    assert_eq!(project.sql("select string_agg(name, ' ') from artifacts"), "good.md");
    let events = project.run(&["events", "vision"]).ok().stdout;
    for name in ["link.md", "big.md", "latin.md", "odd name.md"] {
        assert!(run.stderr.contains(name), "{name}: {run}");
        assert!(events.contains(name), "{name}: {events}");
    }
}

#[test]
fn what_an_agent_prints_is_never_a_command() {
    let plan = Plan::new().agent(
        "chatty",
        "",
        "echo '::set-output name=x::y'; echo 'wavemark ask What?'; echo '::wavemark ask::What?'
         printf '\\033[2J\\033]0;title\\007done\\n'",
    );
    let project = Project::with(&plan);

    let run = project.run(&["run"]).ok();

    assert_eq!(project.status("chatty"), "complete");
    assert_eq!(project.sql("select count(*) from feedback"), "0");
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr.escape_debug());
}

#[test]
fn a_command_for_agents_outside_of_a_run_says_so() {
    let project = Project::with(&Plan::new().agent("vision", "", "true"));

    for args in [
        ["ask", "What?"].as_slice(),
        &["finish"],
        &["checkpoint", "doc", "a.md"],
        &["progress", "halfway"],
        &["mcp"],
    ] {
        let said = project.run(args).exits(1);
        assert!(said.stderr.contains("inside a run"), "{said}");
    }
}
