//! Reading: from an object's id to its record, its chunks, and bytes that are verified before they are returned.

use std::sync::PoisonError;

use crate::catalog::Located;
use crate::chunk::{self, ChunkId};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::log::Position;
use crate::object::{Object, ObjectId};
use crate::pack::{HEADER, Location, Type};
use crate::vault::Vault;
use crate::wiped::Wiped;

impl Vault {
    /// A catalog that failed is made anew at the next opening. One that is half made answers nothing until then.
    pub(crate) fn noticed<T>(&self, result: Result<T>) -> Result<T> {
        if self.half_made {
            return Err(Error::Stopped("the catalog could not be made anew".into()));
        }
        if let Err(Error::Damaged(_)) = &result {
            self.standing.catalog.invalidate();
        }
        result
    }

    /// The record of an object that stands.
    pub(crate) fn record(&self, id: &ObjectId) -> Result<(Object, Location)> {
        let found = self.noticed(self.standing.by_id(id))?;
        let (_, Located { entry, at }) = found.ok_or_else(|| Error::NotFound(format!("object {id}")))?;
        let (head, body) = self.log.read(&at).map_err(|e| name_object(e, id))?;
        let object = Object::decode(&self.keys, id, &body)
            .filter(|object| head.kind == Type::Object && head.id == id.0 && object.entry(*id) == entry);
        let object = object.ok_or_else(|| Error::damaged(format!("{at}: this is not the record of object {id}")))?;
        Ok((object, at))
    }

    pub(crate) fn each_chunk(&self, object: &Object, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for (id, length) in &object.chunks {
            let plaintext = self.read_chunk(id).map_err(|e| name_object(e, &object.id(&self.keys)))?;
            if plaintext.len() != *length as usize {
                return Err(Error::damaged(format!("object {}: a chunk has another length", object.id(&self.keys))));
            }
            visit(&plaintext)?;
        }
        Ok(())
    }

    /// One chunk, its id recomputed.
    fn read_chunk(&self, id: &ChunkId) -> Result<Wiped> {
        let at = self.locate(id)?;
        let (head, plaintext) = self.log.read(&at)?;
        let sound = head.kind == Type::Chunk && head.id == *id && chunk::id(&self.keys.chunk_id, &plaintext) == *id;
        match sound {
            true => Ok(plaintext),
            false => Err(Error::damaged(format!("{at}: this is not the chunk that the index names"))),
        }
    }

    fn locate(&self, id: &ChunkId) -> Result<Location> {
        let missing = || Error::damaged("a chunk is in no pack");
        {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            match index.get(id) {
                Ok(Some(at)) if self.log.holds(at.pack) => return Ok(at),
                Ok(None) if index.verify().is_ok() => return Err(missing()),
                _ => {}
            }
        }
        self.remake_index()?;
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(id)?.ok_or_else(missing)
    }

    /// Makes the index anew from the packs, uncommitted entries included; it goes to disk at the next commit.
    pub(crate) fn remake_index(&self) -> Result<()> {
        tracing::warn!("the chunk index is damaged and is made anew from the packs");
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Index::empty(&self.paths.index(), self.keys.clone())?;
        let first = self.log.packs().keys().next().copied().unwrap_or(1);
        let gaps = self.log.walk(Position { pack: first, offset: HEADER }, self.log.end(), &mut |at, head| {
            if head.kind == Type::Chunk {
                fresh.insert(head.id, at);
            }
            Ok(())
        })?;
        for gap in &gaps {
            tracing::warn!(%gap, "damage found while making the index anew");
            fresh.set_partial();
        }
        *index = fresh;
        Ok(())
    }

    /// Is a chunk in the packs already?
    pub(crate) fn has_chunk(&self, id: &ChunkId) -> Result<bool> {
        let known = self.index.read().unwrap_or_else(PoisonError::into_inner).get(id);
        match known {
            // What was in a pack that is gone must be stored again.
            Ok(found) => Ok(found.is_some_and(|at| self.log.holds(at.pack))),
            Err(_) => {
                self.remake_index()?;
                Ok(self.index.read().unwrap_or_else(PoisonError::into_inner).get(id)?.is_some())
            }
        }
    }
}

fn name_object(error: Error, id: &ObjectId) -> Error {
    match error {
        Error::Damaged(what) => Error::Damaged(format!("object {id}: {what}")),
        other => other,
    }
}
