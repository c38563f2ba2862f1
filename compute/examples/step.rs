//! Our side of `tools/bench-train`: trains on the texts it is told to and says what a step took.
//!
//! `step MODEL_FOLDER TEXTS.json RANK EPOCHS` trains a classifier of two classes, eight records a step, with adapters of that
//! rank on query and value, or with none at rank 0. The answer is one line of JSON. Processor seconds are those of the whole
//! process, from `/proc/self/stat`, without loading; held-back passes and the last measurement are included.

mod usage;

use compute::template::train::{self, Adapters, Order, Params, Records};
use compute::{Choice, Continue, Device, Model, Row};
use usage::processor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, texts, rank, epochs] = arguments.as_slice() else {
        return Err("usage: step MODEL_FOLDER TEXTS.json RANK EPOCHS".into());
    };
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts)?)?;
    let rows: Vec<Row> = texts.into_iter().map(Row::new).collect();
    let labels: Vec<Option<u16>> = (0..rows.len()).map(|at| Some((at % 2) as u16)).collect();
    let classes = ["even".to_owned(), "odd".to_owned()];
    let rank: u32 = rank.parse()?;
    let adapters = (rank > 0).then(|| Adapters { rank, ..Adapters::default() });
    let params = Params { adapters, epochs: epochs.parse()?, batch: 8, ..Params::default() };
    let model = Model::open(folder.as_ref())?;
    let device = Device::open(Choice::Cpu)?;
    let loaded = train::load(&model, &device)?;
    let mut steps = (0, 0.0, 0.0);
    let before = processor()?;
    let mut records = Records::new(&model, &params)?;
    records.add(&model, &device, &rows, &labels)?;
    let order = Order {
        model: &model,
        device: &device,
        loaded: &loaded,
        params: &params,
        records: &records,
        classes: &classes,
        secret: &[0; 32],
    };
    train::run(&order, None, &mut |halfway| {
        let (done, now) = (halfway.steps(), processor().unwrap_or_default());
        // The first step comes after the first held-back pass: it is not one of the steps that are measured.
        if done == 1 {
            steps.1 = now;
        }
        if done > steps.0 {
            steps = (done, steps.1, now);
        }
        Continue::Yes
    })?;
    let (done, first, last) = steps;
    let step = (last - first) / (done - 1).max(1) as f64;
    println!("{}", serde_json::json!({ "steps": done, "cpu_step": step, "cpu": processor()? - before }));
    Ok(())
}
