//! What the two sides send each other in secret: the job spec to the owner, the package to the consumer.
//!
//! Both are sealed by HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.
//! `info` names the purpose and the id it is for, so that nothing sealed for one job opens as something else.
//!
//! A package is encrypted twice: under a fresh key `k` by XChaCha20-Poly1305, then by HPKE to the reply key. `k` is
//! published when the owner is paid; it opens the package for the holder of the reply key alone.
//!
//! ```text
//! sealed spec     enc(32) ‖ HPKE( length u32 ‖ DAG-CBOR ‖ zeros )                         whole KiB
//! sealed package  enc(32) ‖ HPKE( length u64 ‖ nonce(24) ‖ XChaCha_k(package) ‖ zeros )   whole MiB
//! ```
//!
//! Two more seals are for the owner's own disk: a copy of what is needed while the vault is locked, under a key that only this
//! process has, and work that was done meanwhile, to a key whose secret is the vault's.
//!
//! ```text
//! sealed copy     nonce(24) ‖ XChaCha_key(copy)
//! sealed work     enc(32) ‖ HPKE(work)
//! ```

use crate::dagcbor::{self, Fixed};
use crate::{Error, Result};
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use hpke::aead::{AeadTag, ChaCha20Poly1305};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// Largest job spec before sealing, in bytes.
pub const MAX_SPEC: usize = 64 * 1024;
/// Largest package before sealing, in bytes: 4 GiB. The largest one there is holds 2^21 rows of 384 floats with a salt and
/// a leaf of 32 bytes each, which is 3.125 GiB.
pub const MAX_PACKAGE: u64 = 4 << 30;
/// Sealed packages are whole multiples of this many bytes, so that their length says little.
pub const PACKAGE_STEP: usize = 1 << 20;
/// Longest sealed package, in bytes: a package of [`MAX_PACKAGE`] with both seals, filled up to a whole [`PACKAGE_STEP`].
pub const MAX_SEALED: u64 = (MAX_PACKAGE + (ENC + 8 + NONCE + TAG + TAG) as u64).next_multiple_of(PACKAGE_STEP as u64);
/// Sealed specs are whole multiples of this many bytes.
pub const SPEC_STEP: usize = 1 << 10;

/// Version of the job spec.
const VERSION: u8 = 1;
/// HPKE `info` of a sealed spec, before the LicenseId.
const SPEC_INFO: &[u8] = b"usufruct job spec v1";
/// HPKE `info` of a sealed package, before the JobId.
const PACKAGE_INFO: &[u8] = b"usufruct package v1";
/// Associated data of the inner encryption, before the JobId.
const INNER_LABEL: &[u8] = b"usufruct package key v1";

/// Associated data of a sealed copy, before what it is a copy of.
const COPY_LABEL: &[u8] = b"usufruct copy v1";
/// HPKE `info` of sealed work, before the JobId.
const WORK_INFO: &[u8] = b"usufruct work v1";

/// Length of an encapsulated key.
const ENC: usize = 32;
/// Length of an authentication tag, of both ciphers.
const TAG: usize = 16;
/// Length of an XChaCha20 nonce.
const NONCE: usize = 24;

/// What the consumer asks for. It names a template and its parameters, never code.
#[derive(Clone, PartialEq, Debug)]
pub struct JobSpec {
    /// The template's name, such as `embed`.
    pub template: String,
    /// Its parameters: a JSON object, checked by the template.
    pub params: Value,
    /// Digest of the model to use; zero where the template needs none.
    pub model: [u8; 32],
    /// The X25519 public key to which the package is sealed. Fresh for each job.
    pub reply: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u8,
    template: String,
    params: Value,
    model: Fixed<32>,
    reply: Fixed<32>,
}

impl JobSpec {
    /// The spec as canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it would not be read back.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let wire = Wire {
            version: VERSION,
            template: self.template.clone(),
            params: self.params.clone(),
            model: Fixed::new(self.model),
            reply: Fixed::new(self.reply),
        };
        let bytes = dagcbor::encode(&wire, "the job spec")?;
        if bytes.len() > MAX_SPEC {
            return Err(Error::Invalid(format!("the job spec is {} bytes; at most {MAX_SPEC}", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads a spec.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other bytes than [`JobSpec::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire: Wire = dagcbor::decode(bytes, MAX_SPEC, "the job spec")?;
        if wire.version != VERSION {
            return Err(Error::Invalid(format!("job spec version {} is not read here; {VERSION} is", wire.version)));
        }
        let spec = Self {
            template: wire.template,
            params: wire.params,
            model: wire.model.into_array(),
            reply: wire.reply.into_array(),
        };
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<()> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'@' | b'.');
        if self.template.is_empty() || self.template.len() > 64 || !self.template.bytes().all(plain) {
            return Err(Error::Invalid("template is not a short lower-case name".into()));
        }
        if !self.params.is_object() {
            return Err(Error::Invalid("params is not an object".into()));
        }
        if !can_seal_to(&self.reply) {
            return Err(Error::Invalid("reply is not an X25519 key that a package can be sealed to".into()));
        }
        Ok(())
    }
}

/// Whether HPKE can seal to this X25519 key. It refuses points of low order, with which every secret agrees on zero; an
/// exchange with any one secret tells them apart.
pub(crate) fn can_seal_to(key: &[u8; 32]) -> bool {
    let trial = x25519_dalek::StaticSecret::from([1; 32]);
    trial.diffie_hellman(&x25519_dalek::PublicKey::from(*key)).was_contributory()
}

/// The X25519 public key of a secret.
pub fn public_of(secret: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*secret)).to_bytes()
}

/// A fresh X25519 pair for replies: secret, then public.
///
/// # Errors
/// [`Error::Io`] when the operating system gives no randomness.
pub fn reply_pair() -> Result<(Zeroizing<[u8; 32]>, [u8; 32])> {
    let secret = Zeroizing::new(random::<32>()?);
    let public = public_of(&secret);
    Ok((secret, public))
}

/// A fresh package key.
///
/// # Errors
/// [`Error::Io`] when the operating system gives no randomness.
pub fn package_key() -> Result<Zeroizing<[u8; 32]>> {
    random().map(Zeroizing::new)
}

/// keccak256 of a package key: what the owner commits to.
pub fn key_hash(key: &[u8; 32]) -> [u8; 32] {
    crate::chain::keccak256(key).0
}

/// Seals `spec` to `owner`, the exchange key in the dataset's manifest, for the license it is requested under.
///
/// # Errors
/// [`Error::Invalid`] for a spec that cannot be read back or a key that is not on the curve's large subgroup.
pub fn seal_spec(spec: &JobSpec, license: &[u8; 32], owner: &[u8; 32]) -> Result<Vec<u8>> {
    let bytes = spec.to_bytes()?;
    let total = (ENC + 4 + bytes.len() + TAG).next_multiple_of(SPEC_STEP);
    let mut sealed = vec![0; total];
    let (enc, rest) = sealed.split_at_mut(ENC);
    let (body, tag) = rest.split_at_mut(total - ENC - TAG);
    body[..4].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
    body[4..4 + bytes.len()].copy_from_slice(&bytes);
    hpke_seal(&info(SPEC_INFO, license), owner, license, enc, body, tag)?;
    Ok(sealed)
}

/// Opens a sealed spec with the owner's exchange secret.
///
/// # Errors
/// [`Error::Integrity`] when it was sealed to another key, for another license, or altered; [`Error::Invalid`] when what
/// is inside is no spec.
pub fn open_spec(sealed: &[u8], license: &[u8; 32], secret: &[u8; 32]) -> Result<JobSpec> {
    let most = (ENC + 4 + MAX_SPEC + TAG).next_multiple_of(SPEC_STEP);
    check_length(sealed.len(), SPEC_STEP, most as u64, "sealed job spec")?;
    let mut body = Zeroizing::new(sealed[ENC..sealed.len() - TAG].to_vec());
    let (enc, tag) = (&sealed[..ENC], &sealed[sealed.len() - TAG..]);
    hpke_open(&info(SPEC_INFO, license), secret, license, enc, &mut body, tag)
        .map_err(|()| unopened("job spec", "license"))?;
    let length = u32::from_be_bytes([body[0], body[1], body[2], body[3]]);
    JobSpec::from_bytes(unpadded(&body[4..], length.into(), SPEC_STEP, "job spec")?)
}

/// Encrypts `package` under `key`, then seals it to the consumer's `reply` key, for `job`.
///
/// # Errors
/// [`Error::Invalid`] for a package above [`MAX_PACKAGE`] or a bad reply key; [`Error::Io`] without randomness.
pub fn seal_package(key: &[u8; 32], job: &[u8; 32], reply: &[u8; 32], package: &[u8]) -> Result<Vec<u8>> {
    check_package(package.len() as u64)?;
    let inner = NONCE + package.len() + TAG;
    let total = (ENC + 8 + inner + TAG).next_multiple_of(PACKAGE_STEP);
    let mut sealed = vec![0; total];
    let (enc, rest) = sealed.split_at_mut(ENC);
    let (body, tag) = rest.split_at_mut(total - ENC - TAG);
    body[..8].copy_from_slice(&(inner as u64).to_be_bytes());
    encrypt(key, job, package, &mut body[8..8 + inner])?;
    hpke_seal(&info(PACKAGE_INFO, job), reply, job, enc, body, tag)?;
    Ok(sealed)
}

/// A package whose outer seal was opened: addressed to this consumer for this job, still encrypted under `k`.
pub struct Locked {
    inner: Vec<u8>,
    job: [u8; 32],
}

impl Locked {
    /// Decrypts with `key`, which is checked against the committed `key_hash` first.
    ///
    /// # Errors
    /// [`Error::Integrity`] when the key is not the committed one, or does not open the package.
    pub fn open(&self, key: &[u8; 32], committed: &[u8; 32]) -> Result<Vec<u8>> {
        if key_hash(key) != *committed {
            return Err(Error::Integrity("the key is not the one that the owner committed to".into()));
        }
        let (nonce, rest) = self.inner.split_at(NONCE);
        let (body, tag) = rest.split_at(rest.len() - TAG);
        let mut package = body.to_vec();
        XChaCha20Poly1305::new(key.into())
            .decrypt_inout_detached(
                &nonce_of(nonce)?.into(),
                &info(INNER_LABEL, &self.job),
                InOutBuf::from(package.as_mut_slice()),
                &tag_of(tag)?.into(),
            )
            .map_err(|_| {
                Error::Integrity(
                    "the committed key does not open the package: the owner sealed something else under it. The \
                     payment is not refunded in this version; keep the receipt."
                        .into(),
                )
            })?;
        Ok(package)
    }
}

/// Opens the outer seal of a package with the `reply` secret. Can be done before accepting: it shows that the package is
/// for this consumer and job, and nothing of its content.
///
/// # Errors
/// [`Error::Integrity`] when it was sealed to another key, for another job, cut or altered.
pub fn open_seal(sealed: &[u8], job: &[u8; 32], reply: &[u8; 32]) -> Result<Locked> {
    check_length(sealed.len(), PACKAGE_STEP, MAX_SEALED, "sealed package")?;
    let mut body = sealed[ENC..sealed.len() - TAG].to_vec();
    let (enc, tag) = (&sealed[..ENC], &sealed[sealed.len() - TAG..]);
    hpke_open(&info(PACKAGE_INFO, job), reply, job, enc, &mut body, tag).map_err(|()| unopened("package", "job"))?;
    let length = u64::from_be_bytes([body[0], body[1], body[2], body[3], body[4], body[5], body[6], body[7]]);
    let inner = unpadded(&body[8..], length, PACKAGE_STEP, "package")?.len();
    if inner < NONCE + TAG {
        return Err(Error::Integrity("the package is shorter than its own seal".into()));
    }
    body.truncate(8 + inner);
    body.drain(..8);
    Ok(Locked { inner: body, job: *job })
}

/// Opens a package whole: the seal with the `reply` secret, the content with `key`.
///
/// # Errors
/// As [`open_seal`] and [`Locked::open`].
pub fn open_package(
    sealed: &[u8],
    job: &[u8; 32],
    reply: &[u8; 32],
    key: &[u8; 32],
    committed: &[u8; 32],
) -> Result<Vec<u8>> {
    open_seal(sealed, job, reply)?.open(key, committed)
}

/// Encrypts a copy of what `about` names under `key`.
///
/// # Errors
/// [`Error::Invalid`] for one that is too long; [`Error::Io`] without randomness.
pub fn seal_copy(key: &[u8; 32], about: &[u8; 32], copy: &[u8]) -> Result<Vec<u8>> {
    let nonce = random::<NONCE>()?;
    let mut sealed = Vec::with_capacity(NONCE + copy.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(copy);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&nonce.into(), &info(COPY_LABEL, about), InOutBuf::from(&mut sealed[NONCE..]))
        .map_err(|_| Error::Invalid("the copy is too long to encrypt".into()))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens a copy of what `about` names.
///
/// # Errors
/// [`Error::Integrity`] when it was sealed under another key, is of something else, or was altered.
pub fn open_copy(key: &[u8; 32], about: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let bad =
        || Error::Integrity("the copy does not open: it is under another key, of something else, or altered".into());
    let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or_else(bad)?;
    let (body, tag) = rest.split_at_checked(rest.len().checked_sub(TAG).ok_or_else(bad)?).ok_or_else(bad)?;
    let mut copy = Zeroizing::new(body.to_vec());
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(
            &nonce_of(nonce)?.into(),
            &info(COPY_LABEL, about),
            InOutBuf::from(copy.as_mut_slice()),
            &tag_of(tag)?.into(),
        )
        .map_err(|_| bad())?;
    Ok(copy)
}

/// Seals the work done for `job` to the X25519 key `to`: who sealed it cannot open it.
///
/// # Errors
/// [`Error::Invalid`] for a key that nothing can be sealed to.
pub fn seal_work(to: &[u8; 32], job: &[u8; 32], work: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = vec![0; ENC + work.len() + TAG];
    let (enc, rest) = sealed.split_at_mut(ENC);
    let (body, tag) = rest.split_at_mut(work.len());
    body.copy_from_slice(work);
    hpke_seal(&info(WORK_INFO, job), to, job, enc, body, tag)?;
    Ok(sealed)
}

/// Opens the work done for `job` with the X25519 secret that it was sealed to.
///
/// # Errors
/// [`Error::Integrity`] when it was sealed to another key, for another job, cut or altered.
pub fn open_work(sealed: &[u8], job: &[u8; 32], secret: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>> {
    let bad = || unopened("work", "job");
    let length = sealed.len().checked_sub(ENC + TAG).ok_or_else(bad)?;
    let mut work = Zeroizing::new(sealed[ENC..ENC + length].to_vec());
    let (enc, tag) = (&sealed[..ENC], &sealed[ENC + length..]);
    hpke_open(&info(WORK_INFO, job), secret, job, enc, &mut work, tag).map_err(|()| bad())?;
    Ok(work)
}

/// `inner` becomes nonce, ciphertext and tag.
fn encrypt(key: &[u8; 32], job: &[u8; 32], package: &[u8], inner: &mut [u8]) -> Result<()> {
    let nonce = random::<NONCE>()?;
    inner[..NONCE].copy_from_slice(&nonce);
    let end = NONCE + package.len();
    inner[NONCE..end].copy_from_slice(package);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&nonce.into(), &info(INNER_LABEL, job), InOutBuf::from(&mut inner[NONCE..end]))
        .map_err(|_| Error::Invalid("the package is too long to encrypt".into()))?;
    inner[end..].copy_from_slice(&tag);
    Ok(())
}

fn hpke_seal(info: &[u8], to: &[u8; 32], aad: &[u8], enc: &mut [u8], body: &mut [u8], tag: &mut [u8]) -> Result<()> {
    let bad = |e: HpkeError| Error::Invalid(format!("cannot seal to this X25519 key: {e}"));
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(to).map_err(bad)?;
    let (encapped, made) = hpke::single_shot_seal_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        info,
        InOutBuf::from(body),
        aad,
    )
    .map_err(bad)?;
    enc.copy_from_slice(&encapped.to_bytes());
    tag.copy_from_slice(&made.to_bytes());
    Ok(())
}

fn hpke_open(
    info: &[u8],
    secret: &[u8; 32],
    aad: &[u8],
    enc: &[u8],
    body: &mut [u8],
    tag: &[u8],
) -> std::result::Result<(), ()> {
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret).map_err(drop)?;
    let enc = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc).map_err(drop)?;
    let tag = AeadTag::<ChaCha20Poly1305>::from_bytes(tag).map_err(drop)?;
    hpke::single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        info,
        InOutBuf::from(body),
        aad,
        &tag,
    )
    .map_err(drop)
}

fn info(label: &[u8], id: &[u8; 32]) -> Vec<u8> {
    [label, id.as_slice()].concat()
}

fn check_package(length: u64) -> Result<()> {
    if length > MAX_PACKAGE {
        return Err(Error::Invalid(format!("the package is {length} bytes; at most {MAX_PACKAGE}")));
    }
    Ok(())
}

fn check_length(length: usize, step: usize, most: u64, what: &str) -> Result<()> {
    if length == 0 || !length.is_multiple_of(step) {
        return Err(Error::Integrity(format!(
            "the {what} is {length} bytes, not a whole multiple of {step}: it was cut"
        )));
    }
    if length as u64 > most {
        return Err(Error::Invalid(format!("the {what} is {length} bytes; at most {most} are read")));
    }
    Ok(())
}

/// The first `length` bytes of `padded`: the rest must be zeros, and less than a step of them.
fn unpadded<'a>(padded: &'a [u8], length: u64, step: usize, what: &str) -> Result<&'a [u8]> {
    let bad = || Error::Integrity(format!("the {what}'s padding is not what its length says"));
    let length = usize::try_from(length).map_err(|_| bad())?;
    let (content, padding) = padded.split_at_checked(length).ok_or_else(bad)?;
    if padding.len() >= step || padding.iter().any(|byte| *byte != 0) {
        return Err(bad());
    }
    Ok(content)
}

fn unopened(what: &str, id: &str) -> Error {
    Error::Integrity(format!("the {what} does not open: it is sealed to another key, for another {id}, or altered"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::Io(std::io::Error::other(e)))?;
    Ok(bytes)
}

fn nonce_of(bytes: &[u8]) -> Result<[u8; NONCE]> {
    bytes.try_into().map_err(|_| Error::Integrity("the package has no nonce".into()))
}

fn tag_of(bytes: &[u8]) -> Result<[u8; TAG]> {
    bytes.try_into().map_err(|_| Error::Integrity("the package has no tag".into()))
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
