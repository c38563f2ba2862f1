//! A node that lies: a proxy in front of a real one that spoils some answers, by a seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use alloy::transports::http::reqwest;

/// One way to spoil an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooMany,
    ServerError,
    TimeOut,
    HalfJson,
    Endless,
    WrongId,
    StaleHead,
    NullReceipt,
    MissingLogs,
    OtherChain,
    FakeReceipt,
    FakeHash,
    DearFees,
    /// The transaction gets through and its sender is told nothing.
    LostAnswer,
    /// The transaction gets through and its sender is told that it did not.
    DeniedSend,
}

pub(super) const ALL: [Fault; 15] = [
    Fault::TooMany,
    Fault::ServerError,
    Fault::TimeOut,
    Fault::HalfJson,
    Fault::Endless,
    Fault::WrongId,
    Fault::StaleHead,
    Fault::NullReceipt,
    Fault::MissingLogs,
    Fault::OtherChain,
    Fault::FakeReceipt,
    Fault::FakeHash,
    Fault::DearFees,
    Fault::LostAnswer,
    Fault::DeniedSend,
];

/// Small pseudo-random numbers, so that a seed says everything (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

#[derive(Debug)]
struct Plan {
    dice: Dice,
    faults: Vec<Fault>,
    /// One answer in this many is spoiled; 0 for none.
    one_in: u64,
}

#[derive(Debug)]
struct Inner {
    node: String,
    client: reqwest::Client,
    plan: Mutex<Plan>,
    /// How often each fault was put into an answer.
    told: [AtomicU64; ALL.len()],
    questions: AtomicU64,
}

/// The proxy; ends with the value.
pub(super) struct Liar {
    pub(super) url: String,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Liar {
    /// Stands in front of `node` and tells the truth until [`Liar::lie`].
    pub(super) async fn before(node: &str) -> Self {
        let plan = Mutex::new(Plan { dice: Dice(0), faults: Vec::new(), one_in: 0 });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (told, questions) = (Default::default(), AtomicU64::new(0));
        let inner = Arc::new(Inner { node: node.into(), client, plan, told, questions });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, serving }
    }

    /// From now on, spoils one answer in `one_in` by one of `faults`.
    pub(super) fn lie(&self, seed: u64, faults: &[Fault], one_in: u64) {
        *self.inner.plan.lock().unwrap() = Plan { dice: Dice(seed), faults: faults.to_vec(), one_in };
    }

    pub(super) fn tell_the_truth(&self) {
        self.lie(0, &[], 0);
    }

    pub(super) fn told(&self, fault: Fault) -> u64 {
        self.inner.told[fault as usize].load(Ordering::Relaxed)
    }

    pub(super) fn questions(&self) -> u64 {
        self.inner.questions.load(Ordering::Relaxed)
    }
}

async fn answer(State(inner): State<Arc<Inner>>, body: Bytes) -> Response<Body> {
    inner.questions.fetch_add(1, Ordering::Relaxed);
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = request["method"].as_str().unwrap_or_default().to_string();
    let fault = inner.choose(&method);
    match fault {
        Some(Fault::TooMany) => return said(StatusCode::TOO_MANY_REQUESTS, Body::from("slow down")),
        Some(Fault::ServerError) => return said(StatusCode::INTERNAL_SERVER_ERROR, Body::from("<html>")),
        Some(Fault::TimeOut) => {
            // Never handed on: a transaction must not arrive in somebody else's schedule.
            tokio::time::sleep(Duration::from_secs(20)).await;
            return said(StatusCode::GATEWAY_TIMEOUT, Body::empty());
        }
        Some(Fault::Endless) => return said(StatusCode::OK, endless()),
        _ => {}
    }
    let sent = inner.client.post(&inner.node).header("content-type", "application/json").body(body.to_vec());
    let Ok(response) = sent.send().await else { return said(StatusCode::BAD_GATEWAY, Body::empty()) };
    let truth = response.bytes().await.unwrap_or_default();
    match fault {
        None => said(StatusCode::OK, Body::from(truth)),
        Some(Fault::HalfJson) => said(StatusCode::OK, Body::from(truth.slice(..truth.len() / 2))),
        Some(Fault::LostAnswer) => said(StatusCode::INTERNAL_SERVER_ERROR, Body::empty()),
        Some(fault) => {
            let mut spoiled: Value = serde_json::from_slice(&truth).unwrap_or_default();
            spoil(fault, &method, &mut spoiled);
            said(StatusCode::OK, Body::from(spoiled.to_string()))
        }
    }
}

impl Inner {
    /// The fault for this answer, and the next throw of the dice.
    fn choose(&self, method: &str) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        if plan.one_in == 0 {
            return None;
        }
        let one_in = plan.one_in;
        let fitting: Vec<Fault> = plan.faults.iter().copied().filter(|fault| fits(*fault, method)).collect();
        if fitting.is_empty() || plan.dice.below(one_in) != 0 {
            return None;
        }
        let fault = plan.dice.pick(&fitting);
        self.told[fault as usize].fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }
}

/// Whether a fault makes sense for a question.
fn fits(fault: Fault, method: &str) -> bool {
    match fault {
        Fault::StaleHead => matches!(method, "eth_blockNumber" | "eth_getTransactionCount"),
        Fault::NullReceipt => {
            matches!(method, "eth_getTransactionReceipt" | "eth_getBlockReceipts" | "eth_getTransactionByHash")
        }
        Fault::MissingLogs => {
            matches!(method, "eth_getLogs" | "eth_getTransactionReceipt" | "eth_getBlockReceipts")
        }
        Fault::OtherChain => matches!(method, "eth_chainId" | "eth_getBlockByNumber" | "eth_getCode"),
        Fault::FakeReceipt => matches!(method, "eth_getTransactionReceipt" | "eth_getBlockReceipts"),
        Fault::FakeHash => method == "eth_sendRawTransaction",
        Fault::DearFees => {
            matches!(method, "eth_maxPriorityFeePerGas" | "eth_getBlockByNumber" | "eth_gasPrice" | "eth_estimateGas")
        }
        Fault::LostAnswer | Fault::DeniedSend => method == "eth_sendRawTransaction",
        _ => true,
    }
}

fn said(status: StatusCode, body: Body) -> Response<Body> {
    Response::builder().status(status).body(body).unwrap()
}

/// A gibibyte of digits, as fast as it is read.
fn endless() -> Body {
    let piece = Bytes::from(vec![b'1'; 1 << 16]);
    let start = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":""#);
    let pieces = std::iter::once(start).chain(std::iter::repeat_n(piece, 1 << 14));
    Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
}

fn spoil(fault: Fault, method: &str, answer: &mut Value) {
    match fault {
        Fault::WrongId => answer["id"] = json!(answer["id"].as_u64().unwrap_or_default() + 7),
        Fault::DeniedSend => {
            *answer = json!({"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32000, "message": "rejected"}});
        }
        _ if answer["result"].is_null() => {}
        Fault::NullReceipt => answer["result"] = Value::Null,
        Fault::StaleHead => answer["result"] = json!(format!("{:#x}", number(&answer["result"]).saturating_sub(3))),
        Fault::MissingLogs if method == "eth_getLogs" => {
            answer["result"].as_array_mut().map(Vec::pop);
        }
        Fault::MissingLogs => each(&mut answer["result"], |receipt| receipt["logs"] = json!([])),
        Fault::OtherChain => match method {
            "eth_chainId" => answer["result"] = json!("0x1"),
            "eth_getCode" => answer["result"] = json!("0x6001"),
            _ => answer["result"]["hash"] = json!(format!("0x{}", "77".repeat(32))),
        },
        Fault::FakeReceipt => each(&mut answer["result"], |receipt| {
            let failed = receipt["status"] == json!("0x0");
            receipt["status"] = json!(if failed { "0x1" } else { "0x0" });
            receipt["gasUsed"] = json!("0x5208");
        }),
        Fault::FakeHash => answer["result"] = json!(format!("0x{}", "66".repeat(32))),
        Fault::DearFees if method == "eth_getBlockByNumber" => {
            let base = number(&answer["result"]["baseFeePerGas"]);
            answer["result"]["baseFeePerGas"] = json!(format!("{:#x}", base * 1000));
        }
        Fault::DearFees => answer["result"] = json!(format!("{:#x}", number(&answer["result"]) * 1000)),
        _ => {}
    }
}

fn each(result: &mut Value, change: impl Fn(&mut Value)) {
    match result {
        Value::Array(all) => all.iter_mut().for_each(change),
        one => change(one),
    }
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or("0x0").trim_start_matches("0x");
    u64::from_str_radix(text, 16).unwrap_or_default()
}
