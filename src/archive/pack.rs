//! A git pack, written front to back.
//!
//! libgit2 can pack too, but searches for good differences among all objects.
//! Here it is known beforehand what is close to what: a tree differs from the
//! one before it by one entry. So a difference is found in no time, and the
//! texts, which have nothing in common, are not compared at all.
//!
//! The format is `gitformat-pack(5)`, version 2. libgit2 reads every pack that
//! is made here before it is used (it makes the index), so a mistake would show
//! as an error and not as a broken remote.

use std::collections::HashMap;

use flate2::{Compress, Compression, FlushCompress, Status};
use git2::{ObjectType, Oid};
use sha1_smol::Sha1;

use super::objects::Base;

/// So many differences may have to be applied to get at an object; git's own
/// limit for packs that it writes as fast as it can.
const DEEPEST: u32 = 50;

/// Magic, version, and room for the number of objects.
const HEADER: [u8; 12] = *b"PACK\0\0\0\x02\0\0\0\0";

const OFFSET_DELTA: u8 = 6;

/// A pack in the making.
pub(super) struct Pack {
    bytes: Vec<u8>,
    zlib: Compress,
    places: HashMap<Oid, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    depth: u32,
}

impl Default for Pack {
    fn default() -> Self {
        Self {
            bytes: HEADER.to_vec(),
            zlib: Compress::new(Compression::default(), true),
            places: HashMap::new(),
        }
    }
}

impl Pack {
    /// Adds an object, once.
    pub(super) fn put(&mut self, id: Oid, kind: ObjectType, bytes: &[u8], base: Option<Base<'_>>) {
        if self.places.contains_key(&id) {
            return;
        }
        let offset = self.bytes.len();
        let close = base.and_then(|base| {
            let place = *self.places.get(&base.id).filter(|place| place.depth < DEEPEST)?;
            Some((place, difference(base.bytes, bytes)?))
        });
        let depth = match close {
            Some((base, difference)) => {
                self.size(OFFSET_DELTA, difference.len());
                self.distance(offset - base.offset);
                self.deflate(&difference);
                base.depth + 1
            }
            None => {
                self.size(code(kind), bytes.len());
                self.deflate(bytes);
                0
            }
        };
        self.places.insert(id, Place { offset, depth });
    }

    /// The whole pack.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let count = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.bytes[8..12].copy_from_slice(&count.to_be_bytes());
        let sum = Sha1::from(&self.bytes).digest().bytes();
        self.bytes.extend_from_slice(&sum);
        self.bytes
    }

    /// Type and size: four bits of the size, then seven at a time.
    fn size(&mut self, code: u8, size: usize) {
        let more = if size >> 4 == 0 { 0 } else { 0x80 };
        self.bytes.push(more | (code << 4) | low(size, 4));
        if more != 0 {
            varint(&mut self.bytes, size >> 4);
        }
    }

    /// How far back the base is: seven bits at a time, high ones first, each
    /// continuation counting from one.
    fn distance(&mut self, mut distance: usize) {
        let mut digits = vec![low(distance, 7)];
        while distance >> 7 != 0 {
            distance = (distance >> 7) - 1;
            digits.push(0x80 | low(distance, 7));
        }
        self.bytes.extend(digits.iter().rev());
    }

    /// One compressor for all: setting one up costs more than a small object.
    fn deflate(&mut self, bytes: &[u8]) {
        self.zlib.reset();
        let mut status = Ok(Status::Ok);
        while matches!(status, Ok(Status::Ok | Status::BufError)) {
            self.bytes.reserve(bytes.len() / 2 + 64);
            let taken = usize::try_from(self.zlib.total_in()).unwrap_or(bytes.len());
            status =
                self.zlib.compress_vec(&bytes[taken..], &mut self.bytes, FlushCompress::Finish);
        }
        debug_assert!(matches!(status, Ok(Status::StreamEnd)), "{status:?}");
    }
}

fn code(kind: ObjectType) -> u8 {
    match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        ObjectType::Blob | ObjectType::Any => 3,
    }
}

/// The lowest `bits` bits.
fn low(number: usize, bits: u32) -> u8 {
    u8::try_from(number & ((1 << bits) - 1)).unwrap_or(u8::MAX)
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >> 7 != 0 {
        out.push(0x80 | low(number, 7));
        number >>= 7;
    }
    out.push(low(number, 7));
}

/// How to make `new` of `old`: keep the start, put in the middle, keep the end.
///
/// `None` if that saves too little.
fn difference(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = &new[head..new.len() - tail];
    if middle.len() > new.len() / 2 {
        return None;
    }
    let mut out = Vec::with_capacity(middle.len() + 40);
    varint(&mut out, old.len());
    varint(&mut out, new.len());
    copy(&mut out, 0, head);
    for piece in middle.chunks(0x7f) {
        out.push(low(piece.len(), 7));
        out.extend_from_slice(piece);
    }
    copy(&mut out, old.len() - tail, tail);
    Some(out)
}

/// Copies of at most 64 KiB, which every version of git can read.
fn copy(out: &mut Vec<u8>, mut from: usize, mut size: usize) {
    while size > 0 {
        let now = size.min(0xffff);
        let start = out.len();
        out.push(0x80);
        for byte in 0..4 {
            let digit = low(from >> (8 * byte), 8);
            if digit != 0 {
                out[start] |= 1 << byte;
                out.push(digit);
            }
        }
        for byte in 0..2 {
            let digit = low(now >> (8 * byte), 8);
            if digit != 0 {
                out[start] |= 0x10 << byte;
                out.push(digit);
            }
        }
        from += now;
        size -= now;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use git2::{Indexer, Repository};
    use proptest::prelude::*;

    use super::*;
    use crate::archive::testing::git;

    /// Packs each text as a difference from the one before it, and reads all of
    /// them back: with libgit2, and with git's own check of a pack.
    fn round_trip(texts: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path()).unwrap();
        let mut pack = Pack::default();
        let mut before: Option<(Oid, &[u8])> = None;
        let mut ids = Vec::new();
        for text in texts {
            let id = Oid::hash_object(ObjectType::Blob, text).unwrap();
            let base = before.map(|(id, bytes)| Base { id, bytes });
            pack.put(id, ObjectType::Blob, text, base);
            before = Some((id, text));
            ids.push(id);
        }
        let folder = dir.path().join("objects/pack");
        let mut indexer = Indexer::new(None, &folder, 0, false).unwrap();
        indexer.write_all(&pack.finish()).unwrap();
        let name = indexer.commit().unwrap();
        git(dir.path(), &["verify-pack", &format!("objects/pack/pack-{name}.idx")]);
        ids.iter().map(|id| repo.find_blob(*id).unwrap().content().to_vec()).collect()
    }

    #[test]
    fn sizes_at_the_edges_of_the_format_are_read_back() {
        let mut texts = Vec::new();
        for size in [0, 1, 15, 16, 127, 128, 2_047, 2_048, 65_535, 65_536, 70_000, 300_000] {
            // Nothing repeats, so that nothing is shorter than it should be.
            let mut text: Vec<u8> = (0_u32..)
                .map(|n| low((n.wrapping_mul(2_654_435_761) >> 13) as usize, 8))
                .take(size)
                .collect();
            texts.push(text.clone());
            text.extend_from_slice(&[7; 200]);
            texts.push(text.clone());
            text.splice(0..0, [9; 300]);
            texts.push(text);
        }
        assert_eq!(round_trip(&texts), texts);
    }

    #[test]
    fn a_long_chain_of_small_changes_is_small_and_never_too_deep() {
        let texts: Vec<Vec<u8>> = (1..200_usize)
            .map(|n| (0..n * 40).flat_map(|k| Sha1::from(k.to_string()).digest().bytes()).collect())
            .collect();
        let whole: usize = texts.iter().map(Vec::len).sum();
        let mut pack = Pack::default();
        let mut before: Option<(Oid, &[u8])> = None;
        for text in &texts {
            let id = Oid::hash_object(ObjectType::Tree, text).unwrap();
            pack.put(id, ObjectType::Tree, text, before.map(|(id, bytes)| Base { id, bytes }));
            before = Some((id, text));
        }
        assert!(pack.places.values().all(|place| place.depth <= DEEPEST));
        let packed = pack.finish().len();
        assert!(packed * 10 < whole, "{packed} of {whole}");
    }

    #[test]
    fn an_object_that_comes_again_is_packed_once() {
        let texts = [b"A".to_vec(), b"B".to_vec(), b"A".to_vec()];
        assert_eq!(round_trip(&texts), texts);
    }

    /// A text, and then edits: at some place, take away so many bytes and
    /// put others in.
    fn any_texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let edit = (any::<usize>(), 0..400_usize, prop::collection::vec(any::<u8>(), 0..400));
        (prop::collection::vec(any::<u8>(), 0..3_000), prop::collection::vec(edit, 1..20)).prop_map(
            |(first, edits)| {
                let mut texts = vec![first];
                for (share, taken, put) in edits {
                    let mut text = texts.last().cloned().unwrap_or_default();
                    let at = share % (text.len() + 1);
                    text.splice(at..(at + taken).min(text.len()), put);
                    texts.push(text);
                }
                texts
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_is_packed_is_read_back(texts in any_texts()) {
            prop_assert_eq!(round_trip(&texts), texts);
        }
    }
}
