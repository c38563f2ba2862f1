//! Offers and licenses.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// The terms of an offer, in words a person reads.
#[derive(Serialize, Clone, specta::Type)]
pub struct Terms {
    /// What may be done.
    pub actions: Vec<String>,
    /// What for.
    pub purposes: Vec<String>,
    /// Whether commercial use is allowed.
    pub commercial: bool,
    /// Whether the source must be named.
    pub attribution: bool,
    /// Price of one run, such as `2.5 USU`.
    pub price_per_run: String,
    /// How many runs a license has.
    pub max_runs: u32,
    /// How long a license lasts, seconds.
    pub duration: u64,
    /// How long the owner has to run a job, seconds.
    pub respond_within: u64,
    /// How long the consumer has to look at an output, seconds.
    pub accept_within: u64,
    /// The smallest dataset that may be used.
    pub min_records: u32,
    /// How long the consumer may keep outputs, days.
    pub retention_days: u32,
    /// The text of the license, by content.
    pub legal_text: String,
    /// The same in short sentences.
    pub summary: Vec<String>,
}

/// One offer.
#[derive(Serialize, Clone, specta::Type)]
pub struct Offer {
    /// The offer, by content.
    pub offer_cid: String,
    /// The dataset it is for.
    pub dataset_id: String,
    /// The dataset's public name.
    pub dataset: String,
    /// Its description.
    pub description: String,
    /// How many records the dataset has.
    pub records: u64,
    /// The kinds of records.
    pub kinds: Vec<String>,
    /// The fields.
    pub fields: Vec<String>,
    /// The fields whose values come with each row of a run.
    pub released: Vec<String>,
    /// The field that statistics count, where one is named.
    pub counted: Option<String>,
    /// How the records' source is known, such as `self-asserted`.
    pub source_level: String,
    /// The owner's address.
    pub owner: String,
    /// How many jobs the owner settled, and how many ended in a refund.
    pub delivered: u64,
    /// Jobs of this owner that were refunded.
    pub refunded: u64,
    /// Until when it can be bought, RFC 3339.
    pub valid_until: String,
    /// The terms.
    pub terms: Terms,
}

impl Display for Offer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.offer_cid)?;
        writeln!(f, "  {}: {} records ({}), {}", self.dataset, self.records, self.kinds.join(", "), self.source_level)?;
        for sentence in &self.terms.summary {
            writeln!(f, "  - {sentence}")?;
        }
        if !self.released.is_empty() {
            writeln!(f, "  - With each row come the record's {}.", self.released.join(", "))?;
        }
        if let Some(counted) = &self.counted {
            writeln!(f, "  - Statistics count the field {counted}.")?;
        }
        writeln!(f, "  owner {}: {} delivered, {} refunded", self.owner, self.delivered, self.refunded)
    }
}

/// `offer create`
#[derive(Serialize, specta::Type)]
pub struct OfferCreated {
    /// The offer, by content.
    pub offer_cid: String,
    /// The announcing transaction; none with `--dry-run`.
    pub tx: Option<String>,
    /// Its terms.
    pub terms: Terms,
    /// What this makes public.
    pub public: Vec<String>,
}

impl Display for OfferCreated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for sentence in &self.terms.summary {
            writeln!(f, "  - {sentence}")?;
        }
        match &self.tx {
            Some(tx) => writeln!(f, "offer {}\ntx    {tx}", self.offer_cid),
            None => {
                writeln!(f, "Nothing was published. Publishing would make this public, forever:")?;
                self.public.iter().try_for_each(|fact| writeln!(f, "  - {fact}"))
            }
        }
    }
}

/// `offer list`, `offer find`
#[derive(Serialize, specta::Type)]
pub struct Offers {
    /// The offers that were found and verified.
    pub offers: Vec<Offer>,
    /// Announced offers that were left out, and why.
    pub left_out: Vec<String>,
}

impl Display for Offers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.offers.is_empty() {
            writeln!(f, "no offers")?;
        }
        self.offers.iter().try_for_each(|offer| write!(f, "{offer}"))?;
        self.left_out.iter().try_for_each(|why| writeln!(f, "left out: {why}"))
    }
}

/// One license.
#[derive(Serialize, specta::Type)]
pub struct License {
    /// Its id.
    pub license_id: String,
    /// `active`, `expired`, `used up` or `revoked`.
    pub status: String,
    /// Whether this person gave it (an own dataset) or holds it: `given` or `held`.
    pub side: String,
    /// Runs that were bought; none for one that is not bought yet.
    pub runs: u32,
    /// Runs not requested yet.
    pub runs_left: u32,
    /// When it was bought, RFC 3339; none for one that is not bought yet.
    pub bought_at: Option<String>,
    /// When it ends, RFC 3339.
    pub expires_at: String,
    /// What may be done.
    pub actions: Vec<String>,
    /// The dataset.
    pub dataset_id: String,
    /// Who holds it.
    pub licensee: String,
    /// The transaction of the last change, where this command made one.
    pub tx: Option<String>,
    /// What this makes public or pays; filled with `--dry-run`.
    pub public: Vec<String>,
}

impl Display for License {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "license {}", self.license_id)?;
        writeln!(
            f,
            "  {}, {} runs left, until {}, {}",
            self.status,
            self.runs_left,
            self.expires_at,
            self.actions.join(", ")
        )?;
        self.public.iter().try_for_each(|fact| writeln!(f, "  - {fact}"))
    }
}

/// `license list`
#[derive(Serialize, specta::Type)]
pub struct Licenses {
    /// Licenses held, and licenses given on own datasets.
    pub licenses: Vec<License>,
}

impl Display for Licenses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.licenses.iter().try_for_each(|license| write!(f, "{license}"))
    }
}
