//! Parts of files that follow from the plan, between two lines of comment.
//!
//! They are kept up to date wherever the lines are there, also in a file that
//! somebody has edited: the lines say whose the part is. Whoever wants it
//! otherwise takes them out.

use super::mark::{Origin, origin, seal};

/// The line that ends a part.
const END: &str = "# wavemark: end";

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The agents to choose from, in the issue form.
    Agents,
    /// The secrets of agents, in the environment of the job that builds them.
    Secrets,
    /// What it takes to ask others for work, in the environment of the job that
    /// ticks: that is where they are asked.
    Webhooks,
}

impl Part {
    /// How the line begins that begins it; more words may follow.
    fn begin(self) -> &'static str {
        match self {
            Self::Agents => "# wavemark: agents",
            Self::Secrets => "# wavemark: secrets of agents",
            Self::Webhooks => "# wavemark: secrets of webhooks",
        }
    }
}

/// `text` with these lines in each such part, as deep as the line before them;
/// none if it has no such part. A file that nobody has edited stays one.
pub(super) fn refill(text: &str, part: Part, lines: &[String]) -> Option<String> {
    let mut filled = String::new();
    let mut left = text.split_inclusive('\n');
    let mut found = false;
    while let Some(line) = left.next() {
        filled += line;
        let Some(indent) = indent_of(line, part.begin()) else { continue };
        let end = left.by_ref().find(|line| line.trim() == END)?;
        let ending = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
        for line in lines {
            filled += &format!("{indent}{line}{ending}");
        }
        filled += end;
        found = true;
    }
    match (found, origin(text)) {
        (false, _) => None,
        (true, Origin::Intact(version)) => Some(seal(&filled, &version)),
        (true, Origin::Edited | Origin::Foreign) => Some(filled),
    }
}

/// What stands before a line of comment that begins with these words.
fn indent_of<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    let text = line.trim_start();
    text.starts_with(words).then(|| &line[..line.len() - text.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
env:
  A: 1
  # wavemark: secrets of agents, kept up to date by `wavemark sync`
  OLD: x
  # wavemark: end
  B: 2
";

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_part_is_replaced_and_nothing_around_it() {
        let filled = refill(TEXT, Part::Secrets, &lines(&["X: 1", "Y: 2"])).unwrap();
        insta::assert_snapshot!(filled, @"
        env:
          A: 1
          # wavemark: secrets of agents, kept up to date by `wavemark sync`
          X: 1
          Y: 2
          # wavemark: end
          B: 2
        ");
        assert_eq!(refill(&filled, Part::Secrets, &lines(&["OLD: x"])).unwrap(), TEXT);
    }

    #[test]
    fn a_file_without_the_part_or_without_its_end_is_left_alone() {
        assert_eq!(refill(TEXT, Part::Agents, &[]), None);
        assert_eq!(refill(&TEXT.replace(END, "#"), Part::Secrets, &[]), None);
    }

    #[test]
    fn who_edited_a_file_is_still_told_apart_from_who_did_not() {
        let sealed = seal(TEXT, "1.2.3");
        let filled = refill(&sealed, Part::Secrets, &lines(&["X: 1"])).unwrap();
        assert_eq!(origin(&filled), Origin::Intact("1.2.3".to_owned()));
        let edited = sealed.replace("B: 2", "B: 3");
        let filled = refill(&edited, Part::Secrets, &lines(&["X: 1"])).unwrap();
        assert!(filled.contains("B: 3") && origin(&filled) == Origin::Edited, "{filled}");
    }
}
