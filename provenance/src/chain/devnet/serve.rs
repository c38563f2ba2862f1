//! The embedded chain for other processes: the same answers over HTTP, on loopback only.
//!
//! A page in a browser must not reach it: requests that carry an `Origin`, or a `Host` that is not ours, are refused.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alloy::primitives::U64;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{Id, Response as Answer};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

use super::rpc::Failure;
use super::{CHAIN_ID, Devnet, response};
use crate::{Error, Result};

/// The file in the chain's folder that says where the server listens.
const ADDRESS_FILE: &str = "network.json";
/// The largest request in bytes: room for the largest transaction and some to spare.
const LARGEST_REQUEST: usize = 4 << 20;
/// The most requests in one batch.
const LARGEST_BATCH: usize = 256;
/// How long a server may take to say which chain it runs: long, since a busy machine's is alive, and a dead one's port refuses
/// at once.
const PATIENCE: Duration = Duration::from_secs(15);

/// How to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerOptions {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// The server ends when nobody asked anything for this long; `None` never ends it.
    pub idle: Option<Duration>,
}

/// A server that is running, or was when it wrote this down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where it answers, such as `http://127.0.0.1:41234`.
    pub url: String,
    /// Its process id.
    pub pid: u32,
    /// The chain id it runs.
    pub chain_id: u64,
}

/// Finds the server of the chain kept in `folder`, if one answers.
///
/// # Errors
/// [`Error::Io`] when the address file exists and cannot be read.
pub async fn find(folder: &Path) -> Result<Option<Running>> {
    let text = match std::fs::read(folder.join(ADDRESS_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Ok(running) = serde_json::from_slice::<Running>(&text) else { return Ok(None) };
    let Ok(url) = running.url.parse() else { return Ok(None) };
    let client = RpcClient::new_http(url);
    let question = client.request_noparams::<U64>("eth_chainId");
    let answers = matches!(tokio::time::timeout(PATIENCE, question).await, Ok(Ok(id)) if id.to::<u64>() == CHAIN_ID);
    Ok(answers.then_some(running))
}

/// The HTTP side of one [`Devnet`], bound and announced, not yet answering.
#[derive(Debug)]
pub struct Server {
    devnet: Devnet,
    listener: TcpListener,
    address: SocketAddr,
    idle: Option<Duration>,
    file: PathBuf,
}

impl Server {
    /// Binds the port and writes the address file.
    ///
    /// # Errors
    /// [`Error::Io`] when the port is taken or the file cannot be written.
    pub async fn bind(devnet: Devnet, options: ServerOptions) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let file = devnet.folder().join(ADDRESS_FILE);
        let server = Self { devnet, listener, address, idle: options.idle, file };
        server.announce()?;
        Ok(server)
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until `stop` resolves or nobody asked for the idle time, then removes the address file.
    ///
    /// # Errors
    /// [`Error::Io`] when the listener fails.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let host = self.address.to_string();
        let site = Arc::new(Site { devnet: self.devnet, port: self.address.port(), host, usage: Usage::new() });
        let router = axum::Router::new()
            .route("/", post(handle))
            .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
            .with_state(Arc::clone(&site));
        let idle = self.idle;
        let over = async move {
            tokio::select! {
                () = stop => {}
                () = site.usage.idle_for(idle) => tracing::info!("nobody asked the embedded network; it ends"),
            }
        };
        let result = axum::serve(self.listener, router).with_graceful_shutdown(over).await;
        let removed = std::fs::remove_file(&self.file);
        result?;
        Ok(removed?)
    }

    fn announce(&self) -> Result<()> {
        let running = Running { url: self.url(), pid: std::process::id(), chain_id: CHAIN_ID };
        let text = serde_json::to_vec_pretty(&running).map_err(|error| Error::Invalid(error.to_string()))?;
        let draft = self.file.with_extension("new");
        std::fs::write(&draft, text)?;
        Ok(std::fs::rename(&draft, &self.file)?)
    }
}

#[derive(Debug)]
struct Site {
    devnet: Devnet,
    host: String,
    port: u16,
    usage: Usage,
}

/// When the server was last needed.
#[derive(Debug)]
struct Usage {
    start: Instant,
    open: AtomicUsize,
    last_millis: AtomicU64,
}

impl Usage {
    fn new() -> Self {
        Self { start: Instant::now(), open: AtomicUsize::new(0), last_millis: AtomicU64::new(0) }
    }

    fn enter(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.last_millis.store(self.start.elapsed().as_millis() as u64, Ordering::SeqCst);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Resolves once nothing was asked for `limit`; never without a limit.
    async fn idle_for(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let quiet =
                self.start.elapsed().saturating_sub(Duration::from_millis(self.last_millis.load(Ordering::SeqCst)));
            if quiet >= limit && self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            tokio::time::sleep(limit.saturating_sub(quiet).max(Duration::from_millis(20))).await;
        }
    }
}

async fn handle(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    if !site.welcomes(&headers) {
        return (StatusCode::FORBIDDEN, "only programs on this machine may ask\n").into_response();
    }
    site.usage.enter();
    let answer = site.answer(&body).await;
    site.usage.leave();
    answer
}

impl Site {
    fn welcomes(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let ours = host.is_some_and(|host| host == self.host || host == format!("localhost:{}", self.port));
        ours && !headers.contains_key(header::ORIGIN)
    }

    async fn answer(&self, body: &[u8]) -> Response {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Array(requests)) if (1..=LARGEST_BATCH).contains(&requests.len()) => {
                let mut answers = Vec::with_capacity(requests.len());
                for request in requests {
                    answers.push(self.one(request).await);
                }
                Json(answers).into_response()
            }
            Ok(request @ Value::Object(_)) => Json(self.one(request).await).into_response(),
            Ok(_) => Json::<Answer>(Answer::invalid_request(Id::None)).into_response(),
            Err(_) => Json::<Answer>(Answer::parse_error(Id::None)).into_response(),
        }
    }

    async fn one(&self, mut request: Value) -> Answer {
        let id = request.get("id").and_then(|id| serde_json::from_value(id.clone()).ok()).unwrap_or(Id::None);
        let Some(method) = request.get("method").and_then(Value::as_str).map(str::to_string) else {
            return Answer::invalid_request(id);
        };
        let params = request.get_mut("params").map(Value::take).unwrap_or(Value::Null);
        let answer: Result<Value, Failure> = self.devnet.answer(method, params).await;
        response(id.clone(), answer).unwrap_or_else(|_| Answer::internal_error(id))
    }
}
