//! XChaCha20-Poly1305: OpenSSL's ChaCha20-Poly1305 under a key of its own for each nonce's first 16 bytes. Source:
//! draft-irtf-cfrg-xchacha-03, section 2.

use std::sync::OnceLock;

use chacha20::{Key, R20, hchacha};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::lib_ctx::LibCtx;
use openssl::provider::Provider;
use zeroize::Zeroize;

use crate::error::{Error, Result};

/// Length of a nonce in bytes.
pub(crate) const NONCE: usize = 24;
/// Length of a tag in bytes.
pub(crate) const TAG: usize = 16;

/// Encrypts a text where it is. Returns the tag.
///
/// # Errors
/// [`Error::Limit`] for a text of more than 2 GiB, [`Error::Io`] if the library does not do it.
pub(crate) fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> Result<[u8; TAG]> {
    encrypt_after(key, nonce, aad, &[], text)
}

/// Encrypts `plain`, followed by zeros as far as `text` goes, into `text`. Returns the tag.
///
/// # Errors
/// As [`encrypt`], and [`Error::Limit`] if `plain` is longer than `text`.
pub(crate) fn encrypt_from(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &[u8],
    plain: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG]> {
    let zeros = text.get_mut(plain.len()..).ok_or_else(|| Error::Limit("no room for what is to be sealed".into()))?;
    zeros.fill(0);
    encrypt_after(key, nonce, aad, plain, text)
}

/// Encrypts `plain` into the front of `text`, and what follows there where it is.
fn encrypt_after(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], plain: &[u8], text: &mut [u8]) -> Result<[u8; TAG]> {
    if i32::try_from(text.len()).is_err() {
        return Err(Error::Limit("too long to seal in one piece".into()));
    }
    let cipher = loaded()?;
    let (front, rest) = text.split_at_mut(plain.len());
    let mut sealed = || -> std::result::Result<[u8; TAG], ErrorStack> {
        let (mut context, mut tag) = (CipherCtx::new()?, [0; TAG]);
        start(key, nonce, |key, nonce| context.encrypt_init(Some(cipher), Some(key), Some(nonce)))?;
        context.cipher_update(aad, None)?;
        context.cipher_update(plain, Some(front))?;
        context.cipher_update_inplace(rest, rest.len())?;
        context.cipher_final(&mut [])?;
        context.tag(&mut tag)?;
        Ok(tag)
    };
    sealed().map_err(|error| failed(&error))
}

/// Decrypts a text where it is. `None`, and zeros in the text's place, if anything differs from what was encrypted.
pub(crate) fn decrypt(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
    i32::try_from(text.len()).ok()?;
    let cipher = loaded().ok()?;
    let mut opened = || -> std::result::Result<(), ErrorStack> {
        let mut context = CipherCtx::new()?;
        start(key, nonce, |key, nonce| context.decrypt_init(Some(cipher), Some(key), Some(nonce)))?;
        context.set_tag(tag)?;
        context.cipher_update(aad, None)?;
        context.cipher_update_inplace(text, text.len())?;
        context.cipher_final(&mut []).map(|_| ())
    };
    let opened = opened();
    if opened.is_err() {
        // The library decrypts before it knows whether the tag is right.
        text.zeroize();
    }
    opened.ok()
}

/// Can the library be used? To be asked before a failed opening is taken for a wrong key.
///
/// # Errors
/// [`Error::Io`] if not.
pub(crate) fn ready() -> Result<()> {
    loaded().map(|_| ())
}

/// Begins with the key for a nonce, which is wiped; the library wipes its copy when the context is freed.
fn start<T>(key: &[u8; 32], nonce: &[u8; NONCE], begin: impl FnOnce(&[u8], &[u8]) -> T) -> T {
    let (mut first, mut short) = ([0; 16], [0; 12]);
    first.copy_from_slice(&nonce[..16]);
    short[4..].copy_from_slice(&nonce[16..]);
    let mut own = hchacha::<R20>(&Key::from(*key), &first.into());
    let begun = begin(own.as_slice(), &short);
    own.as_mut_slice().zeroize();
    begun
}

/// What is loaded once and kept for as long as the process runs.
struct Loaded {
    cipher: Cipher,
    _provider: Provider,
    _library: LibCtx,
}

/// The cipher, from a library context of its own: no configuration of the machine or its user changes which it is.
fn loaded() -> Result<&'static Cipher> {
    static LOADED: OnceLock<std::result::Result<Loaded, ErrorStack>> = OnceLock::new();
    let load = || {
        let library = LibCtx::new()?;
        let provider = Provider::load(Some(&library), "default")?;
        let cipher = Cipher::fetch(Some(&library), "ChaCha20-Poly1305", None)?;
        Ok(Loaded { cipher, _provider: provider, _library: library })
    };
    LOADED.get_or_init(load).as_ref().map(|loaded| &loaded.cipher).map_err(failed)
}

fn failed(error: &ErrorStack) -> Error {
    Error::Io {
        doing: "encrypt with",
        path: "the system's OpenSSL library".into(),
        source: std::io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};
    use proptest::prelude::*;

    use super::*;

    fn other(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let cipher = XChaCha20Poly1305::new(&(*key).into());
        cipher.encrypt_inout_detached(&XNonce::from(*nonce), aad, text.into()).unwrap().into()
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_another_implementation(
            key: [u8; 32],
            nonce: [u8; NONCE],
            aad in proptest::collection::vec(any::<u8>(), 0..200),
            plain in proptest::collection::vec(any::<u8>(), 0..5000),
        ) {
            let (mut ours, mut theirs) = (plain.clone(), plain.clone());
            let tag = encrypt(&key, &nonce, &aad, &mut ours).unwrap();
            prop_assert_eq!(tag, other(&key, &nonce, &aad, &mut theirs));
            prop_assert_eq!(&ours, &theirs);
            prop_assert!(decrypt(&key, &nonce, &aad, &mut ours, &tag).is_some());
            prop_assert_eq!(ours, plain);
        }

        #[test]
        fn altered_text_leaves_no_plaintext(
            key: [u8; 32],
            nonce: [u8; NONCE],
            plain in proptest::collection::vec(any::<u8>(), 1..3000),
            which: proptest::sample::Index,
        ) {
            let mut text = plain;
            let mut tag = encrypt(&key, &nonce, b"aad", &mut text).unwrap();
            let bit = which.index((text.len() + TAG) * 8);
            match text.get_mut(bit / 8) {
                Some(byte) => *byte ^= 1 << (bit % 8),
                None => tag[bit / 8 - text.len()] ^= 1 << (bit % 8),
            }
            prop_assert!(decrypt(&key, &nonce, b"aad", &mut text, &tag).is_none());
            prop_assert!(text.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn long_texts_are_those_of_another_implementation() {
        // Around the lengths at which the library changes its code, and the largest body of an entry.
        let lengths = (0..70).map(|n| n * 16 + n % 3).chain([1 << 16, (1 << 20) + 1, 4 << 20, 20 << 20]);
        for length in lengths {
            let mut ours: Vec<u8> = (0..length).map(|n| (n * 7 + n / 251) as u8).collect();
            let mut theirs = ours.clone();
            let tag = encrypt(&[9; 32], &[3; NONCE], b"", &mut ours).unwrap();
            assert_eq!(tag, other(&[9; 32], &[3; NONCE], b"", &mut theirs), "length {length}");
            assert!(ours == theirs, "length {length}");
        }
    }

    #[test]
    fn text_from_elsewhere_is_encrypted_as_one_that_is_there() {
        for (length, zeros) in [(0, 0), (0, 64), (1, 0), (63, 1), (64, 64), (1000, 24), (70_001, 527)] {
            let plain: Vec<u8> = (0..length).map(|n| (n * 5) as u8).collect();
            let mut there = [plain.clone(), vec![0; zeros]].concat();
            let mut filled = vec![0xaa; length + zeros];
            let tag = encrypt_from(&[9; 32], &[3; NONCE], b"aad", &plain, &mut filled).unwrap();
            assert_eq!(tag, encrypt(&[9; 32], &[3; NONCE], b"aad", &mut there).unwrap());
            assert!(filled == there, "{length} and {zeros}");
        }
        assert!(matches!(encrypt_from(&[9; 32], &[3; NONCE], b"", &[1, 2], &mut [0]), Err(Error::Limit(_))));
    }

    #[test]
    fn many_threads_encrypt_at_once() {
        std::thread::scope(|scope| {
            for n in 0..8u8 {
                scope.spawn(move || {
                    for round in 0..500usize {
                        let (mut ours, mut theirs) = (vec![n; round], vec![n; round]);
                        let tag = encrypt(&[n; 32], &[n; NONCE], &[n], &mut ours).unwrap();
                        assert_eq!(tag, other(&[n; 32], &[n; NONCE], &[n], &mut theirs));
                        assert_eq!(ours, theirs);
                    }
                });
            }
        });
    }
}
