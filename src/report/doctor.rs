//! What `wavemark doctor` found: a line for each thing that was looked at.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use anstyle::{AnsiColor, Style};

use super::{
    page::{ALERT, BOLD, COMMAND, DIM, Page, Span},
    words::count,
};

/// What an examination found, in the order in which it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoctorView {
    /// One for each thing that was looked at.
    pub findings: Vec<Finding>,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to: `plan`, `database` …
    pub area: &'static str,
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    #[serde(rename = "status")]
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it, where there is something to do.
    pub next: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Not used here, or it cannot be told because of something else.
    Skip,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

impl Finding {
    /// Something about `check` in `area`.
    pub fn new(
        area: &'static str,
        check: &'static str,
        health: Health,
        found: impl Into<String>,
    ) -> Self {
        Self { area, check, health, found: found.into(), next: None }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "-",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Skip => DIM,
            Self::Warn => ALERT,
            Self::Fail => AnsiColor::Red.on_default().bold(),
        }
    }
}

impl DoctorView {
    /// Whether nothing failed.
    pub fn is_healthy(&self) -> bool {
        self.number(Health::Fail) == 0
    }

    fn number(&self, health: Health) -> usize {
        self.findings.iter().filter(|finding| finding.health == health).count()
    }

    /// The view as text for a terminal of `width` columns.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page::new(width);
        let mut area = "";
        let longest = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for finding in &self.findings {
            if finding.area != area {
                area = finding.area;
                page.line([Span::new(BOLD, area)]);
            }
            let Finding { check, health, found, .. } = finding;
            let style = if *health == Health::Ok { Style::new() } else { health.style() };
            page.item(&format!("{:<4}  {check:<longest$}  ", health.word()), 2, style, found);
            if let Some(next) = &finding.next {
                page.item(&format!("{:longest$}  next: ", ""), 8, COMMAND, next);
            }
        }
        page.blank();
        page.line([self.verdict()]);
        page.into_text()
    }

    fn verdict(&self) -> Span {
        let (fails, warnings) = (self.number(Health::Fail), self.number(Health::Warn));
        match (fails, warnings) {
            (0, 0) => Span::new(Health::Ok.style(), "Everything is as it should be."),
            (0, _) => Span::new(ALERT, format!("It works, with {}.", count(warnings, "warning"))),
            (_, 0) => Span::new(Health::Fail.style(), format!("{} failed.", count(fails, "check"))),
            _ => Span::new(
                Health::Fail.style(),
                format!("{} failed, with {}.", count(fails, "check"), count(warnings, "warning")),
            ),
        }
    }
}

impl Serialize for DoctorView {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("DoctorView", 2)?;
        object.serialize_field("healthy", &self.is_healthy())?;
        object.serialize_field("checks", &self.findings)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> DoctorView {
        let found = |area, check, health, found: &str| Finding::new(area, check, health, found);
        DoctorView {
            findings: vec![
                found("plan", "waves", Health::Ok, "tested: 2 agents in 1 wave"),
                found("database", "connection", Health::Fail, "cannot connect to Postgres at db.example:5432/postgres: the host's name could not be looked up")
                    .next("check the host in DATABASE_URL"),
                found("database", "schema", Health::Skip, "not looked at: there is no connection"),
                found("GitHub", "labels", Health::Warn, "agent:echo is missing").next("wavemark init"),
            ],
        }
    }

    #[test]
    fn an_examination_reads_line_by_line() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&view().render(80)), @"
        plan
          ok    waves       tested: 2 agents in 1 wave
        database
          fail  connection  cannot connect to Postgres at db.example:5432/postgres: the
                            host's name could not be looked up
                            next: check the host in DATABASE_URL
          -     schema      not looked at: there is no connection
        GitHub
          warn  labels      agent:echo is missing
                            next: wavemark init

        1 check failed, with 1 warning.
        ");
    }

    #[test]
    fn a_script_gets_the_same() {
        let json = serde_json::to_string(&DoctorView { findings: view().findings[3..].to_vec() });
        insta::assert_snapshot!(json.unwrap(), @r#"{"healthy":true,"checks":[{"area":"GitHub","check":"labels","status":"warn","found":"agent:echo is missing","next":"wavemark init"}]}"#);
        assert!(!view().is_healthy());
    }
}
