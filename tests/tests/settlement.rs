//! Real proofs against the real escrow: every tier and circuit pays, and a proof pays for nothing but its own job.

use provenance::chain::{JobState, U256};
use tests::stage::{Stage, field};
use zk::merkle::Tier;

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
        let pinned = zk::keys::VerifyingKey::pinned(Tier::Small).expect("a key");
        zk::proof::verify(&pinned, &statement, &foreign).expect("it shows its own statement");
        settle(first.job, &foreign.to_words(), first.key).await.expect_err(name);
    }

    // The untampered twin is accepted, once.
    settle(first.job, &proof.to_words(), first.key).await.expect("settled");
    settle(first.job, &proof.to_words(), first.key).await.expect_err("settled twice");
    // Nor by another proof of the same statement, as anybody can make from the first.
    let again = work.prove(&first.statement);
    assert_ne!(again.to_words(), proof.to_words());
    settle(first.job, &again.to_words(), first.key).await.expect_err("settled twice, with other bytes");
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
