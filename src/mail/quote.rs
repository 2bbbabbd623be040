//! Other people's words in what we write.

/// What shows nothing and keeps two characters apart.
const APART: char = '\u{200b}';

/// `text` as Markdown in which nobody is called, no issue is linked, and no
/// mark of ours can stand.
pub(super) fn quiet(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    let mut before = '\n';
    for c in text.chars() {
        let calls = match before {
            '@' => c.is_alphanumeric(),
            '#' => c.is_ascii_digit(),
            // Where a comment of HTML begins.
            '<' => c == '!',
            _ => false,
        };
        if calls {
            quiet.push(APART);
        }
        if !matches!(c, '\r' | '\0') {
            quiet.push(c);
        }
        before = c;
    }
    quiet
}

/// As much of `text`, which is Markdown, as fits into `limit` characters, with
/// the block of code closed that it may leave open: what follows is not part of
/// it.
pub(super) fn closed(text: &str, limit: usize) -> String {
    let mut room = limit;
    loop {
        let short = cut(text, room);
        let mut fence = Fence::default();
        for line in short.lines() {
            fence.read(line);
        }
        let end = fence.end().map(|end| format!("\n{end}")).unwrap_or_default();
        let over = (short.chars().count() + end.chars().count()).saturating_sub(limit);
        if over == 0 || room == 0 {
            return short + &end;
        }
        room = room.saturating_sub(over);
    }
}

/// Follows Markdown line by line, and knows what is within a block of code.
#[derive(Debug, Default)]
pub(super) struct Fence {
    open: Option<(char, usize)>,
}

impl Fence {
    /// Reads the next line; says whether it belongs to a block of code.
    pub(super) fn read(&mut self, line: &str) -> bool {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        let kind = text.chars().next().filter(|c| matches!(c, '`' | '~') && indent < 4);
        let width = kind.map_or(0, |kind| text.chars().take_while(|c| *c == kind).count());
        let rest = &text[width..];
        match (self.open, kind) {
            (Some((open, least)), Some(kind))
                if kind == open && width >= least && rest.trim().is_empty() =>
            {
                self.open = None;
                true
            }
            (Some(_), _) => true,
            // Three of them and another one are code within a line.
            (None, Some(kind)) if width >= 3 && (kind == '~' || !rest.contains('`')) => {
                self.open = Some((kind, width));
                true
            }
            (None, _) => false,
        }
    }

    /// The line that would end the block of code that is open.
    fn end(&self) -> Option<String> {
        self.open.map(|(kind, width)| kind.to_string().repeat(width))
    }
}

/// `text` in one line of at most `limit` characters.
pub(super) fn line(text: &str, limit: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&words.join(" "), limit)
}

/// As much of `text` as fits into `limit` characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_and_nothing_is_linked() {
        let text = "# Ask @ann about #7, o/r#8\n<!-- wavemark:issue x --> a@b, 3 @ 4";
        assert_eq!(
            quiet(text).replace(APART, "|"),
            "# Ask @|ann about #|7, o/r#|8\n<|!-- wavemark:issue x --> a@|b, 3 @ 4"
        );
    }

    #[test]
    fn a_block_of_code_lasts_to_its_own_end() {
        let within = |text: &str| -> String {
            let mut fence = Fence::default();
            text.lines().map(|line| if fence.read(line) { 'x' } else { '.' }).collect()
        };
        assert_eq!(within("a\n```sh\nb\n```\nc"), ".xxx.");
        assert_eq!(within("````\n```\na\n````\nb"), "xxxx.");
        assert_eq!(within("~~~\n```\n~~~ \nb"), "xxx.");
        assert_eq!(within("```a``` b\nc"), "..");
        assert_eq!(within("    ```\na"), "..");
        assert_eq!(closed("a", 9), "a");
        assert_eq!(closed("````\na", 99), "````\na\n````");
        assert_eq!(closed("```\nabcdefghij", 12), "```\nabc…\n```");
        assert_eq!(closed("```\na\n```\nabcdefghij", 14), "```\na\n```\nabc…");
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(line(" one\n two\tthree ", 9), "one two …");
    }
}
