//! Objects: how an object and its removal are named and written down.

use zeroize::Zeroizing;

use crate::chunk::{ChunkId, READ_MAX};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::seal::Reader;

/// Longest kind, in bytes of UTF-8.
pub const KIND_MAX: usize = 64;
/// Longest name, in bytes of UTF-8.
pub const NAME_MAX: usize = 1024;

/// Id of an object: a keyed hash of its kind, name and content. Without the vault's key it says nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub [u8; 32]);

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl std::str::FromStr for ObjectId {
    type Err = Error;
    fn from_str(text: &str) -> Result<ObjectId> {
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map_err(|_| Error::Limit("an object id is 64 hex digits".into()))?;
        Ok(ObjectId(id))
    }
}

/// What the vault says about an object it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: ObjectId,
    /// What kind of thing it is, in the caller's words.
    pub kind: String,
    /// Its name within the kind.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was stored, in milliseconds since 1970-01-01 UTC by this machine's clock.
    pub time_ms: i64,
    /// Its place in the order of everything ever stored or removed here; later is greater.
    pub sequence: u64,
}

/// How many bytes of a catalog name are of the kind alone.
pub(crate) const KIND_PREFIX: usize = 16;

/// Where an object stands in the catalog: keyed hashes of kind and name.
pub(crate) type CatalogName = [u8; 48];

/// Refuses kinds and names the format cannot hold.
pub(crate) fn check_name(kind: &str, name: &str) -> Result<()> {
    let fits = |text: &str, max| (1..=max).contains(&text.len());
    match (fits(kind, KIND_MAX), fits(name, NAME_MAX)) {
        (true, true) => Ok(()),
        (false, _) => Err(Error::Limit(format!("a kind is 1 to {KIND_MAX} bytes long"))),
        (_, false) => Err(Error::Limit(format!("a name is 1 to {NAME_MAX} bytes long"))),
    }
}

/// The first bytes of the catalog names of all objects of a kind.
pub(crate) fn kind_prefix(keys: &Keys, kind: &str) -> [u8; KIND_PREFIX] {
    let mut hasher = blake3::Hasher::new_keyed(&keys.catalog_name);
    hasher.update(b"k").update(kind.as_bytes());
    let mut prefix = [0; KIND_PREFIX];
    hasher.finalize_xof().fill(&mut prefix);
    prefix
}

/// The catalog name of (kind, name).
pub(crate) fn catalog_name(keys: &Keys, kind: &str, name: &str) -> CatalogName {
    let mut hasher = blake3::Hasher::new_keyed(&keys.catalog_name);
    hasher.update(b"n").update(&[kind.len() as u8]).update(kind.as_bytes()).update(name.as_bytes());
    let mut out = [0; 48];
    out[..KIND_PREFIX].copy_from_slice(&kind_prefix(keys, kind));
    out[KIND_PREFIX..].copy_from_slice(hasher.finalize().as_bytes());
    out
}

/// The full record of an object, as stored in its pack entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) sequence: u64,
    pub(crate) time_ms: i64,
    pub(crate) bytes: u64,
    pub(crate) chunks: Vec<(ChunkId, u32)>,
}

impl Object {
    pub(crate) fn id(&self, keys: &Keys) -> ObjectId {
        let mut hasher = blake3::Hasher::new_keyed(&keys.object_id);
        hasher.update(&[self.kind.len() as u8]).update(&(self.name.len() as u16).to_le_bytes());
        hasher.update(self.kind.as_bytes()).update(self.name.as_bytes()).update(&self.bytes.to_le_bytes());
        self.chunks.iter().for_each(|(id, _)| {
            hasher.update(id);
        });
        ObjectId(*hasher.finalize().as_bytes())
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let size = 31 + self.kind.len() + self.name.len() + 36 * self.chunks.len();
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&(self.chunks.len() as u32).to_le_bytes());
        push_names(&mut out, &self.kind, &self.name);
        for (id, length) in &self.chunks {
            out.extend_from_slice(id);
            out.extend_from_slice(&length.to_le_bytes());
        }
        out
    }

    /// `None` unless every length fits and the id is the one its entry head names.
    pub(crate) fn decode(keys: &Keys, id: &ObjectId, body: &[u8]) -> Option<Object> {
        let mut fields = Reader(body);
        let (sequence, time_ms, bytes) = (fields.u64()?, fields.i64()?, fields.u64()?);
        let count = fields.u32()? as usize;
        let (kind, name) = take_names(&mut fields)?;
        if fields.0.len() != count.checked_mul(36)? {
            return None;
        }
        let mut chunks = Vec::with_capacity(count);
        for _ in 0..count {
            chunks.push((fields.array()?, fields.u32()?));
        }
        fields.end()?;
        let sum: u64 = chunks.iter().map(|(_, length)| u64::from(*length)).sum();
        let sound = sum == bytes && chunks.iter().all(|(_, l)| *l > 0 && *l as usize <= READ_MAX);
        let object = Object { kind, name, sequence, time_ms, bytes, chunks };
        (sound && object.id(keys) == *id).then_some(object)
    }

    /// What callers see of it.
    pub(crate) fn entry(&self, id: ObjectId) -> Entry {
        Entry {
            id,
            kind: self.kind.clone(),
            name: self.name.clone(),
            bytes: self.bytes,
            time_ms: self.time_ms,
            sequence: self.sequence,
        }
    }
}

/// The record that an object was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) sequence: u64,
    pub(crate) time_ms: i64,
}

impl Removal {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(19 + self.kind.len() + self.name.len()));
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        push_names(&mut out, &self.kind, &self.name);
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Removal> {
        let mut fields = Reader(body);
        let (sequence, time_ms) = (fields.u64()?, fields.i64()?);
        let (kind, name) = take_names(&mut fields)?;
        fields.end()?;
        Some(Removal { kind, name, sequence, time_ms })
    }
}

pub(crate) fn push_names(out: &mut Vec<u8>, kind: &str, name: &str) {
    out.push(kind.len() as u8);
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(name.as_bytes());
}

pub(crate) fn take_names(fields: &mut Reader<'_>) -> Option<(String, String)> {
    let (kind, name) = (fields.u8()? as usize, fields.u16()? as usize);
    let (kind, name) = (fields.text(kind)?.to_owned(), fields.text(name)?.to_owned());
    check_name(&kind, &name).ok()?;
    Some((kind, name))
}
