//! The embedded network's chain: a real EVM in this process, kept on disk, served to other processes on loopback.
//!
//! [`Devnet`] is a transport: a client runs on it without a socket. [`Server`] answers the same requests over HTTP.

mod answer;
mod estimate;
mod execute;
mod faucet;
mod journal;
mod ledger;
mod rpc;
mod serve;
mod state;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use alloy::rpc::json_rpc::{
    ErrorPayload, Id, RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest,
};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use serde_json::Value;
use serde_json::value::RawValue;

use self::ledger::Ledger;
use self::rpc::Failure;
use crate::{Error, Result};

pub use self::ledger::CHAIN_ID;
pub use self::serve::{Running, Server, ServerOptions, find};

/// The embedded chain. Clones share one chain.
#[derive(Debug, Clone)]
pub struct Devnet {
    ledger: Arc<Mutex<Ledger>>,
    folder: PathBuf,
    /// Held while any clone lives; the operating system releases it when the process dies.
    _lock: Arc<File>,
}

impl Devnet {
    /// Opens the chain kept in `folder`, or begins one there. One process at a time holds it.
    ///
    /// # Errors
    /// [`Error::Busy`] when another holds it, [`Error::Integrity`] when its file is damaged, [`Error::Io`].
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => {
                Error::Busy(format!("another process runs the embedded network in {}", folder.display()))
            }
            std::fs::TryLockError::Error(error) => Error::Io(error),
        })?;
        let faucet = faucet::signer().map_err(|failure| Error::Invalid(failure.message))?.address();
        let ledger = Ledger::open(folder, faucet)?;
        Ok(Self { ledger: Arc::new(Mutex::new(ledger)), folder: folder.to_path_buf(), _lock: Arc::new(lock) })
    }

    /// The folder the chain is kept in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Answers one request; runs on a thread of its own since a call may compute for a while.
    async fn answer(&self, method: String, params: Value) -> Result<Value, Failure> {
        let ledger = Arc::clone(&self.ledger);
        let work = move || {
            let mut ledger = ledger.lock().map_err(|_| Failure::server("the chain stopped; restart the network"))?;
            rpc::answer(&mut ledger, &method, &params)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Failure::server("the request was not finished"))?
    }

    async fn respond(&self, request: &SerializedRequest) -> Result<Response, TransportError> {
        let params = match request.params() {
            Some(params) => serde_json::from_str(params.get()).map_err(TransportErrorKind::custom)?,
            None => Value::Null,
        };
        response(request.id().clone(), self.answer(request.method().to_string(), params).await)
            .map_err(TransportErrorKind::custom)
    }
}

fn response(id: Id, answer: Result<Value, Failure>) -> serde_json::Result<Response> {
    let payload = match answer {
        Ok(value) => ResponsePayload::Success(serde_json::value::to_raw_value(&value)?),
        Err(failure) => ResponsePayload::Failure(error_payload(failure)?),
    };
    Ok(Response { id, payload })
}

fn error_payload(failure: Failure) -> serde_json::Result<ErrorPayload<Box<RawValue>>> {
    let data = failure.data.map(|data| serde_json::value::to_raw_value(&data)).transpose()?;
    Ok(ErrorPayload { code: failure.code, message: failure.message.into(), data })
}

impl tower::Service<RequestPacket> for Devnet {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> TransportFut<'static> {
        let devnet = self.clone();
        Box::pin(async move {
            match packet {
                RequestPacket::Single(request) => Ok(ResponsePacket::Single(devnet.respond(&request).await?)),
                RequestPacket::Batch(requests) => {
                    let mut responses = Vec::with_capacity(requests.len());
                    for request in &requests {
                        responses.push(devnet.respond(request).await?);
                    }
                    Ok(ResponsePacket::Batch(responses))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
