//! Random bytes from the operating system. No generator crosses a crate: three generations of them meet in this tree.

use crate::error::{Error, Result};

/// `N` random bytes.
///
/// # Errors
/// `Failure` where the system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::failure(format!("the system gives no randomness: {e}")))?;
    Ok(bytes)
}
