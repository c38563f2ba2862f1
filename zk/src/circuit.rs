//! The circuits this program has keys for, and what a witness must offer to be proved with one of them.

use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use crate::{Field, Result, merkle::Tier, provenance, statement::Statement, statistic};

/// What building constraints gives.
pub(crate) type Outcome = core::result::Result<(), SynthesisError>;

/// One circuit of fixed size, with one pair of keys. A changed constraint is a new version with a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// `provenance@1` for trees of this tier.
    Provenance(Tier),
    /// `statistic@1`; its trees are of the small tier.
    Statistic,
}

impl Circuit {
    /// All circuits, in order of [`Circuit::id`].
    pub const ALL: [Self; 4] =
        [Self::Provenance(Tier::Small), Self::Provenance(Tier::Medium), Self::Provenance(Tier::Large), Self::Statistic];

    /// The circuit with this number, as stored keys name it.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The circuit with this name and version for trees of this tier, as bundles name it.
    pub fn named(name: &str, tier: Tier) -> Option<Self> {
        Self::ALL.into_iter().find(|circuit| circuit.name() == name && circuit.tier() == tier)
    }

    /// The circuit's number in stored keys: 0 to 2 for the tiers of `provenance@1`, 3 for `statistic@1`.
    pub fn id(self) -> u8 {
        match self {
            Self::Provenance(tier) => tier.id(),
            Self::Statistic => 3,
        }
    }

    /// Name and version.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provenance(_) => provenance::CIRCUIT,
            Self::Statistic => statistic::CIRCUIT,
        }
    }

    /// The size of the trees it proves about.
    pub fn tier(self) -> Tier {
        match self {
            Self::Provenance(tier) => tier,
            Self::Statistic => Tier::Small,
        }
    }

    /// The name of the files that hold its keys, without an ending, such as `provenance-1-small`.
    pub fn file_stem(self) -> String {
        match self {
            Self::Provenance(tier) => format!("provenance-1-{}", tier.name()),
            Self::Statistic => "statistic-1".to_owned(),
        }
    }

    /// The constraints, without values.
    pub(crate) fn constrain(self, cs: ConstraintSystemRef<Field>) -> Outcome {
        match self {
            Self::Provenance(tier) => provenance::gadget::constrain(cs, tier.into(), None),
            Self::Statistic => statistic::gadget::constrain(cs, self.tier().depth(), None),
        }
    }
}

impl From<Tier> for Circuit {
    fn from(tier: Tier) -> Self {
        Self::Provenance(tier)
    }
}

/// The private side of a circuit: [`provenance::Witness`] and [`statistic::Witness`].
pub trait Relation {
    /// Checks natively all that the circuit constrains.
    ///
    /// # Errors
    /// The first thing found wrong: [`crate::Error::Count`], [`crate::Error::Unsatisfied`], and
    /// [`crate::Error::Key`] when this is a witness for another circuit.
    fn check(&self, circuit: Circuit, statement: &Statement) -> Result<()>;

    /// The constraints with the values of this witness.
    ///
    /// # Errors
    /// An error of the constraint system.
    fn constrain(
        &self,
        circuit: Circuit,
        statement: &Statement,
        cs: ConstraintSystemRef<Field>,
    ) -> core::result::Result<(), SynthesisError>;
}

/// The error for a witness of `offered` with a key for `circuit`.
pub(crate) fn another(circuit: Circuit, offered: &str) -> crate::Error {
    let (name, tier) = (circuit.name(), circuit.tier().name());
    crate::Error::Key { reason: format!("the key is for {name}, tier {tier}, and the witness for {offered}") }
}
