//! Actions and purposes, and sets of them as bits.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// An enum whose variants are bits of a set.
macro_rules! bits {
    (
        $(#[$doc:meta])* $one:ident, $(#[$set_doc:meta])* $many:ident, $what:literal,
        $($(#[$variant_doc:meta])* $variant:ident = $bit:literal, $name:literal, $words:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum $one { $($(#[$variant_doc])* $variant = $bit,)+ }

        impl $one {
            /// All of them, lowest bit first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The bit that stands for it on-chain.
            pub const fn bit(self) -> u16 {
                self as u16
            }

            /// The name used in files and commands.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The same in plain words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)+ }
            }

            /// The one that `bit` stands for.
            ///
            /// # Errors
            /// [`Error::Invalid`] when it is not exactly one known bit.
            pub fn from_bit(bit: u16) -> Result<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|one| one.bit() == bit)
                    .ok_or_else(|| Error::Invalid(format!("{bit} is not one {} bit", $what)))
            }
        }

        impl fmt::Display for $one {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $one {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|one| one.name()).collect();
                    Error::Invalid(format!("`{name}` is no {}; there are {}", $what, known.join(", ")))
                })
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $many(u16);

        impl $many {
            /// The empty set.
            pub const NONE: Self = Self(0);

            /// The set of these.
            pub const fn of(members: &[$one]) -> Self {
                let (mut bits, mut index) = (0, 0);
                while index < members.len() {
                    bits |= members[index].bit();
                    index += 1;
                }
                Self(bits)
            }

            /// The set with these bits.
            ///
            /// # Errors
            /// [`Error::Invalid`] when a bit has no meaning.
            pub fn from_bits(bits: u16) -> Result<Self> {
                let known = Self::of($one::ALL).0;
                if bits & !known != 0 {
                    return Err(Error::Invalid(format!("unknown {} bits {:#x}", $what, bits & !known)));
                }
                Ok(Self(bits))
            }

            /// The bits as they stand on-chain.
            pub const fn bits(self) -> u16 {
                self.0
            }

            /// Whether `member` is in the set.
            pub const fn contains(self, member: $one) -> bool {
                self.0 & member.bit() != 0
            }

            /// Whether nothing is in the set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The members, lowest bit first.
            pub fn iter(self) -> impl Iterator<Item = $one> {
                $one::ALL.iter().copied().filter(move |one| self.contains(*one))
            }

            /// The members' names.
            pub fn names(self) -> Vec<&'static str> {
                self.iter().map(|one| one.name()).collect()
            }

            /// The members in plain words: `a, b and c`.
            pub fn sentence(self) -> String {
                let words: Vec<&str> = self.iter().map(|one| one.words()).collect();
                match words.split_last() {
                    None => "nothing".into(),
                    Some((last, [])) => (*last).into(),
                    Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
                }
            }
        }

        impl fmt::Display for $many {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.is_empty() { f.write_str("nothing") } else { f.write_str(&self.names().join(", ")) }
            }
        }

        impl fmt::Debug for $many {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{{{self}}}")
            }
        }
    };
}

bits! {
    /// A kind of job.
    Action,
    /// A set of actions.
    Actions, "action",
    /// Counts, sums and a histogram over all records.
    Statistic = 1, "statistic", "counts and statistics";
    /// One embedding per record.
    Embed = 2, "embed", "embeddings";
    /// Training a model that cannot produce text or media.
    TrainNonGenerative = 4, "train_non_generative", "training a model that generates nothing";
    /// Training a model that can.
    TrainGenerative = 8, "train_generative", "training a generative model";
    /// Running a model over the records.
    Infer = 16, "infer", "running a model";
    /// Measuring a model on the records.
    Evaluate = 32, "evaluate", "measuring a model";
    /// The licensed fields themselves.
    Download = 64, "download", "the records themselves";
}

bits! {
    /// What an output is used for.
    Purpose,
    /// A set of purposes.
    Purposes, "purpose",
    /// Research.
    Research = 1, "research", "research";
    /// Adapting something to one person.
    Personalization = 2, "personalization", "personalization";
    /// Building a product.
    Product = 4, "product", "building products";
    /// The public interest.
    PublicInterest = 8, "public_interest", "the public interest";
    /// Anything.
    Any = 16, "any", "any purpose";
}
