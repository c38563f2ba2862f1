// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Dataset, DatasetState, IDatasetRegistry} from "./IDatasetRegistry.sol";

/// @notice What a license allows and costs. The field order is the EIP-712 type's.
/// Enforced here: actions, pricePerRun, currency, maxRuns, duration, respondWithin, acceptWithin, minRecords (against
/// the dataset's count). The rest is hashed into the offer's digest and enforced by the vault and by law.
struct Terms {
    /// Bit set: statistic 1, embed 2, train_non_generative 4, train_generative 8, infer 16, evaluate 32, download 64.
    uint16 actions;
    /// Bit set: research 1, personalization 2, product 4, public_interest 8, any 16.
    uint16 purposes;
    bool commercial;
    bool attribution;
    /// Base units of `currency` for one run over the whole dataset version; at most 2^128 - 1; zero is free.
    uint256 pricePerRun;
    /// One of the currencies fixed when the registry was deployed.
    address currency;
    /// Runs bought at once, at least one.
    uint32 maxRuns;
    /// Seconds from purchase to expiry, at most MAX_DURATION.
    uint64 duration;
    /// Seconds the owner has from request to commit, at most MAX_WAIT.
    uint64 respondWithin;
    /// Seconds the licensee has from commit to reject, at most MAX_WAIT.
    uint64 acceptWithin;
    /// Smallest dataset a job may run over.
    uint32 minRecords;
    uint64 maxEpsilonMicro;
    uint32 retentionDays;
    /// sha2-256 digest of the legal text's CID.
    bytes32 legalText;
}

/// @notice A signed proposal to license a dataset. EIP-712, domain ("Usufruct", "1", chain id, LicenseRegistry).
struct Offer {
    /// DatasetId; the signer must be that dataset's owner.
    bytes32 dataset;
    Terms terms;
    /// Who may buy; the zero address means anyone.
    address licensee;
    /// How many licenses this offer sells in all; zero sells none.
    uint32 maxLicenses;
    /// Last second in which it can be bought.
    uint64 validUntil;
    /// Chosen by the owner; `cancelOffer(nonce)` ends every offer that uses it.
    uint256 nonce;
}

/// @notice What is fixed at purchase. Only a 216-bit hash is stored, beside the state and the runs left: callers pass
/// the struct from the `LicenseBought` event.
struct License {
    bytes32 dataset;
    /// EIP-712 digest of the offer.
    bytes32 offer;
    /// The dataset's owner, paid per settled job.
    address owner;
    /// Who bought it, may request jobs and gets refunds. Licenses are not transferable.
    address licensee;
    address currency;
    uint256 pricePerRun;
    uint16 actions;
    /// Last second in which a job can be requested.
    uint64 expiresAt;
    uint64 respondWithin;
    uint64 acceptWithin;
    uint32 minRecords;
}

/// @notice Where a license stands. Expiry is not a state: it is `expiresAt`.
enum LicenseState {
    None,
    Active,
    /// Ended by the owner; unused runs were refunded.
    Revoked,
    /// Ended by the licensee, or by anyone after expiry; unused runs were refunded.
    Reclaimed
}

/// @notice An ERC-2612 permit for the registry as spender.
struct Permit {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @title Licenses as locked (ERC-5192) ERC-721 tokens whose id is the LicenseId.
/// @dev Money paid here goes straight to the JobEscrow; approve (or permit) the registry as spender.
interface ILicenseRegistry {
    /// @notice A license was bought for `runs` runs and paid in full to the escrow.
    event LicenseBought(
        bytes32 indexed license, bytes32 indexed dataset, address indexed licensee, License terms, uint32 runs
    );
    /// @notice A job took one run.
    event RunUsed(bytes32 indexed license, uint32 runsLeft);
    /// @notice The owner ended the license; `runs` unused runs were credited to the licensee.
    event LicenseRevoked(bytes32 indexed license, uint32 runs, uint256 amount);
    /// @notice The unused runs were credited to the licensee and the license ended.
    event LicenseReclaimed(bytes32 indexed license, uint32 runs, uint256 amount);
    /// @notice `owner` says that an offer is stored under this CID digest. Anyone can say so: check the signature.
    event OfferAnnounced(address indexed owner, bytes32 indexed offerCid);
    /// @notice Every offer of `owner` with this nonce can no longer be bought.
    event OfferCanceled(address indexed owner, uint256 indexed nonce);

    /// @notice The dataset passed is not the current version of the offer's dataset.
    error DatasetStale(bytes32 dataset);
    /// @notice Only an Active dataset can be licensed.
    error DatasetNotActive(bytes32 dataset, DatasetState state);
    /// @notice The offer is for another buyer.
    error OfferForAnother(address licensee, address caller);
    /// @notice The offer ended.
    error OfferExpired(uint64 validUntil, uint256 time);
    /// @notice The owner canceled this nonce.
    error OfferIsCanceled(address owner, uint256 nonce);
    /// @notice All licenses of the offer were sold.
    error OfferSoldOut(bytes32 offer, uint32 maxLicenses);
    /// @notice The signature is not the dataset owner's over this offer, contract and chain.
    error SignatureRefused(address signer);
    /// @notice The currency is not one of those fixed at deployment.
    error CurrencyNotListed(address currency);
    /// @notice A term is outside what the contracts can carry; `term` names it.
    error TermOutOfRange(string term, uint256 value, uint256 limit);
    /// @notice The same buyer used this nonce with this offer before.
    error LicenseExists(bytes32 license);
    /// @notice The escrow's balance did not grow by exactly the price (fee on transfer, rebasing, false return).
    error WrongAmountReceived(uint256 expected, uint256 received);
    /// @notice The struct passed is not the license's (or the id is unknown).
    error LicenseMismatch(bytes32 license);
    /// @notice The license was revoked or reclaimed.
    error LicenseEnded(bytes32 license, LicenseState state);
    /// @notice The license expired.
    error LicenseExpired(bytes32 license, uint64 expiresAt, uint256 time);
    /// @notice No run is left to use or reclaim.
    error NoRunsLeft(bytes32 license);
    /// @notice Only the dataset's owner may do this.
    error NotOwner(address owner, address caller);
    /// @notice Before expiry only the licensee may reclaim.
    error NotLicensee(address licensee, address caller);
    /// @notice Only the escrow this registry was deployed with may do this.
    error NotEscrow(address escrow, address caller);
    /// @notice Licenses are not transferable and cannot be approved.
    error LicenseLocked(uint256 tokenId);
    /// @notice A constructor argument is not a contract, is zero or is listed twice.
    error BadDeployment(address account);

    /// @notice The dataset registry fixed at deployment.
    function datasets() external view returns (IDatasetRegistry);
    /// @notice The JobEscrow fixed at deployment; it holds all money.
    function escrow() external view returns (address);
    /// @notice Whether prices may be in this token; fixed at deployment.
    function isCurrency(address token) external view returns (bool);

    /// @notice Buy a license for the caller and pay `pricePerRun * maxRuns` into the escrow.
    /// @param offer the owner's proposal
    /// @param signature the owner's EIP-712 signature (65 bytes, low s) or ERC-1271 bytes
    /// @param dataset the dataset's current version
    /// @param nonce any number the caller did not use with this offer before
    /// @return license keccak256(abi.encode(offerDigest, caller, nonce)); also the token id
    function buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)
        external
        returns (bytes32 license);

    /// @notice `buy` after an ERC-2612 permit. A permit that fails (already used by somebody who watched the mempool) is
    /// ignored: the allowance decides.
    function buyWithPermit(
        Offer calldata offer,
        bytes calldata signature,
        Dataset calldata dataset,
        uint256 nonce,
        Permit calldata permit
    ) external returns (bytes32 license);

    /// @notice End every offer of the caller that carries this nonce. Licenses already bought stay.
    function cancelOffer(uint256 nonce) external;

    /// @notice Tell the network that an offer is stored under this CID (sha2-256 digest).
    function announce(bytes32 offerCid) external;

    /// @notice Owner: end the license and credit its unused runs to the licensee. Open jobs finish.
    function revoke(bytes32 license, License calldata terms) external;

    /// @notice Licensee at any time, anyone after expiry: end the license and credit its unused runs to the licensee.
    function reclaim(bytes32 license, License calldata terms) external;

    /// @notice Escrow only: take one run for a job. Fails when ended, expired or used up.
    function useRun(bytes32 license, License calldata terms) external;

    /// @return state where it stands
    /// @return runsLeft runs never requested
    function statusOf(bytes32 license) external view returns (LicenseState state, uint32 runsLeft);

    /// @return whether a job could be requested now: Active, not expired, runs left, and `terms` is its struct
    function isActive(bytes32 license, License calldata terms) external view returns (bool);

    /// @return the EIP-712 digest the owner signs, domain included
    function offerDigest(Offer calldata offer) external view returns (bytes32);

    /// @return how many licenses were bought under this offer digest
    function sold(bytes32 offer) external view returns (uint32);

    /// @return whether this owner canceled this nonce
    function isOfferCanceled(address owner, uint256 nonce) external view returns (bool);
}
