//! JSON-RPC over HTTP to a node that may be slow, busy, broken or lying: every answer has a time limit and a size limit,
//! belongs to its question, and is asked for again a few times before the question fails.

use std::collections::HashSet;
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{Id, RequestPacket, ResponsePacket};
use alloy::transports::http::reqwest::{self, Client, Response, StatusCode, Url, header};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};

use crate::{Error, Result};

/// The longest pause that a node can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long and how often a node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one question, from connecting to the answer's last byte.
    pub question: Duration,
    /// Largest answer read, in bytes.
    pub answer: usize,
    /// How often one question is asked before it fails.
    pub tries: u32,
    /// Between two tries; doubled each time.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { question: Duration::from_secs(30), answer: 32 << 20, tries: 4, pause: Duration::from_millis(150) }
    }
}

/// A node's address, as a transport.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
    url: Url,
    patience: Patience,
}

/// Why a question was not answered, and whether asking again can help.
struct Failure {
    error: TransportError,
    again: bool,
    /// The pause that the node asks for.
    pause: Option<Duration>,
}

impl Http {
    /// A transport to `url`; nothing is sent yet.
    pub(super) fn new(url: &str, patience: Patience) -> Result<Self> {
        let url: Url = url.parse().map_err(|error| Error::Invalid(format!("{url} is not a URL: {error}")))?;
        let mut builder = Client::builder()
            .timeout(patience.question)
            .connect_timeout(patience.question.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none());
        if is_local(&url) {
            builder = builder.no_proxy();
        }
        let client =
            builder.build().map_err(|error| Error::Invalid(format!("cannot start an HTTP client: {error}")))?;
        Ok(Self { client, url, patience })
    }

    /// Whether the node runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.url)
    }

    async fn ask(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let body = serde_json::to_vec(&packet).map_err(TransportError::ser_err)?;
        let ids: HashSet<Id> = packet.requests().iter().map(|request| request.id().clone()).collect();
        let tries = if packet.method_names().all(can_be_repeated) { self.patience.tries } else { 1 };
        let mut pause = self.patience.pause;
        for tried in 1.. {
            match self.once(body.clone(), &ids).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if !failure.again || tried >= tries => return Err(failure.error),
                Err(failure) => tokio::time::sleep(failure.pause.unwrap_or(pause).min(LONGEST_PAUSE)).await,
            }
            pause *= 2;
        }
        Err(TransportErrorKind::custom_str("the question was never asked"))
    }

    async fn once(&self, body: Vec<u8>, ids: &HashSet<Id>) -> Result<ResponsePacket, Failure> {
        let request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(|error| Failure::passing(TransportErrorKind::custom(error)))?;
        let status = response.status();
        let pause = retry_after(&response);
        let body = self.read(response).await?;
        match serde_json::from_slice::<ResponsePacket>(&body) {
            Ok(answer) if !answers(&answer, ids) => {
                Err(Failure::passing(TransportErrorKind::custom_str("the node answered another question")))
            }
            Ok(answer) if status.is_success() || answer.is_error() => match busy(&answer) {
                Some(error) => Err(Failure { error, again: true, pause }),
                None => Ok(answer),
            },
            _ if !status.is_success() => Err(Failure {
                error: TransportErrorKind::http_error(status.as_u16(), shown(&body)),
                again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
                pause,
            }),
            Ok(_) => Err(Failure::passing(TransportErrorKind::custom_str("the node contradicts itself"))),
            Err(error) => Err(Failure::passing(TransportErrorKind::custom_str(&format!(
                "the node's answer is not whole or not JSON-RPC ({error}): {}",
                shown(&body)
            )))),
        }
    }

    /// The body, counted while it is read.
    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| Failure::passing(TransportErrorKind::custom(error)))?
        {
            if body.len() + chunk.len() > self.patience.answer {
                let text = format!("the node's answer is longer than {} bytes", self.patience.answer);
                return Err(Failure::passing(TransportErrorKind::custom_str(&text)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Failure {
    /// It may go away by itself.
    fn passing(error: TransportError) -> Self {
        Self { error, again: true, pause: None }
    }
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// Questions, and signed transactions, are the same however often they are sent. What moves a test chain is not.
fn can_be_repeated(method: &str) -> bool {
    !["evm_", "anvil_", "usufruct_"].iter().any(|prefix| method.starts_with(prefix))
}

/// Whether these are answers to exactly these questions.
fn answers(answer: &ResponsePacket, ids: &HashSet<Id>) -> bool {
    let given: Vec<&Id> = answer.response_ids().collect();
    // Some nodes do not know which question they refuse.
    let refused = answer.is_error() && matches!(answer, ResponsePacket::Single(refusal) if refusal.id == Id::None);
    refused || (given.len() == ids.len() && given.iter().all(|id| ids.contains(*id)))
}

/// The refusal of a node that has too much to do.
fn busy(answer: &ResponsePacket) -> Option<TransportError> {
    let refusal = answer.iter_errors().find(|refusal| refusal.is_retry_err())?;
    Some(TransportErrorKind::custom_str(&format!("the node is too busy: {}", refusal.message)))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The start of a body, for an error.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned()
}

impl tower::Service<RequestPacket> for Http {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> TransportFut<'static> {
        Box::pin(self.clone().ask(packet))
    }
}
