//! iden3's container: magic word, version, and sections that each have a number and a length.

use crate::{Error, Result};

/// A file being written.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(magic: &[u8; 4], version: u32, sections: u32) -> Self {
        let mut bytes = magic.to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&sections.to_le_bytes());
        Self { bytes }
    }

    pub(super) fn section(&mut self, number: u32, content: &[u8]) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(content);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The content of the section with this number.
///
/// # Errors
/// [`Error::Key`] for another magic word, a section cut short, or none with the number.
pub(super) fn section<'a>(bytes: &'a [u8], magic: &[u8; 4], number: u32) -> Result<&'a [u8]> {
    let mut rest = Reader { bytes };
    if rest.take(4)? != magic {
        return Err(refused("these bytes are not a .zkey file"));
    }
    rest.u32()?;
    let sections = rest.u32()?;
    for _ in 0..sections {
        let found = rest.u32()?;
        let length = u64::from_le_bytes(rest.array()?);
        let content = rest.take(usize::try_from(length).map_err(|_| cut())?)?;
        if found == number {
            return Ok(content);
        }
    }
    Err(refused(&format!("the .zkey file has no section {number}")))
}

/// Bytes being read.
pub(super) struct Reader<'a> {
    pub bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(cut)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| cut())
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
}

fn cut() -> Error {
    refused("the .zkey file is cut short: fetch it again")
}

pub(super) fn refused(reason: &str) -> Error {
    Error::Key { reason: reason.to_owned() }
}
