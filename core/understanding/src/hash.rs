//! Features are 64-bit hashes, never strings: fixed size, made while reading, equal on every
//! machine and in every run.

use std::hash::{BuildHasherDefault, Hasher};

/// Where every key begins.
pub const SEED: u64 = 0xCBF2_9CE4_8422_2325;

/// For maps whose keys are ends of [`step`]s already.
pub type Ready = BuildHasherDefault<Identity>;

/// Adds one character (FNV-1a over scalar values).
#[must_use]
pub fn step(key: u64, c: char) -> u64 {
    (key ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01B3)
}

/// Spreads the bits, so that similar words lie apart (the finaliser of MurmurHash3).
#[must_use]
pub fn end(mut key: u64) -> u64 {
    key ^= key >> 33;
    key = key.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    key ^= key >> 33;
    key = key.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    key ^ (key >> 33)
}

#[must_use]
pub fn of_text(text: &str) -> u64 {
    end(text.chars().fold(SEED, step))
}

/// Joins two keys in their order.
#[must_use]
pub fn join(a: u64, b: u64) -> u64 {
    end(a.rotate_left(23) ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Takes a key that is a hash already as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
