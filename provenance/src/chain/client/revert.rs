//! Errors in words: what the node or a contract answered, and what to do.

use alloy::sol_types::{SolInterface, decode_revert_reason};
use alloy::transports::{RpcError, TransportError, TransportErrorKind};

use crate::Error;
use crate::chain::bindings::DatasetRegistry::DatasetRegistryErrors;
use crate::chain::bindings::JobEscrow::JobEscrowErrors;
use crate::chain::bindings::LicenseRegistry::LicenseRegistryErrors;
use crate::chain::bindings::ProvenanceVerifier::ProvenanceVerifierErrors;
use crate::chain::bindings::RewardToken::RewardTokenErrors;

/// What a failed question or transaction means.
pub(in crate::chain) fn error(error: TransportError) -> Error {
    match error {
        RpcError::ErrorResp(payload) => {
            if let Some(data) = payload.as_revert_data() {
                return reverted(&data);
            }
            let message = payload.message.to_string();
            if payload.code == 3 || message.contains("revert") {
                return unexplained(message);
            }
            if message.to_lowercase().contains("insufficient funds") {
                return Error::Refused(format!("not enough gas money: {message}"));
            }
            if payload.is_retry_err() {
                return Error::Network(format!("the node is too busy: {message}"));
            }
            Error::Invalid(format!("the node refused: {message} ({})", payload.code))
        }
        RpcError::NullResp => Error::NotFound("the node knows nothing of it".into()),
        RpcError::DeserError { err, .. } => Error::Integrity(format!("the node's answer cannot be read: {err}")),
        RpcError::Transport(TransportErrorKind::Custom(source)) => Error::Network(chain_of(source.as_ref())),
        RpcError::Transport(kind) => Error::Network(kind.to_string()),
        other => Error::Invalid(other.to_string()),
    }
}

/// A revert without data.
pub(super) fn unexplained(message: String) -> Error {
    Error::Reverted {
        name: NAMELESS.into(),
        message,
        hint: "look at the dataset, license or job again: its state may have changed".into(),
    }
}

/// A revert with the contract's own error in `data`.
pub(super) fn reverted(data: &[u8]) -> Error {
    let explained = JobEscrowErrors::abi_decode(data)
        .map(|error| escrow(&error))
        .or_else(|_| LicenseRegistryErrors::abi_decode(data).map(|error| license(&error)))
        .or_else(|_| DatasetRegistryErrors::abi_decode(data).map(|error| dataset(&error)))
        .or_else(|_| RewardTokenErrors::abi_decode(data).map(|error| token(&error)))
        .or_else(|_| ProvenanceVerifierErrors::abi_decode(data).map(|error| verifier(&error)));
    match explained {
        Ok((message, hint)) => Error::Reverted { name: name(data), message, hint: hint.into() },
        Err(_) => unexplained(decode_revert_reason(data).unwrap_or_else(|| "the contract gave no reason".into())),
    }
}

fn name(data: &[u8]) -> String {
    let Some(selector) = data.first_chunk::<4>().copied() else { return NAMELESS.into() };
    JobEscrowErrors::name_by_selector(selector)
        .or_else(|| LicenseRegistryErrors::name_by_selector(selector))
        .or_else(|| DatasetRegistryErrors::name_by_selector(selector))
        .or_else(|| RewardTokenErrors::name_by_selector(selector))
        .or_else(|| ProvenanceVerifierErrors::name_by_selector(selector))
        .unwrap_or(NAMELESS)
        .to_string()
}

/// An error with the errors it comes from, as one line.
fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// The name of a revert without an error of ours.
const NAMELESS: &str = "Revert";

type Words = (String, &'static str);

const CHOOSE_ANOTHER: &str = "run the step again; a new number is chosen";
const LOOK_AGAIN: &str = "it changed meanwhile; look at it again and repeat the step";
const OTHER_WALLET: &str = "use the wallet that this belongs to";

fn escrow(error: &JobEscrowErrors) -> Words {
    use JobEscrowErrors as E;
    match error {
        E::JobExists(_) => ("this job was requested before".into(), CHOOSE_ANOTHER),
        E::JobMismatch(_) => ("the job differs from what the contract holds".into(), LOOK_AGAIN),
        E::WrongState(e) => (format!("the job is {:?}: this step is not possible now", e.state), LOOK_AGAIN),
        E::DeadlinePassed(e) => (
            format!("too late: the deadline was {} and it is {} (seconds since 1970)", e.deadline, e.time),
            "the other side can be refunded or paid now",
        ),
        E::DeadlineNotPassed(e) => (
            format!("too early: the other side has until {} and it is {} (seconds since 1970)", e.deadline, e.time),
            "wait until the deadline is over",
        ),
        E::NotLicensee(e) => (format!("only the licensee {} may do this", e.licensee), OTHER_WALLET),
        E::NotOwner(e) => (format!("only the dataset's owner {} may do this", e.owner), OTHER_WALLET),
        E::ActionNotLicensed(e) => (
            format!("the license does not allow this action (asked {}, allowed {})", e.action, e.licensed),
            "buy a license whose terms allow it",
        ),
        E::ActionNotOffered(e) => (
            format!("this network has no verifier for action {} on tier {}", e.action, e.tier),
            "choose another template or network",
        ),
        E::DatasetStale(_) => ("the dataset has a newer version".into(), LOOK_AGAIN),
        E::DatasetRevoked(_) => ("the owner revoked the dataset".into(), "reclaim the license's unused runs"),
        E::TooFewRecords(e) => (
            format!("the dataset has {} records and the terms ask for {}", e.count, e.minRecords),
            "choose a larger dataset",
        ),
        E::NotInField(_) => ("the output's root is not a field element".into(), "run the job again"),
        E::DrawTooEarly(_) => ("the commit's block is the newest one".into(), "draw after the next block"),
        E::DrawWindowMissed(e) => (
            format!("the challenge had to be drawn within 256 blocks of block {}", e.commitBlock),
            "the job can only be refunded",
        ),
        E::DrawWindowOpen(_) => ("the challenge can still be drawn".into(), "draw it, or wait"),
        E::BlockHashUnavailable(_) => {
            ("this chain does not give the hash of the commit's block".into(), "use another network")
        }
        E::KeyMismatch(_) => ("the key is not the one that was committed to".into(), "use the job's own package key"),
        E::ProofRefused(_) => (
            "the proof is not valid for this job, output, payee, contract, chain and challenge".into(),
            "prove again from the job's own output",
        ),
        E::SignatureRefused(e) => (format!("the signature is not that of {}", e.signer), OTHER_WALLET),
        E::NotDelegate(e) => (format!("the grant is for {}", e.delegate), OTHER_WALLET),
        E::GrantNotForJob(_) => ("the grant does not cover this job".into(), "ask the owner for a wider grant"),
        E::GrantExpired(e) => (format!("the grant ended at {}", e.validUntil), "ask the owner for a new grant"),
        E::GrantIsCanceled(_) => ("the owner canceled the grant".into(), "ask the owner for a new grant"),
        E::GrantUsedUp(e) => (format!("the grant was for {} jobs", e.maxJobs), "ask the owner for a new grant"),
        E::NothingToWithdraw(_) => ("nothing is credited to this wallet".into(), "settle a job first"),
        E::NotLicenseRegistry(_) | E::BadDeployment(_) => {
            ("the contracts do not belong together".into(), "deploy the network again")
        }
    }
}

fn license(error: &LicenseRegistryErrors) -> Words {
    use LicenseRegistryErrors as E;
    match error {
        E::DatasetStale(_) => ("the dataset has a newer version".into(), LOOK_AGAIN),
        E::DatasetNotActive(e) => (format!("the dataset is {:?}: no new licenses", e.state), "choose another dataset"),
        E::OfferForAnother(e) => (format!("the offer is for {} alone", e.licensee), "ask the owner for an offer"),
        E::OfferExpired(e) => (format!("the offer ended at {}", e.validUntil), "ask the owner for a new offer"),
        E::OfferIsCanceled(_) => ("the owner canceled the offer".into(), "ask the owner for a new offer"),
        E::OfferSoldOut(e) => (format!("all {} licenses are sold", e.maxLicenses), "ask the owner for a new offer"),
        E::SignatureRefused(e) => {
            (format!("the offer is not signed by the dataset's owner {}", e.signer), "do not trust this offer")
        }
        E::CurrencyNotListed(_) => {
            ("the price is in a token this network does not take".into(), "choose another offer")
        }
        E::TermOutOfRange(e) => {
            (format!("{} is {} and the limit is {}", e.term, e.value, e.limit), "offer other terms")
        }
        E::LicenseExists(_) => ("this license was bought before".into(), CHOOSE_ANOTHER),
        E::WrongAmountReceived(e) => (
            format!("the token delivered {} instead of {}", e.received, e.expected),
            "use another currency: this token takes a fee",
        ),
        E::LicenseMismatch(_) => ("the license differs from what the contract holds".into(), LOOK_AGAIN),
        E::LicenseEnded(e) => (format!("the license is {:?}", e.state), "buy another license"),
        E::LicenseExpired(e) => (format!("the license expired at {}", e.expiresAt), "reclaim its unused runs"),
        E::NoRunsLeft(_) => ("the license has no runs left".into(), "buy another license"),
        E::NotOwner(e) => (format!("only the dataset's owner {} may do this", e.owner), OTHER_WALLET),
        E::NotLicensee(e) => (format!("before it expires only the licensee {} may do this", e.licensee), OTHER_WALLET),
        E::NotEscrow(_) | E::BadDeployment(_) => {
            ("the contracts do not belong together".into(), "deploy the network again")
        }
        E::LicenseLocked(_) => ("licenses cannot be transferred".into(), "buy one with the other wallet"),
    }
}

fn dataset(error: &DatasetRegistryErrors) -> Words {
    use DatasetRegistryErrors as E;
    match error {
        E::DatasetExists(_) => ("this dataset was registered before".into(), "publish a new version of it"),
        E::DatasetStale(_) => ("the dataset has a newer version or state".into(), LOOK_AGAIN),
        E::NotDatasetOwner(e) => (format!("only the owner {} may do this", e.owner), OTHER_WALLET),
        E::DatasetNotActive(e) => (format!("the dataset is {:?}: no more versions", e.state), "make a new dataset"),
        E::StateNotForward(e) => {
            (format!("a dataset does not go from {:?} to {:?}", e.from, e.to), "states only move forward")
        }
        E::TierUnknown(e) => (format!("there is no tier {}", e.tier), "tiers are 0, 1 and 2"),
        E::CountOutOfRange(e) => {
            (format!("{} records do not fit a tier of {}", e.count, e.capacity), "choose the tier by the count")
        }
        E::NotInField(_) => ("the root or commitment is not a field element".into(), "create the dataset again"),
        E::ManifestMissing(_) => ("the manifest's digest is missing".into(), "publish the manifest first"),
    }
}

fn token(error: &RewardTokenErrors) -> Words {
    use RewardTokenErrors as E;
    match error {
        E::FaucetLimitReached(_) => ("the faucet gives no more to this wallet".into(), "use what the wallet has"),
        E::ERC20InsufficientBalance(e) => (
            format!("the wallet has {} base units and needs {}", e.balance, e.needed),
            "get tokens first: on the embedded network from the faucet",
        ),
        E::ERC20InsufficientAllowance(e) => (
            format!("the contract may take {} base units and needs {}", e.allowance, e.needed),
            "run the step again; the allowance was used meanwhile",
        ),
    }
}

fn verifier(error: &ProvenanceVerifierErrors) -> Words {
    let ProvenanceVerifierErrors::KeyRefused(error) = error;
    (format!("the verifying key is not sound at word {}", error.word), "deploy with the keys of this program")
}
