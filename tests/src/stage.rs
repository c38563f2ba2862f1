//! The escrow and the circuits without the rest: jobs over made-up leaves and rows, on the embedded chain in this process,
//! with real contracts and real proofs. Large tiers can be settled this way without embedding 40,000 texts.

use provenance::chain::client::{Chain, Endpoint, Purchase, Registration};
use provenance::chain::deploy::{Keys, deploy};
use provenance::chain::devnet::Devnet;
use provenance::chain::typed::{self, Domain, Typed};
use provenance::chain::{B256, Output, Signer, U256, keccak256};
use provenance::terms::Action;
use zk::Circuit;
use zk::keys::VerifyingKey;
use zk::merkle::{Tier, Tree};
use zk::proof::Proof;
use zk::provenance::{Leaf, Material, OwnerSecret, Statement, Witness, output_leaf};
use zk::statistic::{self, Bins};

/// What hides the answers here.
const BLINDING: [u8; 31] = [9; 31];

/// An embedded chain with the contracts and two funded people.
pub struct Stage {
    /// The chain.
    pub chain: Chain,
    /// Who is paid.
    pub owner: Signer,
    /// Who pays.
    pub buyer: Signer,
    _folder: tempfile::TempDir,
}

/// Everything behind one dataset and one output over it.
pub struct Work {
    /// The dataset's id.
    pub dataset: B256,
    secret: OwnerSecret,
    leaves: Vec<Leaf>,
    records: Tree,
    digests: Vec<[u8; 32]>,
    outputs: Tree,
}

/// A committed and drawn job.
pub struct Drawn {
    /// Its id.
    pub job: B256,
    /// The package key.
    pub key: [u8; 32],
    /// What a proof has to show for it.
    pub statement: Statement,
}

fn word(seed: &str, number: u64) -> [u8; 32] {
    keccak256([seed.as_bytes(), &number.to_be_bytes()].concat()).0
}

impl Stage {
    /// Opens a fresh chain and deploys the contracts with the pinned keys.
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let devnet = Devnet::open(folder.path()).expect("a chain");
        let key = |circuit: Circuit| zk::solidity::key_words(&VerifyingKey::pinned(circuit).expect("a pinned key"));
        let provenance = Tier::ALL.map(|tier| key(tier.into()));
        let keys = Keys { provenance, statistic: Some(key(Circuit::Statistic)) };
        let endpoint = Endpoint::Embedded(devnet);
        let profile = deploy("embedded", "", endpoint.clone(), &keys).await.expect("the contracts deploy");
        let chain = Chain::open(endpoint, profile).await.expect("the chain answers");
        let (owner, buyer) = (Signer::random(), Signer::random());
        for person in [&owner, &buyer] {
            chain.fund(person.address()).await.expect("gas");
        }
        chain.faucet(&buyer).await.expect("tokens");
        Stage { chain, owner, buyer, _folder: folder }
    }

    /// Registers `count` made-up records and makes up a row for each.
    pub async fn work(&self, tier: Tier, count: u64) -> Work {
        self.seeded_work(tier, count, 0).await
    }

    /// As [`Stage::work`], other records, values, rows and owner for each seed.
    pub async fn seeded_work(&self, tier: Tier, count: u64, seed: u64) -> Work {
        let word = |what: &str, number: u64| word(&format!("{what} of {seed}, "), number);
        let secret = OwnerSecret::new(&below(word("identity", count)), &[7; 31]).expect("a secret");
        let leaves: Vec<Leaf> = (0..count)
            .map(|i| {
                let (mut salt, made_up) = ([0; 31], word("value", i));
                salt.copy_from_slice(&word("salt", i)[..31]);
                let value = (i == 0 || made_up[0] % 9 != 8).then_some(i32::from(made_up[1]) - 90);
                Leaf { salt, digest: word("record", i), level: made_up[2] % 4, value }
            })
            .collect();
        let digests: Vec<[u8; 32]> = (0..count).map(|i| word("row", i)).collect();
        let hashes: Vec<zk::Field> = leaves.iter().map(Leaf::hash).collect();
        let rows = hashes.iter().zip(&digests).map(|(leaf, digest)| output_leaf(*leaf, digest)).collect();
        let records = Tree::build(tier, hashes, &mut |_, _| {}).expect("a tree");
        let outputs = Tree::build(tier, rows, &mut |_, _| {}).expect("a tree");
        let registration = Registration {
            manifest: word("manifest", count).into(),
            root: number(records.root()),
            count,
            tier: tier.id(),
            owner_commitment: number(secret.commitment()),
        };
        let (dataset, _) = self.chain.register(&self.owner, &registration).await.expect("registered");
        Work { dataset, secret, leaves, records, digests, outputs }
    }

    /// Sells a license of `runs` runs to the buyer.
    pub async fn license(&self, work: &Work, runs: u32) -> B256 {
        let profile = self.chain.profile();
        let offer = typed::Offer {
            dataset: work.dataset,
            terms: typed::Terms {
                actions: Action::Embed.bit() | Action::Statistic.bit(),
                purposes: 16,
                commercial: true,
                attribution: false,
                pricePerRun: U256::from(1_000_000),
                currency: profile.currencies[0].token,
                maxRuns: runs,
                duration: 86_400,
                respondWithin: 3600,
                acceptWithin: 3600,
                minRecords: 1,
                maxEpsilonMicro: 0,
                retentionDays: 0,
                legalText: B256::repeat_byte(1),
            },
            licensee: self.buyer.address(),
            maxLicenses: 9,
            validUntil: self.chain.now().await.expect("a clock") + 3600,
            nonce: U256::from_be_bytes(work.dataset.0),
        };
        let domain = Domain { chain_id: profile.chain_id, contract: profile.licenses };
        let signature = typed::sign(&self.owner, offer.signing_hash(&domain)).expect("a signature");
        let purchase = Purchase { offer, signature, nonce: U256::from(1) };
        self.chain.buy(&self.buyer, &purchase).await.expect("a license").0
    }

    /// Requests a job, commits to the work's output for it and draws.
    pub async fn drawn(&self, work: &Work, license: B256, number_: u64) -> Drawn {
        self.committed(work, license, number_, Action::Embed, work.outputs.root()).await
    }

    /// The same for a statistic: commits to the answer over the work's records.
    pub async fn asked(&self, work: &Work, license: B256, number_: u64) -> Drawn {
        let answer = work.counted().answer().expect("an answer");
        self.committed(work, license, number_, Action::Statistic, answer.commitment(&BLINDING)).await
    }

    async fn committed(
        &self,
        work: &Work,
        license: B256,
        number_: u64,
        action: Action,
        output_root: zk::Field,
    ) -> Drawn {
        let spec = B256::from(word("spec", number_));
        let (job, _) =
            self.chain.request(&self.buyer, license, action.bit(), spec, U256::from(number_)).await.expect("requested");
        let key = word("key", number_);
        let output = Output {
            outputRoot: number(output_root),
            outputDigest: word("output", number_).into(),
            keyHash: keccak256(key),
            outputCid: word("cid", number_).into(),
        };
        self.chain.commit(&self.owner, job, &output).await.expect("committed");
        let (challenge, _) = self.chain.draw(&self.owner, job).await.expect("drawn");
        self.chain.accept(&self.buyer, job).await.expect("accepted");
        let details = self.chain.job(job).await.expect("a job").details;
        let context = self.chain.context(job, &details, &output);
        let statement = work.material().statement(field(context), field(challenge));
        Drawn { job, key, statement: Statement { output_root, ..statement } }
    }
}

impl Work {
    fn material(&self) -> Material<'_> {
        Material {
            owner: &self.secret,
            leaves: &self.leaves,
            records: &self.records,
            row_digests: &self.digests,
            outputs: &self.outputs,
        }
    }

    fn counted(&self) -> statistic::Material<'_> {
        let edges: Vec<i32> = (0..17).map(|edge| edge * 3).collect();
        statistic::Material {
            owner: &self.secret,
            leaves: &self.leaves,
            records: &self.records,
            bins: Bins::new(&edges).expect("edges"),
            least: self.leaves.iter().filter(|leaf| leaf.value.is_some()).count().min(2) as u32,
            blinding: &BLINDING,
        }
    }

    /// A proof of `statement` about the answer over this work's records.
    pub fn prove_answer(&self, statement: &Statement) -> Proof {
        let key = app::proving::key(Circuit::Statistic).expect("a proving key");
        let witness = statistic::Witness::gather(&self.counted()).expect("a witness");
        zk::proof::prove(&key, statement, &witness).expect("a proof")
    }

    /// A proof of `statement` over this work's rows.
    pub fn prove(&self, statement: &Statement) -> Proof {
        let tier = Tier::for_count(self.leaves.len() as u64).expect("a tier");
        let key = app::proving::key(tier).expect("a proving key");
        let witness = Witness::gather(&self.material(), statement.challenge).expect("a witness");
        zk::proof::prove(&key, statement, &witness).expect("a proof")
    }
}

/// A number below the field's order.
pub fn below(mut word: [u8; 32]) -> [u8; 32] {
    word[0] = 0;
    word
}

/// A field element as the chain's number.
pub fn number(element: zk::Field) -> U256 {
    U256::from_be_bytes(zk::field::to_bytes(&element))
}

/// A chain's number as a field element.
pub fn field(number: U256) -> zk::Field {
    zk::field::from_bytes(&number.to_be_bytes()).expect("a field element")
}
