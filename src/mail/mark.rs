//! The mark on what we write, by which we know it again.
//!
//! The answer to a write may be lost. Then the mark tells whether the write
//! took effect. It carries a MAC, so nobody else can make one; somebody could
//! still copy one, so whoever reads it also looks at the author.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::model::FeedbackId;

/// What a mark is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The issue of a feedback.
    Issue(FeedbackId),
    /// A comment, by the id of the letter it came from.
    Note(Uuid),
}

/// What marks are made with: known to the database only.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// How a mark begins. Whatever is quoted cannot hold it.
const OPENING: &str = "<!-- wavemark:";
/// As many bytes of the MAC as are written: as good as all of them here.
const MAC_BYTES: usize = 16;

impl Key {
    /// The key written as 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }

    /// The line that marks something as ours.
    pub fn line(&self, mark: Mark) -> String {
        let (kind, id) = mark.parts();
        format!("{OPENING}{kind} {id} {} -->", hex::encode(&self.mac(mark)[..MAC_BYTES]))
    }

    /// The mark in a text, if it holds one of ours.
    pub fn find(&self, text: &str) -> Option<Mark> {
        let lines = text.lines().rev().map(str::trim);
        lines.filter(|line| line.starts_with(OPENING)).find_map(|line| self.read(line))
    }

    fn read(&self, line: &str) -> Option<Mark> {
        let inside = line.strip_prefix(OPENING)?.strip_suffix(" -->")?;
        let mut words = inside.split(' ');
        let (kind, id, mac) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let mark = match kind {
            "issue" => Mark::Issue(FeedbackId::from_uuid(id)),
            "note" => Mark::Note(id),
            _ => return None,
        };
        let claimed = hex::decode(mac).ok().filter(|mac| mac.len() == MAC_BYTES)?;
        let good = self.hmac(mark).verify_truncated_left(&claimed).is_ok();
        (good && words.next().is_none()).then_some(mark)
    }

    fn mac(&self, mark: Mark) -> [u8; 32] {
        self.hmac(mark).finalize().into_bytes().into()
    }

    #[expect(clippy::expect_used, reason = "a MAC of this kind takes keys of any length")]
    fn hmac(&self, mark: Mark) -> Hmac<Sha256> {
        let mut hmac = Hmac::new_from_slice(&self.0).expect("a key of 32 bytes is good");
        let (kind, id) = mark.parts();
        hmac.update(format!("wavemark {kind} {id}").as_bytes());
        hmac
    }
}

impl Mark {
    fn parts(self) -> (&'static str, Uuid) {
        match self {
            Self::Issue(feedback) => ("issue", feedback.as_uuid()),
            Self::Note(id) => ("note", id),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_hex(&hex::encode([byte; 32])).unwrap()
    }

    fn issue() -> Mark {
        Mark::Issue(FeedbackId::from_uuid(Uuid::from_u128(7)))
    }

    #[test]
    fn a_mark_is_found_wherever_it_stands() {
        let line = key(1).line(issue());
        for text in [line.clone(), format!("Text\r\n\r\n{line}\r\n"), format!("{line}\nand more")] {
            assert_eq!(key(1).find(&text), Some(issue()), "{text}");
        }
    }

    #[test]
    fn the_mac_is_that_of_the_standard() {
        // python3 -c 'import hmac; print(hmac.digest(bytes([1]*32), b"wavemark issue
        // 00000000-0000-0000-0000-000000000007", "sha256").hex()[:32])'
        insta::assert_snapshot!(key(1).line(issue()), @"<!-- wavemark:issue 00000000-0000-0000-0000-000000000007 69aaefd39f071c56cff9e9b03b6fb6ce -->");
    }

    #[test]
    fn nobody_else_makes_a_mark() {
        let line = key(1).line(issue());
        assert_eq!(key(2).find(&line), None);
        assert_eq!(key(1).find(&line.replace("issue", "note")), None);
        let note = key(1).line(Mark::Note(Uuid::from_u128(7)));
        assert_ne!(line.replace("issue", "note"), note);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_mark_with_another_letter_is_none(at in 0_usize..200, byte in 32_u8..127) {
            let line = key(1).line(issue());
            let mut other = line.clone().into_bytes();
            let at = at % other.len();
            prop_assume!(other[at] != byte && !other[at].eq_ignore_ascii_case(&byte));
            other[at] = byte;
            prop_assert_eq!(key(1).find(str::from_utf8(&other).unwrap()), None);
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,200}") {
            prop_assert_eq!(key(1).find(&format!("{OPENING}{text}")), None);
        }
    }
}
