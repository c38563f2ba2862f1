// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Dataset, IDatasetRegistry} from "./IDatasetRegistry.sol";
import {ILicenseRegistry, License} from "./ILicenseRegistry.sol";
import {IProofVerifier} from "./IProofVerifier.sol";

/// @notice Where a job stands. It only moves forward. Settled, Delivered and Refunded hold no money.
enum JobState {
    None,
    Requested,
    Committed,
    Drawn,
    Accepted,
    Settled,
    /// Settled and acknowledged by the licensee.
    Delivered,
    Refunded
}

/// @notice Why a job was refunded.
enum RefundReason {
    /// The owner or its delegate declined.
    Declined,
    /// No commit until runBy.
    NotRun,
    /// No draw within DRAW_WINDOW blocks of the commit.
    NotDrawn,
    /// The licensee rejected until acceptBy.
    Rejected,
    /// No settle until settleBy.
    NotSettled
}

/// @notice What is fixed at request. Only a hash is stored: callers pass the struct from the `JobRequested` event.
struct Job {
    bytes32 license;
    bytes32 dataset;
    /// The dataset's owner: the only payee.
    address owner;
    /// Who paid: the only one refunded.
    address licensee;
    address currency;
    /// Base units held for this job.
    uint256 amount;
    /// One action bit.
    uint16 action;
    /// sha2-256 digest of the sealed job spec.
    bytes32 spec;
    /// The dataset version this job runs over, whatever is published later.
    uint32 version;
    uint256 root;
    uint64 count;
    uint8 tier;
    uint256 ownerCommitment;
    /// Last second to commit: request time + respondWithin.
    uint64 runBy;
    /// Seconds from commit to acceptBy.
    uint64 acceptWithin;
    /// Last second to settle: runBy + acceptWithin + SETTLE_WITHIN.
    uint64 settleBy;
}

/// @notice What the owner commits to before the challenge exists.
struct Output {
    uint256 outputRoot;
    /// sha2-256 of the sealed package.
    bytes32 outputDigest;
    /// keccak256 of the package key k.
    bytes32 keyHash;
    /// Digest of the sealed package's UnixFS root block.
    bytes32 outputCid;
}

/// @notice The committed output with what the chain added. All zero while Requested; `challenge` zero until Drawn.
struct Commitment {
    Output output;
    /// The block the commit was mined in; its hash becomes the challenge.
    uint64 atBlock;
    /// Last second to reject or accept: commit time + acceptWithin.
    uint64 acceptBy;
    uint256 challenge;
}

/// @notice What was done, for the trail and the bundle. EIP-712, domain ("Usufruct", "1", chain id, JobEscrow).
struct Receipt {
    bytes32 license;
    bytes32 job;
    bytes32 dataset;
    uint32 version;
    uint256 root;
    bytes32 spec;
    uint16 action;
    uint64 records;
    uint256 outputRoot;
    bytes32 outputDigest;
    uint256 amount;
}

/// @notice An owner lets another account commit and decline. EIP-712 in the same domain:
/// Grant(address delegate,bytes32 dataset,uint16 actions,uint32 maxJobs,uint64 validUntil,uint256 nonce)
struct Grant {
    address delegate;
    /// The only dataset it is for; zero means all of the owner's.
    bytes32 dataset;
    /// Bit set of actions it is for.
    uint16 actions;
    /// How many jobs it may commit or decline in all.
    uint32 maxJobs;
    /// Last second in which it can be used.
    uint64 validUntil;
    /// `cancelGrant(nonce)` ends every grant that carries it.
    uint256 nonce;
}

/// @title Holds all money from purchase to withdrawal; each job pays the owner or refunds the licensee, once.
/// @dev Rule for every deadline: its second still belongs to the one who must act; one second later the other side may.
interface IJobEscrow {
    event JobRequested(bytes32 indexed job, bytes32 indexed license, bytes32 indexed dataset, Job details);
    event JobCommitted(bytes32 indexed job, bytes32 indexed dataset, address indexed by, Commitment commitment);
    event JobDrawn(bytes32 indexed job, uint256 challenge);
    event JobAccepted(bytes32 indexed job);
    /// @notice Paid. `k` opens the package for the licensee; `head` is the dataset's new head.
    event JobSettled(
        bytes32 indexed job,
        bytes32 indexed dataset,
        address indexed owner,
        address currency,
        uint256 amount,
        bytes32 k,
        bytes32 receiptHash,
        bytes32 head
    );
    event JobRefunded(
        bytes32 indexed job,
        bytes32 indexed dataset,
        address indexed licensee,
        address currency,
        uint256 amount,
        RefundReason reason
    );
    /// @notice The licensee signed the receipt.
    event JobAcknowledged(bytes32 indexed job, bytes32 receiptHash, bytes signature);
    /// @notice `account` can withdraw `amount` more; `cause` is the job or license it comes from.
    event Credited(address indexed account, address indexed currency, bytes32 indexed cause, uint256 amount);
    event Withdrawn(address indexed account, address indexed currency, address to, uint256 amount);
    event GrantCanceled(address indexed owner, uint256 indexed nonce);

    /// @notice This licensee already requested the same spec under this license with this nonce.
    error JobExists(bytes32 job);
    /// @notice The structs passed are not the job's (or the id is unknown).
    error JobMismatch(bytes32 job);
    /// @notice The job is not in a state in which this can be done.
    error WrongState(bytes32 job, JobState state);
    /// @notice It is too late: the deadline's second is over.
    error DeadlinePassed(uint256 deadline, uint256 time);
    /// @notice It is too early: the deadline's second still belongs to the other side.
    error DeadlineNotPassed(uint256 deadline, uint256 time);
    /// @notice Only the licensee may do this.
    error NotLicensee(address licensee, address caller);
    /// @notice Only the dataset's owner may do this.
    error NotOwner(address owner, address caller);
    /// @notice The action is not exactly one bit, or not one the license allows.
    error ActionNotLicensed(uint16 action, uint16 licensed);
    /// @notice No verifier is deployed for this action and tier.
    error ActionNotOffered(uint16 action, uint8 tier);
    /// @notice The dataset passed is not the current version.
    error DatasetStale(bytes32 dataset);
    /// @notice The dataset was revoked; reclaim the license's unused runs.
    error DatasetRevoked(bytes32 dataset);
    /// @notice The dataset has fewer records than the terms ask for.
    error TooFewRecords(uint64 count, uint32 minRecords);
    /// @notice The output root is not below the scalar field's order.
    error NotInField(uint256 word);
    /// @notice The commit's block is the current one: its hash is not known yet.
    error DrawTooEarly(uint64 commitBlock);
    /// @notice More than DRAW_WINDOW blocks passed since the commit: the job can only be refunded.
    error DrawWindowMissed(uint64 commitBlock, uint256 currentBlock);
    /// @notice The draw can still be done, so the job cannot be refunded yet.
    error DrawWindowOpen(uint64 commitBlock, uint256 currentBlock);
    /// @notice This chain does not give the hash of the commit's block.
    error BlockHashUnavailable(uint64 commitBlock);
    /// @notice keccak256(k) is not the committed key hash.
    error KeyMismatch(bytes32 keyHash, bytes32 given);
    /// @notice The proof is not valid for this job, output, payee, contract, chain and challenge.
    error ProofRefused(bytes32 job);
    /// @notice The signature is not that account's over this message, contract and chain.
    error SignatureRefused(address signer);
    /// @notice The grant names another delegate.
    error NotDelegate(address delegate, address caller);
    /// @notice The grant does not cover this job's dataset or action.
    error GrantNotForJob(bytes32 job);
    /// @notice The grant ended.
    error GrantExpired(uint64 validUntil, uint256 time);
    /// @notice The grant was canceled by its owner.
    error GrantIsCanceled(address owner, uint256 nonce);
    /// @notice The grant was used for all its jobs.
    error GrantUsedUp(bytes32 grant, uint32 maxJobs);
    /// @notice Nothing is credited to this account in this currency.
    error NothingToWithdraw(address account, address currency);
    /// @notice Only the license registry this escrow was deployed with may do this.
    error NotLicenseRegistry(address registry, address caller);
    /// @notice A constructor argument is not a contract, or the registry names another escrow.
    error BadDeployment(address account);

    /// @notice The dataset registry, the license registry's.
    function datasets() external view returns (IDatasetRegistry);
    /// @notice The license registry fixed at deployment.
    function licenses() external view returns (ILicenseRegistry);
    /// @notice The verifier for an action bit and tier; zero when not offered. Fixed at deployment.
    function verifierOf(uint16 action, uint8 tier) external view returns (IProofVerifier);

    /// @notice Licensee: request one run. Takes a run of the license and fixes version, runBy and settleBy.
    /// @param license LicenseId, with its struct in `terms`
    /// @param dataset the dataset's current version
    /// @param action one action bit that the license allows
    /// @param spec sha2-256 digest of the sealed job spec
    /// @param nonce any number not used with this license and spec before
    /// @return job keccak256(abi.encode(license, spec, nonce))
    function request(
        bytes32 license,
        License calldata terms,
        Dataset calldata dataset,
        uint16 action,
        bytes32 spec,
        uint256 nonce
    ) external returns (bytes32 job);

    /// @notice Owner: refuse a requested job; the licensee is refunded.
    function decline(bytes32 job, Job calldata details) external;

    /// @notice `decline` by a delegate.
    function declineFor(bytes32 job, Job calldata details, Grant calldata grant, bytes calldata signature) external;

    /// @notice Owner: commit to the output until runBy, once per job.
    function commit(bytes32 job, Job calldata details, Output calldata output) external;

    /// @notice `commit` by a delegate. The payee stays the owner.
    function commitFor(
        bytes32 job,
        Job calldata details,
        Output calldata output,
        Grant calldata grant,
        bytes calldata signature
    ) external;

    /// @notice Anyone, 1 to DRAW_WINDOW blocks after the commit and until settleBy: fix the challenge.
    /// @return challenge uint256(keccak256(abi.encode(blockhash(commitBlock), job))) >> 8
    function draw(bytes32 job, Job calldata details, Commitment calldata commitment)
        external
        returns (uint256 challenge);

    /// @notice Licensee, until acceptBy, before accepting: refuse the sealed package; refunded.
    function reject(bytes32 job, Job calldata details, Commitment calldata commitment) external;

    /// @notice Licensee, until acceptBy, after the draw: let the owner settle at once.
    function accept(bytes32 job, Job calldata details, Commitment calldata commitment) external;

    /// @notice Anyone, until settleBy, once accepted or after acceptBy: pay the owner for a valid proof and publish `k`.
    /// @param proof the Groth16 proof, words as in `IProofVerifier.verify`
    /// @param k the package key, keccak256(k) = keyHash
    function settle(
        bytes32 job,
        Job calldata details,
        Commitment calldata commitment,
        uint256[8] calldata proof,
        bytes32 k
    ) external;

    /// @notice Anyone: refund the licensee of a job that missed runBy, the draw window or settleBy.
    /// @param commitment all zero for a job that is still Requested
    function refund(bytes32 job, Job calldata details, Commitment calldata commitment) external;

    /// @notice Anyone with the licensee's receipt signature: mark a settled job as delivered.
    function acknowledge(bytes32 job, Job calldata details, Commitment calldata commitment, bytes calldata signature)
        external;

    /// @notice Send the caller everything credited to it in this currency.
    function withdraw(address currency) external returns (uint256 amount);

    /// @notice `withdraw` to another address (for an account that the token refuses to pay).
    function withdrawTo(address currency, address to) external returns (uint256 amount);

    /// @notice End every grant of the caller that carries this nonce.
    function cancelGrant(uint256 nonce) external;

    /// @notice License registry only: credit the unused runs of an ended license.
    function creditLicensee(bytes32 license, address licensee, address currency, uint256 amount) external;

    /// @return where the job stands
    function stateOf(bytes32 job) external view returns (JobState);

    /// @return keccak256(abi.encode(head before, job, receipt struct hash)) of the last settled job; zero before the first
    function head(bytes32 dataset) external view returns (bytes32);

    /// @return what this account can withdraw
    function credits(address account, address currency) external view returns (uint256);

    /// @return the CONTEXT public input for a job with this output
    function contextOf(bytes32 job, Job calldata details, Output calldata output) external view returns (uint256);

    /// @return the receipt of a job with this output
    function receiptOf(bytes32 job, Job calldata details, Output calldata output)
        external
        pure
        returns (Receipt memory);

    /// @return the receipt's EIP-712 struct hash (what `head` chains)
    function receiptHash(Receipt calldata receipt) external pure returns (bytes32);

    /// @return the EIP-712 digest that owner and licensee sign, domain included
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);

    /// @return the EIP-712 digest that the owner signs, domain included
    function grantDigest(Grant calldata grant) external view returns (bytes32);

    /// @return how many jobs were done under this grant digest
    function grantUsed(bytes32 grant) external view returns (uint32);

    /// @return whether this owner canceled this grant nonce
    function isGrantCanceled(address owner, uint256 nonce) external view returns (bool);
}
