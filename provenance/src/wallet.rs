//! A person's keys: the recovery phrase, and what derives from it.
//!
//! The phrase is 24 words of BIP-39. It spells 32 bytes of entropy; the words in French and the words in English that
//! spell the same entropy are the same person. The seed is the one of the English spelling, so that the English words
//! open the same wallet in any other BIP-39 wallet.
//!
//! From the seed: the wallet at `m/44'/60'/0'/0/0` (BIP-32, BIP-44), and by HKDF-SHA256 under separate labels the
//! identity secret (31 bytes, so that it is below the scalar field's order) and the X25519 exchange secret.

use crate::chain::{Address, B256, Signer, U256};
use crate::{Error, Result};
use bip39::Mnemonic;
use hkdf::Hkdf;
use sha2::{Sha256, Sha512};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

/// Words in a recovery phrase.
pub const PHRASE_WORDS: usize = 24;

/// Salt of the HKDF that derives a person's non-wallet secrets from the BIP-39 seed.
const PERSON_SALT: &[u8] = b"usufruct person v1";
/// HKDF label of the identity secret.
const IDENTITY_LABEL: &[u8] = b"identity secret";
/// HKDF label of the X25519 exchange secret.
const EXCHANGE_LABEL: &[u8] = b"exchange x25519";

/// Set in a BIP-32 index for hardened derivation.
const HARDENED: u32 = 1 << 31;
/// `m/44'/60'/0'/0/0`: the first account of an Ethereum wallet.
const WALLET_PATH: [u32; 5] = [44 | HARDENED, 60 | HARDENED, HARDENED, 0, 0];

/// The order of secp256k1 (SEC 2, section 2.4.1), big-endian limbs as text so that it can be compared by eye.
const SECP256K1_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// A word list of BIP-39.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// The English list.
    English,
    /// The French list.
    French,
}

impl Language {
    const fn list(self) -> bip39::Language {
        match self {
            Language::English => bip39::Language::English,
            Language::French => bip39::Language::French,
        }
    }
}

/// A recovery phrase. Erased from memory when dropped; never printed by `Debug`.
#[derive(Clone)]
pub struct Phrase {
    entropy: Zeroizing<[u8; 32]>,
    language: Language,
}

impl Phrase {
    /// A new phrase from the operating system's randomness.
    ///
    /// # Errors
    /// [`Error::Io`] when the operating system gives no randomness.
    pub fn generate(language: Language) -> Result<Self> {
        let mut entropy = Zeroizing::new([0; 32]);
        getrandom::fill(entropy.as_mut_slice()).map_err(|e| Error::Io(std::io::Error::other(e)))?;
        Ok(Self { entropy, language })
    }

    /// The phrase that spells `entropy` in `language`.
    pub fn from_entropy(entropy: &[u8; 32], language: Language) -> Self {
        Self { entropy: Zeroizing::new(*entropy), language }
    }

    /// Reads 24 English or French words, whatever the case, spacing and form of the accents.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of words, an unknown word (by its place, never by its text) or a wrong
    /// checksum.
    pub fn parse(words: &str) -> Result<Self> {
        let english = Self::parse_in(Language::English, words);
        let french = Self::parse_in(Language::French, words);
        match (english, french) {
            (Ok(phrase), Err(_)) | (Err(_), Ok(phrase)) => Ok(phrase),
            (Ok(_), Ok(_)) => Err(Error::Invalid("the phrase can be read in two languages: name one".into())),
            (Err(english), Err(french)) => Err(further(english, french)),
        }
    }

    /// Reads 24 words of one language.
    ///
    /// # Errors
    /// As [`Phrase::parse`].
    pub fn parse_in(language: Language, words: &str) -> Result<Self> {
        let tidy = Zeroizing::new(words.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "));
        let count = tidy.split(' ').filter(|word| !word.is_empty()).count();
        if count != PHRASE_WORDS {
            return Err(Error::Invalid(format!("a recovery phrase has {PHRASE_WORDS} words; {count} were given")));
        }
        let mnemonic = Mnemonic::parse_in(language.list(), tidy.as_str()).map_err(explain)?;
        let (mut padded, length) = mnemonic.to_entropy_array();
        let mut entropy = Zeroizing::new([0; 32]);
        entropy.copy_from_slice(&padded[..32]);
        padded.zeroize();
        if length != 32 {
            return Err(Error::Invalid(format!("the phrase spells {length} bytes, not 32")));
        }
        Ok(Self { entropy, language })
    }

    /// The words, single spaces between them.
    ///
    /// # Errors
    /// None in practice: 32 bytes always spell 24 words.
    pub fn words(&self) -> Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.mnemonic(self.language)?.to_string()))
    }

    /// The 32 bytes that the words spell. They unwrap the vault's master key.
    pub fn entropy(&self) -> &[u8; 32] {
        &self.entropy
    }

    /// The language of the words.
    pub const fn language(&self) -> Language {
        self.language
    }

    fn mnemonic(&self, language: Language) -> Result<Mnemonic> {
        Mnemonic::from_entropy_in(language.list(), self.entropy.as_slice()).map_err(explain)
    }

    /// The BIP-39 seed of the English words, with an empty BIP-39 passphrase.
    fn seed(&self) -> Result<Zeroizing<[u8; 64]>> {
        Ok(Zeroizing::new(self.mnemonic(Language::English)?.to_seed_normalized("")))
    }
}

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phrase(..)")
    }
}

/// A BIP-39 error without the words themselves.
fn explain(error: bip39::Error) -> Error {
    Error::Invalid(match error {
        bip39::Error::UnknownWord(index) => {
            format!("word {} of the recovery phrase is not in the word list", index + 1)
        }
        bip39::Error::InvalidChecksum => {
            "the recovery phrase's checksum is wrong: a word was changed or two were swapped".into()
        }
        other => format!("not a recovery phrase: {other}"),
    })
}

/// The more telling of two refusals: a wrong checksum means that all words were known.
fn further(english: Error, french: Error) -> Error {
    if french.to_string().contains("checksum") { french } else { english }
}

/// Everything that a recovery phrase gives a person.
pub struct Person {
    signer: Signer,
    identity: Zeroizing<[u8; 32]>,
    exchange: StaticSecret,
}

impl Person {
    /// Derives the person of `phrase`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a probability of about 2^-127 (BIP-32 leaves a hole of that size).
    pub fn from_phrase(phrase: &Phrase) -> Result<Self> {
        let seed = phrase.seed()?;
        let hkdf = Hkdf::<Sha256>::new(Some(PERSON_SALT), seed.as_slice());
        let mut identity = Zeroizing::new([0; 32]);
        let mut exchange = Zeroizing::new([0; 32]);
        let failed = |e: hkdf::InvalidLength| Error::Invalid(e.to_string());
        hkdf.expand(IDENTITY_LABEL, &mut identity[1..]).map_err(failed)?;
        hkdf.expand(EXCHANGE_LABEL, exchange.as_mut_slice()).map_err(failed)?;
        Ok(Self { signer: wallet(seed.as_slice(), &WALLET_PATH)?, identity, exchange: StaticSecret::from(*exchange) })
    }

    /// Derives the person whose phrase spells `entropy`.
    ///
    /// # Errors
    /// As [`Person::from_phrase`].
    pub fn from_entropy(entropy: &[u8; 32]) -> Result<Self> {
        Self::from_phrase(&Phrase::from_entropy(entropy, Language::English))
    }

    /// The wallet's signing key.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The wallet's address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The identity secret: a big-endian number below 2^248, hence below the order of BN254's scalar field.
    pub fn identity_secret(&self) -> &[u8; 32] {
        &self.identity
    }

    /// The X25519 secret to which job specs are sealed.
    pub fn exchange_secret(&self) -> &[u8; 32] {
        self.exchange.as_bytes()
    }

    /// The X25519 public key that goes into manifests.
    pub fn exchange_public(&self) -> [u8; 32] {
        PublicKey::from(&self.exchange).to_bytes()
    }
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({})", self.address())
    }
}

/// BIP-32: the private key at `path` below the master key of `seed`.
fn wallet(seed: &[u8], path: &[u32]) -> Result<Signer> {
    let order = U256::from_str_radix(SECP256K1_ORDER, 16).map_err(|e| Error::Invalid(e.to_string()))?;
    let mut node = hmac_sha512(b"Bitcoin seed", seed);
    for index in path {
        let signer = signer_of(&node[..32])?;
        let mut data = Zeroizing::new(Vec::with_capacity(37));
        if index & HARDENED != 0 {
            data.push(0);
            data.extend_from_slice(&node[..32]);
        } else {
            let public = signer.public_key();
            data.push(2 + (public[63] & 1));
            data.extend_from_slice(&public[..32]);
        }
        data.extend_from_slice(&index.to_be_bytes());
        let mut child = hmac_sha512(&node[32..], &data);
        let tweak = U256::from_be_slice(&child[..32]);
        let parent = U256::from_be_slice(&node[..32]);
        let key = tweak.add_mod(parent, order);
        if tweak >= order || key.is_zero() {
            return Err(Error::Invalid("this phrase has no wallet at the standard path; make another".into()));
        }
        child[..32].copy_from_slice(&key.to_be_bytes::<32>());
        node = child;
    }
    signer_of(&node[..32])
}

fn signer_of(key: &[u8]) -> Result<Signer> {
    Signer::from_bytes(&B256::from_slice(key)).map_err(|_| Error::Invalid("not a secp256k1 secret key".into()))
}

/// HMAC-SHA512, which is HKDF's extraction step (RFC 5869, section 2.2) with the key as salt.
fn hmac_sha512(key: &[u8], data: &[u8]) -> Zeroizing<[u8; 64]> {
    Zeroizing::new(Hkdf::<Sha512>::extract(Some(key), data).0.into())
}

#[cfg(test)]
#[path = "wallet_tests.rs"]
mod tests;
