//! What agents made, and where its bytes are.

use serde::Serialize;

use super::{
    page::{ALERT, Align, BOLD, DIM, PLAIN, Page, Span},
    table::{Column, Table},
    words::{age, count, size},
};
use crate::model::{AgentName, ArtifactKey, Digest, Epoch, GitState, Instant};

/// One stored version of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArtifactView {
    /// Who made it.
    pub agent: AgentName,
    /// What it is called.
    pub key: ArtifactKey,
    /// Which version it is, from 1.
    pub version: u32,
    /// How large it is.
    pub bytes: u64,
    /// What it is compared by.
    pub sha256: Digest,
    /// When its row was written.
    pub stored_at: Instant,
    /// The run that made it; absent if a person wrote the row.
    pub epoch: Option<Epoch>,
    /// Where its git half stands.
    pub git: GitState,
    /// The commit that holds it.
    pub commit: Option<String>,
    /// Why it is kept out of git, if it is.
    pub reason: Option<String>,
}

impl ArtifactView {
    /// Where its bytes are.
    fn place(&self) -> Span {
        match (self.git, &self.commit) {
            (GitState::Committed, Some(commit)) => {
                let short: String = commit.chars().take(8).collect();
                Span::new(PLAIN, format!("row, commit {short}"))
            }
            (GitState::Committed, None) => "row, commit".into(),
            (GitState::Pending, _) => Span::new(DIM, "row, push pending"),
            (GitState::Blocked, _) => Span::new(ALERT, "row, kept out of git"),
        }
    }
}

/// `wavemark artifacts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArtifactsView {
    /// The newest version of each artifact, in the order to show them.
    pub artifacts: Vec<ArtifactView>,
}

impl ArtifactsView {
    /// The table, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        if self.artifacts.is_empty() {
            page.line(["No artifacts yet.".into()]);
            return page.into_text();
        }
        let mut table = Table::new([
            Column::words("agent", 10),
            Column::words("artifact", 20),
            Column::spare("", Align::Left),
            Column::spare("size", Align::Right),
            Column::spare("sha-256", Align::Left),
            Column::whole("bytes are in", Align::Left),
        ]);
        for artifact in &self.artifacts {
            table.row([
                artifact.agent.as_str().into(),
                Span::new(BOLD, artifact.key.to_string()),
                format!("v{}", artifact.version).into(),
                size(artifact.bytes).into(),
                Span::new(DIM, artifact.sha256.short()),
                artifact.place(),
            ]);
        }
        table.print(&mut page);
        page.blank();
        page.paragraph(0, PLAIN, &self.totals());
        page.into_text()
    }

    fn totals(&self) -> String {
        let of = |state| self.artifacts.iter().filter(|one| one.git == state).count();
        let mut text = format!(
            "{}, {} in a row and in a commit.",
            count(self.artifacts.len(), "artifact"),
            match of(GitState::Committed) {
                all if all == self.artifacts.len() => "all".to_owned(),
                some => some.to_string(),
            }
        );
        if of(GitState::Pending) > 0 {
            text += " The next tick pushes what is pending.";
        }
        text
    }
}

/// `wavemark history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryView {
    /// When the database was read.
    pub taken_at: Instant,
    /// Every version of one artifact, the newest first.
    pub versions: Vec<ArtifactView>,
}

impl HistoryView {
    /// The versions, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let Some(newest) = self.versions.first() else {
            page.line(["No such artifact.".into()]);
            return page.into_text();
        };
        page.line([
            Span::new(BOLD, newest.key.to_string()),
            " of ".into(),
            Span::new(BOLD, newest.agent.as_str()),
            Span::new(DIM, format!(", {}", count(self.versions.len(), "version"))),
        ]);
        page.blank();
        let mut table = Table::new([
            Column::whole("", Align::Left),
            Column::whole("age", Align::Right),
            Column::spare("run", Align::Right),
            Column::spare("size", Align::Right),
            Column::spare("sha-256", Align::Left),
            Column::whole("bytes are in", Align::Left),
        ]);
        for version in &self.versions {
            let run = version.epoch.map(|epoch| epoch.to_string());
            table.row([
                format!("v{}", version.version).into(),
                age(self.taken_at, version.stored_at).into(),
                run.as_deref().unwrap_or("by hand").into(),
                size(version.bytes).into(),
                Span::new(DIM, version.sha256.short()),
                version.place(),
            ]);
        }
        table.print(&mut page);
        page.into_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{name, now, plain, seconds_ago};

    fn artifact(agent: &str, key: &str, git: GitState) -> ArtifactView {
        ArtifactView {
            agent: name(agent),
            key: key.parse().unwrap(),
            version: 1,
            bytes: 1234,
            sha256: Digest::of(key),
            stored_at: seconds_ago(180),
            epoch: Some(Epoch(1)),
            git,
            commit: (git == GitState::Committed)
                .then(|| "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned()),
            reason: (git == GitState::Blocked).then(|| "a GitHub token".to_owned()),
        }
    }

    fn artifacts() -> ArtifactsView {
        ArtifactsView {
            artifacts: vec![
                artifact("vision", "doc/outline.md", GitState::Committed),
                artifact("vision", "schema/sheet.json", GitState::Committed),
                artifact("echo-build", "prompt/voice-of-the-messages.md", GitState::Pending),
                artifact("social-build", "doc/keys.md", GitState::Blocked),
            ],
        }
    }

    #[test]
    fn artifacts_say_where_their_bytes_are() {
        insta::assert_snapshot!(plain(&artifacts().render(100)), @"
        agent         artifact                                size  sha-256   bytes are in
        vision        doc/outline.md                   v1  1.2 KiB  b44f4da6  row, commit 4b825dc6
        vision        schema/sheet.json                v1  1.2 KiB  ff8967a0  row, commit 4b825dc6
        echo-build    prompt/voice-of-the-messages.md  v1  1.2 KiB  a5e401c6  row, push pending
        social-build  doc/keys.md                      v1  1.2 KiB  05ef011f  row, kept out of git

        4 artifacts, 2 in a row and in a commit. The next tick pushes what is pending.
        ");
    }

    #[test]
    fn artifacts_at_60_columns() {
        insta::assert_snapshot!(plain(&artifacts().render(60)), @"
        agent         artifact                  bytes are in
        vision        doc/outline.md        v1  row, commit 4b825dc6
        vision        schema/sheet.json     v1  row, commit 4b825dc6
        echo-build    prompt/voice-of-the…  v1  row, push pending
        social-build  doc/keys.md           v1  row, kept out of git

        4 artifacts, 2 in a row and in a commit. The next tick
        pushes what is pending.
        ");
    }

    #[test]
    fn a_history_has_a_line_for_each_version() {
        let first = artifact("vision", "doc/outline.md", GitState::Committed);
        let by_hand = ArtifactView {
            version: 2,
            bytes: 98,
            epoch: None,
            stored_at: seconds_ago(7),
            ..artifact("vision", "doc/outline.md", GitState::Pending)
        };
        let view = HistoryView { taken_at: now(), versions: vec![by_hand, first] };
        insta::assert_snapshot!(plain(&view.render(80)), @"
        doc/outline.md of vision, 2 versions

            age      run     size  sha-256   bytes are in
        v2   7s  by hand     98 B  b44f4da6  row, push pending
        v1   3m        1  1.2 KiB  b44f4da6  row, commit 4b825dc6
        ");
    }
}
