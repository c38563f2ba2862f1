//! A dataset with its output, made from numbers: the same on every machine.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use sha2::{Digest, Sha256};
use zk::{
    Field,
    field::from_digest,
    merkle::{Tier, Tree},
    provenance::{Leaf, Material, OwnerSecret, Statement, Witness, output_leaf, row_digest},
    statistic::{self, Bins},
};

pub struct Sample {
    pub owner: OwnerSecret,
    pub leaves: Vec<Leaf>,
    pub records: Tree,
    pub row_digests: Vec<[u8; 32]>,
    pub outputs: Tree,
}

/// A number from the environment: seeds and how often a campaign tries.
pub fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// `ZK_DELETED` constraints of so many, from the seed `ZK_SEED`; all when it is not smaller.
pub fn sampled(constraints: usize) -> Vec<usize> {
    let (seed, wanted) = (number_from("ZK_SEED", 1), number_from("ZK_DELETED", 200) as usize);
    let mut by_digest: Vec<_> = (0..constraints).map(|row| (digest(format!("{seed} {row}")), row)).collect();
    by_digest.sort();
    let mut rows: Vec<_> = by_digest.into_iter().take(wanted).map(|(_, row)| row).collect();
    rows.sort();
    rows
}

pub fn digest(of: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(of).into()
}

pub fn leaf(number: u64) -> Leaf {
    let salt = digest(format!("salt {number}"));
    let value = (!number.is_multiple_of(3)).then_some(number as i32 - 40);
    Leaf {
        salt: salt[..31].try_into().unwrap(),
        digest: digest(format!("record {number}")),
        level: (number % 4) as u8,
        value,
    }
}

pub fn context(name: &str) -> Field {
    from_digest(&digest(name))
}

impl Sample {
    pub fn new(tier: Tier, count: u64) -> Self {
        let leaves: Vec<_> = (0..count).map(leaf).collect();
        let rows = (0..count).map(|n| row_digest(&digest(format!("row salt {n}")), &n.to_le_bytes())).collect();
        Self::of(tier, leaves, rows)
    }

    pub fn of(tier: Tier, leaves: Vec<Leaf>, row_digests: Vec<[u8; 32]>) -> Self {
        let hashes: Vec<_> = leaves.iter().map(Leaf::hash).collect();
        let outputs = hashes.iter().zip(&row_digests).map(|(leaf, row)| output_leaf(*leaf, row)).collect();
        let mut identity = digest("identity");
        identity[0] = 0;
        Self {
            owner: OwnerSecret::new(&identity, &[7; 31]).unwrap(),
            records: Tree::build(tier, hashes, &mut |_, _| ()).unwrap(),
            outputs: Tree::build(tier, outputs, &mut |_, _| ()).unwrap(),
            leaves,
            row_digests,
        }
    }

    pub fn material(&self) -> Material<'_> {
        let Self { owner, leaves, records, row_digests, outputs } = self;
        Material { owner, leaves, records, row_digests, outputs }
    }

    /// The statement and witness for the context and challenge of a job with this name.
    pub fn job(&self, name: &str) -> (Statement, Witness) {
        let statement = self.material().statement(context(name), context(&format!("challenge of {name}")));
        (statement, Witness::gather(&self.material(), statement.challenge).unwrap())
    }

    /// What a statistic of the job with this name is proven from: groups of at least `least` values.
    pub fn counted<'a>(&'a self, least: u32, blinding: &'a [u8; 31]) -> statistic::Material<'a> {
        let Self { owner, leaves, records, .. } = self;
        statistic::Material { owner, leaves, records, bins: bins(), least, blinding }
    }

    /// The statement and witness for a statistic over the whole sample, in groups of at least 5.
    pub fn statistic(&self, name: &str) -> (Statement, statistic::Witness) {
        let material = self.counted(5, &[9; 31]);
        let statement = material.statement(context(name), context(&format!("challenge of {name}"))).unwrap();
        (statement, statistic::Witness::gather(&material).unwrap())
    }
}

/// Edges around the values of [`leaf`], the first records in many bins and the later ones in the last.
pub fn bins() -> Bins {
    Bins::new(&(0..17).map(|edge| 9 * edge - 50).collect::<Vec<_>>()).unwrap()
}
