//! Two people on a fresh network with the contracts, and the steps of a job with fixed values.

use alloy::primitives::{B256, U256};
use tempfile::TempDir;

use super::{Chain, Endpoint, Purchase, Registration, Sent, trapdoor};
use crate::chain::bindings::Output;
use crate::chain::deploy::{Keys, deploy};
use crate::chain::devnet::Devnet;
use crate::chain::typed::{self, Offer, Terms, Typed};
use crate::chain::{Address, Signer, keccak256};

/// One whole token in base units.
pub(super) const TOKEN: u128 = 1_000_000_000_000_000_000;
pub(super) const EMBED: u16 = 2;
pub(super) const HOUR: u64 = 3600;
/// The package key of every job here.
pub(super) const K: [u8; 32] = [0x6b; 32];

pub(super) struct World {
    pub(super) chain: Chain,
    pub(super) owner: Signer,
    pub(super) licensee: Signer,
    pub(super) stranger: Signer,
    _folder: Option<TempDir>,
}

fn signer(byte: u8) -> Signer {
    Signer::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

/// Keys under which a test can make any proof.
pub(super) fn keys() -> Keys {
    Keys { provenance: [trapdoor::key(); 3], statistic: Some(trapdoor::key()) }
}

/// The embedded chain in a folder of its own, with gas money for the deployer.
pub(super) async fn embedded() -> World {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    World { _folder: Some(folder), ..on(Endpoint::Embedded(devnet)).await }
}

/// Deploys on `endpoint` and gives everybody gas money, the licensee tokens too.
pub(super) async fn on(endpoint: Endpoint) -> World {
    let profile = deploy("test", "http://127.0.0.1:1", endpoint.clone(), &keys()).await.unwrap();
    let chain = Chain::open(endpoint, profile).await.unwrap();
    let world = World { chain, owner: signer(0xa1), licensee: signer(0xb2), stranger: signer(0xc3), _folder: None };
    for who in [&world.owner, &world.licensee, &world.stranger] {
        world.chain.fund(who.address()).await.unwrap();
    }
    world.chain.faucet(&world.licensee).await.unwrap();
    world
}

pub(super) fn registration() -> Registration {
    Registration {
        manifest: B256::repeat_byte(0x11),
        root: U256::from(12345),
        count: 100,
        tier: 0,
        owner_commitment: U256::from(678),
    }
}

pub(super) fn output() -> Output {
    Output {
        outputRoot: U256::from(4242),
        outputDigest: B256::repeat_byte(0x22),
        keyHash: keccak256(K),
        outputCid: B256::repeat_byte(0x33),
    }
}

impl World {
    pub(super) fn token(&self) -> Address {
        self.chain.profile().currencies[0].token
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            actions: EMBED,
            purposes: 1,
            commercial: false,
            attribution: true,
            pricePerRun: U256::from(TOKEN) * U256::from(5) / U256::from(2),
            currency: self.token(),
            maxRuns: 2,
            duration: 30 * 24 * HOUR,
            respondWithin: 24 * HOUR,
            acceptWithin: HOUR,
            minRecords: 8,
            maxEpsilonMicro: 0,
            retentionDays: 30,
            legalText: B256::repeat_byte(0x44),
        }
    }

    pub(super) fn offer(&self, dataset: B256) -> Offer {
        Offer {
            dataset,
            terms: self.terms(),
            licensee: Address::ZERO,
            maxLicenses: 10,
            validUntil: 4_000_000_000,
            nonce: U256::from(1),
        }
    }

    pub(super) fn signed(&self, signer: &Signer, offer: Offer) -> Purchase {
        let domain = typed::Domain { chain_id: self.chain.profile().chain_id, contract: self.chain.profile().licenses };
        let signature = typed::sign(signer, offer.signing_hash(&domain)).unwrap();
        Purchase { offer, signature, nonce: U256::from(9) }
    }

    /// A registered dataset's id.
    pub(super) async fn dataset(&self) -> B256 {
        self.chain.register(&self.owner, &registration()).await.unwrap().0
    }

    /// A bought license's id.
    pub(super) async fn license(&self) -> B256 {
        let dataset = self.dataset().await;
        let purchase = self.signed(&self.owner, self.offer(dataset));
        self.chain.buy(&self.licensee, &purchase).await.unwrap().0
    }

    /// A requested job's id.
    pub(super) async fn job(&self) -> B256 {
        let license = self.license().await;
        self.request(license, 1).await.unwrap()
    }

    pub(super) async fn request(&self, license: B256, nonce: u64) -> crate::Result<B256> {
        let spec = B256::repeat_byte(0x55);
        Ok(self.chain.request(&self.licensee, license, EMBED, spec, U256::from(nonce)).await?.0)
    }

    /// A job that is accepted and waits for its proof.
    pub(super) async fn accepted(&self) -> B256 {
        let job = self.job().await;
        self.chain.commit(&self.owner, job, &output()).await.unwrap();
        self.chain.draw(&self.owner, job).await.unwrap();
        self.chain.accept(&self.licensee, job).await.unwrap();
        job
    }

    /// The public inputs of a job's proof, in order.
    pub(super) async fn inputs(&self, job: B256) -> [U256; 6] {
        let record = self.chain.job(job).await.unwrap();
        let commitment = record.commitment.as_ref().unwrap();
        let context = self.chain.context(job, &record.details, &commitment.output);
        let details = &record.details;
        let count = U256::from(details.count);
        [details.root, count, details.ownerCommitment, commitment.output.outputRoot, context, commitment.challenge]
    }

    pub(super) async fn settle(&self, job: B256) -> crate::Result<Sent> {
        let proof = trapdoor::proof(&self.chain, self.inputs(job).await).await;
        self.chain.settle(&self.owner, job, &proof, K).await
    }
}
