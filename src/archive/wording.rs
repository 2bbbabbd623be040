//! The words of a remote, made fit to be shown.

/// As much of a remote's words as is kept.
const LONGEST: usize = 2_000;

/// What was declined and, if the remote said more, why.
///
/// The words come from elsewhere and end up on terminals: only text is kept.
pub(super) fn reason(what: &str, said: &[u8]) -> String {
    let said: String = String::from_utf8_lossy(said)
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| *c == '\n' || !c.is_control())
        .take(LONGEST)
        .collect();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
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
    }
}
