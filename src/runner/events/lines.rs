//! Bytes in, whole lines out.

/// A longer line is passed over: no event that matters is so long, but one
/// with a whole file in it can be.
const LONGEST: usize = 16 * 1024 * 1024;

/// The line that is being printed.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// The line is too long; its rest is passed over, too.
    skips: bool,
}

impl Lines {
    /// Takes a piece; returns the lines that it completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (piece, ends) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            self.skips |= self.pending.len() + piece.len() > LONGEST;
            if self.skips {
                self.pending = Vec::new();
            } else {
                self.pending.extend_from_slice(piece);
            }
            if ends {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// The line that has begun, as if it ended here.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.pending);
        let skipped = std::mem::take(&mut self.skips);
        (!skipped && !line.is_empty()).then_some(line)
    }
}
