//! Ids and addresses as people type them.

use provenance::chain::{Address, B256};

use crate::error::{Error, Result};

/// A dataset's, license's or job's id: 64 hex digits, with or without `0x`.
///
/// # Errors
/// `Usage` for anything else.
pub fn id(text: &str, what: &str) -> Result<B256> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut id = [0; 32];
    hex::decode_to_slice(digits, &mut id)
        .map_err(|_| Error::usage(format!("{text:?} is no {what} id: 64 hex digits are expected")))?;
    Ok(id.into())
}

/// An account's address.
///
/// # Errors
/// `Usage` for anything else.
pub fn address(text: &str) -> Result<Address> {
    text.parse().map_err(|_| Error::usage(format!("{text:?} is no account address such as 0x2f…")))
}

/// An id as it is shown: 64 hex digits.
pub fn shown(id: impl AsRef<[u8]>) -> String {
    hex::encode(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_read_with_and_without_prefix() {
        let digits = "ab".repeat(32);
        assert_eq!(id(&digits, "job").expect("an id"), id(&format!("0x{digits}"), "job").expect("an id"));
        assert_eq!(shown(id(&digits, "job").expect("an id")), digits);
    }

    #[test]
    fn id_refuses_other_text() {
        for text in ["", "0x", "ab", &"g".repeat(64), &"ab".repeat(33)] {
            assert!(id(text, "job").is_err(), "{text}");
        }
    }
}
