//! The encoder with adapters on burn's autodiff: for graphics adapters, and what the CPU path is compared with.
//!
//! Each record of a group has its own copy of the adapters, so that one backward pass gives each record's own gradient. Groups
//! are as large as the device's memory allows.

use burn::module::Module;
use burn::tensor::{Device as Tensors, Tensor, TensorData};

use super::super::lora::Lora;
use super::super::params::Target;
use super::super::records::Texts;
use super::{Encode, Pull, Take, groups};
use crate::device::Failure;
use crate::model::{Adapt, Encoder, Tokens, Work, read_failed};
use crate::{Device, Model, Result};

/// Most tokens of a group, padding included, and most numbers in the copies of the adapters, on a device with memory to spare.
const MAX_TOKENS: usize = 4_096;
const MAX_COPIES: usize = 8 << 20;

/// Bytes of memory for each number of a copy: its value, its gradient, and the way from one to the other.
const COPY_BYTES: u64 = 16;

/// An encoder whose weights are fixed and whose adapters are given at each call.
pub struct Burned<'a> {
    encoder: &'a Encoder,
    model: &'a Model,
    device: &'a Device,
    lora: Lora,
    texts: &'a Texts,
}

/// A copy of the adapters for each record of a group.
struct Copies<'a> {
    lora: &'a Lora,
    records: usize,
    /// `A` as `[records, rank, width]` and `B` as `[records, width, rank]`, layer by layer, target by target.
    pairs: Vec<(Tensor<3>, Tensor<3>)>,
}

impl<'a> Burned<'a> {
    /// Puts the model's weights on `device`, fixed.
    pub fn load(model: &Model, device: &Device) -> Result<Encoder> {
        let tensors = device.tensors().clone().autodiff();
        device.guard(|| Ok(model.encoder(&tensors)?.no_grad()))
    }

    /// The loaded `encoder` of `model` with adapters, over the records with these texts.
    pub fn new(encoder: &'a Encoder, model: &'a Model, device: &'a Device, lora: Lora, texts: &'a Texts) -> Self {
        Self { encoder, model, device, lora, texts }
    }

    fn groups(&self, records: &[usize]) -> Result<Vec<Vec<usize>>> {
        let copies = usize::try_from(self.device.room() / COPY_BYTES).unwrap_or(usize::MAX).min(MAX_COPIES);
        let rows = (copies / self.lora.len().max(1)).max(1);
        let most = |longest| self.model.batch_tokens(self.device, Work::Train, longest, MAX_TOKENS);
        groups(records, |record| self.texts.length(record), rows, &most)
    }

    fn members(&self, group: &[usize]) -> Vec<Tokens> {
        group.iter().map(|&record| self.texts.get(record)).collect()
    }
}

impl Encode for Burned<'_> {
    fn vectors(&mut self, adapters: &[f32], records: &[usize], take: &mut Take<'_>) -> Result<()> {
        let tensors = self.device.tensors().clone().autodiff();
        for group in self.groups(records)? {
            let members = self.members(&group);
            let vectors = self.device.guard(|| {
                let copies = Copies::new(&self.lora, adapters, group.len(), &tensors);
                let vectors = self.encoder.vectors(&members.iter().collect::<Vec<_>>(), &copies, &tensors);
                values(vectors.detach())
            })?;
            let width = vectors.len() / group.len();
            for (&record, vector) in group.iter().zip(vectors.chunks_exact(width)) {
                take(record, vector)?;
            }
        }
        Ok(())
    }

    fn gradients(
        &mut self,
        adapters: &[f32],
        records: &[usize],
        pull: &mut Pull<'_>,
        take: &mut Take<'_>,
    ) -> Result<()> {
        let tensors = self.device.tensors().clone().autodiff();
        for group in self.groups(records)? {
            let members = self.members(&group);
            let gradients = self.device.guard(|| {
                let copies = Copies::new(&self.lora, adapters, group.len(), &tensors).tracked();
                let vectors = self.encoder.vectors(&members.iter().collect::<Vec<_>>(), &copies, &tensors);
                let [count, width] = vectors.dims();
                let mut slopes = Vec::with_capacity(count * width);
                for (&record, vector) in group.iter().zip(values(vectors.clone().detach())?.chunks_exact(width)) {
                    slopes.extend(pull(record, vector)?);
                }
                let slopes = Tensor::<2>::from_data(TensorData::new(slopes, [count, width]), &tensors);
                copies.gradients((vectors * slopes).sum())
            })?;
            for (&record, gradient) in group.iter().zip(&gradients) {
                take(record, gradient)?;
            }
        }
        Ok(())
    }
}

impl<'a> Copies<'a> {
    fn new(lora: &'a Lora, adapters: &[f32], records: usize, tensors: &Tensors) -> Self {
        let copy = |values: &[f32], rows: usize| {
            let columns = values.len() / rows;
            let data = TensorData::new(values.to_vec(), [1, rows, columns]);
            Tensor::<3>::from_data(data, tensors).expand([records, rows, columns])
        };
        let mut pairs = Vec::new();
        for layer in 0..lora.layers {
            for (a, b) in lora.targets.iter().filter_map(|&target| lora.place(layer, target)) {
                pairs.push((copy(&adapters[a], lora.rank), copy(&adapters[b], lora.width)));
            }
        }
        Self { lora, records, pairs }
    }

    /// The copies as leaves whose gradients are kept.
    fn tracked(mut self) -> Self {
        let leaf = |tensor: Tensor<3>| tensor.detach().require_grad();
        self.pairs = self.pairs.into_iter().map(|(a, b)| (leaf(a), leaf(b))).collect();
        self
    }

    /// Each record's gradient of `sum`, in the adapters' flat order.
    fn gradients(self, sum: Tensor<1>) -> std::result::Result<Vec<Vec<f32>>, Failure> {
        let mut found = sum.backward();
        let mut gradients = vec![Vec::with_capacity(self.lora.len()); self.records];
        for (a, b) in self.pairs {
            for matrix in [a, b] {
                let [_, rows, columns] = matrix.dims();
                match matrix.grad_remove(&mut found) {
                    Some(gradient) => {
                        let values = values(gradient)?;
                        for (to, from) in gradients.iter_mut().zip(values.chunks_exact(rows * columns)) {
                            to.extend_from_slice(from);
                        }
                    }
                    None => gradients.iter_mut().for_each(|to| to.resize(to.len() + rows * columns, 0.0)),
                }
            }
        }
        Ok(gradients)
    }
}

impl Adapt for Copies<'_> {
    fn adapt(&self, layer: usize, target: Target, states: &Tensor<2>) -> Option<Tensor<2>> {
        let index = self.lora.targets.iter().position(|known| *known == target)?;
        let (a, b) = self.pairs.get(layer * self.lora.targets.len() + index)?;
        let [rows, width] = states.dims();
        let states = states.clone().reshape([self.records, rows / self.records, width]);
        let low = states.matmul(a.clone().swap_dims(1, 2));
        let added = low.matmul(b.clone().swap_dims(1, 2)) * self.lora.scale;
        Some(added.reshape([rows, width]))
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> std::result::Result<Vec<f32>, Failure> {
    tensor.try_into_vec_as::<f32>().map_err(read_failed)
}
