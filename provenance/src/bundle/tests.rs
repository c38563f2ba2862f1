use super::*;
use crate::chain::bindings::JobEscrow::{JobCommitted, JobDrawn, JobRequested, JobSettled};
use crate::chain::bindings::{Commitment, Job, Output};
use crate::chain::facts::LogFact;
use crate::chain::typed::Domain;
use crate::chain::{B256, Bytes};
use crate::cid::Cid;
use crate::exchange::key_hash;
use crate::ids::{Context, challenge, dataset_id, job_id, license_id};
use crate::manifest::{CIRCUIT, Manifest};
use crate::offer::Offer;
use crate::offer::tests::signer;
use crate::receipt::Receipt;
use crate::terms::{Action, Amount, Preset};

const CHAIN: u64 = 31337;
const REGISTRY: Address = Address::repeat_byte(0x11);
const ESCROW: Address = Address::repeat_byte(0xe5);
const COIN: Address = Address::repeat_byte(0xcc);
const KEY: [u8; 32] = [0x77; 32];

fn manifest() -> Manifest {
    Manifest { owner: signer(1).address(), ..crate::manifest::tests::manifest() }
}

fn offer(dataset: [u8; 32]) -> SignedOffer {
    let offer = Offer {
        dataset,
        terms: Preset::EmbeddingsNonCommercial.terms(Amount::tokens(2), COIN),
        licensee: None,
        max_licenses: 3,
        valid_until: 1_900_000_000,
        nonce: U256::from(4),
    };
    offer.sign(&signer(1), Domain { chain_id: CHAIN, contract: REGISTRY }).unwrap()
}

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

const SPEC: [u8; 32] = [0x55; 32];
const COMMIT: u64 = 20;
const SETTLE: u64 = 23;

fn output(receipt: &Receipt) -> Output {
    Output {
        outputRoot: U256::from_be_bytes(receipt.output_root),
        outputDigest: receipt.output_digest.into(),
        keyHash: key_hash(&KEY).into(),
        outputCid: B256::repeat_byte(0x66),
    }
}

fn settled_event(receipt: &Receipt) -> JobSettled {
    JobSettled {
        job: receipt.job.into(),
        dataset: receipt.dataset.into(),
        owner: signer(1).address(),
        currency: COIN,
        amount: receipt.amount.units(),
        k: KEY.into(),
        receiptHash: receipt.hash().into(),
        head: B256::repeat_byte(0x99),
    }
}

/// What a proof shows was logged.
fn logged(fact: &LogFact) -> LoggedEvent {
    let log = fact.check().unwrap().0.data;
    LoggedEvent { topics: log.topics().iter().map(|topic| topic.0).collect(), data: log.data.to_vec() }
}

/// What the chain logged for this receipt, in made-up blocks.
fn proofs(receipt: &Receipt) -> JobFacts {
    let (job, dataset): (B256, B256) = (receipt.job.into(), receipt.dataset.into());
    let details = Job {
        license: receipt.license.into(),
        dataset,
        owner: signer(1).address(),
        licensee: signer(2).address(),
        currency: COIN,
        amount: receipt.amount.units(),
        action: receipt.action.bit(),
        spec: receipt.spec.into(),
        version: receipt.version,
        root: U256::from_be_bytes(receipt.root),
        count: receipt.records,
        tier: 0,
        ownerCommitment: U256::from(1),
        runBy: 1_800_001_000,
        acceptWithin: 3600,
        settleBy: 1_800_100_000,
    };
    let license = details.license;
    let commitment =
        Commitment { output: output(receipt), atBlock: COMMIT, acceptBy: 1_800_005_000, challenge: U256::ZERO };
    let by = signer(1).address();
    let committed = LogFact::made_up(COMMIT, ESCROW, &JobCommitted { job, dataset, by, commitment });
    let challenge = U256::from_be_bytes(challenge(&committed.block_hash().0, &receipt.job));
    JobFacts {
        chain_id: CHAIN,
        escrow: ESCROW,
        job,
        requested: LogFact::made_up(18, ESCROW, &JobRequested { job, license, dataset, details }),
        drawn: LogFact::made_up(21, ESCROW, &JobDrawn { job, challenge }),
        settled: LogFact::made_up(SETTLE, ESCROW, &settled_event(receipt)),
        committed,
    }
}

impl Bundle {
    /// What the chain says of the receipt as it is now.
    fn relogged(&mut self) {
        let proofs = proofs(&self.receipt.receipt);
        self.argument.statement[5] = challenge(&proofs.committed.block_hash().0, &self.receipt.receipt.job);
        self.chain.commit_block_hash = proofs.committed.block_hash().0;
        self.chain.settle_block_hash = proofs.settled.block_hash().0;
        self.chain.settle_tx = proofs.settled.tx.0;
        self.chain.settled = logged(&proofs.settled);
        self.chain.proofs = proofs;
    }
}

/// A bundle in which everything holds (but for the proof, which is not looked at here).
fn bundle() -> Bundle {
    let manifest = manifest();
    let bytes = manifest.to_bytes().unwrap();
    let first_manifest = Cid::raw(&bytes).digest();
    let dataset = dataset_id(manifest.owner, &first_manifest);
    let offer = offer(dataset);
    let licensee = signer(2).address();
    let (license_nonce, job_nonce, spec) = (U256::from(8), U256::from(9), SPEC);
    let license = license_id(&offer.digest(), licensee, license_nonce);
    let receipt = Receipt {
        license,
        job: job_id(&license, &spec, job_nonce),
        dataset,
        version: 1,
        root: manifest.root,
        spec,
        action: Action::Embed,
        records: manifest.records,
        output_root: [6; 32],
        output_digest: [7; 32],
        amount: Amount::tokens(2),
    };
    let proofs = proofs(&receipt);
    let settled = logged(&proofs.settled);
    let (job, output_digest) = (receipt.job, receipt.output_digest);
    let escrow = Domain { chain_id: CHAIN, contract: ESCROW };
    let signed = receipt.sign(&signer(1), escrow).unwrap().acknowledge(&signer(2)).unwrap();
    let payee = manifest.owner;
    let context =
        Context { chain_id: CHAIN, escrow: ESCROW, job, license, spec, output_digest, key_hash: key_hash(&KEY), payee };
    let drawn = challenge(&proofs.committed.block_hash().0, &job);
    Bundle {
        first_manifest,
        legal_text: Preset::EmbeddingsNonCommercial.legal_text().into(),
        offer,
        symbol: "USU".into(),
        odrl_offer: String::new(),
        odrl_agreement: String::new(),
        receipt: signed,
        licensee,
        license_nonce: Some(license_nonce),
        job_nonce: Some(job_nonce),
        argument: Argument {
            circuit: CIRCUIT.into(),
            tier: manifest.tier,
            statement: [
                manifest.root,
                word(manifest.records),
                manifest.owner_commitment,
                [6; 32],
                context.word(),
                drawn,
            ],
            proof: [[1; 32]; 8],
        },
        chain: ChainFacts {
            chain_id: CHAIN,
            datasets: Address::repeat_byte(0x12),
            licenses: REGISTRY,
            escrow: ESCROW,
            key_hash: key_hash(&KEY),
            commit_block: COMMIT,
            commit_block_hash: proofs.committed.block_hash().0,
            settle_tx: proofs.settled.tx.0,
            settle_block: SETTLE,
            settle_block_hash: proofs.settled.block_hash().0,
            settled,
            proofs,
        },
        manifest: bytes,
    }
    .with_odrl()
}

#[test]
fn bundle_survives_storage_and_holds() {
    let bundle = bundle();
    let bytes = bundle.to_bytes().unwrap();
    let read = Bundle::from_bytes(&bytes).unwrap();
    assert_eq!(read, bundle);
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let checks = read.checks();
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.ok).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(is_valid(&checks) && checks.len() == 24, "{}", checks.len());
    assert!(bytes.len() < 64 * 1024, "{}", bytes.len());
}

#[test]
fn chain_facts_stand_as_asserted() {
    let asserted: Vec<&str> =
        bundle().checks().iter().filter(|check| check.standing == Standing::Asserted).map(|check| check.name).collect();
    assert_eq!(asserted, ["statement challenge", "settlement event", "settlement"]);
}

#[test]
fn unknown_nonces_leave_ids_asserted() {
    let bundle = Bundle { license_nonce: None, job_nonce: None, ..bundle() };
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes().unwrap()).unwrap(), bundle);
    for check in bundle.checks().iter().filter(|check| check.name == "license id" || check.name == "job id") {
        assert!(check.ok && check.standing == Standing::Asserted, "{check:?}");
    }
}

#[test]
fn silent_licensee_shows_as_unacknowledged() {
    let mut bundle = bundle();
    bundle.receipt.acknowledgement = None;
    let checks = bundle.checks();
    let check = checks.iter().find(|check| check.name == "acknowledgement").unwrap();
    assert!(check.ok && check.standing == Standing::Asserted && check.detail.contains("unacknowledged"));
    assert!(is_valid(&checks));
}

#[test]
fn later_version_holds_with_its_first_manifest() {
    let mut bundle = bundle();
    let first = Cid::from_digest(crate::cid::Codec::Raw, bundle.first_manifest);
    let second = Manifest { version: 2, previous: Some(first), ..manifest() };
    bundle.manifest = second.to_bytes().unwrap();
    let receipt = Receipt { version: 2, ..bundle.receipt.receipt.clone() };
    let escrow = bundle.receipt.domain;
    bundle.receipt = receipt.sign(&signer(1), escrow).unwrap();
    bundle.relogged();
    assert!(is_valid(&bundle.checks()), "{:?}", bundle.checks());
}

/// After `change` exactly the checks called `names` must fail.
fn fails(names: &[&str], change: impl FnOnce(&mut Bundle)) {
    let mut bad = bundle();
    change(&mut bad);
    let checks = bad.checks();
    let failed: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    assert_eq!(failed, names);
    assert!(!is_valid(&checks));
}

/// The receipt after `change`, signed again by its owner.
fn resigned(bundle: &mut Bundle, change: impl FnOnce(&mut Receipt)) {
    let mut receipt = bundle.receipt.receipt.clone();
    change(&mut receipt);
    let escrow = bundle.receipt.domain;
    bundle.receipt = receipt.sign(&signer(1), escrow).unwrap();
}

#[test]
fn altered_manifest_fails() {
    fails(&["manifest"], |b| b.manifest[100] ^= 1);
    fails(&["manifest"], |b| b.manifest.truncate(50));
}

#[test]
fn exchanged_manifest_fails() {
    fails(&["dataset id"], |b| {
        b.manifest = Manifest { name: "Something else".into(), ..manifest() }.to_bytes().unwrap();
    });
}

#[test]
fn manifest_of_another_owner_fails() {
    fails(
        &[
            "dataset id",
            "offer signature",
            "receipt signature",
            "statement context",
            "receipt proofs",
            "settlement event",
        ],
        |b| {
            let other = Manifest { owner: signer(5).address(), ..manifest() };
            b.manifest = other.to_bytes().unwrap();
            b.first_manifest = Cid::raw(&b.manifest).digest();
        },
    );
}

#[test]
fn false_first_manifest_fails() {
    fails(&["dataset id"], |b| b.first_manifest = [9; 32]);
}

#[test]
fn offer_by_another_fails() {
    fails(&["offer signature", "terms as ODRL"], |b| {
        let domain = b.offer.domain;
        b.offer = b.offer.offer.clone().sign(&signer(3), domain).unwrap();
    });
}

#[test]
fn altered_terms_fail() {
    fails(&["offer signature", "terms as ODRL", "license id", "receipt and terms"], |b| {
        b.offer.offer.terms.price_per_run = Amount::tokens(1);
    });
}

#[test]
fn offer_of_another_dataset_fails() {
    fails(&["offer dataset", "license id"], |b| {
        b.offer = offer([0xdd; 32]);
        *b = b.clone().with_odrl();
    });
}

#[test]
fn offer_for_another_licensee_fails() {
    fails(&["offer licensee", "license id"], |b| {
        let domain = b.offer.domain;
        let offer = Offer { licensee: Some(signer(4).address()), ..b.offer.offer.clone() };
        b.offer = offer.sign(&signer(1), domain).unwrap();
        *b = b.clone().with_odrl();
    });
}

#[test]
fn exchanged_legal_text_fails() {
    fails(&["legal text"], |b| b.legal_text = b.legal_text.replace("non-commercial", "commercial"));
    fails(&["legal text"], |b| b.legal_text.push(' '));
}

#[test]
fn altered_odrl_fails() {
    fails(&["terms as ODRL"], |b| b.odrl_offer = b.odrl_offer.replace("usu:embed", "usu:download"));
    fails(&["terms as ODRL"], |b| b.odrl_agreement.clear());
}

#[test]
fn false_nonces_fail() {
    fails(&["license id"], |b| b.license_nonce = Some(U256::from(1)));
    fails(&["job id"], |b| b.job_nonce = Some(U256::from(1)));
}

#[test]
fn exchanged_licensee_fails() {
    fails(&["terms as ODRL", "license id", "acknowledgement", "receipt proofs"], |b| b.licensee = signer(6).address());
}

#[test]
fn altered_receipt_fails() {
    fails(
        &[
            "receipt signature",
            "acknowledgement",
            "receipt and manifest",
            "statement count",
            "receipt proofs",
            "settlement event",
        ],
        |b| b.receipt.receipt.records = 299,
    );
    fails(&["receipt signature"], |b| b.receipt.signature[10] ^= 1);
    fails(&["acknowledgement"], |b| {
        if let Some(signature) = &mut b.receipt.acknowledgement {
            signature[10] ^= 1;
        }
    });
}

#[test]
fn receipt_resigned_over_other_content_fails() {
    fails(&["receipt and manifest", "statement root", "receipt proofs", "settlement event"], |b| {
        resigned(b, |r| r.root = [1; 32])
    });
    fails(&["receipt and manifest", "receipt proofs", "settlement event"], |b| resigned(b, |r| r.version = 2));
    fails(&["receipt and terms", "receipt proofs", "settlement event"], |b| {
        resigned(b, |r| r.action = Action::Download)
    });
    fails(&["receipt and terms", "receipt proofs", "settlement event"], |b| {
        resigned(b, |r| r.amount = Amount::tokens(1))
    });
    fails(&["statement output", "receipt proofs", "settlement event"], |b| resigned(b, |r| r.output_root = [1; 32]));
    fails(&["statement context", "receipt proofs", "settlement event"], |b| resigned(b, |r| r.output_digest = [1; 32]));
}

#[test]
fn statement_of_something_else_fails() {
    let names = ["root", "count", "owner", "output", "context", "challenge"].map(|name| format!("statement {name}"));
    for (index, name) in names.iter().enumerate() {
        let proofs = (index == 5).then_some("receipt proofs");
        let names: Vec<&str> = std::iter::once(name.as_str()).chain(proofs).collect();
        fails(&names, |b| b.argument.statement[index][31] ^= 1);
    }
}

#[test]
fn proof_of_another_circuit_or_size_fails() {
    fails(&["circuit"], |b| b.argument.circuit = "provenance@2".into());
    fails(&["tier"], |b| b.argument.tier = Tier::Large);
}

#[test]
fn other_chain_or_contract_fails() {
    fails(&["offer signature", "receipt signature", "statement context", "receipt proofs"], |b| b.chain.chain_id = 1);
    fails(&["receipt signature", "statement context", "receipt proofs"], |b| b.chain.escrow = REGISTRY);
    fails(&["offer signature"], |b| b.chain.licenses = ESCROW);
}

#[test]
fn other_key_hash_or_block_hash_fails() {
    fails(&["statement context", "receipt proofs", "settlement event"], |b| b.chain.key_hash = [1; 32]);
    fails(&["statement challenge", "receipt proofs"], |b| b.chain.commit_block_hash = [1; 32]);
    fails(&["receipt proofs"], |b| b.chain.settle_block_hash = [1; 32]);
    fails(&["receipt proofs", "settlement"], |b| b.chain.settle_block = 20);
    fails(&["receipt proofs"], |b| b.chain.settle_tx = [1; 32]);
}

#[test]
fn altered_event_fails() {
    for index in 0..4 {
        fails(&["receipt proofs", "settlement event"], |b| b.chain.settled.topics[index][31] ^= 1);
    }
    for index in [0, 31, 63, 95, 127] {
        fails(&["receipt proofs", "settlement event"], |b| b.chain.settled.data[index] ^= 1);
    }
    fails(&["receipt proofs", "settlement event"], |b| b.chain.settled.data.truncate(128));
    fails(&["receipt proofs", "settlement event"], |b| b.chain.settled.data.push(0));
    fails(&["receipt proofs", "settlement event"], |b| b.chain.settled.topics.truncate(3));
}

/// One byte of one part of a proof at a time: the block's header, the receipt, the nodes between them.
#[test]
fn altered_proofs_fail() {
    let parts: [fn(&mut LogFact) -> &mut Bytes; 3] = [|f| &mut f.header, |f| &mut f.receipt, |f| &mut f.nodes[0]];
    let good = bundle().chain.proofs;
    for part in parts {
        for at in (0..part(&mut good.settled.clone()).len()).step_by(19) {
            fails(&["receipt proofs"], |b| {
                let bytes = part(&mut b.chain.proofs.settled);
                let mut altered = bytes.to_vec();
                altered[at] ^= 1;
                *bytes = altered.into();
            });
        }
    }
    fails(&["receipt proofs"], |b| b.chain.proofs.settled.nodes.clear());
    fails(&["receipt proofs"], |b| b.chain.proofs.settled.position = 1);
    fails(&["receipt proofs"], |b| b.chain.proofs.settled.log = 1);
    fails(&["receipt proofs"], |b| b.chain.proofs.settled.tx = B256::ZERO);
}

#[test]
fn proofs_of_other_events_fail() {
    fails(&["receipt proofs"], |b| b.chain.proofs.drawn = b.chain.proofs.settled.clone());
    fails(&["receipt proofs"], |b| b.chain.proofs.job = B256::ZERO);
    fails(&["receipt proofs"], |b| b.chain.proofs.chain_id = 1);
    fails(&["receipt proofs"], |b| b.chain.proofs.escrow = REGISTRY);
    // The same events from a contract of somebody else's.
    fails(&["receipt proofs"], |b| {
        b.chain.proofs.settled = LogFact::made_up(SETTLE, REGISTRY, &settled_event(&b.receipt.receipt));
        b.chain.settle_block_hash = b.chain.proofs.settled.block_hash().0;
    });
    // Whole and consistent proofs of another job, and of the same one at another price.
    fails(&["receipt proofs"], |b| b.chain.proofs = proofs(&Receipt { job: [1; 32], ..b.receipt.receipt.clone() }));
    fails(&["receipt proofs"], |b| {
        b.chain.proofs = proofs(&Receipt { amount: Amount::tokens(3), ..b.receipt.receipt.clone() });
    });
    // Another block with the same event: nobody said this one's hash.
    fails(&["receipt proofs"], |b| {
        b.chain.proofs.settled = LogFact::made_up(SETTLE + 1, ESCROW, &settled_event(&b.receipt.receipt));
    });
}

#[test]
fn no_checks_are_not_valid() {
    assert!(!is_valid(&[]));
}

#[test]
fn every_flipped_bit_is_refused_or_fails() {
    let bytes = bundle().to_bytes().unwrap();
    let proof = bundle().argument.proof;
    let mut unnoticed = 0;
    for index in (0..bytes.len()).step_by(29) {
        let mut bad = bytes.clone();
        bad[index] ^= 1;
        let Ok(read) = Bundle::from_bytes(&bad) else { continue };
        if is_valid(&read.checks()) && read.argument.proof == proof {
            unnoticed += 1;
        }
    }
    // What only a chain can tell: the registry of datasets, the hashes of three transactions, and what else stands in the
    // blocks of request and draw.
    let proofs = bundle().chain.proofs;
    let open = 20 + 3 * 32 + proofs.requested.header.len() + proofs.drawn.header.len();
    assert!(unnoticed <= open / 29 + 8, "{unnoticed} of {}", bytes.len() / 29);
}

#[test]
fn every_cut_is_refused() {
    let bytes = bundle().to_bytes().unwrap();
    for length in (0..bytes.len()).step_by(13) {
        assert!(Bundle::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn other_documents_are_refused() {
    let bytes = bundle().to_bytes().unwrap();
    let mut long = bytes.clone();
    long.push(0);
    assert!(Bundle::from_bytes(&long).is_err());
    assert!(Bundle::from_bytes(&vec![0; MAX_BUNDLE + 1]).unwrap_err().to_string().contains("at most"));
    let text = String::from_utf8_lossy(&bytes).contains(FORMAT);
    assert!(text);
    let place = bytes.windows(FORMAT.len()).position(|window| window == FORMAT.as_bytes()).unwrap();
    let mut other = bytes.clone();
    other[place + FORMAT.len() - 1] = b'1';
    let said = Bundle::from_bytes(&other).unwrap_err().to_string();
    assert!(said.contains("a `usufruct bundle v1` and this program reads `usufruct bundle v2`"), "{said}");
    other[place..place + 8].copy_from_slice(b"whatever");
    assert!(Bundle::from_bytes(&other).unwrap_err().to_string().contains("no `usufruct bundle v2`"));
    let offer = bundle().offer.to_bytes().unwrap();
    assert!(Bundle::from_bytes(&offer).is_err());
}

#[test]
fn oversized_parts_are_refused() {
    let most = |change: fn(&mut Bundle)| {
        let mut bad = bundle();
        change(&mut bad);
        assert!(bad.to_bytes().unwrap_err().to_string().contains("at most"));
    };
    most(|b| b.symbol = "X".repeat(17));
    most(|b| b.legal_text = "x".repeat(MAX_TEXT + 1));
    most(|b| b.manifest = vec![b' '; MAX_MANIFEST + 1]);
    most(|b| b.chain.settled.topics = vec![[0; 32]; 5]);
    most(|b| b.chain.settled.data = vec![0; 5000]);
}

#[test]
fn shown_words_of_more_than_one_line_are_refused() {
    let good = bundle().to_bytes().unwrap();
    let place = good.windows(4).position(|window| window == b"cUSU").unwrap();
    for odd in ["U\nS", "U\u{1b}S", "U\tS", " US", "US "] {
        let mut bad = bundle();
        bad.symbol = odd.into();
        assert!(bad.to_bytes().unwrap_err().to_string().contains("symbol"), "{odd:?}");
        let mut written = good.clone();
        written[place + 1..place + 4].copy_from_slice(odd.as_bytes());
        assert!(Bundle::from_bytes(&written).unwrap_err().to_string().contains("symbol"), "{odd:?}");
    }
    for odd in ["U\u{2028}S", "U\u{202e}S", "U\u{85}S"] {
        let mut bad = bundle();
        bad.symbol = odd.into();
        assert!(bad.to_bytes().unwrap_err().to_string().contains("symbol"), "{odd:?}");
        bad = bundle();
        bad.argument.circuit = odd.into();
        assert!(bad.to_bytes().unwrap_err().to_string().contains("circuit"), "{odd:?}");
    }
}
