//! The model as something to ask: texts go in, vectors come out, for the owner alone. The same confined worker and the same
//! template as a job's; nothing that it gives leaves this machine.

use std::os::unix::ffi::OsStrExt;

use compute::Dtype;
use compute::template::embed::Params;
use serde_bytes::ByteBuf;

use super::outside::Start;
use super::wire::{Ask, Job, Work};
use super::{Limits, Worker, setting};
use crate::args::DeviceChoice;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::model::Known;

/// Processor time of one, in seconds: thirty days. It ends with whoever asks it.
const CPU: u64 = 30 * 86_400;

/// A model in a worker of its own. Dropping it ends the worker.
pub struct Encoder {
    worker: Worker,
    model: Known,
}

impl Encoder {
    /// Starts one; the model may need a second or more to open.
    ///
    /// # Errors
    /// `Refused` where the worker is not confined; what it failed at.
    pub fn start(home: &Home, model: Known, device: &DeviceChoice) -> Result<Encoder> {
        let manner = super::manner()?;
        let job = Job {
            template: "embed".to_owned(),
            model: Some(ByteBuf::from(model.folder.as_os_str().as_bytes())),
            digest: ByteBuf::from(model.digest),
            device: device.choice(),
            adapter: device.named().map(str::to_owned),
        };
        let mut worker = Worker::start(Start {
            program: &manner.program,
            work: Work::Job(job),
            limits: Limits::job(CPU),
            allowed: &setting::allowed(home)?,
            without: &manner.without,
            patience: manner.patience,
        })?;
        let params = serde_json::to_vec(&Params { dtype: Dtype::Int8, ..Params::default() });
        worker.ask(&Ask::Params(ByteBuf::from(params.map_err(|e| Error::failure(e.to_string()))?)), 0)?;
        Ok(Encoder { worker, model })
    }

    /// The model.
    pub fn model(&self) -> &Known {
        &self.model
    }

    /// Bytes of a vector.
    pub fn width(&self) -> usize {
        width(&self.model)
    }

    /// A vector for each text, [`Encoder::width`] bytes each, one after another: whole numbers of 8 bits, as
    /// [`Dtype::Int8`] says.
    ///
    /// # Errors
    /// `Integrity` for an answer of another length; what the worker failed at; `Interrupted`.
    pub fn rows(&mut self, texts: Vec<ByteBuf>) -> Result<Vec<u8>> {
        let bytes = texts.len() * self.width();
        let rows = self.worker.ask(&Ask::Batch(texts), bytes)?;
        if rows.len() == bytes {
            return Ok(rows);
        }
        Err(Error::integrity(format!("the worker gave {} bytes for {bytes}", rows.len())))
    }
}

/// Bytes of a vector of a model.
pub(crate) fn width(model: &Known) -> usize {
    model.dimension as usize * Dtype::Int8.bytes()
}
