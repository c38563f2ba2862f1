//! Reading a safetensors file: the header with its bounds first, then the data once, in order, tensor by tensor.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use sha2::{Digest, Sha256};

use super::architecture::Slot;
use super::words::Words;
use super::{open_regular, refused};
use crate::{Error, Result};

/// Most bytes of a weights file.
const MAX_FILE_BYTES: u64 = 2 << 30;

/// Most bytes of a header: about 150 bytes a tensor, for 48 layers of 16 tensors.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Bytes of the length that begins the file.
const LENGTH_BYTES: u64 = 8;

/// Bytes read at a time where only the digest matters.
const PIECE: usize = 1 << 16;

/// A weights file whose header has been checked and whose bytes have been digested.
#[derive(Debug)]
pub(crate) struct Weights {
    path: PathBuf,
    digest: [u8; 32],
    metadata: Metadata,
    /// Where the values begin in the file.
    data_start: u64,
}

impl Weights {
    /// Opens and digests `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let mut source = Source::open(path)?;
        let metadata = source.header()?;
        let data_start = source.bytes - metadata.data_len() as u64;
        source.skip(metadata.data_len())?;
        let digest = source.finish()?;
        Ok(Self { path: path.to_path_buf(), digest, metadata, data_start })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the whole file.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The shape of a tensor, if the file has it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// Checks that every slot is there, with its shape, as F32.
    pub fn check(&self, slots: &[Slot]) -> Result<()> {
        for slot in slots {
            let info = self.metadata.info(&slot.name).ok_or_else(|| wrong(&slot.name, "is missing".to_owned()))?;
            if info.shape != slot.shape {
                return Err(wrong(&slot.name, format!("has shape {:?}, not {:?}", info.shape, slot.shape)));
            }
            if info.dtype != Dtype::F32 {
                return Err(wrong(&slot.name, format!("holds {:?}; only F32 is accepted", info.dtype)));
            }
        }
        Ok(())
    }

    /// Reads the slots' values in the file's order and hands each to `take`. The file must still be the one opened.
    pub fn read(&self, slots: &[Slot], mut take: impl FnMut(&Slot, Vec<f32>) -> Result<()>) -> Result<()> {
        self.scan(slots, |slot, info, source| take(slot, finite(&slot.name, source.values(info)?)?))
    }

    /// As [`Weights::read`], but the matrix `words` is not held: its rows are looked at one by one, and stay in the file.
    pub fn read_rows(
        &self,
        slots: &[Slot],
        words: &str,
        mut take: impl FnMut(&Slot, Vec<f32>) -> Result<()>,
    ) -> Result<Words> {
        let (file, _) = open_regular(&self.path, MAX_FILE_BYTES)?;
        let start = self.metadata.info(words).map_or(0, |info| info.data_offsets.0 as u64);
        let mut rows = Words::new(self.path.clone(), file, self.data_start + start);
        self.scan(slots, |slot, info, source| {
            let [count, width] = slot.shape[..] else { return take(slot, finite(&slot.name, source.values(info)?)?) };
            if slot.name != words {
                return take(slot, finite(&slot.name, source.values(info)?)?);
            }
            for _ in 0..count {
                let row = source.take(width * size_of::<f32>())?;
                finite(&slot.name, values(&row))?;
                rows.remember(&row);
            }
            Ok(())
        })?;
        Ok(rows)
    }

    /// Goes through the file once and hands every slot's tensor to `take`, which reads all of it from the source.
    fn scan(&self, slots: &[Slot], mut take: impl FnMut(&Slot, &TensorInfo, &mut Source) -> Result<()>) -> Result<()> {
        let wanted: HashMap<&str, &Slot> = slots.iter().map(|slot| (slot.name.as_str(), slot)).collect();
        let mut source = Source::open(&self.path)?;
        let metadata = source.header()?;
        for name in metadata.offset_keys() {
            let info = metadata.info(&name).ok_or_else(|| wrong(&name, "is missing".to_owned()))?;
            match wanted.get(name.as_str()) {
                Some(slot) if *info.shape == slot.shape && info.dtype == Dtype::F32 => take(slot, info, &mut source)?,
                Some(_) => return Err(self.changed()),
                None => source.skip(info.data_offsets.1 - info.data_offsets.0)?,
            }
        }
        if source.finish()? != self.digest {
            return Err(self.changed());
        }
        Ok(())
    }

    fn changed(&self) -> Error {
        refused(&self.path, "changed after it was opened; open it again")
    }
}

/// A weights file being read once from its beginning, digested as it goes.
struct Source {
    path: PathBuf,
    file: BufReader<std::fs::File>,
    bytes: u64,
    hash: Sha256,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let (file, bytes) = open_regular(path, MAX_FILE_BYTES)?;
        Ok(Self { path: path.to_path_buf(), file: BufReader::new(file), bytes, hash: Sha256::new() })
    }

    /// Reads the header and checks that it describes exactly the rest of the file.
    fn header(&mut self) -> Result<Metadata> {
        let start = self.take(self.bytes.min(LENGTH_BYTES) as usize)?;
        let Ok(length) = <[u8; 8]>::try_from(start.as_slice()).map(u64::from_le_bytes) else {
            return Err(refused(&self.path, "is too short for safetensors"));
        };
        if let Some(format) = foreign(&start) {
            return Err(refused(&self.path, &format!("holds {format}, not safetensors, whatever its name says")));
        }
        if length > MAX_HEADER_BYTES || length > self.bytes - LENGTH_BYTES {
            return Err(refused(
                &self.path,
                &format!("is not safetensors, or is cut short: a header of {length} bytes"),
            ));
        }
        let header = self.take(length as usize)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| refused(&self.path, &format!("has a broken safetensors header: {error}")))?;
        let expected = LENGTH_BYTES + length + metadata.data_len() as u64;
        if expected != self.bytes {
            return Err(refused(&self.path, &format!("has {} bytes, its header says {expected}", self.bytes)));
        }
        Ok(metadata)
    }

    /// The values of the F32 tensor that comes next.
    fn values(&mut self, info: &TensorInfo) -> Result<Vec<f32>> {
        Ok(values(&self.take(info.data_offsets.1 - info.data_offsets.0)?))
    }

    fn skip(&mut self, mut bytes: usize) -> Result<()> {
        while bytes > 0 {
            bytes -= self.take(bytes.min(PIECE))?.len();
        }
        Ok(())
    }

    /// The next `bytes` bytes; the caller has checked that the file is that long.
    fn take(&mut self, bytes: usize) -> Result<Vec<u8>> {
        let mut piece = vec![0; bytes];
        let read = self.file.read_exact(&mut piece);
        read.map_err(|error| refused(&self.path, &format!("cannot be read: {error}")))?;
        self.hash.update(&piece);
        Ok(piece)
    }

    /// The digest, once everything has been read.
    fn finish(mut self) -> Result<[u8; 32]> {
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(self.hash.finalize().into()),
            _ => Err(refused(&self.path, "changed while it was read")),
        }
    }
}

fn values(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

fn finite(name: &str, values: Vec<f32>) -> Result<Vec<f32>> {
    if !values.iter().all(|value| value.is_finite()) {
        return Err(wrong(name, "holds a value that is not a finite number".to_owned()));
    }
    Ok(values)
}

/// The format that other files' first bytes show.
fn foreign(start: &[u8]) -> Option<&'static str> {
    match start {
        [b'P', b'K', 3, 4, ..] => Some("a zip archive (PyTorch)"),
        [0x80, 2..=5, ..] => Some("a Python pickle"),
        [b'G', b'G', b'U', b'F', ..] => Some("GGUF"),
        [0x89, b'H', b'D', b'F', ..] => Some("HDF5"),
        [8, 1..=12, 0x12, ..] => Some("ONNX"),
        _ => None,
    }
}

fn wrong(tensor: &str, reason: String) -> Error {
    Error::Weights { tensor: tensor.to_owned(), reason }
}
