//! A worker that means harm, for tests only: what it does is the name it is started by. It speaks the worker's protocol,
//! claims to be confined, and gives answers that must get nobody anywhere.

use std::io::{self, Write};
use std::time::Duration;

use app::worker::cage::{Held, Layer};
use app::worker::wire::{self, Ask, Failure, MAX_ASK, Place, Ready, Say};
use compute::Dtype;
use compute::template::statistic;
use serde_bytes::ByteBuf;

/// What a canary begins with; the rest counts them.
const CANARY: &str = "CANARY-in-the-mine";
/// Rows in a full batch.
const BATCH: usize = 128;
/// Numbers in a row of the model that tests use.
const DIMENSION: usize = 384;

fn main() {
    let name = std::env::args().next().unwrap_or_default();
    let act = name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut input = io::stdin().lock();
    let (mut dtype, mut kept) = (Dtype::F32, 0);
    while let Ok(Some(body)) = wire::read(&mut input, MAX_ASK) {
        let ask: Ask = wire::unpack(&body).expect("the owner's messages are in order");
        match ask {
            Ask::Open(_) => say(&Say::Ready(ready(&act))),
            Ask::Params(_) if act == "params-wait" => wait(&name),
            Ask::Params(params) => {
                let params: serde_json::Value = serde_json::from_slice(&params).unwrap_or_default();
                dtype = params["dtype"].as_str().and_then(|word| word.parse().ok()).unwrap_or(dtype);
                say(&Say::Answer(ByteBuf::from(if act == "params" { canary(40) } else { vec![] })));
            }
            Ask::Batch(rows) if act == "last-batch-waits" && rows.len() < BATCH => wait(&name),
            Ask::Kept(rows) if act == "counts-kept" => {
                kept += rows.len();
                say(&Say::Answer(ByteBuf::new()));
            }
            Ask::Batch(rows) if act == "counts-kept" => {
                std::fs::write(format!("{name}.said"), format!("{kept} kept, then {}", rows.len())).expect("a file");
                std::process::exit(3);
            }
            Ask::Finish | Ask::More if act.starts_with("halfway-") => halfway(&act),
            Ask::Batch(rows) => batch(&act, rows.len(), dtype),
            Ask::Finish if act.starts_with("answer-") => answer(&act),
            Ask::File(_) => file(&act),
            _ => say(&Say::Answer(ByteBuf::from(canary(64)))),
        }
    }
}

/// Says beside the name that it was started by which process it is, and waits to be killed.
fn wait(name: &str) {
    std::fs::write(format!("{name}.waits"), std::process::id().to_string()).expect("a file");
    std::thread::sleep(Duration::from_secs(3600));
}

fn say(say: &Say) {
    raw(&wire::pack(say).expect("a message"));
}

fn raw(bytes: &[u8]) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(bytes).and_then(|()| output.flush());
}

fn canary(length: usize) -> Vec<u8> {
    CANARY.bytes().cycle().take(length).collect()
}

fn ready(act: &str) -> Ready {
    let text = |what: &str| if act == "words" { format!("{CANARY}-{what}") } else { what.to_owned() };
    let missing = |layer: Layer| act.strip_prefix("without-") == Some(layer.word());
    let held = |layer| Held { layer, denied: 1, problem: missing(layer).then(|| format!("{CANARY}-layer")) };
    let mut layers: Vec<Held> = Layer::ALL.into_iter().map(held).collect();
    if act == "silent-layers" {
        layers.clear();
    }
    if act == "twice-landlock" {
        layers.push(held(Layer::Landlock));
    }
    let device = Place { gpu: false, software: false, name: text("device") };
    Ready { layers, device: Some(device), fallback: (act == "words").then(|| text("fallback")) }
}

/// A row that passes for one: a unit vector.
fn unit(dtype: Dtype) -> Vec<u8> {
    let mut values = [0f32; DIMENSION];
    values[0] = 1.0;
    dtype.row(&values)
}

fn batch(act: &str, rows: usize, dtype: Dtype) {
    let width = DIMENSION * dtype.bytes();
    let all = rows * width;
    let answer = |bytes: Vec<u8>| say(&Say::Answer(ByteBuf::from(bytes)));
    let honest = || unit(dtype).repeat(rows);
    match act {
        "words" => answer(honest()),
        _ if act.starts_with("answer-") || act.starts_with("halfway-") => answer(vec![]),
        "rows" => answer(canary(all)),
        "nan" => answer([f32::NAN.to_le_bytes().to_vec(), honest()[4..].to_vec()].concat()),
        "infinite" => answer([f32::INFINITY.to_le_bytes().to_vec(), honest()[4..].to_vec()].concat()),
        "zero" => answer(vec![0; all]),
        "short" => answer(honest()[..all - 4].to_vec()),
        "row-less" => answer(honest()[..all - width].to_vec()),
        "long" => answer([honest(), canary(4)].concat()),
        "huge" => answer(canary(1 << 20)),
        "nothing" => answer(vec![]),
        "last-batch" | "last-batch-waits" if rows == BATCH => answer(honest()),
        "other-type" => answer(unit(if dtype == Dtype::F32 { Dtype::F16 } else { Dtype::F32 }).repeat(rows)),
        "other-bytes" => answer(unit(Dtype::F32).repeat(rows)[..all].to_vec()),
        "crash" | "last-batch" => std::process::exit(3),
        "abort" => std::process::abort(),
        "hang" => std::thread::sleep(Duration::from_secs(3600)),
        "slow" => wire::pack(&Say::Answer(ByteBuf::from(honest()))).expect("a message").iter().for_each(|byte| {
            raw(&[*byte]);
            std::thread::sleep(Duration::from_millis(200));
        }),
        "truncated" => {
            let packed = wire::pack(&Say::Answer(ByteBuf::from(honest()))).expect("a message");
            raw(&packed[..packed.len() / 2]);
            std::process::exit(0);
        }
        "endless" => {
            raw(&u32::MAX.to_le_bytes());
            loop {
                raw(&canary(1 << 16));
            }
        }
        "announced" => {
            raw(&((all + 64) as u32).to_le_bytes());
            std::thread::sleep(Duration::from_secs(3600));
        }
        "failed" => {
            say(&Say::Failed { kind: Failure::Other, reason: format!("{CANARY}\u{1b}[2J-reason\n").repeat(99) })
        }
        "records" => say(&Say::Records(vec![ByteBuf::from(canary(99))])),
        "ready-again" => say(&Say::Ready(ready(act))),
        "garbage" => raw(&[&9u32.to_le_bytes()[..], &canary(9)].concat()),
        "field" => framed(with_another_field(honest())),
        "spelling" => framed(in_another_spelling(honest())),
        "behind" => framed([body(&Say::Answer(ByteBuf::from(honest()))), canary(8)].concat()),
        _ => answer(honest()),
    }
}

fn framed(body: Vec<u8>) {
    raw(&[&(body.len() as u32).to_le_bytes()[..], &body].concat());
}

/// The answer beside a second entry, which no message has.
fn with_another_field(rows: Vec<u8>) -> Vec<u8> {
    let mut message = body(&Say::Answer(ByteBuf::from(rows)));
    message[0] = 0xa2;
    message.extend([0x66]);
    message.extend(b"canary");
    message.extend([0x46]);
    message.extend(b"CANARY");
    message
}

/// The same answer with a length that takes more bytes than it needs.
fn in_another_spelling(rows: Vec<u8>) -> Vec<u8> {
    let mut message = vec![0xa1, 0x66];
    message.extend(b"Answer");
    message.push(0x5b);
    message.extend((rows.len() as u64).to_be_bytes());
    message.extend(rows);
    message
}

/// What it says that a statistic came to; CANARY in digits where only numbers fit.
fn answer(act: &str) {
    let mut honest = statistic::Answer { count: 44, sum: 0, groups: [0; statistic::BINS] };
    honest.groups[15] = 44;
    let encoded = |answer: &statistic::Answer| wire::pack(answer).expect("a message")[4..].to_vec();
    say(&Say::Answer(ByteBuf::from(match act {
        "answer-sum" => encoded(&statistic::Answer { sum: 6_765_789_065_828_9, ..honest }),
        "answer-small" => encoded(&statistic::Answer { groups: [1; statistic::BINS], ..honest }),
        "answer-field" => {
            let mut bytes = encoded(&honest);
            bytes[0] += 1;
            [bytes, [&[0x66][..], b"canary", &[0x66], b"CANARY"].concat()].concat()
        }
        "answer-behind" => [encoded(&honest), canary(8)].concat(),
        "answer-canary" => canary(200),
        "answer-long" => canary(1 << 20),
        _ => vec![],
    })));
}

/// How far it says that a training run is.
fn halfway(act: &str) {
    let say = |done, total, bytes| say(&Say::Halfway { done, total, state: ByteBuf::from(canary(bytes)) });
    match act {
        "halfway-canary" => {
            say(1, 9, 99);
            std::process::exit(3);
        }
        "halfway-done" => say(9, 9, 99),
        "halfway-long" => say(1, 9, 1 << 24),
        _ => say(1, 9, 99),
    }
}

fn body(say: &Say) -> Vec<u8> {
    wire::pack(say).expect("a message")[4..].to_vec()
}

fn file(act: &str) {
    match act {
        "crash" => std::process::exit(3),
        "hang" => std::thread::sleep(Duration::from_secs(3600)),
        "garbage" => say(&Say::Records(vec![ByteBuf::from(canary(99))])),
        "stranger" => {
            let mut record = app::record::Record::new("usufruct/note@1", "another source");
            record.text = Some(CANARY.into());
            say(&Say::Records(vec![ByteBuf::from(record.encode().expect("a record"))]));
        }
        "greedy" => loop {
            say(&Say::Need { at: u64::MAX, bytes: u32::MAX });
        },
        _ => say(&Say::Answer(ByteBuf::new())),
    }
}
