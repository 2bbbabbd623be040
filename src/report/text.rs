//! How wide text is, how to make it safe, how to make it fit.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many zero-width characters in a row are kept: enough for every script,
/// too few to smear over the neighbouring lines.
const MARKS_IN_A_ROW: usize = 4;

/// How many columns of a terminal `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Text in which every character is visible, or at least harmless: it cannot
/// move the cursor, change colours or turn the direction of reading.
///
/// White space of any kind becomes a space and a plain colour change is left
/// out; everything else is shown rather than dropped, because what a person
/// doesn't see may still be read by an agent.
pub(super) fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut marks = MARKS_IN_A_ROW;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = after_colour_change(rest) {
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let c = visible(c);
        marks = match c.width() {
            Some(0) | None => marks + 1,
            Some(_) => 0,
        };
        if marks <= MARKS_IN_A_ROW {
            safe.push(c);
        }
    }
    safe
}

/// [`clean`], on one line: with every run of white space made one space.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(clean).collect();
    words.join(" ")
}

/// `text`, or as much of it as fits into `most` columns with `…` at the end.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        // The whole prefix is measured: some characters join with the one before.
        .take_while(|&end| width(&text[..end]) < most)
        .last()
        .unwrap_or(0);
    match most {
        0 => String::new(),
        _ => format!("{}…", &text[..end]),
    }
}

/// `text` as lines of at most `most` columns, broken between words where that is
/// possible. Its own line breaks and indentation are kept.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    text.trim_end().lines().flat_map(|line| wrap_line(&clean(line), most.max(2))).collect()
}

fn wrap_line(line: &str, most: usize) -> Vec<String> {
    let mut done = Vec::new();
    let mut current = String::new();
    for word in line.trim_end().split_inclusive(' ') {
        let mut word = word;
        if !current.is_empty() && width(&current) + width(word.trim_end()) > most {
            done.push(std::mem::take(&mut current));
        }
        // Never measured as a whole, which may be megabytes of somebody's text.
        loop {
            let end = fitting(word, most);
            if end >= word.trim_end().len() {
                break;
            }
            done.push(word[..end].to_owned());
            word = &word[end..];
        }
        current += word;
    }
    done.push(current);
    for line in &mut done {
        line.truncate(line.trim_end().len());
    }
    done
}

/// Where the longest beginning of `word` ends that fits into `most` columns, and
/// is not empty.
fn fitting(word: &str, most: usize) -> usize {
    let mut ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    let first = ends.next().unwrap_or(0);
    ends.take_while(|&end| width(&word[..end]) <= most).last().unwrap_or(first)
}

/// What follows the escape sequence that `text` starts with, if that is one that
/// only changes colours (`ESC [ … m`).
fn after_colour_change(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let rest = parameters.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ':');
    rest.strip_prefix('m')
}

/// The character to show for `c`.
fn visible(c: char) -> char {
    match c {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        // Unicode has a picture for each of these.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        // They turn the direction of what follows, ours included.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            '\u{fffd}'
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_reaches_the_terminal_as_a_command() {
        for (given, shown) in [
            ("plain, ünïcödé, 日本", "plain, ünïcödé, 日本"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[H", "␛[2J␛[H"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("a\u{9b}2Jb", "a\u{fffd}2Jb"),
            ("safe\u{202e}txt.exe", "safe\u{fffd}txt.exe"),
            ("over\rwritten\u{8}", "over written␈"),
        ] {
            assert_eq!(clean(given), shown);
        }
    }

    #[test]
    fn a_colour_change_put_together_by_removing_another_is_shown() {
        assert_eq!(clean("\u{1b}\u{1b}[0m[31mred"), "␛[31mred");
    }

    #[test]
    fn accents_do_not_pile_up() {
        let pile = format!("e{}x", "\u{301}".repeat(50));
        assert_eq!(clean(&pile), format!("e{}x", "\u{301}".repeat(4)));
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        for (text, most, shown) in [
            ("vision", 6, "vision"),
            ("vision", 5, "visi…"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("vision", 1, "…"),
            ("vision", 0, ""),
            ("❤\u{fe0f}❤\u{fe0f}", 3, "❤\u{fe0f}…"),
        ] {
            assert_eq!(cut(text, most), shown, "{text} in {most}");
        }
    }

    #[test]
    fn lines_break_between_words_and_inside_long_ones() {
        assert_eq!(
            wrap("One sheet,\n\n  four weeks of it. abcdefghijklmno", 10),
            ["One sheet,", "", "  four", "weeks of", "it.", "abcdefghij", "klmno"]
        );
        assert_eq!(wrap("日本語日本語", 5), ["日本", "語日", "本語"]);
    }
}
