//! The manifest: the public description of a dataset, as Croissant 1.1 JSON-LD.
//!
//! A manifest has one encoding: [`Manifest::to_bytes`] always writes the same bytes, and [`Manifest::from_bytes`] reads
//! only those. It is stored as one raw piece; the digest of its CID stands on-chain. It describes records and never
//! holds any.

mod json;

use crate::chain::Address;
use crate::cid::Cid;
use crate::exchange::can_seal_to;
use crate::terms::Terms;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Largest manifest, in bytes.
pub const MAX_MANIFEST: usize = 128 * 1024;
/// The circuit that proofs over the dataset use.
pub const CIRCUIT: &str = "provenance@1";
/// The circuit that proofs of statistics over the dataset use.
pub const STATISTIC_CIRCUIT: &str = "statistic@1";
/// Most fields of a record set.
const MAX_FIELDS: usize = 64;
/// Most kinds of record.
const MAX_KINDS: usize = 32;
/// Most classes of a label.
const MAX_CLASSES: usize = 64;
/// Bin edges of a 16-bin histogram.
const EDGES: usize = 17;

/// The description of one version of a dataset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// What the owner calls it.
    pub name: String,
    /// What the owner says it is.
    pub description: String,
    /// The day it is published.
    pub published: Day,
    /// 1 for the first version, one more for each that follows.
    pub version: u32,
    /// The manifest of the version before.
    pub previous: Option<Cid>,
    /// How it may be used, in short. Offers decide.
    pub usage: UsageInfo,
    /// The owner's wallet.
    pub owner: Address,
    /// `Poseidon(OWNER, identity secret, dataset salt)`.
    pub owner_commitment: [u8; 32],
    /// The X25519 key to which job specs are sealed.
    pub exchange_key: [u8; 32],
    /// Poseidon-Merkle root over the records.
    pub root: [u8; 32],
    /// How many records there are.
    pub records: u64,
    /// Size of the tree.
    pub tier: Tier,
    /// What vouches for where records came from.
    pub levels: Vec<Level>,
    /// Kinds of record, such as `message`.
    pub kinds: Vec<String>,
    /// First and last day of the records, only where the owner includes it.
    pub days: Option<(Day, Day)>,
    /// The fields of a record that jobs can see.
    pub fields: Vec<Field>,
    /// The field that statistics count, if any.
    pub counted: Option<Counted>,
    /// The field that classifiers learn to tell, if any.
    pub labels: Option<Labels>,
}

/// One field of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name in the record.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// The type of its values.
    pub kind: FieldKind,
    /// Whether its values leave with the rows of a licensed run: numbers, yes or no, and days only.
    pub released: bool,
}

/// The type of a field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A moment.
    Time,
    /// A day.
    Day,
}

/// The field whose value stands in the leaves, as a whole number of `10^-scale`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The field's name.
    pub field: String,
    /// Digits after the decimal point that are kept, at most 9.
    pub scale: u8,
    /// The 17 edges of the histogram's 16 bins, in the same unit; empty when no histogram is offered.
    pub edges: Vec<i32>,
}

/// The field that classifiers learn to tell, with the closed list of its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labels {
    /// The field's name.
    pub field: String,
    /// Its values as text, sorted: the classes in the order of their numbers.
    pub classes: Vec<String>,
}

/// How the dataset may be used, for readers of Croissant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageInfo {
    /// A short title.
    pub name: String,
    /// Plain sentences.
    pub description: String,
    /// The human text.
    pub legal_text: Cid,
}

impl UsageInfo {
    /// What `terms` say under the title `name`. `symbol` is the currency's.
    pub fn of(name: &str, terms: &Terms, symbol: &str) -> Self {
        Self { name: name.into(), description: terms.summary(symbol).join(" "), legal_text: terms.legal_cid() }
    }
}

/// What vouches for where a record came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// The owner says so.
    SelfAsserted,
    /// A device signed it when it was captured.
    DeviceSigned,
    /// A mail server signed it.
    DkimSigned,
    /// A notary saw it come over TLS.
    TlsNotarized,
}

impl Level {
    /// All levels, the weakest first.
    pub const ALL: [Self; 4] = [Self::SelfAsserted, Self::DeviceSigned, Self::DkimSigned, Self::TlsNotarized];

    /// The number in a leaf.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The words in manifests and on screen.
    pub const fn words(self) -> &'static str {
        match self {
            Level::SelfAsserted => "self-asserted",
            Level::DeviceSigned => "device-signed",
            Level::DkimSigned => "DKIM-signed",
            Level::TlsNotarized => "TLS-notarized",
        }
    }
}

/// The size of a dataset's tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tier {
    /// 8^3 records.
    Small,
    /// 8^5 records.
    Medium,
    /// 8^7 records.
    Large,
}

impl Tier {
    /// All tiers, the smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The number on-chain.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The tier with this number.
    ///
    /// # Errors
    /// [`Error::Invalid`] above 2.
    pub fn from_id(id: u8) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|tier| tier.id() == id);
        found.ok_or_else(|| Error::Invalid(format!("there is no tier {id}")))
    }

    /// The name in manifests and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Small => "small",
            Tier::Medium => "medium",
            Tier::Large => "large",
        }
    }

    /// Most records.
    pub const fn capacity(self) -> u64 {
        8u64.pow(3 + 2 * self.id() as u32)
    }
}

/// A day of the Gregorian calendar, `YYYY-MM-DD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(String);

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::Invalid(format!("`{}` is not a day such as 2024-02-29", text.escape_debug()));
        let bytes = text.as_bytes();
        let shape = bytes.len() == 10
            && bytes.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() });
        if !shape {
            return Err(bad());
        }
        let part = |from: usize, to: usize| text[from..to].parse::<u32>().map_err(|_| bad());
        let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(bad()),
        };
        if day == 0 || day > length {
            return Err(bad());
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Manifest {
    /// The manifest's bytes: the same for the same manifest, on every machine.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field that cannot be published.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(&json::write(self))
            .map_err(|e| Error::Invalid(format!("the manifest cannot be encoded: {e}")))?;
        bytes.push(b'\n');
        if bytes.len() > MAX_MANIFEST {
            return Err(Error::Invalid(format!("the manifest is {} bytes; at most {MAX_MANIFEST}", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field that is missing, unknown or not what it should be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_MANIFEST {
            return Err(Error::Invalid(format!("the manifest is {} bytes; at most {MAX_MANIFEST}", bytes.len())));
        }
        let value =
            serde_json::from_slice(bytes).map_err(|e| Error::Invalid(format!("the manifest is not JSON: {e}")))?;
        let manifest = json::read(&value)?;
        if manifest.to_bytes()? != bytes {
            let place = json::difference(&value, &json::write(&manifest), "manifest");
            return Err(Error::Invalid(match place {
                Some(place) => format!("{place} is not what a manifest has there"),
                None => "the manifest is not in its one encoding (order, spacing or a repeated name)".into(),
            }));
        }
        Ok(manifest)
    }

    /// The content id: raw codec.
    ///
    /// # Errors
    /// As [`Manifest::to_bytes`].
    pub fn cid(&self) -> Result<Cid> {
        Ok(Cid::raw(&self.to_bytes()?))
    }

    /// In plain words, everything that becomes public, forever, when this is published.
    pub fn public_facts(&self) -> Vec<String> {
        let mut facts = vec![
            format!("The name \"{}\" and the description.", self.name),
            format!("That it has {} records, of kind {}.", self.records, self.kinds.join(", ")),
            format!(
                "The fields' names: {}. Not their content.",
                self.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            format!("Your wallet address {}, which pays for and signs this.", self.owner),
            format!("That you published it on {} as version {}.", self.published, self.version),
            format!(
                "Where records come from: {}.",
                self.levels.iter().map(|l| l.words()).collect::<Vec<_>>().join(", ")
            ),
            "A commitment to the records (root) and to your identity. Neither can be turned back.".into(),
            "A public key to which buyers seal their requests.".into(),
        ];
        if let Some((first, last)) = &self.days {
            facts.push(format!("That the records are from {first} to {last}."));
        }
        let released: Vec<&str> = self.released().collect();
        if !released.is_empty() {
            facts.push(format!(
                "That the values of {} go to whoever licenses a run, with each row. The values do not become public.",
                released.join(", ")
            ));
        }
        if let Some(counted) = &self.counted {
            facts.push(format!("That statistics count the field {}, and their bin edges.", counted.field));
        }
        if let Some(labels) = &self.labels {
            facts.push(format!(
                "That classifiers can learn the field {}, and its values: {}. Not which record has which.",
                labels.field,
                labels.classes.join(", ")
            ));
        }
        if let Some(previous) = &self.previous {
            facts.push(format!("That it follows the version described by {previous}."));
        }
        facts
    }

    /// The names of the fields whose values leave with the rows of a licensed run.
    pub fn released(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| field.released).map(|field| field.name.as_str())
    }

    /// Checks every rule that the encoding alone does not.
    fn check(&self) -> Result<()> {
        line("name", &self.name, 1, 120)?;
        text("description", &self.description, 1, 4000)?;
        line("usage name", &self.usage.name, 1, 120)?;
        text("usage description", &self.usage.description, 1, 4000)?;
        refuse(self.version == 0, "version starts at 1")?;
        refuse((self.version == 1) != self.previous.is_none(), "every version but the first names the one before")?;
        refuse(self.records == 0 || self.records > self.tier.capacity(), "records do not fit the tier")?;
        refuse(!below_order(&self.root), "root is not below the field's order")?;
        refuse(!below_order(&self.owner_commitment), "owner commitment is not below the field's order")?;
        refuse(self.owner.is_zero(), "owner is the zero address")?;
        refuse(!can_seal_to(&self.exchange_key), "exchange key is not an X25519 key that a spec can be sealed to")?;
        refuse(
            self.levels.is_empty() || !self.levels.is_sorted_by(|a, b| a < b),
            "source levels are not a sorted set",
        )?;
        refuse(self.kinds.is_empty() || self.kinds.len() > MAX_KINDS, "kinds are none or too many")?;
        refuse(!self.kinds.is_sorted_by(|a, b| a < b), "kinds are not a sorted set")?;
        self.kinds.iter().try_for_each(|kind| line("kind", kind, 1, 64))?;
        if let Some((first, last)) = &self.days {
            refuse(first > last, "the first day is after the last")?;
        }
        self.check_fields()
    }

    fn check_fields(&self) -> Result<()> {
        refuse(self.fields.is_empty() || self.fields.len() > MAX_FIELDS, "fields are none or too many")?;
        for (index, field) in self.fields.iter().enumerate() {
            line("field name", &field.name, 1, 64)?;
            line("field description", &field.description, 1, 500)?;
            let repeated = self.fields[..index].iter().any(|before| before.name == field.name);
            refuse(repeated, "a field's name stands twice")?;
            refuse(field.released && field.kind == FieldKind::Text, "a field of free text is released")?;
        }
        self.check_labels()?;
        let Some(counted) = &self.counted else { return Ok(()) };
        let field = self.fields.iter().find(|field| field.name == counted.field);
        let countable = field.is_some_and(|field| matches!(field.kind, FieldKind::Integer | FieldKind::Number));
        refuse(!countable, "the counted field is not a number among the fields")?;
        refuse(counted.scale > 9, "the counted field's scale is above 9")?;
        let edges = &counted.edges;
        refuse(!edges.is_empty() && edges.len() != EDGES, "a histogram has 17 bin edges")?;
        refuse(!edges.is_sorted_by(|a, b| a < b), "bin edges do not rise")
    }

    fn check_labels(&self) -> Result<()> {
        let Some(Labels { field, classes }) = &self.labels else { return Ok(()) };
        refuse(!self.fields.iter().any(|known| known.name == *field), "the label is not among the fields")?;
        refuse(!(2..=MAX_CLASSES).contains(&classes.len()), "classes are fewer than two or too many")?;
        refuse(!classes.is_sorted_by(|a, b| a < b), "classes are not a sorted set")?;
        classes.iter().try_for_each(|class| line("class", class, 1, 64))
    }
}

/// The order of BN254's scalar field, big-endian (EIP-197).
const ORDER: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d, 0x28, 0x33, 0xe8,
    0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01,
];

fn below_order(word: &[u8; 32]) -> bool {
    word < &ORDER
}

fn refuse(when: bool, why: &str) -> Result<()> {
    if when { Err(Error::Invalid(format!("manifest: {why}"))) } else { Ok(()) }
}

/// Refuses `value` unless it is one line of `least` to `most` characters.
fn line(what: &str, value: &str, least: usize, most: usize) -> Result<()> {
    refuse(value.contains('\n'), &format!("{what} has more than one line"))?;
    text(what, value, least, most)
}

/// Refuses `value` unless it is `least` to `most` characters on one or more lines.
fn text(what: &str, value: &str, least: usize, most: usize) -> Result<()> {
    let length = value.chars().count();
    if length < least || length > most {
        return Err(Error::Invalid(format!("manifest: {what} has {length} characters; {least} to {most} are allowed")));
    }
    refuse(!value.split('\n').all(is_plain) || value.trim() != value, &format!("{what} has {ODD}"))
}

/// What is wrong with a text that is not plain, in words.
const ODD: &str = "control characters or space around it";

/// Whether `text` can be shown on one line as what it is: no space around it, and nothing in it that breaks the line,
/// steers a terminal or turns the direction of reading.
pub(crate) fn is_one_line(text: &str) -> bool {
    is_plain(text) && text.trim() == text
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[cfg(test)]
#[path = "manifest/tests.rs"]
pub(crate) mod tests;
