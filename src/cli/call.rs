//! `wavemark call`: a run for a program that is wired up by hand.
//!
//! **Invariant:** what is printed is a shell script that sets variables and is
//! otherwise made of comments. The token stands in it once, when its run began.

use clap::Args;
use serde::Serialize;

use super::{Outcome, output};
use crate::{
    app::{Api, Called, Context, Settings, call as begin},
    model::{AgentName, Epoch, Instant, RunId},
};

/// Begin a run for a program of yours, and print how it takes part
///
/// Claims the agent, whatever its runner is, and prints the run's id and its
/// secret token as lines for a shell, with the curl line and the SQL of every
/// step as comments: `vars=$(wavemark call vision) && eval "$vars"`, and then
/// start your program. The token is shown only now. While the run goes on,
/// calling again prints the steps without it.
///
/// A manual agent can be called while it waits for a person: the program does
/// the work instead.
///
/// Exits 0 when the run began or goes on, 1 when the agent cannot be built now.
#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// Which agent
    agent: AgentName,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// What a program can say, in the order in which it usually does.
const STEPS: [Step; 7] = [
    Step {
        about: "claim the run; when that is refused, another program works on it: stop",
        function: "run_claim",
        arguments: &[("reference", "my-program")],
    },
    Step { about: "everything that the agent gets", function: "run_inputs", arguments: &[] },
    Step {
        about: "a sign of life; stop when the answer's `stop` is not null",
        function: "run_heartbeat",
        arguments: &[],
    },
    Step {
        about: "what is being done, for `wavemark status`",
        function: "run_progress",
        arguments: &[("message", "halfway")],
    },
    Step {
        about: "store an artifact, as often as you like",
        function: "run_checkpoint",
        arguments: &[("key", "doc/summary.md"), ("content", "Hello.")],
    },
    Step {
        about: "ask people something, and finish: the answer comes with the next run",
        function: "run_ask",
        arguments: &[("question", "Which region?")],
    },
    Step {
        about: "say how it ended: complete, failed, refused, deferred or feedback",
        function: "run_finish",
        arguments: &[("status", "complete"), ("summary", "Said hello.")],
    },
];

/// A function that a program calls, with what it says beside the run and its
/// token.
struct Step {
    about: &'static str,
    function: &'static str,
    arguments: &'static [(&'static str, &'static str)],
}

impl Step {
    /// As a line for a shell. The token is no argument of a program: everybody
    /// on a machine can see those.
    fn curl(&self) -> String {
        let more: String =
            self.arguments.iter().map(|(name, value)| format!(r#","{name}":"{value}""#)).collect();
        format!(
            r#"printf '{{"run":"%s","token":"%s"{more}}}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/{}" -H "apikey: ${{WAVEMARK_API_KEY-}}" -H 'Content-Type: application/json' -d @-"#,
            self.function
        )
    }

    /// As a statement. Run and token are to be bound: what is written into a
    /// statement may end up in the log of the server.
    fn sql(&self) -> String {
        let more: String =
            self.arguments.iter().map(|(name, value)| format!(", {name} => '{value}'")).collect();
        format!("select public.{}(run => $1, token => $2{more})", self.function)
    }
}

#[derive(Serialize)]
struct View<'a> {
    agent: &'a AgentName,
    run: RunId,
    epoch: Epoch,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    api_url: Option<&'a str>,
    api_key: Option<&'a str>,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct StepView {
    function: &'static str,
    about: &'static str,
    curl: String,
    sql: String,
}

pub(super) async fn call(settings: Settings, args: &CallArgs) -> anyhow::Result<Outcome> {
    let cx = Context::open(settings).await?;
    let called = begin(&cx, &args.agent).await?;
    let api = cx.settings.environment.api();
    let view = view(&args.agent, &called, api.as_ref());
    if let Some(token) = view.token.filter(|_| cx.settings.environment.in_actions()) {
        // Whatever is printed there, many can read.
        output::complain(&format!("::add-mask::{token}\n"));
    }
    match args.json {
        true => output::say_json(&view)?,
        false => output::say(&script(&view))?,
    }
    Ok(Outcome::Done)
}

fn view<'a>(agent: &'a AgentName, called: &'a Called, api: Option<&'a Api>) -> View<'a> {
    let steps = STEPS.iter().map(|step| StepView {
        function: step.function,
        about: step.about,
        curl: step.curl(),
        sql: step.sql(),
    });
    let (run, epoch, call, reference) = match called {
        Called::Began(call) => (call.run, call.epoch, Some(call), None),
        Called::GoesOn { run, epoch, reference } => (*run, *epoch, None, reference.as_deref()),
    };
    View {
        agent,
        run,
        epoch,
        token: call.map(|call| call.token.expose()),
        attempt: call.map(|call| call.attempt),
        deadline: call.map(|call| call.deadline),
        reference,
        api_url: api.map(|api| api.url.as_str()),
        api_key: api.and_then(|api| api.key.as_deref()),
        steps: steps.collect(),
    }
}

fn script(view: &View<'_>) -> String {
    let View { agent, run, epoch, .. } = view;
    let mut text = match (view.token, view.deadline, view.reference) {
        (Some(token), Some(deadline), _) => format!(
            "# {agent}, run {run}, epoch {epoch}: to be done by {}.\n\
             # The token is shown only here.\n\
             export WAVEMARK_RUN={run}\n\
             export WAVEMARK_TOKEN={token}\n",
            deadline.format("%Y-%m-%d %H:%M:%S UTC"),
        ),
        (.., Some(reference)) => format!(
            "# {agent}, run {run}, epoch {epoch}: {} works on it.\n\
             # Its token was shown when it began.\n",
            printable(reference),
        ),
        _ => format!(
            "# {agent}, run {run}, epoch {epoch}: nobody claimed it yet.\n\
             # Its token was shown when it began.\n"
        ),
    };
    match view.api_url {
        Some(url) => text += &format!("export WAVEMARK_API_URL={}\n", quoted(url)),
        None => text += "# for curl, set SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY\n",
    }
    if let Some(key) = view.api_key {
        text += &format!("export WAVEMARK_API_KEY={}\n", quoted(key));
    }
    for step in &view.steps {
        text += &format!("\n# {}\n#   {}\n#   {}\n", step.about, step.curl, step.sql);
    }
    text += "\n# In SQL, bind $1, the run, and $2, its token: what is written into a statement may\n\
             # end up in the log of the server. In psql, from version 16 on:\n\
             #   \\getenv run WAVEMARK_RUN\n\
             #   \\getenv token WAVEMARK_TOKEN\n\
             #   select public.run_inputs(run => $1, token => $2) \\bind :run :token \\g\n";
    text
}

/// A word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What somebody else chose, in a comment.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::Call, model::RunToken};

    fn began() -> Called {
        Called::Began(Call {
            run: RunId::from_uuid(uuid::Uuid::from_u128(7)),
            token: RunToken::from_random([7; 32]),
            epoch: Epoch(3),
            attempt: 1,
            deadline: Instant::UNIX_EPOCH,
        })
    }

    fn said(called: &Called, api: Option<&Api>) -> String {
        script(&view(&"vision".parse().unwrap(), called, api))
    }

    #[test]
    fn a_call_is_a_script_that_sets_what_a_program_needs() {
        let url = "https://x.supabase.co/rest/v1".to_owned();
        let api = Api { url, key: Some("sb_publishable_'x".to_owned()) };
        let script = said(&began(), Some(&api));
        let set: Vec<&str> = script.lines().filter(|line| !line.starts_with('#')).collect();
        insta::assert_snapshot!(set.join("\n").trim(), @r"
        export WAVEMARK_RUN=00000000-0000-0000-0000-000000000007
        export WAVEMARK_TOKEN=0707070707070707070707070707070707070707070707070707070707070707
        export WAVEMARK_API_URL='https://x.supabase.co/rest/v1'
        export WAVEMARK_API_KEY='sb_publishable_'\''x'
        ");
    }

    #[test]
    fn every_step_is_told_as_curl_and_as_sql() {
        let script = said(&began(), None);
        let told = script.lines().skip(4).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(told, @r#"
        # for curl, set SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY

        # claim the run; when that is refused, another program works on it: stop
        #   printf '{"run":"%s","token":"%s","reference":"my-program"}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_claim" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_claim(run => $1, token => $2, reference => 'my-program')

        # everything that the agent gets
        #   printf '{"run":"%s","token":"%s"}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_inputs" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_inputs(run => $1, token => $2)

        # a sign of life; stop when the answer's `stop` is not null
        #   printf '{"run":"%s","token":"%s"}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_heartbeat" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_heartbeat(run => $1, token => $2)

        # what is being done, for `wavemark status`
        #   printf '{"run":"%s","token":"%s","message":"halfway"}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_progress" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_progress(run => $1, token => $2, message => 'halfway')

        # store an artifact, as often as you like
        #   printf '{"run":"%s","token":"%s","key":"doc/summary.md","content":"Hello."}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_checkpoint" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_checkpoint(run => $1, token => $2, key => 'doc/summary.md', content => 'Hello.')

        # ask people something, and finish: the answer comes with the next run
        #   printf '{"run":"%s","token":"%s","question":"Which region?"}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_ask" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_ask(run => $1, token => $2, question => 'Which region?')

        # say how it ended: complete, failed, refused, deferred or feedback
        #   printf '{"run":"%s","token":"%s","status":"complete","summary":"Said hello."}' "$WAVEMARK_RUN" "$WAVEMARK_TOKEN" | curl -sS --fail-with-body "$WAVEMARK_API_URL/rpc/run_finish" -H "apikey: ${WAVEMARK_API_KEY-}" -H 'Content-Type: application/json' -d @-
        #   select public.run_finish(run => $1, token => $2, status => 'complete', summary => 'Said hello.')

        # In SQL, bind $1, the run, and $2, its token: what is written into a statement may
        # end up in the log of the server. In psql, from version 16 on:
        #   \getenv run WAVEMARK_RUN
        #   \getenv token WAVEMARK_TOKEN
        #   select public.run_inputs(run => $1, token => $2) \bind :run :token \g
        "#);
    }

    #[test]
    fn the_token_is_told_once() {
        let token = RunToken::from_random([7; 32]);
        assert_eq!(said(&began(), None).matches(token.expose()).count(), 1);
        let goes_on = Called::GoesOn {
            run: RunId::from_uuid(uuid::Uuid::from_u128(7)),
            epoch: Epoch(3),
            reference: Some("n8n:12\nexport PATH=".to_owned()),
        };
        let script = said(&goes_on, None);
        assert!(script.lines().all(|line| line.is_empty() || line.starts_with('#')), "{script}");
    }
}
