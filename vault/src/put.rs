//! Storing an object: content is cut and named on the calling thread, sealed on others if there is more than one chunk
//! of it, and appended in order.

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::catalog::Located;
use crate::chunk::{self, ChunkId, Cutter, Encoding};
use crate::error::{Error, Result};
use crate::object::{CatalogName, Object, ObjectId, catalog_name, check_name};
use crate::pack::{STORED_MAX, Sealed, Type};
use crate::sealing::{Sealing, seal_chunk};
use crate::vault::{Stored, Vault};
use crate::wiped::Wiped;

/// More chunks than this do not fit an object's record.
const CHUNKS_MAX: usize = (STORED_MAX - 2048) / 36;

impl Vault {
    /// Stores what `source` yields under (kind, name), in bounded memory. What stood there before no longer does. It is
    /// found and read at once, and survives a crash once [`Vault::commit`] returned.
    ///
    /// # Errors
    /// [`Error::Limit`] for names the format cannot hold, [`Error::Io`] from `source` or the disk, [`Error::Stopped`].
    pub fn put(&mut self, kind: &str, name: &str, source: &mut dyn Read) -> Result<Stored> {
        let mut cutter = Cutter::new(source, self.keys.chunker_seed, std::mem::take(&mut self.windows));
        let stored = self.put_cut(kind, name, &mut cutter);
        self.windows = cutter.into_windows();
        stored
    }

    /// Stores the chunks that `cutter` yields as one object.
    pub(crate) fn put_cut(&mut self, kind: &str, name: &str, cutter: &mut Cutter<'_>) -> Result<Stored> {
        check_name(kind, name)?;
        let mut object = Object {
            kind: kind.to_owned(),
            name: name.to_owned(),
            sequence: self.standing.live.sequence + 1,
            time_ms: now_ms(),
            bytes: 0,
            chunks: Vec::new(),
        };
        let new_bytes = self.put_chunks(cutter, &mut object)?;
        let id = object.id(&self.keys);
        let name = catalog_name(&self.keys, kind, name);
        let before = self.noticed(self.standing.get(&name))?;
        let duplicate = before.as_ref().is_some_and(|before| before.entry.id == id);
        if !duplicate {
            self.append_object(id, name, &object, before)?;
        }
        Ok(Stored { id, bytes: object.bytes, new_bytes, duplicate })
    }

    /// Stores the chunks that are not there yet and names all in `object`. Returns how many bytes were new.
    fn put_chunks(&mut self, cutter: &mut Cutter<'_>, object: &mut Object) -> Result<u64> {
        // The threads are taken out, so that chunks can be appended while they work.
        let mut sealing = self.sealing.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let taken = self.take_chunks(cutter, object, &mut sealing);
        if let Some(sealing) = &mut sealing {
            sealing.rest();
        }
        self.sealing = Mutex::new(sealing);
        taken
    }

    fn take_chunks(
        &mut self,
        cutter: &mut Cutter<'_>,
        object: &mut Object,
        sealing: &mut Option<Sealing>,
    ) -> Result<u64> {
        let mut new_bytes = 0;
        while let Some((plaintext, last)) = cutter.next()? {
            let id = chunk::id(&self.keys.chunk_id, &plaintext);
            object.bytes += plaintext.len() as u64;
            object.chunks.push((id, plaintext.len() as u32));
            if object.chunks.len() > CHUNKS_MAX {
                return Err(Error::Limit(format!("an object has at most {CHUNKS_MAX} chunks")));
            }
            if sealing.as_ref().is_some_and(|sealing| sealing.has(&id)) || self.has_chunk(&id)? {
                continue;
            }
            new_bytes += plaintext.len() as u64;
            if last && object.chunks.len() == 1 {
                self.append_chunk(id, &mut seal_chunk(&self.keys, id, &plaintext, Wiped::default())?)?;
                continue;
            }
            let sealing = match sealing {
                Some(sealing) => sealing,
                None => sealing.insert(Sealing::start(&self.keys)?),
            };
            sealing.send(id, plaintext)?;
            if sealing.full() {
                self.append_next(sealing)?;
            }
        }
        if let Some(sealing) = sealing {
            while self.append_next(sealing)? {}
        }
        Ok(new_bytes)
    }

    /// Waits for the chunk that was handed out first and appends it. `false` when all came back.
    fn append_next(&mut self, sealing: &mut Sealing) -> Result<bool> {
        let Some((id, mut sealed)) = sealing.receive()? else { return Ok(false) };
        self.append_chunk(id, &mut sealed)?;
        sealing.give_back(sealed);
        Ok(true)
    }

    fn append_chunk(&mut self, id: ChunkId, sealed: &mut Sealed) -> Result<()> {
        let at = self.log.append_sealed(sealed)?;
        self.index.get_mut().unwrap_or_else(PoisonError::into_inner).insert(id, at);
        Ok(())
    }

    fn append_object(
        &mut self,
        id: ObjectId,
        name: CatalogName,
        object: &Object,
        before: Option<Located>,
    ) -> Result<()> {
        let body = object.encode();
        let at = self.log.append(Type::Object, id.0, Encoding::Bytes, body.len(), &body)?;
        self.standing.replace(&self.keys, name, before, Some(Located { entry: object.entry(id), at }));
        self.standing.live.sequence = object.sequence;
        Ok(())
    }
}

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
