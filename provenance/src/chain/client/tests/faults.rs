//! Steps over a node that lies, reorganizes, or is asked by two devices with one wallet: done once, and never on a lie.
//!
//! `USUFRUCT_FAULT_SCHEDULES` says how many schedules run (200 without it), `USUFRUCT_FAULT_SEED` where they begin. All run;
//! each that fails names its seed, and the same seed with one schedule repeats it. `provenance/campaigns` has a long run.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use futures::FutureExt as _;
use serde_json::json;

use super::anvil::Anvil;
use super::liar::{ALL, Dice, Fault, Liar};
use super::world::{K, TOKEN, World};
use super::{Chain, Endpoint, Link, Patience, Profile, Rules, Sent, trapdoor};
use crate::chain::Signer;
use crate::chain::bindings::RewardToken;
use crate::chain::bindings::{JobEscrow, JobState};
use crate::chain::outbox::{Outbox, Standing};
use crate::{Error, Result};

/// Schedules that run beside each other, each with a node of its own.
const LANES: u64 = 4;
const PRICE: u128 = TOKEN * 5 / 2;
const PAID: u128 = TOKEN;
/// Questions to the node after which a device is cut off, at most; a run that meets no lie takes about this many.
const MOST_QUESTIONS: u64 = 250;
/// Turns that each device may take once the lies are over.
const CALM_TURNS: usize = 8;
/// Questions between two blocks: time passes with what is asked, so that a slow machine sees the same chain as a fast one.
const BLOCK_EVERY: u64 = 6;
/// Schedules between two lines about time and memory.
const TOLD_EVERY: u64 = 200;

/// A node with an accepted job on it, and a liar in front of it.
struct Ground {
    _anvil: Anvil,
    world: World,
    liar: Liar,
    job: B256,
    proof: [[u8; 32]; 8],
    /// Where the chain can be brought back to, and how high it was there. One thing at a time moves the chain.
    marks: tokio::sync::Mutex<Vec<(u64, serde_json::Value)>>,
}

impl Ground {
    async fn new(lane: u64) -> Self {
        let anvil = Anvil::start_at(1_700_000_000 + lane);
        // What moves the chain is not asked twice, and a busy machine may take its time.
        let patience = Patience { question: Duration::from_secs(600), ..Patience::default() };
        let world = super::world::on(Endpoint::HttpWithin(anvil.url.clone(), patience)).await;
        let job = world.accepted().await;
        let proof = trapdoor::proof(&world.chain, world.inputs(job).await).await;
        world.chain.faucet(&world.owner).await.unwrap();
        let liar = Liar::before(&anvil.url).await;
        let ground = Self { _anvil: anvil, world, liar, job, proof, marks: Default::default() };
        ground.tell("evm_setAutomine", (false,)).await;
        ground
    }

    fn link(&self) -> &Link {
        &self.world.chain.link
    }

    async fn tell<P: serde::Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        method: &'static str,
        params: P,
    ) -> serde_json::Value {
        let told = self.link().provider().raw_request(method.into(), params).await;
        told.unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    async fn mark(&self, marks: &mut Vec<(u64, serde_json::Value)>) {
        let height = self.world.chain.head_block().await.unwrap();
        marks.push((height, self.tell("evm_snapshot", ()).await));
    }

    async fn mine(&self, blocks: u64) {
        let mut marks = self.marks.lock().await;
        self.mark(&mut marks).await;
        self.tell("anvil_mine", (format!("{blocks:#x}"),)).await;
    }

    /// Lets blocks come while the devices ask, until it is over. Mining is never cut off: the node would go on with it while
    /// the ground is put back.
    async fn pass(&self, blocks: u64, over: &Cell<bool>) {
        let mut seen = self.liar.questions();
        while !over.get() {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let now = self.liar.questions();
            if now >= seen + BLOCK_EVERY {
                seen = now;
                self.mine(blocks).await;
            }
        }
    }

    /// Undoes at least the last `depth` blocks, with all that was waiting, and goes on with others.
    async fn reorganize(&self, depth: u64) {
        let mut marks = self.marks.lock().await;
        let head = self.world.chain.head_block().await.unwrap();
        while let Some((height, mark)) = marks.pop() {
            if height + depth <= head {
                assert_eq!(self.tell("evm_revert", (mark,)).await, json!(true));
                break;
            }
        }
        self.tell("anvil_dropAllTransactions", ()).await;
        self.tell("evm_increaseTime", (1,)).await;
        self.mark(&mut marks).await;
        self.tell("anvil_mine", (format!("{:#x}", depth + 1),)).await;
    }

    /// The start of a schedule: no reorganization reaches what was done before.
    async fn begin(&self) {
        self.marks.lock().await.clear();
        for _ in 0..7 {
            self.mine(10).await;
        }
    }

    /// The end of a schedule: all as it was.
    async fn end(&self) {
        let mut marks = self.marks.lock().await;
        let (_, first) = marks.swap_remove(0);
        assert_eq!(self.tell("evm_revert", (first,)).await, json!(true));
        self.tell("anvil_dropAllTransactions", ()).await;
    }

    /// What stands in the node's pool and in the outboxes, for a schedule that failed.
    async fn portrait(&self, devices: &[Device<'_>]) -> String {
        let owner = self.world.owner.address();
        let provider = self.link().provider();
        let used = provider.get_transaction_count(owner).latest().await.unwrap();
        let pending = provider.get_transaction_count(owner).pending().await.unwrap();
        let pool = self.tell("txpool_inspect", ()).await;
        let mut text = format!("included {used}, with those that wait {pending}; the pool: {pool:#}\n");
        for device in devices {
            let outbox = Outbox::open(&device.outbox, &[7; 32]).unwrap();
            for entry in outbox.of(&self.link().scope(owner)) {
                let hashes: Vec<B256> = entry.hashes().collect();
                text += &format!("device {}: nonce {} {:?} {hashes:?}\n", device.number, entry.nonce, entry.standing);
            }
        }
        text
    }

    async fn balance(&self, of: Address) -> U256 {
        self.world.chain.token_balance(of, self.world.token()).await.unwrap()
    }
}

/// One of the wallet's devices: a file of its own, the same key.
struct Device<'a> {
    ground: &'a Ground,
    profile: Profile,
    outbox: std::path::PathBuf,
    number: u8,
    /// How long the device waits for an answer.
    question: Duration,
    settled: bool,
    paid: bool,
    /// Everything that a call said was included.
    told: Vec<Sent>,
}

impl<'a> Device<'a> {
    fn new(ground: &'a Ground, folder: &Path, number: u8, confirmations: u64) -> Self {
        let rules = Rules {
            max_tip: 2_000_000_000,
            stuck_after: 1,
            give_up_after: 4,
            ..ground.world.chain.profile().rules.clone()
        };
        let profile = Profile { confirmations, rules, ..ground.world.chain.profile().clone() };
        let outbox = folder.join(format!("outbox{number}"));
        let question = Duration::from_millis(300);
        Self { ground, profile, outbox, number, question, settled: false, paid: false, told: Vec::new() }
    }

    async fn open(&self) -> Result<Chain> {
        let patience = Patience { question: self.question, answer: 1 << 20, tries: 3, pause: Duration::from_millis(2) };
        let endpoint = Endpoint::HttpWithin(self.ground.liar.url.clone(), patience);
        let outbox = Outbox::open(&self.outbox, &[7; 32])?;
        Ok(Chain::open(endpoint, self.profile.clone()).await?.with_outbox(outbox))
    }

    fn signer(&self) -> &Signer {
        &self.ground.world.owner
    }

    /// Who gets this device's payment, and nobody else's.
    fn friend(&self) -> Address {
        Address::repeat_byte(0x70 + self.number)
    }

    /// Everything that is to be done, as a program does it that is started again and again.
    async fn run(&mut self) -> Result<()> {
        let chain = self.open().await?;
        self.told.extend(chain.resume(self.signer()).await?);
        if !self.settled && chain.job(self.ground.job).await?.state == JobState::Accepted {
            let sent = chain.settle(self.signer(), self.ground.job, &self.ground.proof, K).await?;
            self.told.push(sent);
            self.settled = true;
        }
        // What an earlier start got done is seen on the chain.
        let token = self.ground.world.token();
        let seen = !chain.token_balance(self.friend(), token).await?.is_zero();
        if !seen && !self.paid {
            let call = RewardToken::transferCall { to: self.friend(), value: U256::from(PAID) };
            let about = [B256::repeat_byte(self.number)];
            let receipt = chain.tell(self.signer(), token, call, &about).await?;
            self.paid = true;
            self.told.push(super::link::summary(&receipt));
        }
        if !chain.claimable(self.signer().address(), self.ground.world.token()).await?.is_zero() {
            self.told.push(chain.withdraw(self.signer(), self.ground.world.token()).await?.1);
        }
        Ok(())
    }

    /// The same, cut off once the node was asked so often, as if the machine had stopped; whether it was.
    async fn run_until(&mut self, questions: u64) -> (bool, Result<()>) {
        let liar = &self.ground.liar;
        let cut = async {
            while liar.questions() < questions {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! { ran = self.run() => (false, ran), () = cut => (true, Ok(())) }
    }
}

/// Those that meet a transaction on its way and its receipt on the way back.
const SENDING: [Fault; 7] = [
    Fault::LostAnswer,
    Fault::DeniedSend,
    Fault::FakeHash,
    Fault::NullReceipt,
    Fault::FakeReceipt,
    Fault::MissingLogs,
    Fault::StaleHead,
];

/// What a schedule does, all from its seed.
#[derive(Debug)]
struct Plan {
    faults: Vec<Fault>,
    one_in: u64,
    devices: u8,
    confirmations: u64,
    rounds: u64,
    /// In this round a reorganization this deep.
    reorg: Option<(u64, u64)>,
}

impl Plan {
    fn of(dice: &mut Dice) -> Self {
        let faults: Vec<Fault> = match dice.below(4) {
            0 => ALL.to_vec(),
            1 => SENDING.to_vec(),
            _ => (0..=dice.below(3)).map(|_| dice.pick(&ALL)).collect(),
        };
        let rounds = 1 + dice.below(2);
        let reorg = (dice.below(2) == 0).then(|| (dice.below(rounds), 1 + dice.below(64)));
        let devices = 1 + dice.below(2) as u8;
        // With two devices a nonce that was given up could come back where less is waited for than is undone.
        let confirmations = match (devices, reorg) {
            (2, Some((_, depth))) => depth,
            _ => dice.below(3),
        };
        let one_in = if faults == SENDING { 2 } else { 3 + dice.below(30) };
        Self { faults, one_in, devices, confirmations, rounds, reorg }
    }
}

/// How a schedule went.
#[derive(Debug, Default)]
struct Tally {
    reorgs: u64,
    cuts: u64,
    whole: u64,
    refusals: u64,
    answers: u64,
}

async fn schedule(ground: &Ground, seed: u64) -> Tally {
    let mut dice = Dice(seed);
    let plan = Plan::of(&mut dice);
    let first = ground.world.chain.head_block().await.unwrap();
    ground.begin().await;
    let folder = tempfile::tempdir().unwrap();
    let owner = ground.world.owner.address();
    let before = ground.balance(owner).await;
    let mut devices: Vec<Device> =
        (0..plan.devices).map(|number| Device::new(ground, folder.path(), number, plan.confirmations)).collect();
    let mut tally = Tally::default();
    for round in 0..plan.rounds {
        ground.liar.lie(dice.next(), &plan.faults, plan.one_in);
        let reorg = plan.reorg.filter(|(when, _)| *when == round).map(|(_, depth)| depth);
        lying(ground, &mut devices, &plan, reorg, &mut dice, &mut tally).await;
    }
    ground.liar.tell_the_truth();
    calm(ground, &mut devices, &plan, seed).await;
    check(ground, &devices, &plan, before, first, seed).await;
    ground.end().await;
    tally
}

/// One round: all devices at once over the liar, blocks passing, perhaps a reorganization in the middle.
async fn lying(
    ground: &Ground,
    devices: &mut [Device<'_>],
    plan: &Plan,
    reorg: Option<u64>,
    dice: &mut Dice,
    tally: &mut Tally,
) {
    let known: Vec<usize> = devices.iter().map(|device| device.told.len()).collect();
    let asked = ground.liar.questions();
    let limits: Vec<u64> = devices.iter().map(|_| asked + 5 + dice.below(MOST_QUESTIONS)).collect();
    let (when, over) = (asked + dice.below(MOST_QUESTIONS), Cell::new(false));
    let running = async {
        let runs = devices.iter_mut().zip(&limits).map(|(device, limit)| device.run_until(*limit));
        let ran = futures::future::join_all(runs).await;
        over.set(true);
        ran
    };
    let undoing = async {
        if let Some(depth) = reorg {
            while ground.liar.questions() < when && !over.get() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            ground.reorganize(depth).await;
        }
    };
    let (results, (), ()) = futures::join!(running, undoing, ground.pass(1 + plan.confirmations, &over));
    tally.reorgs += u64::from(reorg.is_some());
    for (cut, result) in results {
        match result {
            Ok(()) if cut => tally.cuts += 1,
            Ok(()) => tally.whole += 1,
            Err(Error::Reverted { .. } | Error::Network(_) | Error::Refused(_) | Error::WrongNetwork(_)) => {
                tally.refusals += 1
            }
            Err(Error::Integrity(_) | Error::Invalid(_) | Error::NotFound(_)) => tally.refusals += 1,
            Err(other) => panic!("{other}"),
        }
    }
    if reorg.is_none() {
        for (device, known) in devices.iter().zip(known) {
            for sent in &device.told[known..] {
                let receipt = ground.link().provider().get_transaction_receipt(sent.tx).await.unwrap();
                let receipt = receipt.unwrap_or_else(|| panic!("{sent:?} was told and is not in the chain"));
                assert_eq!(super::link::summary(&receipt), *sent, "a lie was believed");
                tally.answers += 1;
            }
        }
    }
}

/// The node tells the truth; everything gets done now.
async fn calm(ground: &Ground, devices: &mut [Device<'_>], plan: &Plan, seed: u64) {
    let mut turn = 0;
    loop {
        let mut done = true;
        turn += 1;
        for number in 0..devices.len() {
            let device = &mut devices[number];
            device.question = Duration::from_secs(10);
            let over = Cell::new(false);
            let running = async {
                let ran = device.run().await;
                over.set(true);
                ran
            };
            let (ran, ()) = futures::join!(running, ground.pass(1 + plan.confirmations, &over));
            done &= ran.is_ok();
            if turn > CALM_TURNS {
                panic!("seed {seed}: {plan:?}: {ran:?}\n{}", ground.portrait(devices).await);
            }
        }
        if done {
            return;
        }
    }
}

/// Everything happened once.
async fn check(ground: &Ground, devices: &[Device<'_>], plan: &Plan, before: U256, first: u64, seed: u64) {
    let (chain, owner) = (&ground.world.chain, ground.world.owner.address());
    let count = devices.len() as u64;
    let spent = U256::from(PAID) * U256::from(count);
    for device in devices {
        let paid = ground.balance(device.friend()).await;
        if paid != U256::from(PAID) {
            let (number, told) = (device.number, &device.told);
            let portrait = ground.portrait(devices).await;
            panic!("seed {seed}: {plan:?}: device {number} paid {paid}, and was told {told:#?}\n{portrait}");
        }
    }
    assert_eq!(
        ground.balance(owner).await,
        before + U256::from(PRICE) - spent,
        "seed {seed}: a claim is lost or doubled"
    );
    assert_eq!(chain.job(ground.job).await.unwrap().state, JobState::Settled, "seed {seed}");
    let withdrawn = chain
        .events(first)
        .await
        .unwrap()
        .0
        .into_iter()
        .filter(|event| matches!(&event.fact, super::Fact::Job(JobEscrow::JobEscrowEvents::Withdrawn(_))));
    assert_eq!(withdrawn.count(), 1, "seed {seed}");
    let used = ground.link().provider().get_transaction_count(owner).await.unwrap();
    for device in devices {
        let outbox = Outbox::open(&device.outbox, &[7; 32]).unwrap();
        for entry in outbox.of(&ground.link().scope(owner)) {
            let waits = entry.standing == Standing::Open && entry.nonce >= used;
            assert!(!waits, "seed {seed}: nonce {} of {used} still waits", entry.nonce);
            for signed in &entry.signed {
                // No fee that was made up was ever signed.
                let tip = signed.max_priority_fee_per_gas().unwrap();
                assert!(tip < 2_500_000_000, "seed {seed}: a tip of {tip} wei");
            }
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

/// Resident memory of this process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_of_lies_reorganizations_and_restarts_end_with_everything_done_once() {
    let (count, first) = (setting("USUFRUCT_FAULT_SCHEDULES", 200), setting("USUFRUCT_FAULT_SEED", 1));
    let lanes = LANES.min(count);
    let mut grounds = Vec::new();
    for lane in 0..lanes {
        grounds.push(Ground::new(lane).await);
    }
    let (start, done) = (Instant::now(), Cell::new(0));
    let lane = async |lane: u64, ground: &mut Ground| {
        let (mut tallies, mut failed, mut early) = (Vec::new(), Vec::new(), 0);
        for seed in (first + lane..first + count).step_by(lanes as usize) {
            match AssertUnwindSafe(schedule(ground, seed)).catch_unwind().await {
                Ok(tally) => tallies.push(tally),
                // What it left behind is no ground for another.
                Err(_) => {
                    println!("seed {seed} failed");
                    failed.push(seed);
                    *ground = Ground::new(lane).await;
                }
            }
            done.set(done.get() + 1);
            if done.get() % TOLD_EVERY == 0 {
                println!("{} schedules, {} s, {} KiB", done.get(), start.elapsed().as_secs(), memory());
            }
            if tallies.len() == 5 {
                early = memory();
            }
        }
        (tallies, failed, early)
    };
    let running = grounds.iter_mut().enumerate().map(|(number, ground)| lane(number as u64, ground));
    let all = futures::future::join_all(running).await;
    let early = all.iter().map(|(_, _, early)| *early).max().unwrap_or_default();
    let late = memory();
    let sum = |part: fn(&Tally) -> u64| all.iter().flat_map(|(tallies, ..)| tallies).map(part).sum::<u64>();
    let told: Vec<String> = ALL
        .iter()
        .map(|fault| format!("{fault:?} {}", grounds.iter().map(|ground| ground.liar.told(*fault)).sum::<u64>()))
        .collect();
    println!("schedules {count} from seed {first} in {} s", start.elapsed().as_secs());
    println!("questions {}", grounds.iter().map(|ground| ground.liar.questions()).sum::<u64>());
    println!("lies: {}", told.join(", "));
    println!(
        "reorganizations {}, runs cut off {}, runs whole {}, runs refused {}, answers checked {}",
        sum(|t| t.reorgs),
        sum(|t| t.cuts),
        sum(|t| t.whole),
        sum(|t| t.refusals),
        sum(|t| t.answers)
    );
    let failed: Vec<u64> = all.iter().flat_map(|(_, failed, _)| failed.iter().copied()).collect();
    assert!(failed.is_empty(), "these seeds failed: {failed:?}");
    println!("double claims 0, lost claims 0, accepted lies 0");
    println!("memory {early} KiB early, {late} KiB at the end");
    assert!(early == 0 || late < early + 64 * 1024, "memory grew from {early} to {late} KiB");
}
