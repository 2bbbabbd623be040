//! One wave of five kinds of agents, which need each other, and everything goes
//! wrong with each of them once: a shell script, a replayed Claude Code, a
//! replayed Codex, a workflow of n8n and a program that speaks plain SQL.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rustix::process::{Pid, Signal, getpgid, kill_process_group};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    Grants, N8n, Output, Plan, Project, Rest,
    Turn::{Crashes, Twice},
    files, wait_until,
};

const CLAUDE_KEY: &str = "sk-ant-of-the-five-0123456789";
const CODEX_KEY: &str = "sk-codex-of-the-five-0123456789";

/// Each waits in its first run until it is killed. `draft` waits in its second
/// one, too, for the kill of its supervisor; `review` asks in it.
fn plan() -> Plan {
    let n8n = "webhook: \"{env:N8N_URL}/webhook/vision\", api_key: N8N_API_KEY, \
               auth: { header: X-Wavemark-Secret, secret: N8N_SECRET }, timeout: 10m";
    Plan::new()
        .setting("lease: 5s")
        .setting("backoff_cap: 1s")
        .agent(
            "brief",
            "produces: [doc/start.md, doc/brief.md]",
            "if [ \"$WAVEMARK_EPOCH\" = 1 ]; then emit doc/start.md begun; note \"waits $$\"; gate never; fi
             emit doc/brief.md 'Be brief.'",
        )
        .entry("draft", "run: { claude: { model: big } }, needs: [brief], produces: [doc/draft.md]")
        .entry("review", "run: { codex: { model: big } }, needs: [draft], produces: [doc/review.md]")
        .entry(
            "summary",
            &format!("run: {{ n8n: {{ {n8n} }} }}, needs: [brief], produces: [doc/summary.md]"),
        )
        .entry(
            "ledger",
            "run: { manual: {} }, needs: [review, summary], produces: [doc/ledger.md]",
        )
}

/// What a replayed program does beside saying what was recorded. Each tells its
/// key to whoever listens.
const CLAUDE: &str = "
    echo \"With $ANTHROPIC_API_KEY.\" >&2
    wavemark progress \"with $ANTHROPIC_API_KEY\"
    if [ \"$WAVEMARK_EPOCH\" -le 2 ]; then
        tool=\"$WAVEMARK_DIR/tool\" setsid sh -c ': >\"$tool\"; exec sleep 4712' &
        until [ -e \"$WAVEMARK_DIR/tool\" ]; do sleep 0.02; done
        note \"waits $$\"; gate never
    fi
    emit doc/draft.md \"Drafted in run $WAVEMARK_EPOCH.\"; replay claude-good";
const CODEX: &str = "
    echo \"{\\\"type\\\":\\\"item.completed\\\",\\\"item\\\":{\\\"type\\\":\\\"agent_message\\\",\\\"text\\\":\\\"With $CODEX_API_KEY.\\\"}}\"
    [ \"$WAVEMARK_EPOCH\" -gt 1 ] || { note \"waits $$\"; gate never; }
    if [ -e \"$WAVEMARK_DIR/feedback/1.md\" ]; then
        emit doc/review.md \"$(grep -c 'A plain one.' \"$WAVEMARK_DIR/feedback/1.md\")\"
    else
        wavemark ask \"Which voice? Mine is $CODEX_API_KEY.\"
    fi
    replay codex-good";

/// A project, all that its agents need, and everything that it said.
struct Five {
    project: Project,
    n8n: N8n,
    _rest: Rest,
    said: Vec<Output>,
}

impl Five {
    fn new() -> Self {
        let mut project = Project::on_supabase(&plan(), Grants::Nothing);
        // The texts of all statements. Their parameters are to be left out by
        // whoever has statements logged, and are by default for those that fail.
        project.sql(
            "do $$ begin
                 execute format('alter database %I set log_statement = ''all''', current_database());
                 execute format('alter database %I set log_parameter_max_length = 0', current_database());
             end $$",
        );
        let folders = std::env::var_os("PATH").unwrap();
        let all = std::iter::once(project.path("bin")).chain(std::env::split_paths(&folders));
        project.env("PATH", std::env::join_paths(all).unwrap().to_str().unwrap());
        replayed(&project, "claude", CLAUDE);
        replayed(&project, "codex", CODEX);
        let n8n = N8n::start(&[Crashes, Twice]);
        for (name, value) in [
            ("N8N_URL", n8n.url()),
            ("N8N_SECRET", N8n::SECRET),
            ("N8N_API_KEY", N8n::API_KEY),
            ("ANTHROPIC_API_KEY", CLAUDE_KEY),
            ("CODEX_API_KEY", CODEX_KEY),
        ] {
            project.env(name, value);
        }
        project.run(&["sync"]).ok();
        let rest = project.rest();
        project.env("WAVEMARK_API_URL", &rest.url());
        Self { project, n8n, _rest: rest, said: Vec::new() }
    }

    /// Uses the binary, and keeps what it said.
    #[track_caller]
    fn run(&mut self, args: &[&str]) -> Output {
        let said = self.project.run(args).ok();
        self.said.push(said.clone());
        said
    }

    /// Kills the group of an agent's process in this run, amid its work. What
    /// left the group lives on.
    #[track_caller]
    fn kill(&self, agent: &str, epoch: i32) {
        let group = getpgid(Some(self.waiting(agent, epoch))).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
    }

    /// The process of an agent's run, once it waits.
    #[track_caller]
    fn waiting(&self, agent: &str, epoch: i32) -> Pid {
        let mut found = None;
        wait_until(&format!("{agent} waits in run {epoch}"), || {
            let trace = self.project.trace();
            let mut of_run = trace.iter().filter(|it| it.agent == agent && it.epoch == epoch);
            found = of_run.find_map(|it| it.word.strip_prefix("waits ")?.parse().ok());
            found.is_some()
        });
        Pid::from_raw(found.unwrap()).unwrap()
    }

    /// Calls `ledger`: its run and the token of that.
    fn call(&mut self) -> (String, String) {
        // What this prints has the token in it, and is meant to.
        let called = self.project.run(&["call", "ledger", "--json"]).ok().json();
        let text = |key: &str| called[key].as_str().unwrap().to_owned();
        (text("run"), text("token"))
    }

    /// Calls a function as a program does that knows its run and token, and has
    /// no more rights than anybody: the answer, or the code and the text of the
    /// refusal.
    #[expect(clippy::disallowed_methods, reason = "as a stranger's program does")]
    fn ask(
        &self,
        (run, token): &(String, String),
        function: &str,
        more: &[&str],
    ) -> Result<Value, (String, String)> {
        let url = self.project.database_url().replacen("://wavemark@", "://authenticator@", 1);
        let place = |place| match place {
            // What was used, of `run_finish`.
            5 => ", $5::jsonb".to_owned(),
            place => format!(", ${place}"),
        };
        let places: String = (3..3 + more.len()).map(place).collect();
        let sql = format!("select public.{function}($1::uuid, $2{places})");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::query("set role anon").execute(&mut connection).await.unwrap();
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(run).bind(token);
            let query = more.iter().fold(query, |query, value| query.bind(*value));
            let answer = query.fetch_one(&mut connection).await;
            connection.close().await.unwrap();
            answer.map_err(|err| {
                let code = err.as_database_error().unwrap().code().unwrap().into_owned();
                (code, err.to_string())
            })
        })
    }
}

/// Makes this shell script the program of that name. It can replay what was
/// recorded, and do all that other programs of the tests can.
fn replayed(project: &Project, program: &str, script: &str) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/subagents");
    let library = project.read("sh/brief");
    let library = library.split("if [ \"$WAVEMARK_EPOCH\" = 1 ]").next().unwrap();
    let text =
        format!("{library}replay() {{ cat '{}'/$1.jsonl; }}\n{script}\n", recorded.display());
    let path = project.path("bin").join(program);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn five_kinds_of_agents_get_there_whatever_goes_wrong() {
    let mut five = Five::new();

    let first = five.project.start(&["run", "--poll", "100ms", "-vv"]);
    five.kill("brief", 1);
    five.kill("draft", 1);
    five.waiting("draft", 2);
    wait_until("the workflow works again", || {
        let claimed = "select count(*) from runs join agents on agents.id = agent_id
                       where name = 'summary' and runs.epoch = 2 and reference is not null";
        five.project.sql(claimed) == "1"
    });
    let killed = (first.stdout(), first.stderr());
    first.kill();
    five.said.push(Output { code: 137, stdout: killed.0, stderr: killed.1 });

    let second = five.project.start(&["run", "--poll", "100ms", "-vv"]);
    five.kill("review", 1);
    five.said.push(second.wait().ok());
    assert_eq!(
        five.project.statuses(),
        "brief complete, draft complete, ledger draft, review feedback, summary complete"
    );
    five.run(&["feedback", "resolve", "1", "--comment", "A plain one."]);
    five.run(&["run", "--poll", "100ms", "-vv"]);
    assert_eq!(five.project.status("ledger"), "feedback", "a person, or a program, is waited for");

    // The first one claims, stores something and is not heard of again.
    let zombie = five.call();
    five.ask(&zombie, "run_claim", &["sql:1"]).unwrap();
    // Whoever sends heartbeats is held to the lease.
    five.ask(&zombie, "run_heartbeat", &[]).unwrap();
    five.ask(&zombie, "run_checkpoint", &["doc/half.md", "Half."]).unwrap();
    wait_until("its lease has run out", || {
        five.project
            .sql("select count(*) from runs where finished_at is null and lease_until > now()")
            == "0"
    });
    five.run(&["run", "--poll", "100ms", "-vv"]);
    assert_eq!(five.project.outcomes("ledger"), "lost");
    let program = five.call();
    let claimed = five.ask(&program, "run_claim", &["sql:2"]).unwrap();
    assert_eq!(claimed["epoch"], 2);

    // It was only slow, and goes on.
    let before = state(&five.project);
    let crossed = (program.0.clone(), zombie.1.clone());
    let mut refused = Vec::new();
    for (who, function, more) in [
        (&zombie, "run_claim", &["sql:1"][..]),
        (&zombie, "run_checkpoint", &["doc/ledger.md", "By nobody."][..]),
        (&zombie, "run_finish", &[][..]),
        (&crossed, "run_checkpoint", &["doc/ledger.md", "By nobody."][..]),
        (&program, "run_claim", &["sql:1"][..]),
    ] {
        refused.push(five.ask(who, function, more).unwrap_err());
    }
    let codes: Vec<&str> = refused.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["PT409", "PT409", "PT409", "PT401", "PT409"], "{refused:?}");
    assert_eq!(state(&five.project), before, "what is refused changes nothing");

    let inputs = five.ask(&program, "run_inputs", &[]).unwrap();
    assert_eq!(inputs["checkpoints"][0]["key"], "doc/half.md", "{inputs}");
    for _ in 0..2 {
        five.ask(&program, "run_checkpoint", &["doc/ledger.md", "All is entered."]).unwrap();
    }
    let used = r#"{"output": 70, "turns": 1, "cost": {"usd_micros": 1120}}"#;
    five.ask(&program, "run_finish", &["complete", "All is entered.", used]).unwrap();
    five.run(&["run", "--poll", "100ms", "-vv"]);

    is_done_once(&mut five);
    holds_no_secret(&mut five, &[zombie.1, program.1], &refused);
}

/// All that a program elsewhere could change.
fn state(project: &Project) -> String {
    let rows = ["runs", "artifacts", "events", "agents", "feedback"]
        .map(|table| project.sql(&format!("select to_jsonb(t)::text from {table} t order by 1")));
    rows.join("\n")
}

/// All that the database holds.
fn everything(project: &Project) -> String {
    project.sql(
        "select string_agg(schemaname || '.' || tablename || query_to_xml(
             format('select * from %I.%I', schemaname, tablename), true, false, ''
         )::text, '') from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    )
}

#[track_caller]
fn is_done_once(five: &mut Five) {
    let status = five.run(&["status", "--json"]).json();
    let project = &five.project;
    assert_eq!(project.sql("select distinct status from agents"), "complete");
    let outcomes = ["brief", "draft", "review", "summary", "ledger"]
        .map(|agent| format!("{agent}: {}", project.outcomes(agent)));
    insta::assert_snapshot!(outcomes.join("\n"), @"
    brief: failed, succeeded
    draft: failed, lost, succeeded
    review: failed, paused, succeeded
    summary: lost, succeeded
    ledger: lost, succeeded
    ");
    // One success each, epochs without a gap, and no two runs at once.
    let epochs = "select string_agg(e::text, ' ') from (select array_agg(epoch order by claimed_at)
                  = array_agg(epoch order by epoch) and max(epoch) = count(*)
                  and count(*) filter (where outcome = 'succeeded') = 1 e
                  from runs group by agent_id) t";
    assert_eq!(project.sql(epochs), "true true true true true");
    let overlaps = "select count(*) from runs r join runs o on o.agent_id = r.agent_id
                    and o.epoch > r.epoch and o.claimed_at < r.finished_at";
    assert_eq!(project.sql(overlaps), "0");
    // Its question, once; and for `ledger`, whose work was a person's until it was called, twice.
    let asked = "select name || ': ' || kind || ' ' || resolution from feedback join agents
                 on agents.id = agent_id order by number";
    assert_eq!(
        project.sql(asked),
        "review: question completed\nledger: question superseded\nledger: question superseded"
    );
    let finishes = "select count(*) from (select run_id from events
                    where kind = 'finished' group by run_id having count(*) > 1) t";
    assert_eq!(project.sql(finishes), "0");

    assert_eq!(
        project.sql("select name || ' ' || version || ' ' || git_state from artifacts order by 1"),
        "brief.md 1 committed\ndraft.md 1 committed\nhalf.md 1 committed\nledger.md 1 committed\n\
         review.md 1 committed\nstart.md 1 committed\nsummary.md 1 committed"
    );
    project.agrees_with_git();
    let executions = five.n8n.executions();
    assert_eq!(executions.len(), 3, "one crashed, and of two others one worked");
    let away = |last: &str| last.contains("another one works on this run");
    assert_eq!(executions.iter().filter(|one| away(&one.last)).count(), 1);

    // One good conversation of Claude, and two of Codex, of which one asked; each of
    // Codex's three runs said one thing more. The ledger says what it used itself.
    let used = json!({
        "uncached_input": 2000 + 2 * 2000, "cache_read": 600 + 2 * 400, "cache_write": 400,
        "output": 80 + 2 * 80 + 70, "reasoning": 2 * 20, "turns": 2 + 2 * 2 + 3 + 1,
        "cost": { "usd_micros": 8_880 + 1_120, "basis": "reported" },
    });
    assert_eq!(status["usage"], used);
    let each = "select string_agg(concat_ws(' ', name, runs.epoch, usage ->> 'output'), ', ' order by name, runs.epoch)
                from runs join agents on agents.id = agent_id where usage ? 'output'";
    assert_eq!(project.sql(each), "draft 3 80, ledger 2 70, review 1 0, review 2 80, review 3 80");

    wait_until("nothing is left of any run", || project.alive() == 0);
}

#[track_caller]
fn holds_no_secret(five: &mut Five, tokens: &[String], refused: &[(String, String)]) {
    let mut secrets: Vec<String> =
        [N8n::SECRET, N8n::API_KEY, CLAUDE_KEY, CODEX_KEY].map(ToOwned::to_owned).into();
    secrets.extend_from_slice(tokens);
    for execution in five.n8n.executions() {
        secrets.push(execution.input["token"].as_str().unwrap().to_owned());
    }
    for words in [&["events"][..], &["status"], &["artifacts"], &["feedback", "list"]] {
        five.run(words);
    }
    for agent in ["brief", "draft", "review", "summary", "ledger"] {
        let log = five.project.run(&["log", agent]);
        five.said.push(log);
        five.run(&["why", agent]);
    }
    let held = everything(&five.project);
    assert!(held.contains("wavemark.launches") && held.contains("With ***."), "{held}");
    let log = five.project.server_log();
    assert!(log.contains("run_checkpoint($1::uuid, $2, $3, $4)"), "statements are logged");
    let mut seen = vec![
        ("Postgres's log".to_owned(), log),
        ("the database".to_owned(), held),
        ("git".to_owned(), five.project.git(&["log", "-p", "--all"])),
        ("a refusal".to_owned(), format!("{refused:?}")),
    ];
    seen.extend(
        five.said
            .iter()
            .map(|said| ("a command".to_owned(), format!("{}{}", said.stdout, said.stderr))),
    );
    for path in files(&five.project.path(".wavemark")) {
        let bytes = fs::read(&path).unwrap_or_default();
        seen.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
    }
    let leaks: Vec<(&str, &str)> = seen
        .iter()
        .flat_map(|(place, text)| {
            secrets.iter().filter(|it| text.contains(*it)).map(|it| (place.as_str(), it.as_str()))
        })
        .collect();
    assert_eq!(leaks, []);
}
