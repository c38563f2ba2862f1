//! The encoder with adapters on the CPU, by our own products there and back: packs of texts, as many at a time as there are
//! threads for and memory allows.

use rayon::prelude::*;

use super::super::lora::Lora;
use super::super::records::Texts;
use super::{Encode, Pull, Take};
use crate::model::{Adapted, Pass, Place, Tokens, Tuned, Work, packs};
use crate::{Device, Model, Result};

/// An encoder whose weights are fixed and whose adapters are given at each call.
pub struct Slices<'a> {
    tuned: &'a Tuned,
    device: &'a Device,
    lora: Lora,
    texts: &'a Texts,
    /// One for each pack that is on its way at a time.
    passes: Vec<Pass>,
}

impl<'a> Slices<'a> {
    /// The `tuned` encoder of `model` with adapters, over the records with these texts.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where not even one text fits the device.
    pub fn new(tuned: &'a Tuned, model: &Model, device: &'a Device, lora: Lora, texts: &'a Texts) -> Result<Self> {
        let longest = texts.lengths().max().unwrap_or(1);
        let tokens = |pack: std::ops::Range<usize>| pack.map(|record| texts.length(record)).sum();
        let pack = packs(texts.lengths()).into_iter().map(tokens).max().unwrap_or(longest);
        let fit = model.batch_tokens(device, Work::Train, longest, usize::MAX)?;
        let passes = (fit / pack.max(1)).clamp(1, rayon::current_num_threads());
        Ok(Self { tuned, device, lora, texts, passes: (0..passes).map(|_| Pass::default()).collect() })
    }

    /// Packs that are on their way at a time.
    #[cfg(test)]
    pub fn passes(&self) -> usize {
        self.passes.len()
    }

    fn adapted(&self, adapters: &[f32]) -> Adapted {
        let place = |layer: usize| {
            let targets = self.lora.targets.iter();
            targets.filter_map(|&target| self.lora.place(layer, target).map(|(a, b)| Place { target, a, b })).collect()
        };
        Adapted::new(adapters, (0..self.lora.layers).map(place).collect(), self.lora.scale, self.tuned)
    }

    /// Sends `records` there in packs, and hands each lot of passes with its packs to `then`.
    fn lots(
        &mut self,
        adapted: &Adapted,
        records: &[usize],
        then: &mut dyn FnMut(&mut [Pass], &[&[usize]]) -> Result<()>,
    ) -> Result<()> {
        let tokens: Vec<Tokens> = records.iter().map(|&record| self.texts.get(record)).collect();
        let texts: Vec<&Tokens> = tokens.iter().collect();
        let packs = packs(tokens.iter().map(Tokens::len));
        for lot in packs.chunks(self.passes.len()) {
            let passes = &mut self.passes[..lot.len()];
            let on = passes.par_iter_mut().zip(lot);
            self.device.guard(|| {
                let there = on.map(|(pass, pack)| self.tuned.there(&texts[pack.clone()], adapted, pass));
                Ok(there.collect::<Result<()>>()?)
            })?;
            let members: Vec<&[usize]> = lot.iter().map(|pack| &records[pack.clone()]).collect();
            then(passes, &members)?;
        }
        Ok(())
    }
}

impl Encode for Slices<'_> {
    fn vectors(&mut self, adapters: &[f32], records: &[usize], take: &mut Take<'_>) -> Result<()> {
        let adapted = self.adapted(adapters);
        self.lots(&adapted, records, &mut |passes, packs| {
            let vectors = passes.iter().zip(packs).flat_map(|(pass, pack)| pack.iter().zip(pass.vectors()));
            vectors.into_iter().try_for_each(|(&record, vector)| take(record, vector))
        })
    }

    fn gradients(
        &mut self,
        adapters: &[f32],
        records: &[usize],
        pull: &mut Pull<'_>,
        take: &mut Take<'_>,
    ) -> Result<()> {
        let adapted = self.adapted(adapters);
        let (tuned, device) = (self.tuned, self.device);
        self.lots(&adapted, records, &mut |passes, packs| {
            let mut slopes = Vec::with_capacity(packs.len());
            for (pass, pack) in passes.iter().zip(packs) {
                let pulled = pack.iter().zip(pass.vectors()).map(|(&record, vector)| pull(record, vector));
                slopes.push(pulled.collect::<Result<Vec<_>>>()?);
            }
            let gradients: Vec<Vec<Vec<f32>>> = device.guard(|| {
                let back = passes.par_iter_mut().zip(&slopes).map(|(pass, slopes)| tuned.back(slopes, &adapted, pass));
                Ok(back.collect())
            })?;
            let records = packs.iter().copied().flatten();
            records.zip(gradients.iter().flatten()).try_for_each(|(&record, gradient)| take(record, gradient))
        })
    }
}
