//! Training that is stopped and gone on with: the same result to the bit, and no checkpoint of anything else is taken.

use compute::template::train::{self, Adapters, Halfway, Loaded, Order, Params, Privacy, Records, Target, Trained};
use compute::{Choice, Continue, Device, Error, Model, Result, Row};

use crate::support::rows;
use crate::train::{SECRET, adapters, head_only, names, tiny, toy};

/// What a run is over: everything that an [`Order`] borrows.
struct Ground {
    model: Model,
    device: Device,
    loaded: Loaded,
    params: Params,
    rows: Vec<Row>,
    labels: Vec<Option<u16>>,
    classes: Vec<String>,
    secret: [u8; 32],
    _folder: tempfile::TempDir,
}

impl Ground {
    fn new(params: Params, count: usize) -> Self {
        Self::on(Choice::Cpu, params, count)
    }

    fn on(choice: Choice, params: Params, count: usize) -> Self {
        let (folder, model, _) = tiny().ready();
        let device = Device::open(choice).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
        let loaded = train::load(&model, &device).unwrap();
        let (rows, labels) = toy(count);
        Self { model, device, loaded, params, rows, labels, classes: names(2), secret: SECRET, _folder: folder }
    }

    fn order<T>(&self, work: impl FnOnce(&Order<'_>) -> T) -> T {
        let mut records = Records::new(&self.model, &self.params).unwrap();
        for (rows, labels) in self.rows.chunks(50).zip(self.labels.chunks(50)) {
            records.add(&self.model, &self.device, rows, labels).unwrap();
        }
        let Self { model, device, loaded, params, classes, secret, .. } = self;
        work(&Order { model, device, loaded, params, records: &records, classes, secret })
    }

    fn run(&self, from: Option<&[u8]>, watch: &mut dyn FnMut(&Halfway<'_>) -> Continue) -> Result<Trained> {
        self.order(|order| train::run(order, from, watch))
    }

    fn whole(&self) -> Trained {
        self.run(None, &mut |_| Continue::Yes).unwrap()
    }

    /// Stops after `stop` looks and keeps the checkpoint of the `kept`-th of them; none where the run came to its end.
    fn stopped(&self, from: Option<&[u8]>, kept: usize, stop: usize) -> std::result::Result<Vec<u8>, Box<Trained>> {
        let (mut looks, mut checkpoint) = (0, Vec::new());
        let ended = self.run(from, &mut |halfway| {
            looks += 1;
            if looks == kept {
                checkpoint = halfway.bytes();
            }
            if looks == stop { Continue::No } else { Continue::Yes }
        });
        match ended {
            Ok(trained) => Err(Box::new(trained)),
            Err(Error::Stopped { .. }) => Ok(checkpoint),
            Err(other) => panic!("{other}"),
        }
    }

    /// Runs in pieces: each goes on from a checkpoint of the one before, which went on a little after it.
    fn in_pieces(&self, kept: usize, lost: usize) -> Trained {
        let mut checkpoint = None;
        for _ in 0..1_000 {
            match self.stopped(checkpoint.as_deref(), kept, kept + lost) {
                Ok(next) => checkpoint = Some(next),
                Err(trained) => return *trained,
            }
        }
        panic!("it never ends");
    }
}

fn private(params: Params) -> Params {
    let privacy = Privacy { epsilon_micro: 3_000_000, clip: 0.5, evaluation_noise: Some(20.0) };
    Params { privacy: Some(privacy), ..params }
}

/// 140 records are measured in two batches, so that the last measurement is interrupted, too.
#[test]
fn run_in_pieces_gives_the_bytes_of_a_whole_one() {
    for params in [adapters(), head_only(), private(adapters()), private(head_only())] {
        let ground = Ground::new(Params { epochs: 3, batch: 20, ..params }, 140);
        let whole = ground.whole();
        assert_eq!(whole.adapters.is_some(), ground.params.adapters.is_some());
        for (kept, lost) in [(1, 0), (1, 1), (2, 0), (3, 2), (7, 0), (20, 0)] {
            assert!(ground.in_pieces(kept, lost) == whole, "{kept} {lost} {:?}", ground.params);
        }
    }
}

#[test]
fn run_in_pieces_gives_the_bytes_of_a_whole_one_on_a_graphics_adapter() {
    let few = Adapters { rank: 1, alpha: 2.0, targets: vec![Target::Value] };
    let params = Params { adapters: Some(few), epochs: 2, batch: 10, ..adapters() };
    let ground = Ground::on(Choice::Gpu, params, 20);
    assert!(ground.in_pieces(2, 1) == ground.whole());
}

#[test]
fn run_that_goes_on_does_only_the_steps_that_are_left() {
    let ground = Ground::new(adapters(), 40);
    let checkpoint = ground.stopped(None, 3, 5).unwrap();
    assert_eq!(ground.order(|order| train::check(order, &checkpoint)).unwrap(), 3);
    let mut heard = Vec::new();
    let mut watch = |halfway: &Halfway<'_>| {
        heard.push((halfway.steps(), halfway.done(), halfway.total()));
        Continue::Yes
    };
    ground.run(Some(&checkpoint), &mut watch).unwrap();
    let steps = (4..=25).map(|step| (step, step, 26)).chain([(25, 26, 26)]);
    assert_eq!(heard, steps.collect::<Vec<_>>());
}

#[test]
fn run_that_is_stopped_returns_nothing_but_what_it_handed_over() {
    let ground = Ground::new(adapters(), 40);
    let mut looks = 0;
    let stopped = ground.run(None, &mut |_| {
        looks += 1;
        if looks == 3 { Continue::No } else { Continue::Yes }
    });
    assert!(matches!(stopped, Err(Error::Stopped { done: 3, total: 26 })));
}

#[test]
fn checkpoint_has_the_stated_size_at_most() {
    for params in [adapters(), head_only()] {
        let ground = Ground::new(Params { epochs: 1, batch: 20, ..params }, 140);
        let shape = train::Shape::new(&ground.params, ground.model.layers(), ground.model.dimension(), 2);
        let mut largest = 0;
        let mut watch = |halfway: &Halfway<'_>| {
            largest = largest.max(halfway.bytes().len() as u64);
            Continue::Yes
        };
        ground.run(None, &mut watch).unwrap();
        assert!(largest > 0 && largest <= shape.checkpoint_bytes(140), "{largest}");
    }
}

#[test]
fn checkpoint_of_anything_else_is_refused() {
    type Change = fn(&mut Ground);
    let changes: [(&str, Change); 9] = [
        ("seed", |ground| ground.params.seed = 1),
        ("rate", |ground| ground.params.rate = 2e-2),
        ("epochs", |ground| ground.params.epochs = 6),
        ("privacy", |ground| ground.params = private(ground.params.clone())),
        ("class", |ground| ground.classes[1].push('x')),
        ("record", |ground| ground.rows[7] = rows(["e e e"]).remove(0)),
        ("label", |ground| ground.labels[7] = Some(0)),
        ("fewer records", |ground| ground.rows.truncate(39)),
        ("secret", |ground| ground.secret = [8; 32]),
    ];
    for params in [adapters(), head_only()] {
        let checkpoint = Ground::new(params.clone(), 40).stopped(None, 3, 3).unwrap();
        for (name, change) in changes {
            let mut ground = Ground::new(params.clone(), 40);
            change(&mut ground);
            ground.labels.truncate(ground.rows.len());
            let refused = ground.run(Some(&checkpoint), &mut |_| panic!("a step was done"));
            assert!(matches!(refused, Err(Error::Checkpoint { .. })), "{name}: {refused:?}");
        }
    }
    let checkpoint = Ground::new(head_only(), 40).stopped(None, 3, 3).unwrap();
    let mut other = Ground::new(head_only(), 40);
    let mut model = tiny();
    model.set("encoder.layer.0.output.dense.bias", &[8], &[0.125; 8]);
    let folder = model.write();
    other.model = Model::open(folder.path()).unwrap();
    assert!(matches!(other.order(|order| train::check(order, &checkpoint)), Err(Error::Checkpoint { .. })));
}

#[test]
fn checkpoint_that_was_altered_is_refused_or_never_read_past_its_end() {
    let ground = Ground::new(adapters(), 40);
    let checkpoint = ground.stopped(None, 3, 3).unwrap();
    ground.order(|order| {
        let refused = |bytes: &[u8]| matches!(train::check(order, bytes), Err(Error::Checkpoint { .. }));
        for length in [0, 1, 31, 32, 40, 48, checkpoint.len() - 1] {
            assert!(refused(&checkpoint[..length]), "{length}");
        }
        for at in 0..48 {
            let mut altered = checkpoint.clone();
            altered[at] ^= 0x81;
            assert!(refused(&altered), "{at}");
        }
    });
}
