//! Puts the contracts on a chain and writes down where they are.

use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolValue;
use serde::Deserialize;

use super::client::{Currency, Endpoint, Link, Profile, Rules, Step, code_hashes};
use super::{Signer, keccak256};
use crate::{Error, Result};

const DATASET_REGISTRY: &str = include_str!("../../../contracts/abi/DatasetRegistry.json");
const LICENSE_REGISTRY: &str = include_str!("../../../contracts/abi/LicenseRegistry.json");
const JOB_ESCROW: &str = include_str!("../../../contracts/abi/JobEscrow.json");
const PROVENANCE_VERIFIER: &str = include_str!("../../../contracts/abi/ProvenanceVerifier.json");
const REWARD_TOKEN: &str = include_str!("../../../contracts/abi/RewardToken.json");

/// The 28 words of a Groth16 verifying key, as `ProvenanceVerifier`'s constructor takes them.
pub type KeyWords = [[u8; 32]; 28];

/// The verifying keys of the circuits that a network's escrow settles.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// Those of `provenance@1`, for tiers 0, 1 and 2.
    pub provenance: [KeyWords; 3],
    /// That of `statistic@1`; without one the escrow takes no statistics.
    pub statistic: Option<KeyWords>,
}

/// A public key, for networks where nothing is worth anything; each program on such a network can use it.
const DEVELOPMENT_ACCOUNT: &str = "usufruct development deployer";

/// Deploys everything on a network for trying things out, with a token of its own and keys from the public development
/// seed, from an account that the node gives gas money.
///
/// # Errors
/// [`Error::Refused`] where the node is neither the embedded chain nor anvil: development keys are for nothing else.
/// Otherwise as [`deploy_as`].
pub async fn deploy(name: &str, url: &str, endpoint: Endpoint, keys: &Keys) -> Result<Profile> {
    let signer = Signer::from_bytes(&keccak256(DEVELOPMENT_ACCOUNT)).map_err(|e| Error::Invalid(e.to_string()))?;
    let link = Link::open(endpoint.clone()).await?;
    link.development_only().await?;
    link.fund(signer.address()).await?;
    let plan = Deployment {
        name: name.into(),
        url: url.into(),
        keys: *keys,
        development: true,
        currencies: Vec::new(),
        confirmations: 0,
        unpredictable_hash: false,
    };
    deploy_as(endpoint, &signer, &plan).await
}

/// A chain to which [`deploy`] could be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The number of its newest block.
    pub height: u64,
}

/// Whether [`deploy`] would be allowed on this chain. Nothing is sent.
///
/// # Errors
/// [`Error::Refused`] where the node is neither the embedded chain nor anvil; [`Error::Network`].
pub async fn survey(endpoint: Endpoint) -> Result<Survey> {
    let link = Link::open(endpoint).await?;
    link.development_only().await?;
    let height = link.provider().get_block_number().await.map_err(super::client::transport_error)?;
    Ok(Survey { chain_id: link.chain_id(), height })
}

/// What to deploy.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// What to call the network.
    pub name: String,
    /// Where others reach it; written into the profile.
    pub url: String,
    /// The circuits' verifying keys.
    pub keys: Keys,
    /// Whether the keys come from the public development seed: then anyone can forge proofs, and the contracts say so.
    pub development: bool,
    /// Tokens that prices can be in; with none, a token of our own with a faucet is deployed.
    pub currencies: Vec<Currency>,
    /// Blocks that must follow a transaction's before it counts.
    pub confirmations: u64,
    /// Whether nobody can choose or foresee a block's hash there.
    pub unpredictable_hash: bool,
}

/// Deploys the contracts, each from the account of `signer`, and returns the network's profile.
///
/// # Errors
/// [`Error::Reverted`] when a constructor refuses (`KeyRefused`), [`Error::Refused`] without gas money,
/// [`Error::Network`].
pub async fn deploy_as(endpoint: Endpoint, signer: &Signer, plan: &Deployment) -> Result<Profile> {
    let link = Link::open(endpoint).await?;
    let first_block = link.provider().get_block_number().await.map_err(super::client::transport_error)?;
    let site = Site { link: &link, signer, confirmations: plan.confirmations };
    let currencies = if plan.currencies.is_empty() {
        vec![Currency { symbol: "USU".into(), decimals: 18, token: site.create(REWARD_TOKEN, Vec::new()).await? }]
    } else {
        plan.currencies.clone()
    };
    let mut verifiers = [Address::ZERO; 3];
    for (verifier, key) in verifiers.iter_mut().zip(&plan.keys.provenance) {
        *verifier = site.verifier(key, plan.development).await?;
    }
    let statistic = match &plan.keys.statistic {
        Some(key) => Some(site.verifier(key, plan.development).await?),
        None => None,
    };
    let datasets = site.create(DATASET_REGISTRY, Vec::new()).await?;
    let tokens: Vec<Address> = currencies.iter().map(|currency| currency.token).collect();
    // The registry names its escrow and the escrow its registry, so the escrow's address is computed before it exists.
    let escrow = site.next_address(1).await?;
    let licenses = site.create(LICENSE_REGISTRY, (datasets, escrow, tokens).abi_encode_params()).await?;
    let arguments = (licenses, verifiers, statistic.unwrap_or_default()).abi_encode_params();
    let created = site.create(JOB_ESCROW, arguments).await?;
    if created != escrow {
        return Err(Error::Busy("another program sent transactions from this account; deploy again".into()));
    }
    let ours = [datasets, licenses, escrow].into_iter().chain(verifiers).chain(statistic);
    let addresses = ours.chain(currencies.iter().map(|currency| currency.token));
    Ok(Profile {
        name: plan.name.clone(),
        url: plan.url.clone(),
        chain_id: link.chain_id(),
        datasets,
        licenses,
        escrow,
        verifiers,
        statistic,
        code_hashes: code_hashes(&link, addresses).await?,
        currencies,
        first_block,
        confirmations: plan.confirmations,
        development: plan.development,
        unpredictable_hash: plan.unpredictable_hash,
        genesis: Some(link.genesis()),
        rules: Rules::default(),
    })
}

/// Where contracts are created, and by whom.
struct Site<'a> {
    link: &'a Link,
    signer: &'a Signer,
    confirmations: u64,
}

impl Site<'_> {
    async fn create(&self, artifact: &str, arguments: Vec<u8>) -> Result<Address> {
        let mut code = bytecode(artifact)?;
        code.extend_from_slice(&arguments);
        let step = Step { key: keccak256(&code), to: TxKind::Create, input: code.into() };
        let receipt = self.link.send(self.signer, &step, self.confirmations).await?;
        receipt.contract_address.ok_or_else(|| Error::Integrity("the node gave no address for a new contract".into()))
    }

    async fn verifier(&self, key: &KeyWords, development: bool) -> Result<Address> {
        let words = key.map(U256::from_be_bytes);
        self.create(PROVENANCE_VERIFIER, (words, development).abi_encode_params()).await
    }

    /// The address of the contract that the account creates after `skip` other transactions.
    async fn next_address(&self, skip: u64) -> Result<Address> {
        let account = self.signer.address();
        let nonce = self.link.provider().get_transaction_count(account).await;
        Ok(account.create(nonce.map_err(super::client::transport_error)? + skip))
    }
}

fn bytecode(artifact: &str) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Artifact {
        bytecode: Bytes,
    }
    let artifact: Artifact = serde_json::from_str(artifact)
        .map_err(|error| Error::Invalid(format!("a compiled contract in this program cannot be read: {error}")))?;
    Ok(artifact.bytecode.to_vec())
}
