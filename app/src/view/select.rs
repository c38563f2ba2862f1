//! What the pages ask for: selections, wishes for an offer, filters; and what they show before something is done.

use serde::{Deserialize, Serialize};

use super::{ImportError, Record, Terms};

/// A kind of personal identifier that has a form of its own.
#[derive(Deserialize, Serialize, specta::Type, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A bank account's number (ISO 13616).
    Iban,
    /// A payment card's number (ISO/IEC 7812).
    Card,
    /// An IP address.
    Ip,
}

impl Identifier {
    /// All kinds.
    pub const ALL: [Identifier; 5] =
        [Identifier::Email, Identifier::Phone, Identifier::Iban, Identifier::Card, Identifier::Ip];

    /// The word for it, which also takes its place in masked text.
    pub fn word(self) -> &'static str {
        match self {
            Identifier::Email => "email",
            Identifier::Phone => "phone",
            Identifier::Iban => "iban",
            Identifier::Card => "card",
            Identifier::Ip => "ip",
        }
    }
}

/// The personal identifiers in what is selected, before anything is dropped or masked.
#[derive(Serialize, specta::Type)]
pub struct Identifiers {
    /// Records that were looked into: all that are selected.
    pub records: u64,
    /// Every kind, found or not.
    pub kinds: Vec<IdentifierCount>,
}

/// How often one kind was found.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq, Eq)]
pub struct IdentifierCount {
    /// The kind.
    pub kind: Identifier,
    /// How many were found.
    pub found: u64,
    /// In how many records.
    pub records: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Which records go into a dataset, and which of their fields.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug, Default)]
pub struct SelectionWanted {
    /// Of these sources; of all for none.
    pub sources: Vec<String>,
    /// Of these kinds; of any for none.
    pub kinds: Vec<String>,
    /// From this day on, such as `2024-01-31`.
    pub from: Option<String>,
    /// Before this day.
    pub to: Option<String>,
    /// Only these fields; all for none.
    pub fields: Vec<String>,
    /// The fields whose values leave with each row of a licensed run.
    pub released: Vec<String>,
    /// The field that classifiers can learn to tell.
    pub label: Option<String>,
    /// The field that statistics count.
    pub statistic: Option<StatisticWanted>,
    /// Identifiers of these kinds are replaced by the kind's word wherever the dataset has text.
    pub masked: Vec<Identifier>,
    /// Records that hold identifiers of these kinds are left out.
    pub dropped: Vec<Identifier>,
}

/// A field that statistics count.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug)]
pub struct StatisticWanted {
    /// The field.
    pub field: String,
    /// 17 rising numbers with commas between them, or `FIRST..LAST` for 16 bins of one width.
    pub edges: String,
}

/// What a selection comes to.
#[derive(Serialize, specta::Type)]
pub struct SelectionFound {
    /// How many records fit.
    pub records: u64,
    /// The tree's tier, where they fit one: small, medium or large.
    pub tier: Option<String>,
    /// How many records of each kind.
    pub kinds: Vec<Count>,
    /// How many records have each field; `text` is one.
    pub fields: Vec<Count>,
    /// The earliest and the latest day, where records have a time.
    pub days: Option<(String, String)>,
    /// Some of them.
    pub sample: Vec<Record>,
}

/// How many there are of something.
#[derive(Serialize, specta::Type, Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What files would give, before they are imported.
#[derive(Serialize, specta::Type, Clone)]
pub struct ImportPreview {
    /// The name that the source would get.
    pub source: String,
    /// What was dropped or chosen.
    pub paths: Vec<String>,
    /// Each file, and what it is.
    pub files: Vec<ImportFile>,
    /// Files beyond those listed or looked into.
    pub more_files: u64,
    /// Records of each kind in the files that were looked into.
    pub kinds: Vec<Count>,
    /// Bytes of all files.
    pub bytes: u64,
    /// What would not go in.
    pub problems: Vec<ImportError>,
}

/// One file of a preview.
#[derive(Serialize, specta::Type, Clone)]
pub struct ImportFile {
    /// Its name below what was dropped or chosen.
    pub file: String,
    /// What it is: `mbox`, `csv`, `chatgpt`, …; `other` is kept whole and not licensable.
    pub format: String,
    /// How many records it would give.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
    /// Whether the vault has this very file already.
    pub known: bool,
}

/// What an offer should say.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug)]
pub struct OfferWanted {
    /// The preset's name.
    pub preset: String,
    /// Price of one run, such as `2.5`.
    pub price: String,
    /// Runs that a license has; the preset's for none.
    pub max_runs: Option<u32>,
    /// Days that a license lasts; the preset's for none.
    pub duration_days: Option<u32>,
    /// Hours that the owner has to run; the preset's for none.
    pub respond_hours: Option<u32>,
    /// Hours that the consumer has to look; the preset's for none.
    pub accept_hours: Option<u32>,
    /// Smallest number of records; the preset's for none.
    pub min_records: Option<u32>,
    /// Licenses that may be sold.
    pub max_licenses: u32,
    /// The only buyer's address; anybody for none.
    pub licensee: Option<String>,
    /// Days that it can be bought.
    pub valid_days: u32,
}

/// What is approved ahead of time.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug)]
pub struct ApprovalWanted {
    /// The consumer's address.
    pub consumer: String,
    /// The template's name.
    pub template: String,
    /// Least price of a run, such as `2.5`.
    pub min_price: String,
    /// Most runs in any seven days.
    pub runs_a_week: u32,
}

/// What a delegate is to be allowed.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug)]
pub struct DelegateWanted {
    /// The delegate's account.
    pub account: String,
    /// The dataset's name; every dataset for none.
    pub dataset: Option<String>,
    /// Names of actions.
    pub actions: Vec<String>,
    /// How many jobs.
    pub jobs: u32,
    /// For how many days.
    pub days: u32,
}

/// Terms that can be offered with one click.
#[derive(Serialize, specta::Type)]
pub struct Preset {
    /// Its name, for [`OfferWanted`].
    pub name: String,
    /// Its title.
    pub title: String,
    /// The text of the license.
    pub legal_text: String,
    /// Its terms at a price of one.
    pub terms: Terms,
    /// Why nobody could use a license under it yet, where that is so.
    pub unusable: Option<String>,
}

/// `preset_list`
#[derive(Serialize, specta::Type)]
pub struct Presets {
    /// The most careful first.
    pub presets: Vec<Preset>,
}

/// An offer before it is made.
#[derive(Serialize, specta::Type, Clone)]
pub struct OfferPreview {
    /// Its terms, in words.
    pub terms: Terms,
    /// The same as ODRL 2.2 in JSON-LD.
    pub odrl: String,
    /// What making it would make public.
    pub public: Vec<String>,
}

/// Which part of the trail.
#[derive(Deserialize, Serialize, specta::Type, Clone, Debug, Default)]
pub struct TrailFilter {
    /// Of this dataset: a name in this vault, or an id.
    pub dataset: Option<String>,
    /// Of this consumer's address.
    pub consumer: Option<String>,
    /// From this day on.
    pub from: Option<String>,
    /// Before this day.
    pub to: Option<String>,
}

/// One settled job's payment.
#[derive(Serialize, specta::Type, Clone)]
pub struct Payment {
    /// When, RFC 3339.
    pub time: String,
    /// The job.
    pub job_id: String,
    /// The dataset's name, where this vault knows it.
    pub dataset: String,
    /// Who paid.
    pub consumer: String,
    /// How much, such as `2.5 USU`.
    pub amount: String,
    /// The same as a number, for a chart.
    pub value: f64,
    /// The transaction.
    pub tx: String,
}

/// `reward_history`
#[derive(Serialize, specta::Type)]
pub struct Payments {
    /// The oldest first.
    pub payments: Vec<Payment>,
    /// The currency's symbol.
    pub symbol: String,
}

/// A file that was written.
#[derive(Serialize, specta::Type)]
pub struct Written {
    /// Where.
    pub file: String,
    /// Its size, bytes.
    pub bytes: u64,
}
