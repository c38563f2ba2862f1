//! Sealing: XChaCha20-Poly1305 with random nonces, one key and one domain for each kind of thing, and padding.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The version of the format, bound into every box.
pub(crate) const VERSION: u16 = 1;
/// First bytes of the header and of all associated data.
pub(crate) const MAGIC: &[u8; 8] = b"USUFRUCT";
/// How much longer a box is than its plaintext: nonce and tag.
pub(crate) const BOX: usize = NONCE + TAG;
const NONCE: usize = 24;
const TAG: usize = 16;

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
        out.reserve(plaintext.len() + BOX);
        out.extend_from_slice(&random::<NONCE>()?);
        out.extend_from_slice(plaintext);
        let (nonce, text) = out[start..].split_at_mut(NONCE);
        let tag = self
            .cipher()
            .encrypt_inout_detached(&nonce_of(nonce), &self.aad(context), text.into())
            .map_err(|_| Error::Limit("too long to seal in one piece".into()))?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The box of `plaintext`.
    pub(crate) fn seal(&self, context: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plaintext.len() + BOX);
        self.seal_into(context, plaintext, &mut out)?;
        Ok(out)
    }

    /// The plaintext of a box, or `None` when a single bit of it, its key, domain, vault or context differs.
    pub(crate) fn open(&self, context: &[&[u8]], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let text = sealed.len().checked_sub(BOX)?;
        let (nonce, rest) = sealed.split_at(NONCE);
        let (body, tag) = rest.split_at(text);
        let tag = Tag::try_from(tag).ok()?;
        let mut plain = Zeroizing::new(body.to_vec());
        self.cipher()
            .decrypt_inout_detached(&nonce_of(nonce), &self.aad(context), plain.as_mut_slice().into(), &tag)
            .ok()?;
        Some(plain)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
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

fn nonce_of(bytes: &[u8]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.copy_from_slice(bytes);
    nonce
}

/// `N` bytes from the operating system's generator. Fails, and nothing is written, when it does.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
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
    fn nonces_never_repeat() {
        let s = sealer(Domain::Chunk);
        let mut seen = std::collections::HashSet::new();
        (0..1000).for_each(|_| assert!(seen.insert(s.seal(&[], b"same").unwrap()[..24].to_vec())));
    }
}
