//! Keys: the master key, the slots that wrap it, the header file that holds the slots, one derived key per purpose.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::cipher;
use crate::disk;
use crate::error::{Error, Result};
use crate::seal::{BOX, Domain, MAGIC, Reader, Sealer, VERSION, VaultId, random, same};

const FIXED: usize = 64;
const SLOT: usize = 152;
const SLOT_OPEN: usize = 80;
const SLOTS_MAX: usize = 8;
const HEADER_MAX: u64 = (FIXED + SLOT * SLOTS_MAX + 64) as u64;

/// A passphrase in memory: never printed, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of the bytes of a passphrase.
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret::new(text.into_bytes())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a vault is opened with.
#[derive(Clone, Debug)]
pub enum Unlock {
    /// The passphrase.
    Passphrase(Secret),
    /// The 32 bytes of entropy that the recovery phrase encodes.
    Recovery(Zeroizing<[u8; 32]>),
}

/// How hard Argon2id makes each guess at a passphrase. Stored in the slot, authenticated, and bounded both ways: below
/// [`KdfCost::FLOOR`] a vault is too easy to guess, above [`KdfCost::CEILING`] a hostile header could exhaust memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes; they are computed one after the other.
    pub lanes: u32,
}

impl KdfCost {
    /// The least a vault accepts: 64 MiB, 3 passes (RFC 9106, second recommended option).
    pub const FLOOR: KdfCost = KdfCost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// The most a vault accepts: 1 GiB, 10 passes, 4 lanes.
    pub const CEILING: KdfCost = KdfCost { memory_kib: 1024 * 1024, passes: 10, lanes: 4 };

    fn check(self) -> Result<()> {
        let within = |v: u32, low: u32, high: u32| (low..=high).contains(&v);
        let (low, high) = (KdfCost::FLOOR, KdfCost::CEILING);
        match within(self.memory_kib, low.memory_kib, high.memory_kib)
            && within(self.passes, low.passes, high.passes)
            && within(self.lanes, low.lanes, high.lanes)
        {
            true => Ok(()),
            false => Err(Error::Limit(format!(
                "passphrase cost of {} KiB, {} passes, {} lanes is outside {} to {} KiB, {} to {} passes, {} to {} lanes",
                self.memory_kib,
                self.passes,
                self.lanes,
                low.memory_kib,
                high.memory_kib,
                low.passes,
                high.passes,
                low.lanes,
                high.lanes
            ))),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Passphrase,
    Recovery,
}

#[derive(Clone)]
struct Slot([u8; SLOT]);

impl Slot {
    fn kind(&self) -> Result<Kind> {
        match (self.0[0], &self.0[1..4]) {
            (1, [0, 0, 0]) => Ok(Kind::Passphrase),
            (2, [0, 0, 0]) => Ok(Kind::Recovery),
            _ => Err(Error::damaged("header: unknown kind of key slot")),
        }
    }

    fn cost(&self) -> Result<KdfCost> {
        let mut fields = Reader(&self.0[4..16]);
        let mut field = || fields.u32().unwrap_or_default();
        let cost = KdfCost { memory_kib: field(), passes: field(), lanes: field() };
        match self.kind()? {
            Kind::Passphrase => cost.check().map(|()| cost),
            Kind::Recovery if self.0[4..16] == [0; 12] => Ok(cost),
            Kind::Recovery => Err(Error::damaged("header: a recovery slot with passphrase parameters")),
        }
    }

    fn matches(&self, unlock: &Unlock) -> Result<bool> {
        Ok(matches!(
            (self.kind()?, unlock),
            (Kind::Passphrase, Unlock::Passphrase(_)) | (Kind::Recovery, Unlock::Recovery(_))
        ))
    }

    /// Derives slot key and commitment from what the person gave.
    fn derive(&self, unlock: &Unlock) -> Result<(Zeroizing<[u8; 32]>, [u8; 32])> {
        let cost = self.cost()?;
        let salt = &self.0[16..48];
        let mut wrap = Zeroizing::new([0u8; 32]);
        match unlock {
            Unlock::Passphrase(secret) => {
                let limit = |_| Error::Limit("the passphrase cannot be processed".into());
                let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(limit)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(&secret.0, salt, wrap.as_mut())
                    .map_err(limit)?;
            }
            Unlock::Recovery(entropy) => expand(Some(salt), entropy.as_ref(), "usufruct vault 1 recovery", &mut wrap),
        }
        let mut both = Zeroizing::new([0u8; 64]);
        if let Ok(prk) = Hkdf::<Sha256>::from_prk(wrap.as_ref()) {
            let _ = prk.expand(b"usufruct vault 1 slot", both.as_mut());
        }
        let (mut key, mut commitment) = (Zeroizing::new([0; 32]), [0; 32]);
        key.copy_from_slice(&both[..32]);
        commitment.copy_from_slice(&both[32..]);
        Ok((key, commitment))
    }

    /// A new slot around `master`.
    fn wrap(vault: VaultId, start: &[u8; 12], unlock: &Unlock, cost: KdfCost, master: &[u8; 32]) -> Result<Slot> {
        let mut slot = Slot([0; SLOT]);
        match unlock {
            Unlock::Passphrase(_) => {
                cost.check()?;
                slot.0[0] = 1;
                slot.0[4..8].copy_from_slice(&cost.memory_kib.to_le_bytes());
                slot.0[8..12].copy_from_slice(&cost.passes.to_le_bytes());
                slot.0[12..16].copy_from_slice(&cost.lanes.to_le_bytes());
            }
            Unlock::Recovery(_) => slot.0[0] = 2,
        }
        slot.0[16..48].copy_from_slice(&random::<32>()?);
        let (key, commitment) = slot.derive(unlock)?;
        slot.0[48..SLOT_OPEN].copy_from_slice(&commitment);
        let sealed = Sealer::new(key, vault, Domain::Slot)
            .seal(&[start.as_slice(), vault.as_slice(), &slot.0[..SLOT_OPEN]], master)?;
        slot.0[SLOT_OPEN..].copy_from_slice(&sealed);
        Ok(slot)
    }

    /// The master key, or `None` when this slot is not for this secret.
    fn open(&self, vault: VaultId, start: &[u8; 12], unlock: &Unlock) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let (key, commitment) = self.derive(unlock)?;
        if !same(&commitment, &self.0[48..SLOT_OPEN]) {
            return Ok(None);
        }
        let context = [start.as_slice(), vault.as_slice(), &self.0[..SLOT_OPEN]];
        let plain = Sealer::new(key, vault, Domain::Slot)
            .open(&context, &self.0[SLOT_OPEN..])
            .ok_or_else(|| Error::damaged("header: a key slot does not authenticate"))?;
        let mut master = Zeroizing::new([0; 32]);
        master.copy_from_slice(&plain);
        Ok(Some(master))
    }
}

/// The header file: which vault this is and the slots that wrap its master key.
pub(crate) struct Header {
    pub(crate) vault: VaultId,
    pub(crate) epoch: u32,
    slots: Vec<Slot>,
}

impl Header {
    /// A header for a new vault, with a passphrase slot and a recovery slot, and its master key.
    pub(crate) fn create(
        passphrase: &Secret,
        recovery: &[u8; 32],
        cost: KdfCost,
    ) -> Result<(Header, Zeroizing<[u8; 32]>)> {
        cipher::ready()?;
        let master = Zeroizing::new(random::<32>()?);
        let vault = random::<16>()?;
        let start = Header::start(2);
        let slots = vec![
            Slot::wrap(vault, &start, &Unlock::Passphrase(passphrase.clone()), cost, &master)?,
            Slot::wrap(vault, &start, &Unlock::Recovery(Zeroizing::new(*recovery)), cost, &master)?,
        ];
        Ok((Header { vault, epoch: 1, slots }, master))
    }

    /// Reads and checks everything that can be checked without a key.
    pub(crate) fn read(path: &Path) -> Result<Header> {
        let bytes = disk::read(path, HEADER_MAX)?;
        let damaged = |what: &str| Error::damaged(format!("header: {what}"));
        let mut fields = Reader(&bytes);
        if fields.bytes(8) != Some(MAGIC.as_slice()) {
            return Err(damaged("this is not the header of a vault"));
        }
        match fields.u16() {
            Some(VERSION) => {}
            Some(found) => return Err(Error::Unsupported { found }),
            None => return Err(damaged("it is cut short")),
        }
        let count = fields.u16().unwrap_or_default() as usize;
        if !(1..=SLOTS_MAX).contains(&count) {
            return Err(damaged("the number of key slots is not between 1 and 8"));
        }
        if bytes.len() != FIXED + SLOT * count + 64 {
            return Err(damaged("its length does not fit its number of key slots"));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - 32);
        if blake3::hash(body).as_bytes() != checksum {
            return Err(damaged("its checksum does not match"));
        }
        let epoch = fields.u32().ok_or_else(|| damaged("it is cut short"))?;
        let vault = fields.array().ok_or_else(|| damaged("it is cut short"))?;
        if bytes[32..FIXED] != [0; 32] {
            return Err(damaged("bytes that must be zero are not"));
        }
        let slots = bytes[FIXED..FIXED + SLOT * count].as_chunks::<SLOT>().0.iter().map(|s| Slot(*s)).collect();
        Ok(Header { vault, epoch, slots })
    }

    /// The master key for `unlock`, after the whole header verified under it.
    pub(crate) fn unlock(&self, unlock: &Unlock, path: &Path) -> Result<Zeroizing<[u8; 32]>> {
        cipher::ready()?;
        // All slots are looked at before the first costly derivation: a hostile one is refused, not computed.
        self.slots.iter().try_for_each(|slot| slot.cost().map(|_| ()))?;
        let start = Header::start(self.slots.len());
        for slot in &self.slots {
            if !slot.matches(unlock)? {
                continue;
            }
            if let Some(master) = slot.open(self.vault, &start, unlock)? {
                return self.verify(path, &master).map(|()| master);
            }
        }
        Err(Error::WrongKey)
    }

    /// Refuses a file that is not byte for byte this header under its MAC.
    pub(crate) fn verify(&self, path: &Path, master: &[u8; 32]) -> Result<()> {
        match self.encode(master) == disk::read(path, HEADER_MAX)? {
            true => Ok(()),
            false => Err(Error::damaged("header: it does not authenticate")),
        }
    }

    /// Replaces every passphrase slot by one new one. The header must be written afterwards.
    pub(crate) fn set_passphrase(&self, new: &Secret, cost: KdfCost, master: &[u8; 32]) -> Result<Header> {
        let mut slots: Vec<Slot> = Vec::new();
        for slot in &self.slots {
            if slot.kind()? != Kind::Passphrase {
                slots.push(slot.clone());
            }
        }
        let start = Header::start(slots.len() + 1);
        if slots.len() + 1 != self.slots.len() {
            return Err(Error::Limit("this vault has several passphrases; remove all but one first".into()));
        }
        slots.insert(0, Slot::wrap(self.vault, &start, &Unlock::Passphrase(new.clone()), cost, master)?);
        Ok(Header { vault: self.vault, epoch: self.epoch + 1, slots })
    }

    /// The slots of another header of this vault, in the next epoch: a change of passphrase without its cost.
    #[cfg(test)]
    pub(crate) fn with_slots_of(&self, other: &Header) -> Header {
        Header { vault: self.vault, epoch: self.epoch + 1, slots: other.slots.clone() }
    }

    /// Do both have the same slots?
    #[cfg(test)]
    pub(crate) fn same_slots(&self, other: &Header) -> bool {
        self.slots.iter().map(|slot| slot.0).eq(other.slots.iter().map(|slot| slot.0))
    }

    /// Writes the header atomically.
    pub(crate) fn write(&self, path: &Path, master: &[u8; 32]) -> Result<()> {
        disk::replace(path, &self.encode(master))
    }

    /// Number of key slots.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    fn start(slots: usize) -> [u8; 12] {
        let mut start = [0; 12];
        start[..8].copy_from_slice(MAGIC);
        start[8..10].copy_from_slice(&VERSION.to_le_bytes());
        start[10..].copy_from_slice(&(slots as u16).to_le_bytes());
        start
    }

    fn encode(&self, master: &[u8; 32]) -> Vec<u8> {
        let mut out = Header::start(self.slots.len()).to_vec();
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.vault);
        out.extend_from_slice(&[0; 32]);
        self.slots.iter().for_each(|slot| out.extend_from_slice(&slot.0));
        let mac = blake3::keyed_hash(&derive(self.vault, master, "header"), &out);
        out.extend_from_slice(mac.as_bytes());
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }
}

pub(crate) fn expand(salt: Option<&[u8]>, secret: &[u8], info: &str, out: &mut [u8; 32]) {
    // Fails only for outputs longer than 255 hashes; this one is one hash long.
    let _ = Hkdf::<Sha256>::new(salt, secret).expand(info.as_bytes(), out);
}

/// The key for one purpose inside the vault.
fn derive(vault: VaultId, master: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    expand(Some(&vault), master, &format!("usufruct vault 1 {label}"), &mut key);
    key
}

/// Every key an open vault works with. Wiped from memory when dropped.
pub(crate) struct Keys {
    pub(crate) vault: VaultId,
    pub(crate) master: Zeroizing<[u8; 32]>,
    pub(crate) head: Sealer,
    pub(crate) entry: Sealer,
    pub(crate) chunk: Sealer,
    pub(crate) object: Sealer,
    pub(crate) removal: Sealer,
    pub(crate) commit: Sealer,
    pub(crate) index_page: Sealer,
    pub(crate) index_set: Sealer,
    pub(crate) catalog_value: Sealer,
    pub(crate) catalog_mark: Sealer,
    pub(crate) seen: Sealer,
    pub(crate) chunk_id: Zeroizing<[u8; 32]>,
    pub(crate) object_id: Zeroizing<[u8; 32]>,
    pub(crate) commit_id: Zeroizing<[u8; 32]>,
    pub(crate) pack: Zeroizing<[u8; 32]>,
    pub(crate) live: Zeroizing<[u8; 32]>,
    pub(crate) share: Zeroizing<[u8; 32]>,
    pub(crate) index_run: Zeroizing<[u8; 32]>,
    pub(crate) catalog_name: Zeroizing<[u8; 32]>,
    pub(crate) chunker_seed: u64,
}

impl Keys {
    pub(crate) fn new(vault: VaultId, master: Zeroizing<[u8; 32]>) -> Keys {
        let key = |label: &str| derive(vault, &master, label);
        let sealer = |label: &str, domain| Sealer::new(key(label), vault, domain);
        let seed = Reader(key("chunker").as_ref()).u64().unwrap_or_default().max(1);
        Keys {
            vault,
            head: sealer("head", Domain::Head),
            entry: sealer("entry head", Domain::EntryHead),
            chunk: sealer("chunk", Domain::Chunk),
            object: sealer("object", Domain::Object),
            removal: sealer("removal", Domain::Removal),
            commit: sealer("commit", Domain::Commit),
            index_page: sealer("index page", Domain::IndexPage),
            index_set: sealer("index set", Domain::IndexSet),
            catalog_value: sealer("catalog value", Domain::CatalogValue),
            catalog_mark: sealer("catalog mark", Domain::CatalogMark),
            seen: sealer("seen", Domain::Seen),
            chunk_id: key("chunk id"),
            object_id: key("object id"),
            commit_id: key("commit id"),
            pack: key("pack"),
            live: key("live"),
            share: key("share"),
            index_run: key("index run"),
            catalog_name: key("catalog name"),
            chunker_seed: seed,
            master,
        }
    }

    /// A key for the program's own use. Different for every purpose and vault, the same at every opening.
    pub(crate) fn app(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        derive(self.vault, &self.master, &format!("app {purpose}"))
    }
}

/// Compile-time reminder that a sealed master key fills the rest of its slot.
const _: () = assert!(SLOT_OPEN + 32 + BOX == SLOT);
