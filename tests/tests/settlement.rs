//! Real proofs against the real escrow: every tier and circuit pays, and a proof pays for nothing but its own job.
//!
//! `ZK_CASES` is how many cases of each circuit are drawn at random, from the seed `ZK_SEED`; with more than ten of them the
//! largest tier is filled as well.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, Field, PrimeField};
use provenance::chain::client::Registration;
use provenance::chain::{JobState, U256, keccak256};
use tests::stage::{Stage, field};
use zk::keys::VerifyingKey;
use zk::merkle::Tier;
use zk::proof::{Proof, verify};

#[tokio::test]
async fn each_tier_settles_and_pays() {
    let stage = Stage::open().await;
    // One more record than the tier below holds.
    for (tier, count) in [(Tier::Small, 9), (Tier::Medium, 513), (Tier::Large, 32_769)] {
        let work = stage.work(tier, count).await;
        let license = stage.license(&work, 1).await;
        let drawn = stage.drawn(&work, license, 1).await;
        let proof = work.prove(&drawn.statement);
        let sent = stage.chain.settle(&stage.owner, drawn.job, &proof.to_words(), drawn.key).await.expect("settled");
        println!("tier {}: {count} records, settled with {} gas", tier.name(), sent.gas_used);
        let job = stage.chain.job(drawn.job).await.expect("a job");
        assert_eq!(job.state, JobState::Settled);
        assert_eq!(stage.chain.settling_proof(&job).await.expect("the proof"), proof.to_words());
    }
    let token = stage.chain.profile().currencies[0].token;
    let (paid, _) = stage.chain.withdraw(&stage.owner, token).await.expect("withdrawn");
    assert_eq!(paid, U256::from(3_000_000));
}

#[tokio::test]
async fn statistic_settles_and_pays() {
    let stage = Stage::open().await;
    let work = stage.work(Tier::Small, 40).await;
    let license = stage.license(&work, 2).await;
    let rows = stage.drawn(&work, license, 1).await;
    let asked = stage.asked(&work, license, 2).await;
    let proof = work.prove_answer(&asked.statement);
    let settle = async |job, words: &[[u8; 32]; 8], key| stage.chain.settle(&stage.owner, job, words, key).await;

    // Each circuit has its own verifier: neither proof settles the other's job, nor one about another answer its own.
    settle(rows.job, &proof.to_words(), rows.key).await.expect_err("a statistic's proof for rows");
    let bound = work.prove(&rows.statement);
    settle(asked.job, &bound.to_words(), asked.key).await.expect_err("a proof of rows for a statistic");
    let mut words = proof.to_words();
    words.swap(0, 6);
    settle(asked.job, &words, asked.key).await.expect_err("a changed proof");

    let sent = settle(asked.job, &proof.to_words(), asked.key).await.expect("settled");
    println!("statistic: 40 records, settled with {} gas", sent.gas_used);
    assert_eq!(stage.chain.job(asked.job).await.expect("a job").state, JobState::Settled);
    settle(rows.job, &bound.to_words(), rows.key).await.expect("settled");
    let token = stage.chain.profile().currencies[0].token;
    let (paid, _) = stage.chain.withdraw(&stage.owner, token).await.expect("withdrawn");
    assert_eq!(paid, U256::from(2_000_000));
}

#[tokio::test]
async fn statistic_over_a_larger_tier_is_not_taken() {
    let stage = Stage::open().await;
    let work = stage.work(Tier::Medium, 513).await;
    let license = stage.license(&work, 1).await;
    let spec = provenance::chain::B256::repeat_byte(7);
    let refused = stage.chain.request(&stage.buyer, license, 1, spec, U256::from(1)).await.expect_err("no verifier");
    assert!(refused.to_string().contains("no verifier"), "{refused}");
}

#[tokio::test]
async fn proof_pays_for_nothing_but_its_own_job() {
    let stage = Stage::open().await;
    let work = stage.work(Tier::Small, 40).await;
    let license = stage.license(&work, 2).await;
    let first = stage.drawn(&work, license, 1).await;
    let second = stage.drawn(&work, license, 2).await;
    let proof = work.prove(&first.statement);
    let settle = async |job, words: &[[u8; 32]; 8], key| stage.chain.settle(&stage.owner, job, words, key).await;

    // For the other job, though dataset, output and owner are the same.
    let refused = settle(second.job, &proof.to_words(), second.key).await.expect_err("another job's proof");
    assert!(refused.to_string().contains("proof"), "{refused}");
    // With the other job's key.
    settle(first.job, &proof.to_words(), second.key).await.expect_err("another package's key");
    // With one bit changed.
    let mut words = proof.to_words();
    words[0][31] ^= 1;
    settle(first.job, &words, first.key).await.expect_err("a changed proof");

    // Bound to another payee, contract or chain: proofs that verify, for a context that is not this one.
    let job = stage.chain.job(first.job).await.expect("a job");
    let output = job.commitment.expect("a commitment").output;
    let contexts = other_contexts(&stage, &job.details, &output, first.job);
    for (name, context) in contexts {
        let mut statement = first.statement;
        statement.context = field(context);
        let foreign = work.prove(&statement);
        let pinned = VerifyingKey::pinned(Tier::Small).expect("a key");
        verify(&pinned, &statement, &foreign).expect("it shows its own statement");
        settle(first.job, &foreign.to_words(), first.key).await.expect_err(name);
    }

    // The untampered twin is accepted, once.
    settle(first.job, &proof.to_words(), first.key).await.expect("settled");
    settle(first.job, &proof.to_words(), first.key).await.expect_err("settled twice");
    // Nor by another proof that the owner makes of the same statement.
    let again = work.prove(&first.statement);
    assert_ne!(again.to_words(), proof.to_words());
    settle(first.job, &again.to_words(), first.key).await.expect_err("settled twice, with other bytes");
}

/// A number below `end` for this case of `ZK_SEED`.
fn drawn_at_random(case: u64, end: u64) -> u64 {
    let seed = number_from("ZK_SEED", 1);
    let digest = keccak256([seed.to_be_bytes(), case.to_be_bytes()].concat()).0;
    u64::from_be_bytes(digest[..8].try_into().expect("eight bytes")) % end
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Proves that these rows are bound, here and on-chain.
async fn rows_settle(stage: &Stage, tier: Tier, count: u64, seed: u64) {
    let work = stage.seeded_work(tier, count, seed).await;
    let license = stage.license(&work, 1).await;
    let drawn = stage.drawn(&work, license, 1).await;
    let proof = work.prove(&drawn.statement);
    verify(&VerifyingKey::pinned(tier).expect("a key"), &drawn.statement, &proof).expect("proven");
    stage.chain.settle(&stage.owner, drawn.job, &proof.to_words(), drawn.key).await.expect("settled");
}

#[tokio::test]
async fn rows_of_any_count_settle() {
    let (stage, cases) = (Stage::open().await, number_from("ZK_CASES", 1));
    let mut full =
        vec![(Tier::Small, 1), (Tier::Small, 8), (Tier::Small, 9), (Tier::Small, 512), (Tier::Medium, 32_768)];
    if cases > 10 {
        full.push((Tier::Large, Tier::Large.capacity()));
    }
    for (tier, count) in &full {
        rows_settle(&stage, *tier, *count, 1).await;
    }
    for case in 0..cases {
        let (tier, count) = match case % 3 {
            0 => (Tier::Small, 1 + drawn_at_random(case, 512)),
            1 => (Tier::Medium, 513 + drawn_at_random(case, 32_256)),
            _ => (Tier::Large, 32_769 + drawn_at_random(case, 100_000)),
        };
        rows_settle(&stage, tier, count, 2 + case).await;
    }
    println!(
        "rows: {} chosen counts and {cases} random ones, seed {}: all settled",
        full.len(),
        number_from("ZK_SEED", 1)
    );
}

#[tokio::test]
async fn statistics_of_any_count_settle() {
    let (stage, cases) = (Stage::open().await, number_from("ZK_CASES", 1));
    let random = (0..cases).map(|case| (1 + drawn_at_random(1_000 + case, 512), 2 + case));
    for (count, seed) in [(1, 1), (512, 1)].into_iter().chain(random) {
        let work = stage.seeded_work(Tier::Small, count, seed).await;
        let license = stage.license(&work, 1).await;
        let asked = stage.asked(&work, license, 1).await;
        let proof = work.prove_answer(&asked.statement);
        verify(&VerifyingKey::pinned(zk::Circuit::Statistic).expect("a key"), &asked.statement, &proof)
            .expect("proven");
        stage.chain.settle(&stage.owner, asked.job, &proof.to_words(), asked.key).await.expect("settled");
    }
    println!("statistics: 2 chosen counts and {cases} random ones, seed {}: all settled", number_from("ZK_SEED", 1));
}

#[tokio::test]
async fn dataset_of_no_records_is_refused() {
    let stage = Stage::open().await;
    let registration = |count| Registration {
        manifest: keccak256("nothing"),
        root: U256::from(1),
        count,
        tier: 0,
        owner_commitment: U256::from(1),
    };
    let refused = stage.chain.register(&stage.owner, &registration(0)).await.expect_err("no records");
    println!("{refused}");
    stage.chain.register(&stage.owner, &registration(513)).await.expect_err("more than the tier holds");
    stage.chain.register(&stage.owner, &registration(512)).await.expect("as many as the tier holds");
}

/// Another proof of the same statement, made without its witness: `A/a`, `a·B + a·b·delta`, `C + b·A`, which the verifier's
/// equation cannot tell from the first (Bowe and Gabizon, 2018/187).
fn rerandomized(proof: &Proof, key: &VerifyingKey, [a, b]: [Fr; 2]) -> Proof {
    let words = proof.to_words();
    let number = |word: &[u8; 32]| Fq::from_be_bytes_mod_order(word);
    let g1 = |words: &[[u8; 32]]| G1Affine::new(number(&words[0]), number(&words[1]));
    let g2 = |words: &[[u8; 32]]| {
        G2Affine::new(Fq2::new(number(&words[1]), number(&words[0])), Fq2::new(number(&words[3]), number(&words[2])))
    };
    let (first, second, third) = (g1(&words[..2]), g2(&words[2..6]), g1(&words[6..]));
    // The key's words are alpha, beta, gamma and delta, two and three times four of them.
    let delta = g2(&zk::solidity::key_words(key)[10..14]);
    let second = (second * a + delta * (a * b)).into_affine();
    let third = (third + first * b).into_affine();
    let first = (first * a.inverse().expect("not zero")).into_affine();
    let word = |number: Fq| -> [u8; 32] { number.into_bigint().to_bytes_be().try_into().expect("32 bytes") };
    let (x, y) = second.xy().expect("not infinity");
    let words = [first.x, first.y, x.c1, x.c0, y.c1, y.c0, third.x, third.y].map(word);
    Proof::from_words(&words).expect("points of the right groups")
}

#[tokio::test]
async fn rerandomized_proof_settles_once() {
    let stage = Stage::open().await;
    let work = stage.work(Tier::Small, 40).await;
    let license = stage.license(&work, 2).await;
    let (first, second) = (stage.drawn(&work, license, 1).await, stage.drawn(&work, license, 2).await);
    let key = VerifyingKey::pinned(Tier::Small).expect("a key");
    let proof = work.prove(&first.statement);
    let settle = async |job, proof: &Proof, key| stage.chain.settle(&stage.owner, job, &proof.to_words(), key).await;

    let made = [[2u64, 3], [5, 7], [11, 13]].map(|factors| rerandomized(&proof, &key, factors.map(Fr::from)));
    for (place, other) in made.iter().enumerate() {
        let parts = |proof: &Proof| {
            let words = proof.to_words();
            [words[0], words[2], words[6]]
        };
        assert!(parts(other).iter().zip(parts(&proof)).all(|(new, old)| *new != old));
        verify(&key, &first.statement, other).expect("proven natively");
        verify(&key, &second.statement, other).expect_err("another job's statement");
        let refused = settle(second.job, other, second.key).await.expect_err("another job");
        assert!(refused.to_string().contains("proof"), "{place}: {refused}");
    }

    // The escrow takes one of them, whoever made it, and then neither the first proof nor another made from it.
    settle(first.job, &made[0], first.key).await.expect("settled by a proof made from the owner's");
    assert_eq!(stage.chain.job(first.job).await.expect("a job").state, JobState::Settled);
    for again in [&made[0], &proof, &made[1], &made[2]] {
        let refused = settle(first.job, again, first.key).await.expect_err("settled twice");
        assert!(!refused.to_string().contains("proof"), "for its state, not for its bytes: {refused}");
    }
    let token = stage.chain.profile().currencies[0].token;
    let (paid, _) = stage.chain.withdraw(&stage.owner, token).await.expect("withdrawn");
    assert_eq!(paid, U256::from(1_000_000), "paid once");
}

fn other_contexts(
    stage: &Stage,
    details: &provenance::chain::Job,
    output: &provenance::chain::Output,
    job: provenance::chain::B256,
) -> Vec<(&'static str, U256)> {
    use provenance::ids::Context;
    let profile = stage.chain.profile();
    let own = || Context {
        chain_id: profile.chain_id,
        escrow: profile.escrow,
        job: job.0,
        license: details.license.0,
        spec: details.spec.0,
        output_digest: output.outputDigest.0,
        key_hash: output.keyHash.0,
        payee: details.owner,
    };
    let number = |context: Context| U256::from_be_bytes(context.word());
    assert_eq!(number(own()), stage.chain.context(job, details, output), "the twin is this job's own context");
    vec![
        ("another payee", number(Context { payee: stage.buyer.address(), ..own() })),
        ("another contract", number(Context { escrow: profile.licenses, ..own() })),
        ("another chain", number(Context { chain_id: profile.chain_id + 1, ..own() })),
    ]
}
