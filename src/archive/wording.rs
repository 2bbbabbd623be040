//! The words of a remote, made fit to be shown.

/// As much of a remote's words as is kept.
const LONGEST: usize = 2_000;

/// What was declined and, if the remote said more, why.
///
/// The words come from elsewhere and end up on terminals: only text is kept.
pub(super) fn reason(what: &str, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    // What a terminal would show in the end: progress is written over itself.
    let shown = said.lines().filter_map(|line| line.trim_end_matches('\r').rsplit('\r').next());
    let shown: String = shown.flat_map(|line| [line, "\n"]).collect();
    let text = shown.chars().filter(|c| *c == '\n' || !c.is_control()).take(LONGEST);
    let text: String = text.collect();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {}", lines.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_plain_text() {
        assert_eq!(
            reason("hook declined", b"\x1b[31mNo secrets,\r\n  please.\n\xff\n"),
            "hook declined: [31mNo secrets,; please.; \u{fffd}",
        );
        assert_eq!(reason("hook declined", b" \n"), "hook declined");
        assert_eq!(reason("declined", b"Resolving: 10%\rResolving: 20%\rNo.\r\n"), "declined: No.");
    }
}
