//! Takes what only a terminal understands out of output: colours, titles,
//! cursor movements, NUL and other control characters.
//!
//! It comes before redaction: a secret with a colour in its middle is still a
//! secret.

/// Where in a stream of bytes we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// After a carriage return: with a newline it is one line break, alone too.
    Return,
    /// After ESC.
    Escape,
    /// In `ESC [ … letter`: a colour, a movement.
    Control,
    /// In `ESC ] … BEL` and its like: a title, a link.
    Command,
}

/// Cleans a stream, whatever pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    at: At,
}

impl Cleaner {
    /// What remains of the next bytes.
    pub(super) fn clean(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            self.next(byte, &mut text);
        }
        text
    }

    fn next(&mut self, byte: u8, text: &mut Vec<u8>) {
        if self.at == At::Return {
            text.push(b'\n');
            self.at = At::Text;
            if byte == b'\n' {
                return;
            }
        }
        self.at = match (self.at, byte) {
            // A line break ends everything: nothing hides more than its line.
            (_, b'\n') => {
                text.push(b'\n');
                At::Text
            }
            (_, b'\r') => At::Return,
            (_, 0x1b) => At::Escape,
            (At::Escape, b'[') => At::Control,
            (At::Escape, b']' | b'P' | b'X' | b'^' | b'_') => At::Command,
            // `ESC ( B` and its like: one more byte.
            (At::Escape, 0x20..=0x2f) => At::Escape,
            (At::Escape, _) => At::Text,
            (At::Control, 0x20..=0x3f) => At::Control,
            (At::Control, _) => At::Text,
            (At::Command, 0x07) => At::Text,
            (At::Command, _) => At::Command,
            (_, b'\t') => {
                text.push(byte);
                At::Text
            }
            (_, 0x00..=0x1f | 0x7f) => At::Text,
            _ => {
                text.push(byte);
                At::Text
            }
        };
    }
}

/// `text` as it would come out of a [`Cleaner`].
pub(super) fn without_controls(text: &str) -> String {
    let clean = Cleaner::default().clean(text.as_bytes());
    String::from_utf8_lossy(&clean).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_remains() {
        for (raw, clean) in [
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b(Bplain\x1b7", "plain"),
            ("nul\0 bell\x07 back\x08 tab\t.", "nul bell back tab\t."),
            ("10%\r20%\rdone\r\n", "10%\n20%\ndone\n"),
            ("\x1b]never closed\nbut the line ends", "\nbut the line ends"),
            ("\x1b[31\nso does this", "\nso does this"),
            ("größe", "größe"),
        ] {
            assert_eq!(without_controls(raw), clean, "{raw:?}");
        }
    }
}
