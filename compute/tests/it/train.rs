//! The `train` template: that it learns, that its gradients are right, and what it refuses.

use compute::template::train::{self, Adapters, Order, Params, Privacy, Records, Target, Trained};
use compute::{Choice, Continue, Device, Error, Model, Result, Row};

use crate::support::{Tiny, difference, real};

pub(crate) const SECRET: [u8; 32] = [7; 32];

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| format!("class {class}")).collect()
}

fn go(model: &Model, device: &Device, params: &Params, rows: &[Row], labels: &[Option<u16>]) -> Result<Trained> {
    with(model, device, params, (rows, labels), &names(2), &SECRET)
}

fn with(
    model: &Model,
    device: &Device,
    params: &Params,
    (rows, labels): (&[Row], &[Option<u16>]),
    classes: &[String],
    secret: &[u8; 32],
) -> Result<Trained> {
    let loaded = &train::load(model, device).unwrap();
    let mut records = Records::new(model, params)?;
    records.add(model, device, rows, labels)?;
    let order = Order { model, device, loaded, params, records: &records, classes, secret };
    train::run(&order, None, &mut |_| Continue::Yes)
}

/// Texts of the tiny model's words: the class says which of two words is in them.
pub(crate) fn toy(count: usize) -> (Vec<Row>, Vec<Option<u16>>) {
    let fill = ["c", "d", "e", "c d", "d e", "e c", "c d e"];
    let text = |at: usize| format!("{} {}", ["a", "b"][at % 2], fill[at * 5 % fill.len()]);
    ((0..count).map(|at| Row::new(text(at))).collect(), (0..count).map(|at| Some((at % 2) as u16)).collect())
}

/// A tiny model whose words differ from each other.
pub(crate) fn tiny() -> Tiny {
    let mut tiny = Tiny::new();
    let words: Vec<f32> = (0..12 * 8).map(|at: usize| ((at * at * 31 + at * 17) % 97) as f32 / 97.0 - 0.5).collect();
    tiny.set("embeddings.word_embeddings.weight", &[12, 8], &words);
    tiny
}

pub(crate) fn adapters() -> Params {
    let adapters = Adapters { rank: 2, alpha: 4.0, targets: vec![Target::Query, Target::Key, Target::Value] };
    Params { adapters: Some(adapters), epochs: 5, batch: 8, rate: 1e-2, head_rate: 5e-2, ..Params::default() }
}

pub(crate) fn head_only() -> Params {
    Params { adapters: None, ..adapters() }
}

#[test]
fn head_lowers_the_held_back_loss_on_the_real_model() {
    let (model, device) = (real(), Device::open(Choice::Cpu).unwrap());
    let (rows, labels) = sentences(80);
    let trained = go(&model, &device, &Params { epochs: 10, batch: 8, ..Params::default() }, &rows, &labels).unwrap();
    let found = trained.metrics.evaluation.clone().unwrap();
    println!("{found:?}");
    assert!(found.held_back_loss[1] < 0.6 * found.held_back_loss[0] && found.held_back_accuracy > 0.8);
    assert!(trained.adapters.is_none());
}

#[test]
fn adapters_lower_the_loss_below_what_the_head_alone_reaches() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(60);
    let alone = go(&model, &device, &head_only(), &rows, &labels).unwrap().metrics.evaluation.unwrap();
    let both = go(&model, &device, &adapters(), &rows, &labels).unwrap().metrics.evaluation.unwrap();
    println!("{alone:?}\n{both:?}");
    assert!(both.held_back_loss[1] < both.held_back_loss[0]);
    assert!(both.loss[1] < alone.loss[1] && alone.loss[1] < alone.loss[0]);
}

/// Sentences about the sea and about money, all different.
fn sentences(count: usize) -> (Vec<Row>, Vec<Option<u16>>) {
    let sea = ["The tide", "A fishing boat", "The lighthouse", "Our sailing trip", "The harbor"];
    let money = ["The invoice", "A bank transfer", "Your tax return", "The mortgage", "Her salary"];
    let ends = [
        "came later than we had thought",
        "was the talk of the evening",
        "is described in the letter below",
        "surprised my brother",
        "kept us busy until Sunday",
        "will change in spring",
        "is not what it used to be",
        "worries me a little",
    ];
    let text = |at: usize| {
        let class = at % 2;
        format!("{} {}.", [sea, money][class][at / 2 % 5], ends[at / 10 % 8])
    };
    ((0..count).map(|at| Row::new(text(at))).collect(), (0..count).map(|at| Some((at % 2) as u16)).collect())
}

#[test]
fn run_without_steps_that_count_leaves_the_encoder_as_it_was() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(40);
    let still = Params { rate: 1e-30, head_rate: 1e-30, epochs: 1, ..adapters() };
    let trained = go(&model, &device, &still, &rows, &labels).unwrap();
    assert!(trained.uses.iter().all(|used| (used.after - 2f32.ln()).abs() < 1e-6 && used.before == used.after));
}

#[test]
fn same_seed_gives_the_same_bytes_and_another_does_not() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(40);
    let first = go(&model, &device, &adapters(), &rows, &labels).unwrap();
    assert_eq!(first, go(&model, &device, &adapters(), &rows, &labels).unwrap());
    let other = go(&model, &device, &Params { seed: 1, ..adapters() }, &rows, &labels).unwrap();
    assert_ne!(first.adapters, other.adapters);
}

#[test]
fn gpu_gives_what_the_cpu_gives() {
    let (_folder, model, cpu) = tiny().ready();
    let gpu = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let (rows, labels) = toy(20);
    let few = Adapters { rank: 1, alpha: 2.0, targets: vec![Target::Value] };
    let params = Params { adapters: Some(few), epochs: 1, batch: 20, ..adapters() };
    let (here, there) =
        (go(&model, &cpu, &params, &rows, &labels).unwrap(), go(&model, &gpu, &params, &rows, &labels).unwrap());
    let after = |trained: &Trained| trained.uses.iter().map(|used| used.after).collect::<Vec<_>>();
    assert!(difference(&after(&here), &after(&there)) < 1e-3);
}

#[test]
fn uses_count_every_step_and_none_of_those_held_back() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(50);
    let trained = go(&model, &device, &adapters(), &rows, &labels).unwrap();
    let held_back = trained.uses.iter().filter(|used| used.steps == 0).count();
    assert_eq!(held_back as u64, trained.metrics.evaluation.as_ref().unwrap().held_back);
    assert!(trained.uses.iter().all(|used| used.steps == 0 && used.contribution == 0.0 || used.steps == 5));
    let output = trained.rows();
    output.check().unwrap();
    assert_eq!((output.rows.len(), output.dimension), (50, 4));
    assert_eq!(output.values(3).unwrap()[0] as u32, trained.uses[3].steps);
}

#[test]
fn record_with_a_wrong_label_contributes_less_than_those_with_the_right_one() {
    let (model, device) = (real(), Device::open(Choice::Cpu).unwrap());
    let (rows, mut labels) = sentences(80);
    let wrong = [4, 5, 30, 31];
    for at in wrong {
        labels[at] = labels[at].map(|class| 1 - class);
    }
    let trained = go(&model, &device, &Params { epochs: 5, batch: 8, ..Params::default() }, &rows, &labels).unwrap();
    let trained_on = |at: &usize| trained.uses[*at].steps > 0;
    let mean = |records: Vec<usize>| {
        records.iter().map(|at| trained.uses[*at].contribution).sum::<f32>() / records.len() as f32
    };
    let bad = mean(wrong.into_iter().filter(trained_on).collect());
    let good = mean((0..80).filter(|at| !wrong.contains(at)).filter(trained_on).collect());
    println!("wrong {bad}, right {good}");
    assert!(good > 0.0 && bad < 0.5 * good);
}

#[test]
fn privacy_keeps_the_budget_and_hides_the_evaluation() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(60);
    let privacy = Privacy { epsilon_micro: 3_000_000, clip: 0.5, evaluation_noise: None };
    let params = Params { privacy: Some(privacy), ..adapters() };
    let trained = go(&model, &device, &params, &rows, &labels).unwrap();
    let spent = trained.metrics.privacy.clone().unwrap();
    assert!(trained.metrics.evaluation.is_none() && spent.counts.is_none());
    assert!(spent.epsilon <= 3.0 && spent.epsilon > 2.9, "{spent:?}");
    let counted = Params {
        privacy: Some(Privacy { epsilon_micro: 3_000_000, clip: 0.5, evaluation_noise: Some(20.0) }),
        ..adapters()
    };
    let counts = go(&model, &device, &counted, &rows, &labels).unwrap().metrics.privacy.unwrap().counts.unwrap();
    assert!(counts.iter().any(|count| count.fract() != 0.0), "{counts:?}");
}

#[test]
fn private_run_follows_from_the_secret_and_not_from_the_seed_alone() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(60);
    let privacy = Some(Privacy { epsilon_micro: 3_000_000, clip: 0.5, evaluation_noise: None });
    let params = Params { privacy, ..adapters() };
    let with = |secret: [u8; 32]| with(&model, &device, &params, (&rows, &labels), &names(2), &secret).unwrap();
    let (one, same, other) = (with([1; 32]), with([1; 32]), with([2; 32]));
    assert_eq!(one, same);
    assert_ne!(one.head, other.head);
    assert_ne!(
        one.uses.iter().map(|used| used.steps).collect::<Vec<_>>(),
        other.uses.iter().map(|used| used.steps).collect::<Vec<_>>()
    );
}

fn labels_error(rows: &[Row], labels: &[Option<u16>]) -> String {
    let (_folder, model, device) = tiny().ready();
    match go(&model, &device, &adapters(), rows, labels) {
        Err(Error::Labels { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn labels_that_are_missing_are_counted() {
    let (rows, mut labels) = toy(40);
    labels[3] = None;
    labels[4] = Some(2);
    assert!(labels_error(&rows, &labels).contains("2 of 40 records have no label"));
    labels.pop();
    assert!(labels_error(&rows, &labels).contains("39 labels for 40 records"));
}

#[test]
fn labels_of_one_class_only_are_refused() {
    let (rows, labels) = toy(40);
    let one: Vec<Option<u16>> = labels.iter().map(|_| Some(0)).collect();
    assert!(labels_error(&rows, &one).contains("class 1 has 0 records"));
    let mut few = one;
    few[..4].fill(Some(1));
    assert!(labels_error(&rows, &few).contains("class 1 has 4 records; each of the 2 classes needs at least 5"));
}

#[test]
fn list_of_one_class_or_too_many_is_refused() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(40);
    for count in [0, 1, 65] {
        let refused = with(&model, &device, &adapters(), (&rows, &labels), &names(count), &SECRET);
        assert!(matches!(refused, Err(Error::Labels { .. })), "{count}");
    }
}

#[test]
fn too_few_records_are_refused() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(19);
    let refused = go(&model, &device, &adapters(), &rows, &labels);
    assert!(matches!(refused, Err(Error::Rows { ref reason }) if reason.contains("19 records")), "{refused:?}");
}

#[test]
fn hostile_parameters_are_refused_before_any_work() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(40);
    let huge = Adapters { rank: 1_000_000_000, ..Adapters::default() };
    for params in [
        Params { epochs: 1_000_000_000, ..adapters() },
        Params { batch: u32::MAX, ..adapters() },
        Params { adapters: Some(huge), ..adapters() },
        Params { rate: f64::INFINITY, ..adapters() },
        Params { privacy: Some(Privacy { epsilon_micro: u64::MAX, clip: 1.0, evaluation_noise: None }), ..adapters() },
    ] {
        assert!(matches!(go(&model, &device, &params, &rows, &labels), Err(Error::Parameter { .. })), "{params:?}");
    }
}

#[test]
fn values_that_are_not_numbers_fail_the_run_cleanly() {
    let mut tiny = tiny();
    tiny.set("encoder.layer.0.attention.self.query.weight", &[8, 8], &[3e38; 64]);
    let (_folder, model, device) = tiny.ready();
    let (rows, labels) = toy(40);
    let failed = go(&model, &device, &head_only(), &rows, &labels).unwrap_err();
    assert!(matches!(failed, Error::NotFinite { .. }), "{failed}");
    let failed = go(&model, &device, &adapters(), &rows, &labels).unwrap_err();
    assert!(matches!(failed, Error::NotFinite { .. }), "{failed}");
}

#[test]
fn run_after_a_failed_one_works() {
    let (_folder, model, device) = tiny().ready();
    let (mut rows, labels) = toy(40);
    rows[0] = Row::new("x".repeat(100_000));
    go(&model, &device, &adapters(), &rows, &labels[..39]).unwrap_err();
    go(&model, &device, &adapters(), &rows, &labels).unwrap();
}

#[test]
fn files_of_a_run_are_the_declared_ones_and_no_others() {
    let (_folder, model, device) = tiny().ready();
    let (rows, labels) = toy(40);
    let params = adapters();
    let trained = go(&model, &device, &params, &rows, &labels).unwrap();
    let shape = train::Shape::new(&params, model.layers(), model.dimension(), 2);
    let file = trained.adapters.as_deref().unwrap();
    shape.check_adapters(Some(file)).unwrap();
    shape.check_head(&trained.head).unwrap();
    trained.metrics.check(&params, &names(2), 40).unwrap();
    for other in [
        train::Shape::new(&params, model.layers(), model.dimension(), 3),
        train::Shape::new(&params, model.layers(), 16, 2),
    ] {
        assert!(other.check_head(&trained.head).is_err());
    }
    let fewer = Params { adapters: Some(Adapters { rank: 1, ..Adapters::default() }), ..adapters() };
    assert!(train::Shape::new(&fewer, model.layers(), 8, 2).check_adapters(Some(file)).is_err());
    assert!(train::Shape::new(&head_only(), model.layers(), 8, 2).check_adapters(Some(file)).is_err());
    assert!(shape.check_adapters(None).is_err() && shape.check_adapters(Some(&trained.head)).is_err());
    let mut broken = trained.head.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(shape.check_head(&broken).is_err());
    broken.truncate(end - 1);
    assert!(shape.check_head(&broken).is_err());
    let mut canary = trained.head.clone();
    let at = canary.windows(2).position(|pair| pair == b"pt").unwrap();
    canary[at..at + 2].copy_from_slice(b"zz");
    assert!(shape.check_head(&canary).is_err());
    assert!(trained.metrics.check(&params, &names(3), 40).is_err());
    assert!(trained.metrics.check(&Params { seed: 9, ..params.clone() }, &names(2), 40).is_err());
    let mut more = trained.metrics.clone();
    more.evaluation = None;
    assert!(more.check(&params, &names(2), 40).is_err());
}
