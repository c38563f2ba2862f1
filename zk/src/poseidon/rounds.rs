//! The permutation with its partial rounds as a recurrence: two products for each word and round, reduced once.
//!
//! In a partial round only word 0 meets the S-box. Let `s_r` be that word before round `r`, `y_r` what the S-box makes of it
//! and `z_r` the other `n` words. With the matrix `[[m, v], [w, A]]`, `s_{r+1} = m·y_r + v·z_r` and `z_{r+1} = w·y_r + A·z_r`:
//! a linear system with one input and one output. Such a system needs no state of its own. With `λ^n + a_1·λ^{n−1} + … + a_n`
//! the characteristic polynomial of `A`, which `A` is a root of (Cayley and Hamilton),
//!
//! `s_{r+1} = m·y_r + Σ_{i=1..n} (b_i·y_{r−i} − a_i·s_{r+1−i})`, where `b_i = a_i·m + Σ_{k<i} a_k·v·A^{i−1−k}·w` and `a_0 = 1`.
//!
//! So a round takes the last `n` inputs and outputs of the S-box. Before the first round outputs are made up, such that they
//! stand for `z_0`; after the last they tell `z`. Each `s_r` is kept times a factor of its own, chosen so that `y_r` comes
//! without a product: what is left of the sum does not wait for the S-box. The constants of words 1 to `n` are moved forward
//! through the matrix to the next full round (as in 2019/458, appendix B), that of word 0 is part of the sum.

use ark_ff::{AdditiveGroup, Field as _};
use light_poseidon::PoseidonParameters;

use super::FULL_ROUNDS;
use crate::Field;

type Matrix = Vec<Vec<Field>>;

/// How the rounds' numbers are computed.
pub(super) trait Arithmetic: Copy {
    /// A word of the state, or that word of several states side by side.
    type Number: Copy;
    /// A factor or constant of the rounds.
    type Constant: Copy + From<Field>;

    /// The constant as a number.
    fn known(self, constant: &Self::Constant) -> Self::Number;

    /// The sum of both.
    fn plus(self, one: Self::Number, other: Self::Number) -> Self::Number;

    /// The S-box.
    fn fifth_power(self, number: Self::Number) -> Self::Number;

    /// `constant + Σ factors · values`, over as many of both, at most 24.
    fn affine(self, factors: &[Self::Constant], values: &[Self::Number], constant: &Self::Constant) -> Self::Number;
}

/// A row of a matrix and the constant that the next round adds.
struct Row<const T: usize, C> {
    factors: [C; T],
    constant: C,
}

type Layer<const T: usize, C> = [Row<T, C>; T];

/// Rounds before the partial ones, and after them.
const HALF: usize = FULL_ROUNDS / 2;

/// Room for what the S-box took and gave in all partial rounds of any width, and as much as stands for `z_0`.
const HISTORY: usize = 2 * (66 + 12);

/// Precomputed rounds for a state of `T` words.
pub(super) struct Rounds<const T: usize, C> {
    /// Constants of the first round. Word 0 is 0 in every hash: what comes of it is in the first layer's constants.
    first: [C; T],
    opening: [Layer<T, C>; HALF - 1],
    /// From the last full round to `s_0` and the numbers that stand for `z_0`.
    bridge: Layer<T, C>,
    /// For each partial round `2n` factors, oldest first, and a constant.
    partial: Vec<(Vec<C>, C)>,
    /// The words beside word 0 after the partial rounds.
    ending: Vec<(Vec<C>, C)>,
    closing: [Layer<T, C>; HALF - 1],
    /// Word 0 of the result.
    last: Row<T, C>,
}

impl<const T: usize, C: Copy + From<Field>> Rounds<T, C> {
    /// Words beside word 0.
    const OTHERS: usize = T - 1;

    /// Word 0 of the permuted state `[0, words…]`; `words` has `T − 1` entries.
    pub(super) fn hash<A: Arithmetic<Constant = C>>(&self, arithmetic: A, words: &[A::Number]) -> A::Number {
        let mut state = [arithmetic.known(&Field::ZERO.into()); T];
        for (place, word) in words.iter().enumerate() {
            let sum = arithmetic.plus(*word, arithmetic.known(&self.first[place + 1]));
            state[place + 1] = arithmetic.fifth_power(sum);
        }
        let given = state;
        for (word, row) in state.iter_mut().zip(&self.opening[0]) {
            *word = arithmetic.affine(&row.factors[1..], &given[1..], &row.constant);
        }
        for layer in &self.opening[1..] {
            state = product(arithmetic, layer, &powers(arithmetic, &state));
        }
        state = self.partial_rounds(arithmetic, &product(arithmetic, &self.bridge, &powers(arithmetic, &state)));
        for layer in &self.closing {
            state = product(arithmetic, layer, &powers(arithmetic, &state));
        }
        arithmetic.affine(&self.last.factors, &powers(arithmetic, &state), &self.last.constant)
    }

    /// From `s_0` and what stands for `z_0` to the state before the closing rounds, constants added.
    #[inline(always)]
    fn partial_rounds<A: Arithmetic<Constant = C>>(&self, arithmetic: A, start: &[A::Number; T]) -> [A::Number; T] {
        let width = 2 * Self::OTHERS;
        let mut history = [arithmetic.known(&Field::ZERO.into()); HISTORY];
        for (place, output) in start[1..].iter().enumerate() {
            history[2 * place] = *output;
        }
        history[width - 1] = start[0];
        for (round, (factors, constant)) in self.partial.iter().enumerate() {
            let window = &history[2 * round..2 * round + width];
            let rest = arithmetic.affine(&factors[..width], window, constant);
            let power = arithmetic.fifth_power(window[width - 1]);
            history[2 * round + width] = power;
            history[2 * round + width + 1] = arithmetic.plus(rest, power);
        }
        let window = &history[2 * self.partial.len()..][..width];
        let mut state = [window[width - 1]; T];
        for (word, (factors, constant)) in state[1..].iter_mut().zip(&self.ending) {
            *word = arithmetic.affine(&factors[..width], window, constant);
        }
        state
    }
}

#[inline(always)]
fn powers<A: Arithmetic, const T: usize>(arithmetic: A, state: &[A::Number; T]) -> [A::Number; T] {
    let mut powers = *state;
    for word in &mut powers {
        *word = arithmetic.fifth_power(*word);
    }
    powers
}

#[inline(always)]
fn product<A: Arithmetic, const T: usize>(
    arithmetic: A,
    layer: &Layer<T, A::Constant>,
    state: &[A::Number; T],
) -> [A::Number; T] {
    let mut words = *state;
    for (word, row) in words.iter_mut().zip(layer) {
        *word = arithmetic.affine(&row.factors, state, &row.constant);
    }
    words
}

impl<const T: usize, C: Copy + From<Field>> Rounds<T, C> {
    /// Rewrites the published parameters. Takes milliseconds: keep the result.
    pub(super) fn derive(parameters: &PoseidonParameters<Field>) -> Self {
        let matrix = &parameters.mds;
        let mut rounds: Matrix = parameters.ark.chunks(T).map(<[Field]>::to_vec).collect();
        let (first, last) = (HALF, HALF + parameters.partial_rounds);
        for round in first..last {
            let moved: Vec<_> = core::iter::once(Field::ZERO).chain(rounds[round][1..].iter().copied()).collect();
            let moved = times(matrix, &moved);
            rounds[round + 1].iter_mut().zip(moved).for_each(|(constant, m)| *constant += m);
        }
        let recurrence = Recurrence::of(matrix);
        let scaled = Scaled::of(matrix[0][0], rounds[first..=last].iter().map(|round| round[0]).collect());

        let fixed = rounds[0][0].pow([5]);
        let folded: Vec<_> = rounds[1].iter().zip(matrix).map(|(constant, row)| *constant + row[0] * fixed).collect();
        let mut bridge = vec![matrix[0].clone()];
        bridge.extend(recurrence.start(matrix));
        let mut start = vec![Field::ZERO; T];
        start[0] = scaled.constants[0];
        let mut after = matrix.clone();
        after.iter_mut().for_each(|row| row[0] *= scaled.output(parameters.partial_rounds as isize));
        Self {
            first: core::array::from_fn(|word| rounds[0][word].into()),
            opening: [layer(matrix, &folded), layer(matrix, &rounds[2]), layer(matrix, &rounds[3])],
            bridge: layer(&bridge, &start),
            partial: (0..parameters.partial_rounds).map(|round| scaled.step(&recurrence.window, round)).collect(),
            ending: scaled.ending(&recurrence.end(matrix), &rounds[last][1..]),
            closing: [
                layer(&after, &rounds[last + 1]),
                layer(matrix, &rounds[last + 2]),
                layer(matrix, &rounds[last + 3]),
            ],
            last: row(&matrix[0], Field::ZERO),
        }
    }
}

fn row<const T: usize, C: From<Field>>(factors: &[Field], constant: Field) -> Row<T, C> {
    Row { factors: core::array::from_fn(|place| factors[place].into()), constant: constant.into() }
}

fn layer<const T: usize, C: From<Field>>(matrix: &Matrix, constants: &[Field]) -> Layer<T, C> {
    core::array::from_fn(|word| row(&matrix[word], constants[word]))
}

/// What a partial round does, as a recurrence.
struct Recurrence {
    /// Factors of the last `n` outputs and inputs of the S-box: `b_n, −a_n, …, b_1, −a_1`.
    window: Vec<Field>,
    /// `v·A^j`: what `z_0` adds to `s_{j+1}`.
    seen: Matrix,
    /// `m, v·w, v·A·w, …`: what `y_0` adds to `s_1, s_2, …`.
    answer: Vec<Field>,
}

impl Recurrence {
    fn of(matrix: &Matrix) -> Self {
        let (row, column, others) = parts(matrix);
        let n = others.len();
        let seen: Matrix = core::iter::successors(Some(row), |row| Some(before(row, &others))).take(n).collect();
        let answer: Vec<Field> =
            core::iter::once(matrix[0][0]).chain(seen.iter().map(|row| dot(row, &column))).collect();
        let polynomial = characteristic(&others);
        let factor = |lag: usize| (0..=lag).map(|k| polynomial[k] * answer[lag - k]).sum();
        let window = (1..=n).rev().flat_map(|lag| [factor(lag), -polynomial[lag]]).collect();
        Self { window, seen, answer }
    }

    /// The inputs `s_1` to `s_n` that a window leads to when the S-box gives 0.
    fn run(&self, mut window: Vec<Field>) -> Vec<Field> {
        let next = |_| {
            let input = dot(&self.window, &window);
            window.drain(..2);
            window.extend([Field::ZERO, input]);
            input
        };
        self.seen.iter().map(next).collect()
    }

    /// From the last full round's words to `y_{−n}, …, y_{−1}`, all inputs before `s_0` being 0.
    fn start(&self, matrix: &Matrix) -> Matrix {
        let n = self.seen.len();
        let unit = |place: usize| {
            let mut window = vec![Field::ZERO; 2 * n];
            window[place] = Field::ONE;
            self.run(window)
        };
        let responses: Matrix = (0..n).map(|place| unit(2 * place)).collect();
        let made_up = transposed(&responses);
        let given = unit(2 * n - 1);
        let due = many(&self.seen, &matrix[1..]);
        let due = due.iter().zip(given).map(|(row, factor)| {
            row.iter().zip(&matrix[0]).map(|(due, word)| *due - factor * word).collect::<Vec<_>>()
        });
        many(&inverse(&made_up), &due.collect::<Vec<_>>())
    }

    /// From the last window to `z`: factors of the outputs, and of the inputs.
    fn end(&self, matrix: &Matrix) -> (Matrix, Matrix) {
        let (_, column, others) = parts(matrix);
        let n = others.len();
        let inputs = (0..n).fold(inverse(&self.seen), |power, _| many(&others, &power));
        let mut direct: Matrix =
            core::iter::successors(Some(column), |column| Some(times(&others, column))).take(n).collect();
        direct.reverse();
        let known: Matrix = (0..n)
            .map(|i| (0..n).map(|j| i.checked_sub(j).map_or(Field::ZERO, |lag| self.answer[lag])).collect())
            .collect();
        let mut outputs = transposed(&direct);
        for (row, known) in outputs.iter_mut().zip(many(&inputs, &known)) {
            row.iter_mut().zip(known).for_each(|(factor, known)| *factor -= known);
        }
        (outputs, inputs)
    }
}

/// Inputs and outputs of the S-box as they are kept: `s_r + c_r = factor(r)·x`, `y_r = factor(r)^5·y`.
struct Scaled {
    /// `λ_0 = 1`, `λ_{r+1} = m·λ_r^5`.
    factors: Vec<Field>,
    /// What each round adds to word 0.
    constants: Vec<Field>,
}

impl Scaled {
    fn of(m: Field, constants: Vec<Field>) -> Self {
        let factors = core::iter::successors(Some(Field::ONE), |factor| Some(m * factor.pow([5])));
        Self { factors: factors.take(constants.len()).collect(), constants }
    }

    /// Numbers before round 0 are made up as they are: factor 1 and no constant.
    fn input(&self, round: isize) -> Field {
        usize::try_from(round).map_or(Field::ONE, |round| self.factors[round])
    }

    fn output(&self, round: isize) -> Field {
        self.input(round).pow([5])
    }

    fn constant(&self, round: isize) -> Field {
        usize::try_from(round).map_or(Field::ZERO, |round| self.constants[round])
    }

    /// `Σ` over a window that ends before `round`, plus `constant`, in the numbers that are kept.
    fn combination(&self, window: &[Field], round: usize, constant: Field) -> (Vec<Field>, Field) {
        let oldest = round as isize - window.len() as isize / 2;
        let pairs = (oldest..).zip(window.as_chunks::<2>().0);
        let taken: Field = pairs.clone().map(|(at, [_, input])| *input * self.constant(at + 1)).sum();
        let factors = pairs.flat_map(|(at, [output, input])| [*output * self.output(at), *input * self.input(at + 1)]);
        (factors.collect(), constant - taken)
    }

    /// The next input but for the newest output, in the unit of that input.
    fn step<C: From<Field>>(&self, window: &[Field], round: usize) -> (Vec<C>, C) {
        let (factors, constant) = self.combination(window, round, self.constants[round + 1]);
        let unit = self.factors[round + 1].inverse().unwrap_or(Field::ONE);
        (factors.into_iter().map(|factor| (factor * unit).into()).collect(), (constant * unit).into())
    }

    fn ending<C: From<Field>>(&self, (outputs, inputs): &(Matrix, Matrix), constants: &[Field]) -> Vec<(Vec<C>, C)> {
        let rows = outputs.iter().zip(inputs).zip(constants).map(|((outputs, inputs), constant)| {
            let window: Vec<Field> = outputs.iter().zip(inputs).flat_map(|(y, s)| [*y, *s]).collect();
            let (factors, constant) = self.combination(&window, self.constants.len() - 1, *constant);
            (factors.into_iter().map(C::from).collect(), constant.into())
        });
        rows.collect()
    }
}

/// First row and first column without the corner, and the rest.
fn parts(matrix: &Matrix) -> (Vec<Field>, Vec<Field>, Matrix) {
    let column = matrix[1..].iter().map(|row| row[0]).collect();
    (matrix[0][1..].to_vec(), column, matrix[1..].iter().map(|row| row[1..].to_vec()).collect())
}

/// `1, a_1, …, a_n` with `A^n + a_1·A^{n−1} + … + a_n = 0` (Faddeev and LeVerrier).
fn characteristic(matrix: &Matrix) -> Vec<Field> {
    let mut factors = vec![Field::ONE];
    let mut power = matrix.clone();
    for k in 1..=matrix.len() {
        let trace: Field = power.iter().enumerate().map(|(i, row)| row[i]).sum();
        let factor = -trace * Field::from(k as u64).inverse().unwrap_or(Field::ONE);
        factors.push(factor);
        power.iter_mut().enumerate().for_each(|(i, row)| row[i] += factor);
        power = many(matrix, &power);
    }
    factors
}

fn dot(a: &[Field], b: &[Field]) -> Field {
    a.iter().zip(b).map(|(a, b)| *a * b).sum()
}

fn times(matrix: &[Vec<Field>], vector: &[Field]) -> Vec<Field> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// `row · matrix`.
fn before(row: &[Field], matrix: &[Vec<Field>]) -> Vec<Field> {
    (0..matrix[0].len()).map(|j| row.iter().zip(matrix).map(|(factor, line)| *factor * line[j]).sum()).collect()
}

fn many(first: &[Vec<Field>], second: &[Vec<Field>]) -> Matrix {
    first.iter().map(|row| before(row, second)).collect()
}

fn transposed(matrix: &Matrix) -> Matrix {
    (0..matrix[0].len()).map(|j| matrix.iter().map(|row| row[j]).collect()).collect()
}

/// The inverse by Gauss and Jordan. Every matrix met for the published parameters has one (a test derives all widths).
fn inverse(matrix: &Matrix) -> Matrix {
    let size = matrix.len();
    let unit = |i: usize| (0..size).map(move |j| if i == j { Field::ONE } else { Field::ZERO });
    let mut rows: Matrix =
        matrix.iter().enumerate().map(|(i, row)| row.iter().copied().chain(unit(i)).collect()).collect();
    for column in 0..size {
        let Some(pivot) = (column..size).find(|&i| rows[i][column] != Field::ZERO) else {
            unreachable!("the published matrices have inverses here");
        };
        rows.swap(column, pivot);
        let scale = rows[column][column].inverse().unwrap_or(Field::ONE);
        rows[column].iter_mut().for_each(|entry| *entry *= scale);
        let pivot = rows[column].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if i != column && factor != Field::ZERO {
                row.iter_mut().zip(&pivot).for_each(|(entry, p)| *entry -= factor * p);
            }
        }
    }
    rows.into_iter().map(|row| row[size..].to_vec()).collect()
}
