//! Our side of `tools/bench-compute`: embeds the texts it is told to and says what that took.
//!
//! `speed MODEL_FOLDER TEXTS.json` opens the model, embeds the first text and answers; then, for every line of positions on
//! standard input, it embeds these texts and answers again. Every answer is one line of JSON. Processor seconds are those of
//! the whole process, from `/proc/self/stat`.

mod usage;

use std::io::{BufRead, Write};
use std::time::Instant;

use compute::template::embed;
use compute::{Choice, Continue, Device, Model, Row};
use usage::{peak, processor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(texts)) = (arguments.next(), arguments.next()) else {
        return Err("usage: speed MODEL_FOLDER TEXTS.json".into());
    };
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts)?)?;
    let model = Model::open(folder.as_ref())?;
    let device = Device::open(Choice::Cpu)?;
    let run = |positions: &[usize]| {
        let rows: Vec<Row> = positions.iter().map(|position| Row::new(texts[*position].as_str())).collect();
        embed::run(&model, &device, &embed::Params::default(), &rows, &mut |_, _| Continue::Yes)
    };
    let first = run(&[0])?.values(0).unwrap_or_default();
    answer(&serde_json::json!({ "wall": started.elapsed().as_secs_f64(), "cpu": processor()?, "vector": first }))?;
    for line in std::io::stdin().lock().lines() {
        let positions: Vec<usize> = serde_json::from_str(&line?)?;
        let (wall, before) = (Instant::now(), processor()?);
        let output = run(&positions)?;
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), processor()? - before);
        answer(&serde_json::json!({ "wall": wall, "cpu": cpu, "rows": output.rows.len(), "peak": peak()? }))?;
    }
    Ok(())
}

fn answer(said: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{said}")?;
    out.flush()
}
