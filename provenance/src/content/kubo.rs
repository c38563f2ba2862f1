//! An IPFS daemon over its RPC (Kubo, or js-ipfs): the one place that names the client crate.
//!
//! Pieces go in by `block/put`, and stay by `pin/add` of the root when all are in; they come out by `block/get`. The daemon's word on a CID is only
//! compared with ours. Every call has a time limit, every answer a size limit.

use super::{ContentStore, MAX_PIECE, check_size, unixfs};
use crate::cid::Cid;
use crate::{Error, Result};
use futures::StreamExt;
use ipfs_api::request::BlockPut;
use ipfs_api::{IpfsApi, IpfsClient, TryFromUri};
use std::future::Future;
use std::io::Cursor;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long to wait for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For storing or asking about a piece.
    pub call: Duration,
    /// For fetching a piece, which the daemon may have to find on the network.
    pub fetch: Duration,
    /// For pinning a file, which fetches all of it.
    pub pin: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { call: Duration::from_secs(20), fetch: Duration::from_secs(60), pin: Duration::from_secs(600) }
    }
}

/// A daemon. Calls block the caller's thread, inside or outside an async runtime.
pub struct Kubo {
    client: IpfsClient,
    url: String,
    timeouts: Timeouts,
    /// `None` only while being dropped.
    runtime: Option<Runtime>,
}

impl Kubo {
    /// A client of the daemon at `url`, such as `http://127.0.0.1:5001`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the URL is `http`, a host and a port.
    pub fn new(url: &str, timeouts: Timeouts) -> Result<Self> {
        let url = url.trim_end_matches('/');
        let bad = || Error::Invalid(format!("`{url}` is not an address such as http://127.0.0.1:5001"));
        let authority = url.strip_prefix("http://").ok_or_else(bad)?;
        let (host, port) = authority.rsplit_once(':').ok_or_else(bad)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
        if host.is_empty() || !host.bytes().all(plain) || port.parse::<u16>().is_err() {
            return Err(bad());
        }
        let client = IpfsClient::from_str(url).map_err(|_| bad())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { client, url: url.to_owned(), timeouts, runtime: Some(runtime) })
    }

    /// Asks the daemon for its version: a cheap way to see whether it is there.
    ///
    /// # Errors
    /// [`Error::Network`] when it does not answer.
    pub fn version(&self) -> Result<String> {
        let client = self.client.clone();
        Ok(self.call(self.timeouts.call, async move { client.version().await })?.version)
    }

    /// Runs `work` on this store's own runtime with a time limit and maps the daemon's errors.
    fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Future<Output = std::result::Result<T, ipfs_api::Error>> + Send + 'static,
    ) -> Result<T> {
        self.run(limit, work)?.map_err(|error| self.explain(error))
    }

    /// Runs `work` on this store's own runtime with a time limit, blocking the caller's thread only.
    fn run<T: Send + 'static>(&self, limit: Duration, work: impl Future<Output = T> + Send + 'static) -> Result<T> {
        let gone = || Error::Network(format!("the IPFS client for {} was shut down", self.url));
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let _ = sender.send(tokio::time::timeout(limit, work).await);
        });
        match receiver.recv() {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Error::Network(format!(
                "the IPFS daemon at {} did not answer within {} s",
                self.url,
                limit.as_secs_f32()
            ))),
            Err(_) => Err(gone()),
        }
    }

    fn explain(&self, error: ipfs_api::Error) -> Error {
        match error {
            ipfs_api::Error::Api(api) if says_missing(&api.message) => {
                Error::NotFound(format!("the IPFS daemon at {} does not have it: {}", self.url, api.message))
            }
            ipfs_api::Error::Client(error) => Error::Network(format!(
                "the IPFS daemon at {} does not answer ({error}). Start it, or use another network profile.",
                self.url
            )),
            other => Error::Network(format!("the IPFS daemon at {} answered: {other}", self.url)),
        }
    }
}

/// Whether a daemon's message says that it has no such piece (Kubo and js-ipfs word it differently).
fn says_missing(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["not found", "could not find", "not have", "no link named"].iter().any(|phrase| message.contains(phrase))
}

impl ContentStore for Kubo {
    fn put_piece(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        check_size(bytes.len())?;
        cid.verify(bytes)?;
        let (client, codec, body) = (self.client.clone(), cid.codec(), Cursor::new(bytes.to_vec()));
        let answer = self.call(self.timeouts.call, async move {
            let options = BlockPut { format: Some(codec.name()), mhtype: Some("sha2-256"), mhlen: None, pin: None };
            client.block_put_with_options(body, options).await
        })?;
        if said_digest(&answer.key) == Some(cid.digest()) {
            return Ok(());
        }
        Err(Error::Integrity(format!("the IPFS daemon at {} stored {} instead of {cid}", self.url, answer.key)))
    }

    fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>> {
        let (client, name) = (self.client.clone(), cid.to_string());
        let bytes = self
            .run(self.timeouts.fetch, async move {
                let mut stream = client.block_get(&name);
                let mut bytes = Vec::new();
                while let Some(part) = stream.next().await {
                    bytes.extend_from_slice(&part?);
                    if bytes.len() > MAX_PIECE {
                        break;
                    }
                }
                Ok(bytes)
            })?
            .map_err(|error| self.explain(error))?;
        if bytes.len() > MAX_PIECE {
            return Err(Error::Integrity(format!("the IPFS daemon at {} sent more than a piece for {cid}", self.url)));
        }
        cid.verify(&bytes)?;
        Ok(bytes)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        let (client, name) = (self.client.clone(), cid.to_string());
        match self.call(self.timeouts.call, async move { client.block_stat(&name).await }) {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn pin(&self, cid: &Cid) -> Result<()> {
        let (client, name) = (self.client.clone(), cid.to_string());
        self.call(self.timeouts.pin, async move { client.pin_add(&name, true).await })?;
        Ok(())
    }

    fn put_raw(&self, bytes: &[u8]) -> Result<Cid> {
        check_size(bytes.len())?;
        let cid = Cid::raw(bytes);
        self.put_piece(&cid, bytes)?;
        self.pin(&cid)?;
        Ok(cid)
    }

    fn put_file(&self, bytes: &[u8]) -> Result<Cid> {
        let root = unixfs::split(bytes, &mut |cid, piece| self.put_piece(cid, piece))?;
        self.pin(&root)?;
        Ok(root)
    }
}

/// The sha2-256 digest in a CID that a daemon wrote, version 0 or 1, whatever the base.
fn said_digest(key: &str) -> Option<[u8; 32]> {
    let cid = cid::Cid::try_from(key).ok()?;
    (cid.hash().code() == 0x12).then(|| cid.hash().digest().try_into().ok())?
}

impl Drop for Kubo {
    /// A runtime may not be dropped the ordinary way inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Kubo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kubo({})", self.url)
    }
}

#[cfg(test)]
#[path = "kubo_tests.rs"]
mod tests;
