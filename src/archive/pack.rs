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
            let place = *self
                .places
                .get(&base.id)
                .filter(|place| place.depth < DEEPEST)?;
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
                self.zlib
                    .compress_vec(&bytes[taken..], &mut self.bytes, FlushCompress::Finish);
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
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
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
