//! Packets of git's wire format: four hexadecimal digits that say how long the
//! packet is, themselves included, and then its bytes. `0000` ends a section.

/// A stream of packets that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not in git's packet format")]
pub(super) struct Garbled;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Some bytes.
    Data(Vec<u8>),
    /// The end of a section.
    Flush,
}

/// The end of a section, as it is sent.
pub(super) const FLUSH: &[u8] = b"0000";

/// Adds a packet with this text.
pub(super) fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{:04x}", text.len() + 4).as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Cuts what arrives, in pieces of any size, into packets.
#[derive(Default)]
pub(super) struct Packets {
    arrived: Vec<u8>,
    taken: usize,
}

impl Packets {
    /// More has arrived.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.arrived.drain(..self.taken);
            self.taken = 0;
        }
        self.arrived.extend_from_slice(bytes);
    }

    /// The next packet, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, Garbled> {
        let left = self.arrived.get(self.taken..).unwrap_or_default();
        let Some(digits) = left.get(..4) else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(digits).map_err(|_| Garbled)?;
        let length = usize::from_str_radix(digits, 16).map_err(|_| Garbled)?;
        match length {
            0 => {
                self.taken += 4;
                Ok(Some(Packet::Flush))
            }
            1..4 => Err(Garbled),
            _ => Ok(left.get(4..length).map(|data| {
                let packet = Packet::Data(data.to_vec());
                self.taken += length;
                packet
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(packets: &mut Packets) -> Result<Vec<Packet>, Garbled> {
        let mut found = Vec::new();
        while let Some(packet) = packets.next()? {
            found.push(packet);
        }
        Ok(found)
    }

    #[test]
    fn what_has_no_length_is_no_packet() {
        for text in ["<!DOCTYPE html>", "0003", "+123"] {
            let mut packets = Packets::default();
            packets.feed(text.as_bytes());
            let found = all(&mut packets);
            assert!(found == Err(Garbled) || found == Ok(vec![]), "{text}: {found:?}");
        }
        let mut packets = Packets::default();
        packets.feed(b"0003");
        assert_eq!(packets.next(), Err(Garbled));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn packets_arrive_whole_however_they_are_cut(
            texts in prop::collection::vec("[ -~]{0,300}", 0..9),
            cut in 1..40_usize,
        ) {
            let mut sent = Vec::new();
            let mut expected = Vec::new();
            for text in &texts {
                put(&mut sent, text);
                sent.extend_from_slice(FLUSH);
                expected.extend([Packet::Data(text.clone().into_bytes()), Packet::Flush]);
            }
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for piece in sent.chunks(cut) {
                packets.feed(piece);
                found.extend(all(&mut packets).unwrap());
            }
            prop_assert_eq!(found, expected);
        }
    }
}
