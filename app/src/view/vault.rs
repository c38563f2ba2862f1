//! The vault and what came into it.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::{bytes, table};

/// `init`
#[derive(Serialize)]
pub struct Init {
    /// The vault's id, hex.
    pub vault_id: String,
    /// The wallet's address.
    pub wallet: String,
    /// 24 words, shown once.
    pub recovery_phrase: String,
}

impl Display for Init {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Vault  {}\nWallet {}\n", self.vault_id, self.wallet)?;
        writeln!(f, "Recovery phrase. Write it down now; it is not shown again:\n")?;
        for (row, words) in self.recovery_phrase.split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
            let row: Vec<_> =
                words.iter().enumerate().map(|(i, w)| format!("{:>2} {w:<10}", row * 6 + i + 1)).collect();
            writeln!(f, "  {}", row.join(" ").trim_end())?;
        }
        Ok(())
    }
}

/// A file, or a part of one, that was not imported.
#[derive(Serialize, Clone, Debug, specta::Type)]
pub struct ImportError {
    /// The file, and the place in it where there is one.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// `import`
#[derive(Serialize, Default, specta::Type, Clone, Debug)]
pub struct Import {
    /// Files that went in or were there already.
    pub objects: u64,
    /// New records.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes among them that the vault did not have yet.
    pub new_bytes: u64,
    /// Records and files that the vault had already.
    pub duplicates: u64,
    /// Files kept whole that no connector reads: not licensable yet. The first 10,000.
    pub not_licensable: Vec<String>,
    /// How many more there are.
    pub more_not_licensable: u64,
    /// What did not go in. The first 10,000.
    pub errors: Vec<ImportError>,
    /// How many more there are.
    pub more_errors: u64,
}

/// Files that an import names in each of its lists: memory must not grow with the number of files.
const NAMED_MAX: usize = 10_000;

impl Import {
    /// Says that a file was kept whole.
    pub(crate) fn kept_whole(&mut self, file: String) {
        named(&mut self.not_licensable, &mut self.more_not_licensable, file);
    }

    /// Says what did not go in.
    pub(crate) fn problem(&mut self, problem: ImportError) {
        named(&mut self.errors, &mut self.more_errors, problem);
    }
}

fn named<T>(list: &mut Vec<T>, more: &mut u64, one: T) {
    match list.len() < NAMED_MAX {
        true => list.push(one),
        false => *more += 1,
    }
}

impl Display for Import {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files, {} new records, {} duplicates", self.objects, self.records, self.duplicates)?;
        writeln!(f, "{} read, {} added to the vault", bytes(self.bytes), bytes(self.new_bytes))?;
        for file in &self.not_licensable {
            writeln!(f, "kept, not licensable yet: {file}")?;
        }
        if self.more_not_licensable > 0 {
            writeln!(f, "kept, not licensable yet: {} more", self.more_not_licensable)?;
        }
        for error in &self.errors {
            writeln!(f, "not imported: {}: {}", error.file, error.reason)?;
        }
        if self.more_errors > 0 {
            writeln!(f, "not imported: {} more", self.more_errors)?;
        }
        Ok(())
    }
}

/// One source.
#[derive(Serialize, specta::Type)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The kinds of its records.
    pub kinds: Vec<String>,
    /// How many records it has.
    pub records: u64,
    /// How many files it came from.
    pub files: u64,
    /// When it was last added to, RFC 3339.
    pub imported_at: String,
}

/// `source list`
#[derive(Serialize, specta::Type)]
pub struct Sources {
    /// All of them, by name.
    pub sources: Vec<Source>,
}

impl Display for Sources {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.sources.iter().map(|s| {
            vec![s.name.clone(), s.kinds.join(", "), s.records.to_string(), s.files.to_string(), s.imported_at.clone()]
        });
        table(f, &["source", "kinds", "records", "files", "imported"], rows)
    }
}

/// One record, shortened.
#[derive(Serialize, specta::Type)]
pub struct Record {
    /// Its id, hex.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its source.
    pub source: String,
    /// Its own time, RFC 3339, where it has one.
    pub time: Option<String>,
    /// The beginning of its text.
    pub preview: String,
    /// The cosine between what it means and what was looked for, 1 at most; only in a search by meaning.
    pub closeness: Option<f32>,
}

/// What searching by meaning has to go on.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The model that reads; none where none is on this machine.
    pub model: Option<String>,
    /// Records that it has not read yet: they are not found.
    pub unread: u64,
}

/// `record list`, `record search`
#[derive(Serialize, specta::Type)]
pub struct Records {
    /// How many there are in all.
    pub total: u64,
    /// The first of them.
    pub records: Vec<Record>,
}

impl Display for Records {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let near = self.records.iter().any(|record| record.closeness.is_some());
        let rows = self.records.iter().map(|r| {
            let row = [r.id[..12].to_owned(), r.kind.clone(), r.time.clone().unwrap_or_default(), r.preview.clone()];
            let closeness = r.closeness.map(|closeness| format!("{closeness:.2}"));
            closeness.into_iter().chain(row).collect()
        });
        let names = ["close", "record", "kind", "time", "text"];
        table(f, if near { &names } else { &names[1..] }, rows)?;
        if self.total > self.records.len() as u64 {
            writeln!(f, "{} of {}", self.records.len(), self.total)?;
        }
        Ok(())
    }
}

/// `record delete`
#[derive(Serialize, specta::Type)]
pub struct Deleted {
    /// The one record.
    pub records: Vec<Record>,
    /// Imported files that hold it: they are not kept any more, but their other records are.
    pub files: Vec<String>,
    /// Whether it was deleted; not with `--dry-run`.
    pub deleted: bool,
}

impl Display for Deleted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = if self.deleted { "deleted" } else { "would be deleted:" };
        self.records.iter().try_for_each(|record| writeln!(f, "{what} {} {}", record.id, record.preview))?;
        let kept = if self.deleted { "no longer kept" } else { "would no longer be kept" };
        self.files.iter().try_for_each(|file| writeln!(f, "{kept}, for it holds the record: {file}"))?;
        match self.deleted {
            true => writeln!(
                f,
                "`usufruct vault gc --all` takes its bytes off the disk; backups made before still hold them"
            ),
            false => Ok(()),
        }
    }
}

/// `vault status`
#[derive(Serialize, Clone, specta::Type)]
pub struct VaultStatus {
    /// The vault's id, hex.
    pub vault_id: String,
    /// Where it is.
    pub home: String,
    /// How many objects it holds.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes on disk.
    pub stored_bytes: u64,
    /// Pack files.
    pub packs: u64,
    /// Sources, records and datasets.
    pub sources: u64,
    /// Records that are not deleted.
    pub records: u64,
    /// Datasets, published or not.
    pub datasets: u64,
    /// The wallet's address.
    pub wallet: String,
}

impl Display for VaultStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "vault   {}\nhome    {}\nwallet  {}", self.vault_id, self.home, self.wallet)?;
        writeln!(f, "holds   {} records from {} sources, {} datasets", self.records, self.sources, self.datasets)?;
        writeln!(
            f,
            "objects {} ({}), {} on disk in {} packs",
            self.objects,
            bytes(self.bytes),
            bytes(self.stored_bytes),
            self.packs
        )
    }
}

/// `vault check`, `vault repair`
#[derive(Serialize, specta::Type)]
pub struct VaultChecked {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// What was looked at.
    pub objects: u64,
    /// What is wrong, by object or pack.
    pub problems: Vec<String>,
}

impl Display for VaultChecked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        writeln!(f, "{} objects, {} problems", self.objects, self.problems.len())
    }
}

/// `vault export`
#[derive(Serialize, specta::Type, Clone, Debug)]
pub struct Exported {
    /// Files, or packs of an encrypted backup, that were written this time.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where.
    pub out: String,
    /// Whether it is an encrypted backup.
    pub encrypted: bool,
    /// What could not be read whole.
    pub problems: Vec<String>,
}

impl Display for Exported {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "not written: {problem}"))?;
        let what = if self.encrypted { "packs, encrypted," } else { "files" };
        writeln!(f, "{} {what} ({}) written to {}", self.files, bytes(self.bytes), self.out)
    }
}

/// `vault recover --from`
#[derive(Serialize, specta::Type)]
pub struct Recovered {
    /// The vault now.
    #[serde(flatten)]
    pub status: VaultStatus,
    /// What of the backup was damaged, or missing in it.
    pub problems: Vec<String>,
}

impl Display for Recovered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        write!(f, "{}", self.status)
    }
}

/// `vault gc`: the plan, and what came of it.
#[derive(Serialize)]
pub struct Collected {
    /// Packs in the vault.
    pub packs: u64,
    /// Bytes of what was removed or replaced, in all packs.
    pub dead_bytes: u64,
    /// Packs in which nothing stands: they are deleted.
    pub delete: u64,
    /// Packs whose standing part is copied before they are deleted.
    pub rewrite: u64,
    /// Bytes to copy.
    pub copy_bytes: u64,
    /// Bytes that come back.
    pub free_bytes: u64,
    /// Free bytes on the disk that the largest step needs.
    pub needs_bytes: u64,
    /// Bytes that came back; none where nothing was done.
    pub freed_bytes: Option<u64>,
    /// Packs that were planned and stay, because the disk was too full.
    pub left: u64,
}

impl Display for Collected {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(freed) = self.freed_bytes {
            writeln!(f, "{} freed", bytes(freed))?;
            if self.left > 0 {
                writeln!(f, "{} packs stay: the disk is too full to copy what stands in them", self.left)?;
            }
            return Ok(());
        }
        writeln!(
            f,
            "{} of {} packs hold {} that was removed or replaced",
            self.delete + self.rewrite,
            self.packs,
            bytes(self.dead_bytes)
        )?;
        writeln!(
            f,
            "plan: delete {} packs, rewrite {} (copying {}), {} come back; {} must be free on the disk",
            self.delete,
            self.rewrite,
            bytes(self.copy_bytes),
            bytes(self.free_bytes),
            bytes(self.needs_bytes)
        )
    }
}
