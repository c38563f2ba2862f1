//! Content ids: what a piece of public data is called, and the check that it is that piece.
//!
//! CIDv1 with sha2-256 only. On-chain a CID is its 32-byte digest, and the codec is fixed by the field it stands in.

use crate::{Error, Result};
use cid::Version;
use cid::multihash::Multihash;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Multihash code of sha2-256.
const SHA2_256: u64 = 0x12;

/// Length of a binary CID of this module: version, codec, hash code and length in one byte each, then the digest.
pub const CID_BYTES: usize = 36;

/// How the bytes behind a CID are to be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// Bytes as they are.
    Raw,
    /// A node of a UnixFS file.
    DagPb,
    /// A DAG-CBOR document.
    DagCbor,
}

impl Codec {
    /// The multicodec number.
    pub const fn code(self) -> u64 {
        match self {
            Codec::Raw => 0x55,
            Codec::DagPb => 0x70,
            Codec::DagCbor => 0x71,
        }
    }

    /// The codec's name in the multicodec table, as IPFS daemons take it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Raw => "raw",
            Codec::DagPb => "dag-pb",
            Codec::DagCbor => "dag-cbor",
        }
    }

    fn from_code(code: u64) -> Result<Self> {
        match code {
            0x55 => Ok(Codec::Raw),
            0x70 => Ok(Codec::DagPb),
            0x71 => Ok(Codec::DagCbor),
            other => Err(Error::Invalid(format!("CID has codec 0x{other:x}; raw, dag-pb and dag-cbor are known here"))),
        }
    }
}

/// A content id: codec and sha2-256 digest of the bytes it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    codec: Codec,
    digest: [u8; 32],
}

impl Cid {
    /// The CID of `bytes` as one raw piece.
    ///
    /// ```
    /// let cid = provenance::cid::Cid::raw(b"hello world");
    /// assert_eq!(cid.to_string(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    /// ```
    pub fn raw(bytes: &[u8]) -> Self {
        Self::of(Codec::Raw, bytes)
    }

    /// The CID of `bytes` under `codec`.
    pub fn of(codec: Codec, bytes: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(bytes).into() }
    }

    /// The CID that an on-chain digest stands for.
    pub const fn from_digest(codec: Codec, digest: [u8; 32]) -> Self {
        Self { codec, digest }
    }

    /// The sha2-256 digest: what goes on-chain.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The codec.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Checks that `bytes` are what this CID names.
    ///
    /// # Errors
    /// [`Error::Integrity`] when they are not.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        let found: [u8; 32] = Sha256::digest(bytes).into();
        if found == self.digest {
            return Ok(());
        }
        Err(Error::Integrity(format!(
            "content of {self} was altered: its digest is {}. Fetch it again from another place.",
            hex::encode(found)
        )))
    }

    /// The binary form, [`CID_BYTES`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.generic() {
            Ok(cid) => cid.to_bytes(),
            Err(_) => Vec::new(),
        }
    }

    /// Reads the binary form: CIDv1, sha2-256, a known codec, nothing after it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() != CID_BYTES {
            return Err(Error::Invalid(format!("a CID is {CID_BYTES} bytes, not {}", bytes.len())));
        }
        let cid = cid::Cid::try_from(bytes).map_err(|e| Error::Invalid(format!("not a CID: {e}")))?;
        Self::from_generic(&cid)
    }

    fn generic(&self) -> Result<cid::Cid> {
        let hash = Multihash::wrap(SHA2_256, &self.digest).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(cid::Cid::new_v1(self.codec.code(), hash))
    }

    pub(crate) fn from_generic(cid: &cid::Cid) -> Result<Self> {
        if cid.version() != Version::V1 {
            return Err(Error::Invalid("only version 1 CIDs are read".into()));
        }
        if cid.hash().code() != SHA2_256 {
            return Err(Error::Invalid(format!("CID has hash 0x{:x}; only sha2-256 is read", cid.hash().code())));
        }
        let digest = cid.hash().digest().try_into().map_err(|_| Error::Invalid("CID digest is not 32 bytes".into()))?;
        Ok(Self { codec: Codec::from_code(cid.codec())?, digest })
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generic() {
            Ok(cid) => write!(f, "{cid}"),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = Error;

    /// Reads exactly what `Display` writes: lower-case base32, no path, no other base.
    fn from_str(text: &str) -> Result<Self> {
        if text.len() > 100 {
            return Err(Error::Invalid(format!("not a CID: {} characters", text.len())));
        }
        let generic = cid::Cid::try_from(text).map_err(|e| Error::Invalid(format!("`{text}` is not a CID: {e}")))?;
        let cid = Self::from_generic(&generic)?;
        if cid.to_string() != text {
            return Err(Error::Invalid(format!("`{text}` is not written as a base32 CID; did you mean {cid}?")));
        }
        Ok(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

    #[test]
    fn raw_of_hello_world_is_the_known_cid() {
        let cid = Cid::raw(b"hello world");
        assert_eq!(cid.to_string(), HELLO);
        assert_eq!(hex::encode(cid.digest()), "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
    }

    #[test]
    fn cid_round_trips_in_every_codec() {
        for codec in [Codec::Raw, Codec::DagPb, Codec::DagCbor] {
            let cid = Cid::from_digest(codec, [7; 32]);
            assert_eq!(cid.to_string().parse::<Cid>().unwrap(), cid);
            assert_eq!(Cid::from_bytes(&cid.to_bytes()).unwrap(), cid);
            assert_eq!(cid.to_bytes().len(), CID_BYTES);
        }
    }

    #[test]
    fn verify_accepts_the_bytes() {
        Cid::raw(b"hello world").verify(b"hello world").unwrap();
    }

    #[test]
    fn verify_refuses_one_changed_bit() {
        assert!(matches!(Cid::raw(b"hello world").verify(b"hello worle"), Err(Error::Integrity(_))));
    }

    #[test]
    fn verify_refuses_truncated_and_empty_bytes() {
        assert!(Cid::raw(b"hello world").verify(b"hello worl").is_err());
        assert!(Cid::raw(b"hello world").verify(b"").is_err());
    }

    /// `text` must not be read as a CID.
    fn refused(text: &str) {
        assert!(matches!(text.parse::<Cid>(), Err(Error::Invalid(_))), "{text}");
    }

    #[test]
    fn text_with_a_path_is_refused() {
        refused(&format!("/ipfs/{HELLO}"));
        refused(&format!("{HELLO}/"));
    }

    #[test]
    fn upper_case_is_refused() {
        refused(&HELLO.to_uppercase());
    }

    #[test]
    fn spaces_are_refused() {
        refused(&format!(" {HELLO}"));
        refused(&format!("{HELLO}\n"));
    }

    #[test]
    fn version_zero_is_refused() {
        refused("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG");
    }

    #[test]
    fn other_base_is_refused() {
        refused("zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDXn");
    }

    #[test]
    fn other_hash_is_refused() {
        let hash = Multihash::wrap(0x13, &[1; 64]).unwrap();
        refused(&cid::Cid::new_v1(0x55, hash).to_string());
    }

    #[test]
    fn short_digest_is_refused() {
        let hash = Multihash::wrap(SHA2_256, &[1; 20]).unwrap();
        refused(&cid::Cid::new_v1(0x55, hash).to_string());
    }

    #[test]
    fn other_codec_is_refused() {
        let hash = Multihash::wrap(SHA2_256, &[1; 32]).unwrap();
        refused(&cid::Cid::new_v1(0x72, hash).to_string());
    }

    #[test]
    fn truncated_and_empty_text_are_refused() {
        refused("");
        refused("b");
        refused(&HELLO[..HELLO.len() - 1]);
    }

    #[test]
    fn bytes_with_a_tail_are_refused() {
        let mut bytes = Cid::raw(b"x").to_bytes();
        bytes.push(0);
        assert!(Cid::from_bytes(&bytes).is_err());
        assert!(Cid::from_bytes(&bytes[..35]).is_err());
    }
}
