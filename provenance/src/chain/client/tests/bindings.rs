//! The bindings are the compiled contracts' own: every selector is compared.

use std::collections::BTreeSet;

use alloy::json_abi::JsonAbi;

use crate::chain::bindings as ours;

const IGNORED_ERRORS: [&str; 9] = [
    // Inherited, and impossible to meet through the functions that are called.
    "InvalidShortString",
    "StringTooLong",
    "ReentrancyGuardReentrantCall",
    "SafeERC20FailedOperation",
    "InvalidAccountNonce",
    "ERC721",
    "ECDSA",
    "ERC2612",
    "ERC20Invalid",
];

fn abi(text: &str) -> JsonAbi {
    #[derive(serde::Deserialize)]
    struct Artifact {
        abi: JsonAbi,
    }
    serde_json::from_str::<Artifact>(text).unwrap().abi
}

/// Each of our signatures is in the contract, and each of its own errors is in ours.
fn check(text: &str, calls: &[&str], errors: &[&str], events: &[&str]) {
    let abi = abi(text);
    let functions: BTreeSet<String> = abi.functions().map(|item| item.signature()).collect();
    let logged: BTreeSet<String> = abi.events().map(|item| item.signature()).collect();
    let refused: BTreeSet<String> = abi.errors().map(|item| item.signature()).collect();
    for (have, want) in [(&functions, calls), (&logged, events), (&refused, errors)] {
        for signature in want {
            assert!(have.contains(*signature), "the contract has no {signature}");
        }
    }
    for signature in &refused {
        let known = errors.contains(&signature.as_str());
        assert!(known || IGNORED_ERRORS.iter().any(|name| signature.starts_with(name)), "{signature} has no words");
    }
}

#[test]
fn bindings_match_the_compiled_contracts() {
    check(
        include_str!("../../../../../contracts/abi/DatasetRegistry.json"),
        ours::DatasetRegistry::DatasetRegistryCalls::SIGNATURES,
        ours::DatasetRegistry::DatasetRegistryErrors::SIGNATURES,
        ours::DatasetRegistry::DatasetRegistryEvents::SIGNATURES,
    );
    check(
        include_str!("../../../../../contracts/abi/LicenseRegistry.json"),
        ours::LicenseRegistry::LicenseRegistryCalls::SIGNATURES,
        ours::LicenseRegistry::LicenseRegistryErrors::SIGNATURES,
        ours::LicenseRegistry::LicenseRegistryEvents::SIGNATURES,
    );
    check(
        include_str!("../../../../../contracts/abi/JobEscrow.json"),
        ours::JobEscrow::JobEscrowCalls::SIGNATURES,
        ours::JobEscrow::JobEscrowErrors::SIGNATURES,
        ours::JobEscrow::JobEscrowEvents::SIGNATURES,
    );
    check(
        include_str!("../../../../../contracts/abi/ProvenanceVerifier.json"),
        ours::ProvenanceVerifier::ProvenanceVerifierCalls::SIGNATURES,
        ours::ProvenanceVerifier::ProvenanceVerifierErrors::SIGNATURES,
        &[],
    );
    check(
        include_str!("../../../../../contracts/abi/RewardToken.json"),
        ours::RewardToken::RewardTokenCalls::SIGNATURES,
        ours::RewardToken::RewardTokenErrors::SIGNATURES,
        ours::RewardToken::RewardTokenEvents::SIGNATURES,
    );
}

#[test]
fn indexed_fields_match_the_compiled_contracts() {
    let indexed = |text: &str, name: &str| {
        let abi = abi(text);
        let event = abi.event(name).unwrap()[0].clone();
        event.inputs.iter().filter(|input| input.indexed).count()
    };
    let escrow = include_str!("../../../../../contracts/abi/JobEscrow.json");
    let licenses = include_str!("../../../../../contracts/abi/LicenseRegistry.json");
    for (text, name, count) in [
        (escrow, "JobRequested", 3),
        (escrow, "JobCommitted", 3),
        (escrow, "JobSettled", 3),
        (escrow, "JobDrawn", 1),
        (escrow, "Credited", 3),
        (licenses, "LicenseBought", 3),
        (licenses, "OfferAnnounced", 2),
    ] {
        assert_eq!(indexed(text, name), count, "{name}");
    }
}
