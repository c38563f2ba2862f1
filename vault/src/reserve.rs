//! The reserve: room set aside on the disk, so that a full one keeps nobody from removing things and collecting them.

use std::path::PathBuf;

use crate::disk;

/// Its size, enough for about a thousand removals each committed alone, and the least that is worth keeping where there
/// is not room for more.
const FULL: usize = if cfg!(test) { 256 } else { 1024 } * 1024;
const LEAST: usize = 8 * 1024;

/// A file that holds nothing, given up when nothing else is left.
pub(crate) struct Reserve {
    path: PathBuf,
    there: bool,
}

impl Reserve {
    /// The reserve in a file, which is made where it is missing and the disk has room for it.
    pub(crate) fn keep(path: PathBuf) -> Reserve {
        let mut reserve = Reserve { there: disk::exists(&path), path };
        reserve.renew();
        reserve
    }

    /// Makes it again, as large as there is room for.
    pub(crate) fn renew(&mut self) {
        let mut size = FULL;
        while !self.there && size >= LEAST {
            self.there = self.make(size);
            size /= 2;
        }
    }

    fn make(&self, size: usize) -> bool {
        // Bytes that no file system makes smaller.
        let mut bytes = vec![0; size];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        let made = disk::create(&self.path).and_then(|file| disk::write_at(&file, &self.path, &bytes, 0));
        if let Err(error) = &made {
            tracing::debug!(%error, "there is no room for the reserve");
            let _ = disk::remove(&self.path);
        }
        made.is_ok()
    }

    /// Gives it up. Was there any?
    pub(crate) fn spend(&mut self) -> bool {
        // Some file systems give the room of a deleted file back only when that is on the disk.
        let folder = self.path.parent();
        std::mem::take(&mut self.there)
            && disk::remove(&self.path).is_ok()
            && folder.is_none_or(|folder| disk::sync_dir(folder).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use super::*;
    use crate::disk::out_of_space;
    use crate::key::{KdfCost, Secret, Unlock};
    use crate::sim::Disk;
    use crate::{CheckDepth, Error, GcOptions, Vault};

    type Contents = BTreeMap<String, Vec<u8>>;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    fn open(disk: &Disk) -> Vault {
        Vault::open(&disk.path().join("v"), &Unlock::Recovery([1; 32].into())).unwrap()
    }

    fn contents(vault: &Vault) -> Contents {
        vault.list("n").unwrap().iter().map(|e| (e.name.clone(), vault.read(&e.id).unwrap().to_vec())).collect()
    }

    /// Fills a vault until an object no longer fits, and opens it again.
    fn fill(disk: &Disk, capacity: u64) -> (Vault, Contents) {
        let (mut vault, mut expected) = (open(disk), Contents::new());
        disk.set_capacity(Some(capacity));
        for i in 0.. {
            let (name, bytes) = (format!("n{i}"), noise(i, 300 + (i as usize % 9) * 3000));
            match vault.put("n", &name, &mut bytes.as_slice()).and_then(|_| vault.commit()) {
                Ok(()) => expected.insert(name, bytes),
                Err(Error::Io { source, .. }) if out_of_space(&source) => break,
                Err(error) => panic!("{error}"),
            };
        }
        drop(vault);
        (open(disk), expected)
    }

    #[test]
    fn full_vault_opens_reads_removes_and_collects() {
        let empty = Disk::new(7);
        drop(Vault::create(&empty.path().join("v"), &Secret::from("p"), &[1; 32], KdfCost::FLOOR).unwrap());
        empty.restart(crate::sim::End::Kill);
        let sizes = std::env::var("VAULT_FULL_SIZES").ok().and_then(|n| n.parse().ok()).unwrap_or(12u64);
        let mut removed = 0;
        for size in 0..sizes {
            let disk = empty.copy(size);
            let (mut vault, mut expected) = fill(&disk, empty.used() + 700_000 + size * 1237);
            assert!(contents(&vault) == expected, "size {size}");
            // One by one, each committed: the reserve must do for all of them.
            for entry in vault.list("n").unwrap() {
                vault.remove(&entry.id).unwrap_or_else(|error| panic!("size {size}: {error}"));
                vault.commit().unwrap_or_else(|error| panic!("size {size}: {error}"));
                expected.remove(&entry.name);
                removed += 1;
                if removed % 7 == 0 {
                    drop(vault);
                    vault = open(&disk);
                    assert!(contents(&vault) == expected, "size {size}");
                }
            }
            let (before, plan) = (disk.used(), vault.gc_plan(&GcOptions { waste_percent: 0 }).unwrap());
            let outcome = vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
            assert!(outcome.left.is_empty() && disk.used() + 400_000 < before, "size {size}: {outcome:?}");
            vault.put("n", "again", &mut noise(0, 200_000).as_slice()).unwrap();
            vault.commit().unwrap();
            assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
            drop(vault);
            assert!(disk::exists(&disk.path().join("v/reserve")), "size {size}: the reserve was not made again");
            assert_eq!(contents(&open(&disk)).len(), 1);
        }
        println!("{sizes} sizes, {removed} objects removed from full disks");
    }

    #[test]
    fn collection_without_room_to_copy_leaves_everything_as_it_was() {
        let disk = Disk::new(8);
        drop(Vault::create(&disk.path().join("v"), &Secret::from("p"), &[1; 32], KdfCost::FLOOR).unwrap());
        let (mut vault, mut expected) = fill(&disk, disk.used() + 700_000);
        let victim = vault.list("n").unwrap().remove(5);
        vault.remove(&victim.id).unwrap();
        vault.commit().unwrap();
        expected.remove(&victim.name);
        let plan = vault.gc_plan(&GcOptions { waste_percent: 0 }).unwrap();
        let outcome = vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert!(!outcome.left.is_empty(), "{outcome:?}");
        assert!(contents(&vault) == expected);
        assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
        drop(vault);
        assert!(contents(&open(&disk)) == expected);
        // With room it goes through.
        disk.set_capacity(None);
        let mut vault = open(&disk);
        let plan = vault.gc_plan(&GcOptions { waste_percent: 0 }).unwrap();
        assert_eq!(vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap().left.len(), 0);
        assert!(contents(&vault) == expected);
    }
}
