//! What `wavemark init` wrote, what it left alone, and what is left to do.

use super::{
    page::{ALERT, BOLD, COMMAND, DIM, PLAIN, Page, Span},
    words::count,
};

/// What became of everything that a project needs to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitView {
    /// The project's folder.
    pub folder: String,
    /// Whether nothing was done, and this is what would be.
    pub is_preview: bool,
    /// The files, in the order in which they are written.
    pub files: Vec<FileView>,
    /// The labels at GitHub, a sentence; none where there is no GitHub.
    pub labels: Option<Labels>,
    /// The secrets to set, the most important first.
    pub secrets: Vec<SecretView>,
    /// The repo's page for secrets; none where it is not known.
    pub secrets_page: Option<String>,
    /// Why not everything was done that was asked for.
    pub trouble: Option<String>,
    /// What to do next, in order: a command, and what it does.
    pub steps: Vec<(String, String)>,
}

/// A file, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Below the project's folder.
    pub path: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Written,
    /// It was Wavemark's, and is up to date now.
    Updated,
    /// It was up to date.
    Current,
    /// It was left alone, for this reason.
    Left(String),
}

/// What became of the labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// These were not there, and are now.
    Made(Vec<String>),
    /// They were there.
    Present,
    /// They were not made, for this reason.
    Not(String),
}

/// A secret to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: String,
    /// The command that sets it.
    pub command: String,
}

impl InitView {
    /// Whether anything was written, or would be.
    pub fn is_busy(&self) -> bool {
        let written = |file: &FileView| matches!(file.fate, Fate::Written | Fate::Updated);
        self.files.iter().any(written) || matches!(self.labels, Some(Labels::Made(_)))
    }

    /// The view as text for a terminal of `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let (written, updated, verb) = match self.is_preview {
            true => ("would write", "would bring up to date", "would make"),
            false => ("wrote", "brought up to date", "made"),
        };
        page.line([self.folder.as_str().into()]);
        for (fate, title) in [(Fate::Written, written), (Fate::Updated, updated)] {
            let paths = self.files.iter().filter(|file| file.fate == fate);
            let paths: Vec<&str> = paths.map(|file| file.path.as_str()).collect();
            if paths.is_empty() {
                continue;
            }
            heading(&mut page, title);
            for path in paths {
                page.line(["  ".into(), path.into()]);
            }
        }
        let current = self.files.iter().filter(|file| file.fate == Fate::Current).count();
        if current > 0 {
            let verb = if current == 1 { "is" } else { "are" };
            page.blank();
            page.line([Span::new(DIM, format!("{} {verb} up to date", count(current, "file")))]);
        }
        self.left(&mut page);
        match &self.labels {
            Some(Labels::Made(labels)) => {
                heading(&mut page, &format!("{verb} the labels"));
                page.paragraph(2, PLAIN, &labels.join(", "));
            }
            Some(Labels::Not(why)) => {
                page.blank();
                page.item("the labels at GitHub: ", 0, ALERT, why);
            }
            Some(Labels::Present) | None => {}
        }
        self.to_do(&mut page);
        page.into_text()
    }

    fn left(&self, page: &mut Page) {
        let mut is_first = true;
        for file in &self.files {
            let Fate::Left(why) = &file.fate else { continue };
            if is_first {
                heading(page, "left alone");
                is_first = false;
            }
            page.line(["  ".into(), file.path.as_str().into()]);
            page.paragraph(4, DIM, why);
        }
    }

    fn to_do(&self, page: &mut Page) {
        if !self.secrets.is_empty() {
            let place = match &self.secrets_page {
                Some(url) => format!("secrets to set, at {url}"),
                None => "secrets to set, once the repo is on GitHub (Settings, Secrets and \
                         variables, Actions)"
                    .to_owned(),
            };
            page.blank();
            page.paragraph(0, BOLD, &place);
        }
        for secret in &self.secrets {
            page.item(&format!("{}  ", secret.name), 2, PLAIN, &secret.what);
            page.item("", 4, COMMAND, &secret.command);
        }
        if !self.steps.is_empty() {
            heading(page, "next");
        }
        for (at, (command, why)) in (1..).zip(&self.steps) {
            page.item(&format!("{at}. "), 2, COMMAND, command);
            page.paragraph(5, DIM, why);
        }
    }
}

fn heading(page: &mut Page, title: &str) {
    page.blank();
    page.line([Span::new(BOLD, title)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, fate: Fate) -> FileView {
        FileView { path: path.to_owned(), fate }
    }

    fn view() -> InitView {
        InitView {
            folder: "/home/ada/waves".to_owned(),
            is_preview: false,
            files: vec![
                file("waves/project.yaml", Fate::Written),
                file("waves/schema.json", Fate::Updated),
                file(".gitignore", Fate::Current),
                file(".github/workflows/tick.yml", Fate::Left("it is not Wavemark's".to_owned())),
            ],
            labels: Some(Labels::Made(vec!["wavemark".to_owned(), "agent:echo".to_owned()])),
            secrets: vec![SecretView {
                name: "DATABASE_URL".to_owned(),
                what: "where the database is".to_owned(),
                command: "gh secret set DATABASE_URL".to_owned(),
            }],
            secrets_page: None,
            trouble: None,
            steps: vec![("wavemark run".to_owned(), "builds the first wave here".to_owned())],
        }
    }

    #[test]
    fn everything_that_was_done_is_told_and_what_is_left_to_do() {
        let text = view().render(72);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @"
        /home/ada/waves

        wrote
          waves/project.yaml

        brought up to date
          waves/schema.json

        1 file is up to date

        left alone
          .github/workflows/tick.yml
            it is not Wavemark's

        made the labels
          wavemark, agent:echo

        secrets to set, once the repo is on GitHub (Settings, Secrets and
        variables, Actions)
          DATABASE_URL  where the database is
            gh secret set DATABASE_URL

        next
          1. wavemark run
             builds the first wave here
        ");
    }

    #[test]
    fn a_preview_says_would() {
        let view = InitView { is_preview: true, secrets: vec![], steps: vec![], ..view() };
        let text = view.render(72);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @"
        /home/ada/waves

        would write
          waves/project.yaml

        would bring up to date
          waves/schema.json

        1 file is up to date

        left alone
          .github/workflows/tick.yml
            it is not Wavemark's

        would make the labels
          wavemark, agent:echo
        ");
        assert!(view.is_busy());
    }
}
