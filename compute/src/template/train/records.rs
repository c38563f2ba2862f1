//! The records of a run as training reads them, made a batch at a time: of a text no more than its first window's tokens, and
//! where the encoder does not change, no more than its vector.

use sha2::{Digest, Sha256};

use super::{Params, RECORDS};
use crate::model::{Tokenizer, Tokens};
use crate::template::{Continue, embed};
use crate::{Device, Dtype, Error, Model, Result, Row};

/// The records of a run, each with its class. Texts are not kept.
///
/// A record takes 2 bytes for each of its tokens (4 where the model has more than 65,536 of them), or 4 for each value of its
/// vector where there are no adapters.
pub struct Records {
    form: Form,
    labels: Vec<Option<u16>>,
}

/// What is kept of each record.
enum Form {
    /// With adapters: what the encoder reads.
    Texts(Box<Tokenizer>, Texts),
    /// Without: what it gave.
    Vectors(embed::Params, Vec<Box<[f32]>>),
}

/// Texts as tokens.
#[derive(Default)]
pub(super) struct Texts(Vec<Ids>);

/// The tokens of one text in as few bytes as hold them.
enum Ids {
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Records {
    /// None yet, for a run of `params` on `model`.
    ///
    /// # Errors
    /// [`Error::Parameter`]; [`Error::Tokenizer`] where a window has no room for a text.
    pub fn new(model: &Model, params: &Params) -> Result<Self> {
        params.check()?;
        let form = match params.adapters {
            Some(_) => Form::Texts(Box::new(model.tokenizer(params.max_tokens as usize)?), Texts::default()),
            None => {
                let long = embed::Long::First;
                let params = embed::Params { max_tokens: params.max_tokens, long, ..embed::Params::default() };
                Form::Vectors(params, Vec::new())
            }
        };
        Ok(Self { form, labels: Vec::new() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Adds records behind those that are there; `labels` has the number of each one's class, none where its label is missing
    /// or not on the list. Gives their vectors where there are no adapters, as [`Records::add_vectors`] takes them, and nothing
    /// otherwise.
    ///
    /// # Errors
    /// [`Error::Rows`] and [`Error::Labels`] for too many records, or another number of labels; those of [`embed::run`].
    pub fn add(&mut self, model: &Model, device: &Device, rows: &[Row], labels: &[Option<u16>]) -> Result<Vec<u8>> {
        self.fits(rows.len(), labels)?;
        let given = match &mut self.form {
            Form::Texts(tokenizer, texts) => {
                texts.add(&tokenizer.encode(rows)?);
                Vec::new()
            }
            Form::Vectors(params, vectors) => {
                let output = embed::run(model, device, params, rows, &mut |_, _| Continue::Yes)?;
                vectors.extend(output.rows.iter().map(|row| Dtype::F32.numbers(row).into_boxed_slice()));
                output.rows.concat()
            }
        };
        self.labels.extend_from_slice(labels);
        Ok(given)
    }

    /// Adds records whose vectors an earlier run gave.
    ///
    /// # Errors
    /// As [`Records::add`]; [`Error::Rows`] for what are not the vectors of so many records.
    pub fn add_vectors(&mut self, model: &Model, given: &[u8], labels: &[Option<u16>]) -> Result<()> {
        self.fits(labels.len(), labels)?;
        let refused = || Error::Rows { reason: "these are not the vectors of an earlier run".to_owned() };
        let width = model.dimension() * Dtype::F32.bytes();
        let Form::Vectors(_, vectors) = &mut self.form else { return Err(refused()) };
        let numbers = Dtype::F32.numbers(given);
        if given.len() != labels.len() * width || !numbers.iter().all(|value| value.is_finite()) {
            return Err(refused());
        }
        vectors.extend(numbers.chunks_exact(model.dimension()).map(Box::from));
        self.labels.extend_from_slice(labels);
        Ok(())
    }

    fn fits(&self, rows: usize, labels: &[Option<u16>]) -> Result<()> {
        let (least, most) = RECORDS;
        if rows != labels.len() {
            return Err(Error::Labels { reason: format!("{} labels for {rows} records", labels.len()) });
        }
        if self.len() + rows > most {
            let reason = format!("more than {most} records; training takes {least} to {most}");
            return Err(Error::Rows { reason });
        }
        Ok(())
    }

    pub(super) fn labels(&self) -> &[Option<u16>] {
        &self.labels
    }

    /// Their tokens, where there are adapters.
    pub(super) fn texts(&self) -> Option<&Texts> {
        match &self.form {
            Form::Texts(_, texts) => Some(texts),
            Form::Vectors(..) => None,
        }
    }

    /// Their vectors; none where there are adapters.
    pub(super) fn vectors(&self) -> &[Box<[f32]>] {
        match &self.form {
            Form::Texts(..) => &[],
            Form::Vectors(_, vectors) => vectors,
        }
    }

    /// Adds to `hash` all that a run can learn from them.
    pub(super) fn digest(&self, hash: &mut Sha256) {
        for label in &self.labels {
            hash.update(label.map_or([1, 0, 0], |label| [0, label as u8, (label >> 8) as u8]));
        }
        let part = |hash: &mut Sha256, numbers: &mut dyn Iterator<Item = u32>| {
            let bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        match &self.form {
            Form::Texts(_, texts) => {
                (0..texts.0.len()).for_each(|record| part(hash, &mut texts.get(record).ids().iter().copied()))
            }
            Form::Vectors(_, vectors) => {
                vectors.iter().for_each(|vector| part(hash, &mut vector.iter().map(|value| value.to_bits())));
            }
        }
    }
}

impl Texts {
    /// Adds texts behind those that are there.
    pub fn add(&mut self, tokens: &[Tokens]) {
        self.0.extend(tokens.iter().map(|text| {
            let narrow: std::result::Result<Box<[u16]>, _> = text.ids().iter().map(|id| u16::try_from(*id)).collect();
            narrow.map_or_else(|_| Ids::Wide(text.ids().into()), Ids::Narrow)
        }));
    }

    /// The tokens of the text at a position.
    pub fn get(&self, record: usize) -> Tokens {
        Tokens::of(match &self.0[record] {
            Ids::Narrow(ids) => ids.iter().map(|id| u32::from(*id)).collect(),
            Ids::Wide(ids) => ids.to_vec(),
        })
    }

    /// How many tokens the text at a position has.
    pub fn length(&self, record: usize) -> usize {
        match &self.0[record] {
            Ids::Narrow(ids) => ids.len(),
            Ids::Wide(ids) => ids.len(),
        }
    }

    /// The lengths of all texts, in order.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len()).map(|record| self.length(record))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Adapters;
    use super::*;
    use crate::support::{Tiny, rows};

    #[test]
    fn texts_give_back_their_tokens_whatever_their_size() {
        let of = |ids: &[u32]| Tokens::of(ids.to_vec());
        let tokens = [of(&[101, 65_535, 102]), of(&[7]), of(&[101, 65_536, u32::MAX])];
        let mut texts = Texts::default();
        texts.add(&tokens[..1]);
        texts.add(&tokens[1..]);
        assert!((0..3).all(|record| texts.get(record) == tokens[record]));
        assert_eq!(texts.lengths().collect::<Vec<_>>(), [3, 1, 3]);
    }

    #[test]
    fn vectors_of_an_earlier_run_stand_for_the_texts_they_came_from() {
        let (_folder, model, device) = Tiny::new().ready();
        let (params, labels) = (Params::default(), [Some(0), None, Some(1)]);
        let mut first = Records::new(&model, &params).unwrap();
        let given = first.add(&model, &device, &rows(["a b", "", "c"]), &labels).unwrap();
        let mut second = Records::new(&model, &params).unwrap();
        second.add_vectors(&model, &given[..32], &labels[..1]).unwrap();
        second.add(&model, &device, &rows(["", "c"]), &labels[1..]).unwrap();
        assert!(first.vectors() == second.vectors() && first.labels() == second.labels());
        let digest = |records: &Records| {
            let mut hash = Sha256::new();
            records.digest(&mut hash);
            hash.finalize()
        };
        assert_eq!(digest(&first), digest(&second));
    }

    #[test]
    fn vectors_that_are_none_are_refused() {
        let (_folder, model, device) = Tiny::new().ready();
        let mut records = Records::new(&model, &Params::default()).unwrap();
        let given = records.add(&model, &device, &rows(["a b"]), &[Some(0)]).unwrap();
        let no_number = [&f32::NAN.to_le_bytes()[..], &given[4..]].concat();
        for (bytes, count) in [(&given[..28], 1), (&given[..], 2), (&given[..0], 1), (&given[..31], 1), (&no_number, 1)]
        {
            assert!(matches!(records.add_vectors(&model, bytes, &vec![Some(0); count]), Err(Error::Rows { .. })));
        }
        assert_eq!(records.len(), 1);
        let adapters = Params { adapters: Some(Adapters::default()), ..Params::default() };
        let mut records = Records::new(&model, &adapters).unwrap();
        assert!(matches!(records.add_vectors(&model, &given, &[Some(0)]), Err(Error::Rows { .. })));
    }

    #[test]
    fn more_records_than_training_takes_are_refused_before_they_are_read() {
        let (_folder, model, device) = Tiny::new().ready();
        let mut records = Records::new(&model, &Params::default()).unwrap();
        let many = vec![Row::new("a"); RECORDS.1 + 1];
        let refused = records.add(&model, &device, &many, &vec![Some(0); many.len()]);
        assert!(matches!(refused, Err(Error::Rows { .. })) && records.is_empty());
        assert!(matches!(records.add(&model, &device, &many[..2], &[None]), Err(Error::Labels { .. })));
    }
}
