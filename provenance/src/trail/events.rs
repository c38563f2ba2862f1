//! What the contracts logged, as the trail reads it: plain words, no bindings.

use crate::chain::bindings::DatasetRegistry::DatasetRegistryEvents as Datasets;
use crate::chain::bindings::JobEscrow::JobEscrowEvents as Jobs;
use crate::chain::bindings::LicenseRegistry::LicenseRegistryEvents as Licenses;
use crate::chain::bindings::{Dataset, DatasetState, RefundReason};
use crate::chain::{Address, client};
use crate::terms::Amount;

/// Where in the chain something was logged. Orders events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Block number.
    pub block: u64,
    /// Position in the block.
    pub index: u64,
    /// The block's time, in seconds since 1970.
    pub time: u64,
    /// Transaction hash.
    pub tx: [u8; 32],
}

/// One logged event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Where it was logged.
    pub place: Place,
    /// What was logged.
    pub fact: Fact,
}

/// A dataset version as the registry logs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// DatasetId.
    pub dataset: [u8; 32],
    /// Who registered it.
    pub owner: Address,
    /// Digest of the manifest's CID.
    pub manifest: [u8; 32],
    /// Root over the records.
    pub root: [u8; 32],
    /// How many records.
    pub records: u64,
    /// 1 for the first.
    pub number: u32,
    /// `active`, `end of life` or `revoked`.
    pub state: &'static str,
}

/// What was logged. Ids and hashes as on-chain.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The fields are those of the contracts' events.
pub enum Fact {
    /// A dataset was registered, or a version of it published.
    Published(Version),
    /// A dataset's state changed.
    StateChanged(Version),
    /// A license was bought.
    Bought {
        license: [u8; 32],
        dataset: [u8; 32],
        offer: [u8; 32],
        licensee: Address,
        runs: u32,
        price_per_run: Amount,
        expires_at: u64,
    },
    /// A license ended and its unused runs were credited back; `by` is `revoked` or `reclaimed`.
    LicenseEnded { license: [u8; 32], by: &'static str, runs: u32, amount: Amount },
    /// A job was requested.
    Requested {
        job: [u8; 32],
        license: [u8; 32],
        dataset: [u8; 32],
        version: u32,
        action: u16,
        records: u64,
        amount: Amount,
        licensee: Address,
    },
    /// Its output was committed.
    Committed { job: [u8; 32], dataset: [u8; 32], output_root: [u8; 32], output_digest: [u8; 32] },
    /// Its challenge was drawn.
    Drawn { job: [u8; 32] },
    /// The licensee accepted.
    Accepted { job: [u8; 32] },
    /// It was settled: the owner was paid.
    Settled {
        job: [u8; 32],
        dataset: [u8; 32],
        owner: Address,
        currency: Address,
        amount: Amount,
        receipt: [u8; 32],
        head: [u8; 32],
    },
    /// It was refunded.
    Refunded { job: [u8; 32], amount: Amount, reason: &'static str },
    /// The licensee signed the receipt.
    Acknowledged { job: [u8; 32], receipt: [u8; 32] },
    /// Somebody withdrew all of its credit in a currency.
    Withdrawn { account: Address, currency: Address, to: Address, amount: Amount },
}

impl Event {
    /// The trail's reading of an event; `None` for one that leaves no trace on it (offers announced, grants canceled,
    /// single credits, runs counted) or whose amount no contract of ours can log.
    pub fn from_chain(event: &client::Event) -> Option<Self> {
        let fact = match &event.fact {
            client::Fact::Dataset(event) => dataset(event),
            client::Fact::License(event) => license(event)?,
            client::Fact::Job(event) => job(event)?,
        };
        let at = &event.place;
        Some(Self { place: Place { block: at.block, index: at.index, time: at.time, tx: at.tx.0 }, fact })
    }
}

fn dataset(event: &Datasets) -> Fact {
    match event {
        Datasets::DatasetRegistered(e) => Fact::Published(version(e.id.0, &e.dataset)),
        Datasets::VersionPublished(e) => Fact::Published(version(e.id.0, &e.dataset)),
        Datasets::StateChanged(e) => Fact::StateChanged(version(e.id.0, &e.dataset)),
    }
}

fn version(id: [u8; 32], dataset: &Dataset) -> Version {
    Version {
        dataset: id,
        owner: dataset.owner,
        manifest: dataset.manifest.0,
        root: dataset.root.to_be_bytes(),
        records: dataset.count,
        number: dataset.version,
        state: match dataset.state {
            DatasetState::Active => "active",
            DatasetState::EndOfLife => "end of life",
            DatasetState::Revoked => "revoked",
            _ => "unknown",
        },
    }
}

fn license(event: &Licenses) -> Option<Fact> {
    let ended = |license: [u8; 32], by, runs, amount| {
        Some(Fact::LicenseEnded { license, by, runs, amount: Amount::from_units(amount).ok()? })
    };
    match event {
        Licenses::LicenseBought(e) => Some(Fact::Bought {
            license: e.license.0,
            dataset: e.dataset.0,
            offer: e.terms.offer.0,
            licensee: e.licensee,
            runs: e.runs,
            price_per_run: Amount::from_units(e.terms.pricePerRun).ok()?,
            expires_at: e.terms.expiresAt,
        }),
        Licenses::LicenseRevoked(e) => ended(e.license.0, "revoked", e.runs, e.amount),
        Licenses::LicenseReclaimed(e) => ended(e.license.0, "reclaimed", e.runs, e.amount),
        _ => None,
    }
}

fn job(event: &Jobs) -> Option<Fact> {
    Some(match event {
        Jobs::JobRequested(e) => Fact::Requested {
            job: e.job.0,
            license: e.license.0,
            dataset: e.dataset.0,
            version: e.details.version,
            action: e.details.action,
            records: e.details.count,
            amount: Amount::from_units(e.details.amount).ok()?,
            licensee: e.details.licensee,
        },
        Jobs::JobCommitted(e) => Fact::Committed {
            job: e.job.0,
            dataset: e.dataset.0,
            output_root: e.commitment.output.outputRoot.to_be_bytes(),
            output_digest: e.commitment.output.outputDigest.0,
        },
        Jobs::JobDrawn(e) => Fact::Drawn { job: e.job.0 },
        Jobs::JobAccepted(e) => Fact::Accepted { job: e.job.0 },
        Jobs::JobSettled(e) => Fact::Settled {
            job: e.job.0,
            dataset: e.dataset.0,
            owner: e.owner,
            currency: e.currency,
            amount: Amount::from_units(e.amount).ok()?,
            receipt: e.receiptHash.0,
            head: e.head.0,
        },
        Jobs::JobRefunded(e) => {
            Fact::Refunded { job: e.job.0, amount: Amount::from_units(e.amount).ok()?, reason: reason(e.reason) }
        }
        Jobs::JobAcknowledged(e) => Fact::Acknowledged { job: e.job.0, receipt: e.receiptHash.0 },
        Jobs::Withdrawn(e) => Fact::Withdrawn {
            account: e.account,
            currency: e.currency,
            to: e.to,
            amount: Amount::from_units(e.amount).ok()?,
        },
        _ => return None,
    })
}

fn reason(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::Declined => "declined",
        RefundReason::NotRun => "not run in time",
        RefundReason::NotDrawn => "not drawn in time",
        RefundReason::Rejected => "rejected",
        RefundReason::NotSettled => "not settled in time",
        _ => "unknown",
    }
}
