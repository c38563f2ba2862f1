//! Packs: the file header, and entries of a sealed head and a sealed body.

use crate::chunk::{self, Encoding};
use crate::cipher::NONCE;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::seal::{BOX, Reader, Sealer, VERSION, padded, random, same};
use crate::wiped::Wiped;

/// Bytes before the first entry.
pub(crate) const HEADER: u64 = 64;
/// A pack this long gets no further entry.
pub(crate) const TARGET: u64 = if cfg!(test) { 16 * 1024 } else { 32 * 1024 * 1024 };
/// No pack is longer.
pub(crate) const PACK_MAX: u64 = 64 * 1024 * 1024;
/// Entries start at multiples of this.
pub(crate) const ALIGN: u64 = 64;
/// Where the encoded content of an entry is, before it is sealed and after.
pub(crate) const CONTENT: usize = HEAD_BOX + NONCE;
/// Length of a sealed entry head.
pub(crate) const HEAD_BOX: usize = HEAD + BOX;
/// The longest encoded content of one entry.
pub(crate) const STORED_MAX: usize = 16 * 1024 * 1024;
const PADDED_MAX: usize = 20 * 1024 * 1024;
const PADDED_MIN: usize = 256;
const HEAD: usize = 48;
const MAGIC: &[u8; 8] = b"USUFPACK";

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Type {
    Chunk = 1,
    Object = 2,
    Removal = 3,
    Commit = 4,
}

/// Which pack: its number in the log and its random id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackId {
    pub(crate) number: u32,
    pub(crate) id: [u8; 16],
}

impl PackId {
    pub(crate) fn new(number: u32) -> Result<PackId> {
        Ok(PackId { number, id: random()? })
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        format!("{:08x}-{}.pack", self.number, hex::encode(self.id))
    }

    /// The pack a file name stands for, if it is one.
    pub(crate) fn parse(name: &str) -> Option<PackId> {
        let (number, id) = name.strip_suffix(".pack")?.split_once('-')?;
        let mut pack = PackId { number: u32::from_str_radix(number, 16).ok()?, id: [0; 16] };
        hex::decode_to_slice(id, &mut pack.id).ok()?;
        (pack.file_name() == name && pack.number > 0).then_some(pack)
    }

    /// The first bytes of its file.
    pub(crate) fn header(&self, keys: &Keys) -> [u8; HEADER as usize] {
        let mut out = [0; HEADER as usize];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.number.to_le_bytes());
        out[16..32].copy_from_slice(&keys.vault);
        out[32..48].copy_from_slice(&self.id);
        let mac = blake3::keyed_hash(&keys.pack, &out[..48]);
        out[48..].copy_from_slice(&mac.as_bytes()[..16]);
        out
    }

    /// Refuses the first bytes of a file unless they are this pack's.
    pub(crate) fn verify(&self, keys: &Keys, header: &[u8; HEADER as usize]) -> Result<()> {
        let mut fields = Reader(&header[8..]);
        match fields.u16() {
            Some(found) if &header[..8] == MAGIC && found != VERSION => Err(Error::Unsupported { found }),
            _ if same(header, &self.header(keys)) => Ok(()),
            _ => Err(Error::damaged(format!("pack {}: its header is not that of this vault's pack", self.number))),
        }
    }

    fn context(&self, offset: u64) -> [u8; 28] {
        let mut out = [0; 28];
        out[..4].copy_from_slice(&self.number.to_le_bytes());
        out[4..20].copy_from_slice(&self.id);
        out[20..].copy_from_slice(&offset.to_le_bytes());
        out
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Location {
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    /// Length of the whole entry.
    pub(crate) length: u32,
}

impl Location {
    pub(crate) const SIZE: usize = 12;

    pub(crate) fn encode(&self) -> [u8; Location::SIZE] {
        let mut out = [0; Location::SIZE];
        out[..4].copy_from_slice(&self.pack.to_le_bytes());
        out[4..8].copy_from_slice(&self.offset.to_le_bytes());
        out[8..].copy_from_slice(&self.length.to_le_bytes());
        out
    }

    pub(crate) fn read(fields: &mut Reader<'_>) -> Option<Location> {
        Some(Location { pack: fields.u32()?, offset: fields.u32()?, length: fields.u32()? })
    }

    /// The offset just after it.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pack {} at {}", self.pack, self.offset)
    }
}

/// What a sealed head says about its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHead {
    pub(crate) kind: Type,
    pub(crate) encoding: Encoding,
    /// Length of the content.
    pub(crate) length: u32,
    stored: u32,
    padded: u32,
    /// Chunk id, object id or commit id.
    pub(crate) id: [u8; 32],
}

impl EntryHead {
    /// The head for `stored` bytes that decode to `length` bytes.
    pub(crate) fn new(kind: Type, encoding: Encoding, length: usize, stored: usize, id: [u8; 32]) -> Result<EntryHead> {
        let too_long = || Error::Limit("one entry of a pack holds at most 16 MiB".into());
        if stored > STORED_MAX {
            return Err(too_long());
        }
        let length = u32::try_from(length).map_err(|_| too_long())?;
        let padded = padded(stored, PADDED_MIN) as u32;
        Ok(EntryHead { kind, encoding, length, stored: stored as u32, padded, id })
    }

    /// Length of the whole entry.
    pub(crate) fn entry_length(&self) -> u32 {
        (HEAD_BOX + BOX) as u32 + self.padded
    }

    fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        out[0] = self.kind as u8;
        out[1] = self.encoding as u8;
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..12].copy_from_slice(&self.stored.to_le_bytes());
        out[12..16].copy_from_slice(&self.padded.to_le_bytes());
        out[16..].copy_from_slice(&self.id);
        out
    }

    fn decode(bytes: &[u8]) -> Option<EntryHead> {
        let mut fields = Reader(bytes);
        let kind = match fields.u8()? {
            1 => Type::Chunk,
            2 => Type::Object,
            3 => Type::Removal,
            4 => Type::Commit,
            _ => return None,
        };
        let encoding = match (fields.u8()?, kind) {
            (0, _) => Encoding::Bytes,
            (1, Type::Chunk) => Encoding::Zstd,
            _ => return None,
        };
        let zero = fields.u16()?;
        let (length, stored, padded) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let head = EntryHead { kind, encoding, length, stored, padded, id: fields.array()? };
        fields.end()?;
        let sound = zero == 0
            && stored <= padded
            && stored as usize <= STORED_MAX
            && padded as usize <= PADDED_MAX
            && u64::from(head.entry_length()).is_multiple_of(ALIGN)
            && (encoding == Encoding::Zstd || length == stored);
        sound.then_some(head)
    }

    /// The head sealed at `offset` of `pack`, or `None` when none authenticates there.
    pub(crate) fn open(keys: &Keys, pack: &PackId, offset: u64, sealed: &[u8]) -> Option<EntryHead> {
        EntryHead::decode(&keys.entry.open(&[&pack.context(offset)], sealed)?)
    }

    /// The content of its body box, which goes from `start` to the end of the buffer, decoded; `None` when it does not
    /// authenticate as this head's.
    pub(crate) fn open_body(&self, keys: &Keys, body: Wiped, start: usize) -> Option<Wiped> {
        let body = self.open_encoded(keys, body, start)?;
        match self.encoding {
            Encoding::Bytes => Some(body),
            Encoding::Zstd => chunk::decompress(&body, self.length as usize),
        }
    }

    /// The same, not decoded.
    pub(crate) fn open_encoded(&self, keys: &Keys, mut body: Wiped, start: usize) -> Option<Wiped> {
        self.sealer(keys).open_within(&[&self.encode()], &mut body, start)?;
        if body.len() != self.padded as usize || body[self.stored as usize..].iter().any(|b| *b != 0) {
            return None;
        }
        body.truncate(self.stored as usize);
        Some(body)
    }

    /// The entry around `content`, with room for its head, which depends on where the entry will be.
    pub(crate) fn seal(self, keys: &Keys, content: &[u8]) -> Result<Sealed> {
        self.seal_within(keys, Some(content), Wiped::zeros(self.entry_length() as usize))
    }

    /// [`EntryHead::seal`] in a buffer that is long enough; without a content, of what was encoded there, at [`CONTENT`].
    pub(crate) fn seal_within(self, keys: &Keys, content: Option<&[u8]>, mut buffer: Wiped) -> Result<Sealed> {
        let (from, to) = (CONTENT + self.stored as usize, CONTENT + self.padded as usize);
        if content.is_none() {
            buffer[from..to].fill(0);
        }
        let boxed = &mut buffer[HEAD_BOX..self.entry_length() as usize];
        self.sealer(keys).seal_within(&[&self.encode()], content, boxed)?;
        Ok(Sealed { head: self, buffer })
    }

    fn sealer<'k>(&self, keys: &'k Keys) -> &'k Sealer {
        match self.kind {
            Type::Chunk => &keys.chunk,
            Type::Object => &keys.object,
            Type::Removal => &keys.removal,
            Type::Commit => &keys.commit,
        }
    }
}

/// An entry whose body is sealed, and its head not yet.
pub(crate) struct Sealed {
    pub(crate) head: EntryHead,
    /// The entry, and what was there before it was sealed.
    buffer: Wiped,
}

impl Sealed {
    /// The whole entry, to be written at `offset` of `pack`.
    pub(crate) fn finish(&mut self, keys: &Keys, pack: &PackId, offset: u64) -> Result<&[u8]> {
        let (head, boxed) = (self.head.encode(), &mut self.buffer[..HEAD_BOX]);
        keys.entry.seal_within(&[&pack.context(offset)], Some(head.as_slice()), boxed)?;
        Ok(&self.buffer[..self.head.entry_length() as usize])
    }

    /// The buffer, to be used again.
    pub(crate) fn into_buffer(self) -> Wiped {
        self.buffer
    }
}

/// The two tags of an entry as written, which a commit's id covers.
pub(crate) fn tags(entry: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&entry[HEAD_BOX - 16..HEAD_BOX]);
    out[16..].copy_from_slice(&entry[entry.len() - 16..]);
    out
}

const _: () = assert!((HEAD_BOX + BOX).is_multiple_of(ALIGN as usize) && HEADER.is_multiple_of(ALIGN));
