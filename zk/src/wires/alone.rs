//! For one constraint, a dishonest assignment that it alone refuses: delete it, and the assignment is accepted.
//!
//! A lie starts at the constraint: a computed wire gets another value, a bit one that is no bit, a sum loses its bits, a
//! public input is another number. Then the prover's other wires are made to fit, as a dishonest prover would: computed
//! wires are computed again, bits spell their new number, an opening's child is what its path asks for, and a public input
//! that one equality names (a root, a commitment) is what comes out. What counts is the last step: every constraint of
//! the circuit is evaluated, and exactly one must fail.

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::{AdditiveGroup, BigInteger, Field as _, PrimeField};

use super::Wires;
use crate::Field;

/// Repairs tried before a lie is given up: a drawn number compared with the modulus alone needs some twenty.
const ROUNDS: usize = 64;

type Changes = Vec<(usize, Field)>;

/// The wires before a lie, and the constraints that fail then.
struct Start {
    values: Vec<Field>,
    failing: Vec<usize>,
}

/// What a dishonest prover may choose beside the wires of a lie.
#[derive(Clone, Copy)]
pub struct Open<'a> {
    /// The public inputs that a statement takes from the assignment.
    pub settled: &'a [usize],
    /// Children that two paths open in one place of one tree.
    pub twins: &'a [[usize; 2]],
}

impl Wires {
    /// Of these constraints, those for which no lie was found that they alone refuse.
    pub fn unnoticed(&mut self, rows: &[usize], open: Open<'_>) -> Vec<usize> {
        let start = Start { values: self.values.clone(), failing: self.failing_now() };
        let apart = Open { twins: &[], ..open };
        let ways = if open.twins.is_empty() { vec![open] } else { vec![apart, open] };
        let mut left = rows.to_vec();
        left.retain(|row| {
            let lies = self.lies(*row);
            !lies.iter().flat_map(|lie| ways.iter().map(move |way| (lie, way))).any(|(lie, way)| {
                let alone = self.refuses_alone(*row, lie, *way, &start);
                self.values.clone_from(&start.values);
                alone
            })
        });
        left
    }

    /// The private wires that the prover gives and that are no bits, in order.
    pub fn given(&self) -> Vec<usize> {
        (self.public..self.values.len()).filter(|wire| !self.is_computed(*wire) && !self.is_bit(*wire)).collect()
    }

    /// The constraints that say of the bits in a public input's one sum that they are bits, in the order of the wires.
    pub fn bits_summed_to(&self, public: usize) -> Vec<usize> {
        let [sum] = self.rows[public][..] else { panic!("wire {public} is in {} places", self.rows[public].len()) };
        let named: BTreeSet<usize> = self.terms(sum).map(|(_, wire)| *wire).collect();
        let says = |wire: usize| self.rows[wire].iter().copied().find(|row| self.bit(*row) == Some(wire));
        named.into_iter().filter_map(says).collect()
    }

    /// The constraints that make so many bits spell a number.
    pub fn spelling_bits(&self, number: usize) -> Vec<usize> {
        let spells = |row: &usize| self.spelling(*row).is_some_and(|(_, bits)| bits.len() == number);
        (0..self.constraints()).filter(spells).collect()
    }

    /// Whether this lie, all else made to fit, fails in this constraint and in no other. The wires are left as they are then.
    fn refuses_alone(&mut self, row: usize, lie: &Changes, open: Open<'_>, start: &Start) -> bool {
        let equalities: BTreeSet<usize> = open.settled.iter().flat_map(|public| &self.rows[*public]).copied().collect();
        let mut held: BTreeSet<usize> = lie.iter().map(|(wire, _)| *wire).collect();
        let mut failing = self.put(row, lie, &held);
        for _ in 0..ROUNDS {
            let wrong = failing.iter().copied().find(|other| *other != row && !equalities.contains(other));
            let Some(wrong) = wrong else { break };
            let Some(repair) = self.spelled(wrong).or_else(|| self.solved(row, wrong, &held)) else { return false };
            if repair.iter().any(|(wire, _)| held.contains(wire)) {
                return false;
            }
            // Bits made to fit may have to fit again; a wire solved for stays.
            if let [(wire, _)] = repair[..] {
                held.insert(wire);
            }
            failing.extend(self.put(row, &repair, &held));
            failing.retain(|other| !self.row_holds(*other));
        }
        for &[one, other] in open.twins {
            let (from, to) = if self.values[one] == start.values[one] { (other, one) } else { (one, other) };
            if self.values[from] != self.values[to] {
                self.put(row, &vec![(to, self.values[from])], &held);
            }
        }
        open.settled.iter().for_each(|public| self.settle(*public, row));
        self.failing_since(start) == [row]
    }

    /// The constraints that fail now: of those that failed at the start and those that name a changed wire.
    fn failing_since(&self, start: &Start) -> Vec<usize> {
        let changed = (0..start.values.len()).filter(|wire| self.values[*wire] != start.values[*wire]);
        let mut named: BTreeSet<usize> = changed.flat_map(|wire| &self.rows[wire]).copied().collect();
        named.extend(&start.failing);
        named.into_iter().filter(|row| !self.row_holds(*row)).collect()
    }

    /// Gives a public wire the value that an equality asks for, as for the statement that an assignment does show; a
    /// deleted equality asks for nothing.
    fn settle(&mut self, public: usize, deleted: usize) {
        let Some(row) = self.rows[public].iter().copied().find(|row| *row != deleted) else { return };
        let (factor, _) = self.matrices[0][row].iter().find(|(_, wire)| *wire == public).unwrap();
        let change = self.sum(0, row) * factor.inverse().unwrap();
        self.values[public] -= change;
        assert!(self.row_holds(row));
    }

    /// Changes wires and computes again what follows from them, but for the held ones; the constraints that fail.
    fn put(&mut self, deleted: usize, changes: &Changes, held: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut open = BTreeSet::new();
        for (wire, value) in changes {
            self.values[*wire] = *value;
            open.extend(&self.rows[*wire]);
        }
        let mut failing = BTreeSet::new();
        while let Some(row) = open.pop_first() {
            let computed = self.computes(row).filter(|wire| self.computed_by[*wire] == Some(row));
            match computed.filter(|wire| row != deleted && !held.contains(wire)) {
                Some(wire) => {
                    let result = self.result(row);
                    if result != self.values[wire] {
                        self.values[wire] = result;
                        open.extend(self.rows[wire].iter().filter(|later| **later > row));
                    }
                }
                None if !self.row_holds(row) => _ = failing.insert(row),
                None => {}
            }
        }
        failing
    }

    /// Ways to break one constraint.
    fn lies(&self, row: usize) -> Vec<Changes> {
        let mut lies = Vec::new();
        let named: BTreeSet<usize> = self.terms(row).map(|(_, wire)| *wire).filter(|wire| *wire > 0).collect();
        let public = |wire: &&usize| **wire < self.public;
        lies.extend(named.iter().filter(public).map(|wire| vec![(*wire, self.values[*wire] + Field::ONE)]));
        let two = Field::ONE.double();
        let others = |wire: usize| {
            let honest = self.values[wire];
            let values = [honest + Field::ONE, Field::ONE, Field::ZERO, honest - Field::ONE, two];
            values.into_iter().filter(move |value| *value != honest).map(move |value| vec![(wire, value)])
        };
        if let Some(wire) = self.computes(row) {
            lies.extend(others(wire));
        }
        if let Some(bit) = self.bit(row) {
            lies.extend(self.rows[bit].iter().flat_map(|sum| self.carried(*sum, bit)));
        }
        lies.extend(
            named.range(self.public..).rev().filter(|wire| !self.is_computed(**wire)).flat_map(|wire| others(*wire)),
        );
        if let Some(bit) = self.bit(row) {
            lies.extend(self.rows[bit].iter().flat_map(|choice| self.exchanged(*choice, bit)));
        }
        lies
    }

    /// The wire that this constraint says to be 0 or 1, if that is all it says.
    fn bit(&self, row: usize) -> Option<usize> {
        let one_wire = |terms: &[(Field, usize)]| {
            let mut wires = terms.iter().map(|(_, wire)| *wire).filter(|wire| *wire > 0);
            wires.next().filter(|_| wires.next().is_none())
        };
        let [a, b, c] = [0, 1, 2].map(|matrix| &self.matrices[matrix][row]);
        one_wire(a).filter(|wire| c.is_empty() && one_wire(b) == Some(*wire) && *wire >= self.public)
    }

    /// The bits whose sum, lowest first, this constraint makes equal to the rest, and the matrix they stand in.
    fn spelling(&self, row: usize) -> Option<(usize, Vec<usize>)> {
        [2, 0].into_iter().find_map(|matrix| {
            let by_power: BTreeMap<_, _> = self.matrices[matrix][row]
                .iter()
                .filter(|(_, wire)| !self.is_computed(*wire) && self.is_bit(*wire))
                .map(|(factor, wire)| (factor.into_bigint(), *wire))
                .collect();
            let powers = core::iter::successors(Some(Field::ONE), |power| Some(power.double()));
            let bits: Vec<_> = powers.map_while(|power| by_power.get(&power.into_bigint()).copied()).collect();
            (bits.len() > 1).then_some((matrix, bits))
        })
    }

    /// Another value for a bit that leaves the sum it belongs to as it is: the bit beside it is flipped.
    fn carried(&self, sum: usize, bit: usize) -> Vec<Changes> {
        let Some((_, bits)) = self.spelling(sum) else { return Vec::new() };
        let Some(place) = bits.iter().position(|other| *other == bit) else { return Vec::new() };
        let beside = |other: usize, worth: Field| {
            let flipped = Field::ONE - self.values[other];
            vec![(bit, self.values[bit] - (flipped - self.values[other]) * worth), (other, flipped)]
        };
        let above = bits.get(place + 1).map(|other| beside(*other, Field::from(2u64)));
        let half = Field::from(2u64).inverse().unwrap();
        let below = place.checked_sub(1).map(|other| beside(bits[other], half));
        above.into_iter().chain(below).collect()
    }

    /// Where a constraint says that one of many bits is 1 at most: this bit as −1, another as 1, so that none seems to be.
    fn exchanged(&self, choice: usize, bit: usize) -> Vec<Changes> {
        let bits: Vec<usize> = self.matrices[0][choice].iter().map(|(_, wire)| *wire).collect();
        let plain = self.matrices[0][choice].iter().all(|(factor, wire)| *factor == Field::ONE && self.is_bit(*wire));
        if !plain || bits.len() < 3 || !bits.contains(&bit) {
            return Vec::new();
        }
        let value = |wire: usize, one: usize| match wire {
            _ if wire == bit => -Field::ONE,
            _ if wire == one => Field::ONE,
            _ => Field::ZERO,
        };
        let others = bits.iter().filter(|other| **other != bit);
        others.map(|one| bits.iter().map(|wire| (*wire, value(*wire, *one))).collect()).collect()
    }

    fn is_bit(&self, wire: usize) -> bool {
        self.rows[wire].iter().any(|row| self.bit(*row) == Some(wire))
    }

    /// The bits of a failing sum, as they would have to be; none when so many bits cannot spell it.
    fn spelled(&self, row: usize) -> Option<Changes> {
        let (matrix, bits) = self.spelling(row)?;
        let now: Field = bits.iter().rev().fold(Field::ZERO, |sum, bit| sum.double() + self.values[*bit]);
        let [a, b, c] = [0, 1, 2].map(|matrix| self.sum(matrix, row));
        let due = if matrix == 2 { now + a * b - c } else { now + c * b.inverse()? - a };
        let number = due.into_bigint();
        (number.num_bits() as usize <= bits.len())
            .then(|| bits.iter().enumerate().map(|(place, bit)| (*bit, Field::from(number.get_bit(place)))).collect())
    }

    /// A value for one wire given by the prover, from which this failing constraint holds: the constraint must depend on
    /// the wire in a straight line.
    fn solved(&mut self, deleted: usize, row: usize, held: &BTreeSet<usize>) -> Option<Changes> {
        let honest = self.values.clone();
        let wanted = |wires: &Self| wires.sum(0, row) * wires.sum(1, row) - wires.sum(2, row);
        self.behind(row).into_iter().rev().filter(|wire| !held.contains(wire)).find_map(|wire| {
            let at = |wires: &mut Self, value| {
                wires.put(deleted, &vec![(wire, value)], held);
                let residual = wanted(wires);
                wires.values.clone_from(&honest);
                residual
            };
            let (start, next) = (at(self, honest[wire]), at(self, honest[wire] + Field::ONE));
            let root = honest[wire] - start * (next - start).inverse()?;
            (at(self, root) == Field::ZERO).then(|| vec![(wire, root)])
        })
    }

    /// The given wires, no bits, that this constraint names or that the wires it names are computed from in two steps.
    fn behind(&self, row: usize) -> BTreeSet<usize> {
        let mut named: BTreeSet<usize> = self.terms(row).map(|(_, wire)| *wire).collect();
        for _ in 0..2 {
            let before: Vec<usize> = named.iter().filter_map(|wire| self.computed_by[*wire]).collect();
            named.extend(before.into_iter().flat_map(|row| self.terms(row).map(|(_, wire)| *wire)));
        }
        named
            .into_iter()
            .filter(|wire| *wire >= self.public && !self.is_computed(*wire) && !self.is_bit(*wire))
            .collect()
    }
}
