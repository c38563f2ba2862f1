//! How much of a file was acknowledged: its length with a checksum, kept near the file's start.
//!
//! It is written once the bytes before that length are on disk, and stored at the latest with the next entry. What is not
//! whole before the length is damage; what is not whole after it is a write that a crash cut short, of which nobody was told.

use alloy::primitives::keccak256;

/// Bytes that it takes: the length (little endian), then the first eight of keccak-256 over a word and the length.
pub(super) const SIZE: usize = 16;
const WORD: &[u8; 8] = b"extended";

/// The bytes that say `length`.
pub(super) fn encode(length: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    bytes[8..].copy_from_slice(&checksum(length));
    bytes
}

/// The length that these bytes say; `None` when they were altered.
pub(super) fn decode(bytes: &[u8; SIZE]) -> Option<u64> {
    let mut length = [0; 8];
    length.copy_from_slice(&bytes[..8]);
    let length = u64::from_le_bytes(length);
    (bytes[8..] == checksum(length)).then_some(length)
}

fn checksum(length: u64) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&keccak256([&WORD[..], &length.to_le_bytes()].concat())[..8]);
    first
}
