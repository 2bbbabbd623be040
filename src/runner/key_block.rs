//! A private key, printed over many lines.

/// The first line of a private key ends so; a colour may have swallowed its
/// start. The last line ends so, too.
const KEY_LINE: &str = "PRIVATE KEY-----";
/// The last line starts so.
const LAST_LINE: &str = "-----END";

/// Follows a private key over the lines it is printed on.
#[derive(Debug, Default)]
pub(super) struct KeyBlock {
    lines_left: usize,
}

impl KeyBlock {
    /// The longest RSA key people use, 16,384 bits, takes 200 lines. A key that
    /// is never closed hides no more than that.
    const LONGEST: usize = 256;

    /// Whether `line`, or the end of it, belongs to a private key that goes on.
    pub(super) fn hides(&mut self, line: &[u8]) -> bool {
        let has = |what: &str| line.windows(what.len()).any(|part| part == what.as_bytes());
        let inside = self.lines_left > 0;
        if inside {
            self.lines_left -= 1;
        }
        if has(LAST_LINE) {
            self.lines_left = 0;
        } else if has(KEY_LINE) {
            self.lines_left = Self::LONGEST;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_followed_to_its_end() {
        let begin = format!("-----BEGIN {}-----", "PRIVATE KEY");
        let mut block = KeyBlock::default();
        let hidden = [&begin, "MIIE", "AAAA", "-----END PRIVATE KEY-----", "hello"]
            .map(|line| block.hides(line.as_bytes()));
        assert_eq!(hidden, [false, true, true, true, false]);
    }
}
