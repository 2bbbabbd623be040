//! A proposal as Markdown: for a comment on a pull request, and for the summary
//! of a job.
//!
//! Titles, values of variables and the like are written by strangers, so they
//! stand in code only: there GitHub sees no HTML, no link and no mention.
//!
//! **Invariants:** nothing that a stranger wrote ends the code that it stands
//! in, or the cell of a table. The whole stays below [`MAX_BYTES`]: what does
//! not fit is counted.

use super::{
    Action, AgentChange, Edit, Proposal, Tense, WaveChange,
    proposal::{MAX_CHAIN, MAX_NAMES, steps},
};
use crate::plan::{
    problem::harmless,
    quote::{MAX_BYTES, code, fitting, longest_run, more},
};

/// What the list of those built again may take of that.
const REBUILT: usize = 6_000;
/// What the warnings may take.
const WARNINGS: usize = 6_000;
/// What the largest graph takes, and all sentences with their names.
const OTHERS: usize = 21_000;
/// What is left for the rows of the table.
const ROWS: usize = MAX_BYTES - REBUILT - WARNINGS - OTHERS;
/// The most items of a list that are shown.
const MAX_ITEMS: usize = 8;

impl Proposal {
    /// For GitHub, with the graph of the plan.
    pub fn to_markdown(&self) -> String {
        let project = code(self.project.as_str());
        let mut text = format!("**Plan of {project}:** {}\n", self.changes.summary(Tense::Future));
        if self.retires_most {
            text += "\n**More than half of the agents vanish:** syncing this needs \
                     `--allow-retire`.\n";
        }
        text += &self.table();
        text += &self.rebuilt();
        text.push('\n');
        for sentence in self.outlook.iter().flat_map(|it| it.sentences(MAX_NAMES, "`")) {
            text += &format!("- {sentence}\n");
        }
        if let Some(against) = &self.against {
            text += &format!("- {}\n", against.sentence(self.changes.is_new_project(), code));
        }
        if let Some(steps) = steps(&self.longest_chain, MAX_CHAIN, "`") {
            text += &format!("- the longest chain {steps}\n");
        }
        text += "\n<details><summary>The graph of the plan</summary>\n\n";
        text += &match self.graph.as_ref().and_then(|graph| graph.to_mermaid(&self.changes)) {
            Some(graph) => format!("```mermaid\n{graph}```\n"),
            None => "It has too many waves to be drawn.\n".to_owned(),
        };
        text += "\n</details>\n";
        text += &self.warnings();
        text += &match self.command() {
            Some(command) => format!("\nTo apply {}: `{command}`\n", self.what()),
            None => format!("\nThe hash of the plan: `{}`\n", self.hash),
        };
        text
    }

    /// A row for all that changes.
    fn table(&self) -> String {
        let changes = &self.changes;
        if changes.is_empty() {
            return String::new();
        }
        let mut rows = Vec::new();
        if changes.is_new_project() {
            rows.push(row(["project", "", "create", ""]));
        } else if !changes.project.is_empty() {
            rows.push(row(["project", "", "change", &fields(&changes.project)]));
        }
        let by_wave = changes.by_wave();
        for wave in &changes.order {
            let name = code(wave.as_str());
            if let Some(WaveChange { action, fields: edits }) = changes.waves.get(wave) {
                let fields = fields(edits.iter().filter(|(key, _)| *key != "position"));
                rows.push(row([&name, "", action.as_str(), &fields]));
            }
            for (agent, change) in by_wave.get(wave).into_iter().flatten() {
                let what = change.words(Tense::Future).join(", ");
                let agent = format!("{} {}", change.sign(), code(agent.as_str()));
                rows.push(row([&name, &agent, &what, &fields(&change.fields)]));
            }
        }
        if rows.is_empty() {
            return "\nOnly the order of waves changes.\n".to_owned();
        }
        let (rows, hidden) = fitting(rows, ROWS);
        let more = more(hidden);
        format!("\n| wave | agent | what | fields |\n|---|---|---|---|\n{rows}{more}")
    }

    /// What is built again, and why.
    fn rebuilt(&self) -> String {
        let rebuilt = self.changes.agents.iter().filter(|(_, change)| change.rebuild);
        let lines: Vec<String> = rebuilt
            .map(|(name, change)| format!("- {}{}\n", code(name.as_str()), because(change)))
            .collect();
        if lines.is_empty() {
            return String::new();
        }
        let number = lines.len();
        let (lines, hidden) = fitting(lines, REBUILT);
        let if_built = if self.against.is_some() { ", where they were built" } else { "" };
        format!("\n**To be built again{if_built}: {number}**\n\n{lines}{}", more(hidden))
    }

    fn warnings(&self) -> String {
        if self.warnings.is_empty() {
            return String::new();
        }
        let lines = self.warnings.iter().map(|line| format!("{}\n", harmless(line)));
        let (lines, hidden) = fitting(lines, WARNINGS);
        let fence = "`".repeat(3.max(1 + longest_run(&lines)));
        format!("\n**Warnings**\n\n{fence}text\n{lines}{fence}\n{}", more(hidden))
    }
}

fn because(change: &AgentChange) -> String {
    let fields: Vec<String> =
        change.rebuild_because().into_iter().map(|field| code(field.as_str())).collect();
    let why = match fields.join(", ").as_str() {
        "" if change.action == Action::Adopt => ": nobody knows what it did".to_owned(),
        "" => ": what it does had changed before it was retired".to_owned(),
        fields => format!(" because of {fields}"),
    };
    let when = if change.after_run { ", once its run has ended" } else { "" };
    why + when
}

fn row(cells: [&str; 4]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The fields that change, with both values.
fn fields<'a, K: ToString + 'a>(edits: impl IntoIterator<Item = (&'a K, &'a Edit)>) -> String {
    let field = |(key, edit): (&K, &Edit)| format!("{}: {}", code(&key.to_string()), values(edit));
    let fields: Vec<String> = edits.into_iter().map(field).collect();
    fields.join("<br>")
}

fn values(edit: &Edit) -> String {
    match edit {
        Edit::Value { before, after } => {
            let value = |value: &Option<String>| match value {
                Some(value) => code(value),
                None => "none".to_owned(),
            };
            format!("{} → {}", value(before), value(after))
        }
        Edit::Items { added, removed } => {
            let removed = removed.iter().map(|item| code(&format!("-{item}")));
            let added = added.iter().map(|item| code(&format!("+{item}")));
            let mut items: Vec<String> = removed.chain(added).collect();
            let hidden = items.len().saturating_sub(MAX_ITEMS);
            items.truncate(MAX_ITEMS);
            if hidden > 0 {
                items.push(format!("... and {hidden} more"));
            }
            items.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{
        diff::{Building, Changes, Graph, Outlook, Stored, StoredAgent},
        testing::check,
    };

    const PLAN: &str = "
--- waves/1.yaml
wave: words
agents:
  plan: { run: { manual: } }
  write: { run: { exec: ['true'] }, needs: [plan], title: Plain, env: { A: 1 } }
--- waves/2.yaml
wave: film
after: [words]
agents:
  cut: { run: { manual: } }
";

    /// What is written about `after` where `before` is synced and built.
    fn markdown(before: &str, after: &str) -> String {
        let [before, after] = [before, after].map(|text| check(text).unwrap());
        let agent = |agent: &crate::plan::Agent| StoredAgent {
            wave: agent.wave.clone(),
            definition: Some(agent.definition.clone()),
            retired: false,
            building: Building::Finished(Some(agent.definition.work_digest())),
        };
        let stored = Stored {
            project: Some(before.project.clone()),
            waves: [].into(),
            agents: before.agents.iter().map(|(name, a)| (name.clone(), agent(a))).collect(),
        };
        let changes = Changes::between(&stored, &after);
        let outlook =
            Outlook { startable: after.agents.keys().cloned().collect(), ..Outlook::default() };
        Proposal::new(&after, changes, outlook).to_markdown()
    }

    /// So many agents in so many waves, each of which needs the one before.
    fn many(agents: usize, waves: usize) -> String {
        let wave = |wave: usize| {
            let agents: String = (wave..agents)
                .step_by(waves)
                .map(|n| {
                    let needs = if n == 0 { String::new() } else { format!("agent-{}", n - 1) };
                    let title = "|`@everybody`|".repeat(13);
                    format!("  agent-{n}: {{ run: {{ manual: }}, needs: [{needs}], title: '{title}' }}\n")
                })
                .collect();
            format!("--- waves/{wave:03}.yaml\nwave: wave-{wave}\nagents:\n{agents}")
        };
        (0..waves).map(wave).collect()
    }

    #[test]
    fn a_comment_says_what_changes_and_why() {
        let after = PLAN
            .replace("A: 1", "A: 2")
            .replace("title: Plain", "title: '<b>|@ada `x` [a](http://b)'")
            .replace("  cut:", "  glue: { run: { manual: } }\n  cut:");
        insta::assert_snapshot!(markdown(PLAN, &after), @r#"
        **Plan of `demo`:** 1 to create, 1 to change, 1 to build again; 2 stay as they are

        | wave | agent | what | fields |
        |---|---|---|---|
        | `words` |  | create |  |
        | `words` | ~ `write` | build again because of env | `title`: `Plain` → ``<b>\|@ada `x` [a](http://b)``<br>`env`: `-A=1` `+A=2` |
        | `film` |  | create |  |
        | `film` | + `glue` | create |  |

        **To be built again: 1**

        - `write` because of `env`

        - 4 agents could start at once: `cut`, `glue`, `plan`, `write`
        - the longest chain takes 3 steps: `plan` → `write` → `cut`

        <details><summary>The graph of the plan</summary>

        ```mermaid
        flowchart LR
          classDef new stroke:#1a7f37,stroke-width:3px
          classDef changed stroke:#bf8700,stroke-width:3px
          subgraph w0["words"]
            a2["plan"]
            a3["~ write"]:::changed
          end
          subgraph w1["film"]
            a0["cut"]
            a1["+ glue"]:::new
          end
          a2 --> a3
          w0 --> w1
        ```

        </details>

        To apply exactly this: `wavemark sync --expect 8a55f1ea85b67af89bc7b041d88c52560a25eca68a4cdab7a58d87b7c16a6833`
        "#);
    }

    #[test]
    fn a_large_plan_is_drawn_by_its_waves_and_a_very_large_one_not_at_all() {
        let graph = |agents, waves| {
            let plan = check(&many(agents, waves)).unwrap();
            let changes = Changes::between(&Stored::default(), &plan);
            Graph::of(&plan).and_then(|graph| graph.to_mermaid(&changes))
        };
        insta::assert_snapshot!(graph(90, 3).unwrap(), @r#"
        flowchart LR
          classDef new stroke:#1a7f37,stroke-width:3px
          classDef changed stroke:#bf8700,stroke-width:3px
          w0["wave-0: 30 agents<br>30 to create"]:::changed
          w1["wave-1: 30 agents<br>30 to create"]:::changed
          w2["wave-2: 30 agents<br>30 to create"]:::changed
          w0 --> w1
          w1 --> w2
          w2 --> w0
        "#);
        assert!(graph(50, 10).unwrap().contains("subgraph"));
        assert_eq!(graph(200, 100), None);
    }

    #[test]
    fn a_comment_is_never_too_long_for_github() {
        for (agents, waves) in [(50, 10), (60, 60), (3000, 60), (3000, 200)] {
            let after = many(agents, waves);
            let before = after.replace("manual:", "exec: ['true']");
            for text in [markdown("", &after), markdown(&before, &after)] {
                assert!(text.len() < MAX_BYTES, "{agents} in {waves}: {}", text.len());
                assert_eq!(text.contains("... and "), agents > 100, "{agents} in {waves}");
            }
        }
    }
}
