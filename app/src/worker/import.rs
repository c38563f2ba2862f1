//! The importer's side of a worker: records out of files whose bytes it asks for, piece by piece.

use std::io::{self, Read, Seek, SeekFrom};

use serde_bytes::ByteBuf;

use super::inside::Pipes;
use super::wire::{Ask, File, Say};
use crate::connector::{self, Context};
use crate::error::{Error, Result};

/// Bytes asked for at once.
pub const PIECE: u32 = 1 << 18;
/// Bytes of records sent at once, about.
pub const SEND_BYTES: usize = 1 << 18;

/// Reads files until there are no more.
pub(super) fn serve(pipes: &mut Pipes) -> Result<()> {
    while let Some(ask) = pipes.ask()? {
        let Ask::File(file) = ask else { return Err(Error::usage("an importer is given files")) };
        one(pipes, file)?;
    }
    Ok(())
}

fn one(pipes: &mut Pipes, file: File) -> Result<()> {
    let context = Context::new(file.source, file.name);
    let pipes = std::cell::RefCell::new(pipes);
    let mut remote = Remote { pipes: &pipes, bytes: file.bytes, at: 0, from: 0, piece: file.head.into_vec() };
    let mut waiting = Waiting::default();
    let summary = connector::read(&mut remote, &context, &mut |record| {
        waiting.add(record.encode().map_err(connector::Error::receiver)?);
        if waiting.bytes < SEND_BYTES {
            return Ok(());
        }
        waiting.send(&mut pipes.borrow_mut()).map_err(connector::Error::receiver)
    })?;
    let mut pipes = pipes.borrow_mut();
    if !waiting.records.is_empty() {
        waiting.send(&mut pipes)?;
    }
    pipes.say(&Say::Read(summary))
}

/// Records that were read and not yet sent.
#[derive(Default)]
struct Waiting {
    records: Vec<ByteBuf>,
    bytes: usize,
}

impl Waiting {
    fn add(&mut self, record: Vec<u8>) {
        self.bytes += record.len();
        self.records.push(ByteBuf::from(record));
    }

    fn send(&mut self, pipes: &mut Pipes) -> Result<()> {
        self.bytes = 0;
        pipes.say(&Say::Records(std::mem::take(&mut self.records)))?;
        match pipes.ask()? {
            Some(Ask::More) => Ok(()),
            _ => Err(Error::failure("nobody took the records")),
        }
    }
}

/// A file at the other end of the pipes: one piece of it is here.
struct Remote<'a, 'b> {
    pipes: &'a std::cell::RefCell<&'b mut Pipes>,
    bytes: u64,
    at: u64,
    /// Where the piece begins.
    from: u64,
    piece: Vec<u8>,
}

impl Remote<'_, '_> {
    /// What is here of the file from the present place on.
    fn here(&self) -> &[u8] {
        let skip = self.at.checked_sub(self.from).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.piece.get(skip..)).unwrap_or_default()
    }

    fn fetch(&mut self) -> Result<()> {
        let mut pipes = self.pipes.borrow_mut();
        pipes.say(&Say::Need { at: self.at, bytes: PIECE })?;
        let Some(Ask::Bytes(piece)) = pipes.ask()? else { return Err(Error::failure("the file's bytes did not come")) };
        (self.from, self.piece) = (self.at, piece.into_vec());
        Ok(())
    }
}

impl Read for Remote<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.at >= self.bytes {
            return Ok(0);
        }
        if self.here().is_empty() {
            self.fetch().map_err(io::Error::other)?;
        }
        let here = self.here();
        let count = here.len().min(buffer.len());
        buffer[..count].copy_from_slice(&here[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Remote<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the file's beginning"))?;
        Ok(self.at)
    }
}
