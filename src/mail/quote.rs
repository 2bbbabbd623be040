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
    fn a_cut_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(line(" one\n two\tthree ", 9), "one two …");
    }
}
