//! Whether the two homes of every artifact agree.

use serde::Serialize;

use super::{
    page::{ALERT, Align, BOLD, DIM, PLAIN, Page, Span},
    table::{Column, Table},
    words::{self, count},
};
use crate::model::{AgentName, ArtifactKey, Digest, GitState, Status};

/// The bytes of every artifact, in the row and in the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparisonView {
    /// A line for each artifact, in the order to show them.
    pub artifacts: Vec<ComparedView>,
}

/// One artifact in both its homes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComparedView {
    /// Who made it.
    pub agent: AgentName,
    /// What it is called.
    pub key: ArtifactKey,
    /// The digest of the bytes in the row.
    pub row: Digest,
    /// Where its git half stands.
    pub git: GitState,
    /// The digest of the bytes in the commit; absent if no commit has it.
    pub commit: Option<Digest>,
}

impl ComparedView {
    /// Whether both homes hold the same bytes, or only one is meant to.
    pub fn agrees(&self) -> bool {
        self.is_kept_out() || self.commit == Some(self.row)
    }

    fn is_kept_out(&self) -> bool {
        self.git == GitState::Blocked
    }
}

impl ComparisonView {
    /// Whether every artifact is the same in both homes.
    pub fn agrees(&self) -> bool {
        self.artifacts.iter().all(ComparedView::agrees)
    }

    /// The table, in lines of at most `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let mut table = Table::new([
            Column::words("agent", 10),
            Column::words("artifact", 16),
            Column::spare("row", Align::Left),
            Column::spare("commit", Align::Left),
            Column::whole("", Align::Left),
        ]);
        for artifact in &self.artifacts {
            let commit = artifact.commit.map(|digest| digest.short());
            table.row([
                artifact.agent.as_str().into(),
                Span::new(BOLD, artifact.key.to_string()),
                Span::new(DIM, artifact.row.short()),
                Span::new(DIM, commit.unwrap_or_default()),
                match (artifact.agrees(), artifact.commit) {
                    _ if artifact.is_kept_out() => Span::new(DIM, "- kept out of git"),
                    (true, _) => Span::new(words::style(Status::Complete), "✓ same"),
                    (false, Some(_)) => Span::new(ALERT, "! DIFFERENT"),
                    (false, None) => Span::new(ALERT, "! not committed"),
                },
            ]);
        }
        table.print(&mut page);
        page.blank();
        page.paragraph(0, PLAIN, &self.verdict());
        page.into_text()
    }

    fn verdict(&self) -> String {
        let artifacts = count(self.artifacts.len(), "artifact");
        let kept_out = match self.artifacts.iter().filter(|one| one.is_kept_out()).count() {
            0 => String::new(),
            some => format!(", {some} kept out of git"),
        };
        match self.artifacts.iter().filter(|one| !one.agrees()).count() {
            0 => format!("{artifacts}, every SHA-256 the same in row and commit{kept_out}."),
            wrong => format!("{artifacts}, {wrong} not the same in row and commit{kept_out}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{name, plain};

    fn compared(key: &str, commit: Option<&str>) -> ComparedView {
        ComparedView {
            agent: name("vision"),
            key: key.parse().unwrap(),
            row: Digest::of("as stored"),
            git: GitState::Committed,
            commit: commit.map(Digest::of),
        }
    }

    #[test]
    fn what_differs_is_told_apart_from_what_is_missing() {
        let view = ComparisonView {
            artifacts: vec![
                compared("doc/outline.md", Some("as stored")),
                compared("doc/calendar.md", Some("tampered with")),
                compared("schema/sheet.json", None),
            ],
        };
        assert!(!view.agrees());
        insta::assert_snapshot!(plain(&view.render(80)), @"
        agent   artifact           row       commit
        vision  doc/outline.md     b63800f7  b63800f7  ✓ same
        vision  doc/calendar.md    b63800f7  239d62fe  ! DIFFERENT
        vision  schema/sheet.json  b63800f7            ! not committed

        3 artifacts, 2 not the same in row and commit.
        ");
    }

    #[test]
    fn what_is_kept_out_of_git_is_not_missed_there() {
        let kept_out = ComparedView { git: GitState::Blocked, ..compared("doc/keys.md", None) };
        let view = ComparisonView {
            artifacts: vec![compared("doc/outline.md", Some("as stored")), kept_out],
        };
        assert!(view.agrees());
        insta::assert_snapshot!(plain(&view.render(80)), @"
        agent   artifact        row       commit
        vision  doc/outline.md  b63800f7  b63800f7  ✓ same
        vision  doc/keys.md     b63800f7            - kept out of git

        2 artifacts, every SHA-256 the same in row and commit, 1 kept out of git.
        ");
    }

    #[test]
    fn agreement_is_one_sentence() {
        let view =
            ComparisonView { artifacts: vec![compared("doc/outline.md", Some("as stored"))] };
        assert!(view.agrees());
        insta::assert_snapshot!(plain(&view.render(40)), @"
        agent   artifact        row
        vision  doc/outline.md  b63800f7  ✓ same

        1 artifact, every SHA-256 the same in
        row and commit.
        ");
    }
}
