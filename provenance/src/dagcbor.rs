//! Canonical DAG-CBOR in and out: one value has one encoding, and only that encoding is read back.

use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

/// A byte string of exactly `N` bytes in a CBOR document.
pub(crate) type Fixed<const N: usize> = serde_bytes::ByteArray<N>;

/// The canonical bytes of `value`. `what` names it in errors.
pub(crate) fn encode<T: Serialize>(value: &T, what: &str) -> Result<Vec<u8>> {
    serde_ipld_dagcbor::to_vec(value).map_err(|e| Error::Invalid(format!("{what} cannot be encoded: {e}")))
}

/// Reads `bytes` as one `T`: at most `limit` bytes, no unknown key (the type refuses them), nothing after the value,
/// and exactly the bytes that [`encode`] would write.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize, what: &str) -> Result<T> {
    if bytes.len() > limit {
        return Err(Error::Invalid(format!("{what} is {} bytes; at most {limit} are read", bytes.len())));
    }
    let value: T = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|e| Error::Invalid(format!("{what} is not the expected DAG-CBOR: {e}")))?;
    if encode(&value, what)? != bytes {
        return Err(Error::Invalid(format!("{what} is not in canonical DAG-CBOR")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Pair {
        a: u8,
        bb: Fixed<2>,
    }

    fn pair() -> Pair {
        Pair { a: 1, bb: Fixed::new([2, 3]) }
    }

    #[test]
    fn pair_round_trips() {
        let bytes = encode(&pair(), "pair").unwrap();
        assert_eq!(hex::encode(&bytes), "a2616101626262420203");
        assert_eq!(decode::<Pair>(&bytes, 64, "pair").unwrap(), pair());
    }

    /// `document` (hex) must be refused.
    fn refused(document: &str) -> String {
        decode::<Pair>(&hex::decode(document).unwrap(), 64, "pair").unwrap_err().to_string()
    }

    #[test]
    fn keys_out_of_order_are_refused() {
        refused("a2626262420203616101");
    }

    #[test]
    fn long_integer_is_refused() {
        refused("a261611801626262420203");
    }

    #[test]
    fn indefinite_map_is_refused() {
        refused("bf616101626262420203ff");
    }

    #[test]
    fn repeated_key_is_refused() {
        refused("a3616101616101626262420203");
    }

    #[test]
    fn unknown_key_is_refused() {
        refused("a3616101616201626262420203");
    }

    #[test]
    fn missing_key_is_refused() {
        refused("a1616101");
    }

    #[test]
    fn wrong_length_is_refused() {
        refused("a261610162626243020304");
    }

    #[test]
    fn trailing_bytes_are_refused() {
        refused("a261610162626242020300");
    }

    #[test]
    fn too_many_bytes_are_refused() {
        assert!(
            decode::<Pair>(&encode(&pair(), "pair").unwrap(), 9, "pair").unwrap_err().to_string().contains("at most 9")
        );
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut bytes = vec![0x81; 60_000];
        bytes.push(0);
        assert!(decode::<serde_json::Value>(&bytes, 1 << 20, "value").is_err());
    }
}
