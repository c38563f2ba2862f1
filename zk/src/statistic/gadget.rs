//! `statistic@1` as constraints: about 380 for each of 512 records, 414 for each of 73 nodes.
//!
//! Each part of [`constrain`] stops one attack; the crate's `README.md` lists them. All numbers here are far below the
//! field's modulus, so sums and differences of range-checked wires do not wrap.

use ark_r1cs_std::{
    alloc::AllocVar,
    boolean::Boolean,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{
    BINS, Statement, Witness,
    answer::{COUNT_BITS, SUM_OFFSET},
    bins::{INNER, OFFSET, PACKED, VALUE_BITS},
    witness::{Given, Place},
};
use crate::{
    Field,
    field::{
        self,
        gadget::{allocate, bits, number, small},
    },
    merkle::{ARITY, capacity, empty_leaf},
    poseidon::{Tag, gadget::hash},
    provenance, statement,
};

type Wire = FpVar<Field>;
type Bit = Boolean<Field>;
type System = ConstraintSystemRef<Field>;
type Outcome<T> = Result<T, SynthesisError>;

/// Bits of the distance between a value and an edge of its bin.
const DISTANCE_BITS: usize = 32;

/// Bits of a record's source level.
const LEVEL_BITS: usize = 8;

/// The circuit; without values for key generation.
pub(crate) fn constrain(cs: System, depth: usize, values: Option<(&Statement, &Witness)>) -> Outcome<()> {
    let given = values.map(|(statement, witness)| (statement, Given::of(witness, depth)));
    constrain_given(cs, depth, given.as_ref().map(|(statement, given)| (*statement, given)))
}

/// [`constrain`] with all that the prover gives, honest or not.
pub(super) fn constrain_given(cs: System, depth: usize, values: Option<(&Statement, &Given)>) -> Outcome<()> {
    let (statement, given) = values.unzip();
    let [root, count, owner, output_root, context, challenge] = &statement::gadget::allocate(&cs, statement)?;

    statement::gadget::bind(context)?;
    statement::gadget::bind(challenge)?;
    provenance::gadget::enforce_owner(&cs, owner, given.map(|g| &g.owner))?;
    let edges = rising_edges(&cs, given.map(|g| g.edges))?;
    let there = enforce_count(&cs, count, given, depth)?;
    let counts = there
        .iter()
        .enumerate()
        .map(|(place, there)| counted(&cs, there, &edges, given.map(|g| (g, &g.places[place]))))
        .collect::<Outcome<Vec<_>>>()?;
    enforce_root(&cs, counts.iter().map(|c| c.leaf.clone()).collect(), root)?;

    let totals = Totals::of(&counts);
    let least = least(&cs, &totals, given.map(|g| g.least))?;
    let groups = merged(&cs, &totals, &least)?;
    let [blinding] = allocate(&cs, given.map(|g| [g.blinding]))?;
    committed(&cs, blinding, &totals, &least, &groups, &edges)?.enforce_equal(output_root)
}

/// What one position gives.
struct Counts {
    leaf: Wire,
    /// For each bin whether the record's value is in it.
    chosen: Vec<Wire>,
    has_value: Wire,
    /// The encoded value, 0 for none.
    encoded: Wire,
}

/// What is summed up over the records: no constraint.
struct Totals {
    /// Records with a value.
    count: Wire,
    /// Encoded values.
    sum: Wire,
    histogram: Vec<Wire>,
}

impl Totals {
    fn of(counts: &[Counts]) -> Self {
        Self {
            count: counts.iter().map(|c| &c.has_value).sum(),
            sum: counts.iter().map(|c| &c.encoded).sum(),
            histogram: (0..BINS).map(|bin| counts.iter().map(|c| &c.chosen[bin]).sum()).collect(),
        }
    }
}

/// The encoded edges between bins: from 1 to 2^32 and each above the one before.
fn rising_edges(cs: &System, values: Option<[u64; INNER]>) -> Outcome<[Wire; INNER]> {
    let edges = allocate(cs, values.map(|v| v.map(Field::from)))?;
    let value = |place: usize| values.map(|v| v[place]);
    enforce_distance(cs, &edges[0], &constant(1), value(0).map(|edge| edge.wrapping_sub(1)))?;
    for place in 1..INNER {
        let distance = value(place).zip(value(place - 1)).map(|(high, low)| high.wrapping_sub(low).wrapping_sub(1));
        enforce_distance(cs, &edges[place], &(&edges[place - 1] + Field::from(1u64)), distance)?;
    }
    let highest = 1u64 << 32;
    enforce_distance(
        cs,
        &constant(highest),
        &edges[INNER - 1],
        value(INNER - 1).map(|edge| highest.wrapping_sub(edge)),
    )?;
    Ok(edges)
}

/// `high − low` has 32 bits, so `low ≤ high` for numbers of at most 34.
fn enforce_distance(cs: &System, high: &Wire, low: &Wire, distance: Option<u64>) -> Outcome<()> {
    number(&bits(cs, distance, DISTANCE_BITS)?)?.enforce_equal(&(high - low))
}

/// For each position whether a record stands there: the first `count` ones, and no others.
fn enforce_count(cs: &System, count: &Wire, given: Option<&Given>, depth: usize) -> Outcome<Vec<Bit>> {
    let there = (0..capacity(depth) as usize)
        .map(|place| bit(cs, given.map(|g| g.places[place].there)))
        .collect::<Outcome<Vec<_>>>()?;
    for pair in there.windows(2) {
        // The later one is there only if the earlier one is.
        Wire::from(pair[1].clone()).mul_equals(&Wire::from(!&pair[0]), &Wire::zero())?;
    }
    there.iter().map(|bit| Wire::from(bit.clone())).sum::<Wire>().enforce_equal(count)?;
    Ok(there)
}

/// One position's leaf, and what its record counts.
///
/// A record without a value is in no bin; one with a value is in the bin whose edges it stands between. `low` is the
/// lower edge of the record's bin and `high` its highest value, both 0 for no bin, so a value between them is 0 exactly
/// when there is no bin.
fn counted(cs: &System, there: &Bit, edges: &[Wire; INNER], values: Option<(&Given, &Place)>) -> Outcome<Counts> {
    let place = values.map(|(_, place)| place);
    let chosen =
        (0..BINS).map(|bin| Ok(Wire::from(bit(cs, place.map(|p| p.chosen[bin]))?))).collect::<Outcome<Vec<_>>>()?;
    let has_value = chosen.iter().sum::<Wire>();
    // No bin or one bin, and none where no record is: has_value ≤ there, both sums of bits.
    has_value.mul_equals(&Wire::from(!there), &Wire::zero())?;
    has_value.mul_equals(&(&has_value - Field::from(1u64)), &Wire::zero())?;

    let (low, high) = chosen_edges(&chosen, edges);
    let distance = values.map(|(given, place)| {
        let (low, high) = limits(&place.chosen, &given.edges);
        (place.value.wrapping_sub(low), high.wrapping_sub(place.value))
    });
    let above = number(&bits(cs, distance.map(|d| d.0), DISTANCE_BITS)?)?;
    let below = number(&bits(cs, distance.map(|d| d.1), DISTANCE_BITS)?)?;
    (&above + below).enforce_equal(&(high - &low))?;
    let encoded = low + above;

    let level = number(&bits(cs, place.map(|p| p.level.into()), LEVEL_BITS)?)?;
    let [data] = allocate(cs, place.map(|p| [p.data]))?;
    let leaf = hash(cs, Tag::Leaf, &[data, level * Field::from(1u64 << VALUE_BITS) + &encoded])?;

    let empty = empty_leaf();
    let leaf = (leaf - empty) * Wire::from(there.clone()) + empty;
    Ok(Counts { leaf, chosen, has_value, encoded })
}

/// The lowest and the highest encoded value of the chosen bin.
fn limits(chosen: &[bool; BINS], edges: &[u64; INNER]) -> (u64, u64) {
    let chosen = (0..BINS).filter(|bin| chosen[*bin]);
    chosen.fold((0, 0), |(low, high), bin| {
        let lowest = bin.checked_sub(1).map_or(1, |below| edges[below]);
        let highest = edges.get(bin).map_or(1 << 32, |edge| edge.wrapping_sub(1));
        (low + lowest, high + highest)
    })
}

/// [`limits`] as wires.
fn chosen_edges(chosen: &[Wire], edges: &[Wire; INNER]) -> (Wire, Wire) {
    let mut low = vec![chosen[0].clone()];
    let mut high = vec![&chosen[BINS - 1] * Field::from(1u64 << 32)];
    for (place, edge) in edges.iter().enumerate() {
        low.push(edge * &chosen[place + 1]);
        high.push((edge - Field::from(1u64)) * &chosen[place]);
    }
    (low.iter().sum(), high.iter().sum())
}

/// All leaves make the root.
fn enforce_root(cs: &System, leaves: Vec<Wire>, root: &Wire) -> Outcome<()> {
    let mut level = leaves;
    while level.len() > 1 {
        level = level.chunks(ARITY).map(|children| hash(cs, Tag::Node, children)).collect::<Outcome<_>>()?;
    }
    level[0].enforce_equal(root)
}

/// The smallest group's size: from 1 to the number of values.
fn least(cs: &System, totals: &Totals, value: Option<u64>) -> Outcome<Wire> {
    let least = number(&bits(cs, value.map(|v| v.wrapping_sub(1)), COUNT_BITS)?)? + Field::from(1u64);
    let rest = &totals.count - &least;
    number(&bits(cs, small(&rest), COUNT_BITS)?)?.enforce_equal(&rest)?;
    Ok(least)
}

/// The histogram's bins merged to groups of at least `least`; the native twin is in `answer.rs`.
fn merged(cs: &System, totals: &Totals, least: &Wire) -> Outcome<Vec<Wire>> {
    let mut group = Wire::zero();
    let mut above = totals.count.clone();
    let mut groups = Vec::with_capacity(BINS);
    for bin in &totals.histogram[..BINS - 1] {
        group += bin;
        above -= bin;
        let ends = at_least(cs, &group, least)? & at_least(cs, &above, least)?;
        let ended = &group * Wire::from(ends);
        group -= &ended;
        groups.push(ended);
    }
    groups.push(group + &totals.histogram[BINS - 1]);
    Ok(groups)
}

/// Whether `number ≥ least`, both at most 2^10: the highest of the 11 bits of `number − least + 2^10`.
fn at_least(cs: &System, number: &Wire, least: &Wire) -> Outcome<Bit> {
    let shifted = number - least + Field::from(1u64 << COUNT_BITS);
    let mut bits = bits(cs, small(&shifted), COUNT_BITS + 1)?;
    field::gadget::number(&bits)?.enforce_equal(&shifted)?;
    bits.pop().ok_or(SynthesisError::Unsatisfiable)
}

/// The answer's commitment; see [`super::Answer::commitment`].
fn committed(
    cs: &System,
    blinding: Wire,
    totals: &Totals,
    least: &Wire,
    groups: &[Wire],
    edges: &[Wire; INNER],
) -> Outcome<Wire> {
    let sum = &totals.sum - &totals.count * Field::from(OFFSET as u64) + Field::from(SUM_OFFSET);
    let packed = [least, &totals.count]
        .into_iter()
        .chain(groups)
        .rev()
        .fold(sum, |packed, count| packed * Field::from(1u64 << COUNT_BITS) + count);
    let mut words = vec![blinding, packed];
    words.extend(
        edges.chunks(PACKED).map(|edges| {
            edges.iter().rev().fold(Wire::zero(), |sum, edge| sum * Field::from(1u64 << VALUE_BITS) + edge)
        }),
    );
    hash(cs, Tag::Result, &words)
}

fn bit(cs: &System, value: Option<bool>) -> Outcome<Bit> {
    Bit::new_witness(cs.clone(), || value.ok_or(SynthesisError::AssignmentMissing))
}

fn constant(value: u64) -> Wire {
    Wire::Constant(Field::from(value))
}
