// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Dataset, DatasetState, IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";
import {
    Commitment,
    Grant,
    IJobEscrow,
    Job,
    JobState,
    Output,
    Receipt,
    RefundReason
} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, License} from "../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";

/// @title Money in escrow, and the state machine of every job
/// @dev One slot per job: 248 bits of keccak256(Job, Commitment), then the state (8 bits).
/// Nobody has a key to this contract: money moves only by the rules below.
contract JobEscrow is IJobEscrow, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// Seconds left to settle when the licensee stays silent until the last acceptBy possible.
    uint64 public constant SETTLE_WITHIN = 1 days;
    /// Blocks after the commit in which its hash can be drawn (what the BLOCKHASH instruction reaches).
    uint64 public constant DRAW_WINDOW = 256;

    uint16 private constant STATISTIC = 1;
    /// embed, train_non_generative, train_generative: the actions whose outputs are rows.
    uint16 private constant ROW_ACTIONS = 2 | 4 | 8;
    uint256 private constant FIELD_ORDER =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 license,bytes32 job,bytes32 dataset,uint32 version,uint256 root,bytes32 spec,uint16 action,uint64 records,uint256 outputRoot,bytes32 outputDigest,uint256 amount)"
    );
    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(address delegate,bytes32 dataset,uint16 actions,uint32 maxJobs,uint64 validUntil,uint256 nonce)"
    );

    /// @inheritdoc IJobEscrow
    IDatasetRegistry public immutable datasets;
    /// @inheritdoc IJobEscrow
    ILicenseRegistry public immutable licenses;
    IProofVerifier private immutable _provenance0;
    IProofVerifier private immutable _provenance1;
    IProofVerifier private immutable _provenance2;
    IProofVerifier private immutable _statistic;

    /// @inheritdoc IJobEscrow
    mapping(bytes32 dataset => bytes32) public head;
    /// @inheritdoc IJobEscrow
    mapping(address account => mapping(address currency => uint256)) public credits;
    /// @inheritdoc IJobEscrow
    mapping(bytes32 grant => uint32) public grantUsed;
    mapping(bytes32 job => uint256 slot) private _jobs;
    mapping(address owner => mapping(uint256 word => uint256 bits)) private _canceledGrants;

    /// @param licenses_ the LicenseRegistry, deployed before with this contract's address as its escrow
    /// @param provenance the ProvenanceVerifier of tiers 0, 1 and 2
    /// @param statistic the statistic circuit's verifier (tier 0 only), or zero when not offered
    constructor(ILicenseRegistry licenses_, IProofVerifier[3] memory provenance, IProofVerifier statistic)
        EIP712("Usufruct", "1")
    {
        if (address(licenses_).code.length == 0 || licenses_.escrow() != address(this)) {
            revert BadDeployment(address(licenses_));
        }
        for (uint256 tier = 0; tier < 3; ++tier) {
            if (address(provenance[tier]).code.length == 0) revert BadDeployment(address(provenance[tier]));
        }
        if (address(statistic) != address(0) && address(statistic).code.length == 0) {
            revert BadDeployment(address(statistic));
        }
        licenses = licenses_;
        datasets = licenses_.datasets();
        _provenance0 = provenance[0];
        _provenance1 = provenance[1];
        _provenance2 = provenance[2];
        _statistic = statistic;
    }

    /// @inheritdoc IJobEscrow
    function request(
        bytes32 license,
        License calldata terms,
        Dataset calldata dataset,
        uint16 action,
        bytes32 spec,
        uint256 nonce
    ) external nonReentrant returns (bytes32 job) {
        if (msg.sender != terms.licensee) revert NotLicensee(terms.licensee, msg.sender);
        _checkRequest(terms, dataset, action);
        job = keccak256(abi.encode(license, spec, nonce));
        if (_jobs[job] != 0) revert JobExists(job);
        uint64 runBy = uint64(block.timestamp) + terms.respondWithin;
        Job memory details = Job({
            license: license,
            dataset: terms.dataset,
            owner: terms.owner,
            licensee: terms.licensee,
            currency: terms.currency,
            amount: terms.pricePerRun,
            action: action,
            spec: spec,
            version: dataset.version,
            root: dataset.root,
            count: dataset.count,
            tier: dataset.tier,
            ownerCommitment: dataset.ownerCommitment,
            runBy: runBy,
            acceptWithin: terms.acceptWithin,
            settleBy: runBy + terms.acceptWithin + SETTLE_WITHIN
        });
        Commitment memory none;
        _jobs[job] = _pack(details, none, JobState.Requested);
        emit JobRequested(job, license, terms.dataset, details);
        // Fails unless `terms` is this license's struct and the license is active; takes a run.
        licenses.useRun(license, terms);
    }

    /// @inheritdoc IJobEscrow
    function decline(bytes32 job, Job calldata details) external {
        _checkRequested(job, details);
        if (msg.sender != details.owner) revert NotOwner(details.owner, msg.sender);
        _decline(job, details);
    }

    /// @inheritdoc IJobEscrow
    function declineFor(bytes32 job, Job calldata details, Grant calldata grant, bytes calldata signature) external {
        _checkRequested(job, details);
        _useGrant(job, details, grant, signature);
        _decline(job, details);
    }

    /// @inheritdoc IJobEscrow
    function commit(bytes32 job, Job calldata details, Output calldata output) external {
        _checkRequested(job, details);
        if (msg.sender != details.owner) revert NotOwner(details.owner, msg.sender);
        _commit(job, details, output);
    }

    /// @inheritdoc IJobEscrow
    function commitFor(
        bytes32 job,
        Job calldata details,
        Output calldata output,
        Grant calldata grant,
        bytes calldata signature
    ) external {
        _checkRequested(job, details);
        _useGrant(job, details, grant, signature);
        _commit(job, details, output);
    }

    /// @inheritdoc IJobEscrow
    function draw(bytes32 job, Job calldata details, Commitment calldata commitment)
        external
        returns (uint256 challenge)
    {
        JobState state = _check(job, details, commitment);
        if (state != JobState.Committed) revert WrongState(job, state);
        _notAfter(details.settleBy);
        if (block.number <= commitment.atBlock) revert DrawTooEarly(commitment.atBlock);
        if (_drawMissed(commitment)) revert DrawWindowMissed(commitment.atBlock, block.number);
        bytes32 blockHash = blockhash(commitment.atBlock);
        if (blockHash == 0) revert BlockHashUnavailable(commitment.atBlock);

        challenge = uint256(keccak256(abi.encode(blockHash, job))) >> 8;
        Commitment memory drawn = commitment;
        drawn.challenge = challenge;
        _jobs[job] = _pack(details, drawn, JobState.Drawn);
        emit JobDrawn(job, challenge);
    }

    /// @inheritdoc IJobEscrow
    function reject(bytes32 job, Job calldata details, Commitment calldata commitment) external {
        JobState state = _check(job, details, commitment);
        if (state != JobState.Committed && state != JobState.Drawn) revert WrongState(job, state);
        if (msg.sender != details.licensee) revert NotLicensee(details.licensee, msg.sender);
        _notAfter(commitment.acceptBy);
        _refund(job, details, RefundReason.Rejected);
    }

    /// @inheritdoc IJobEscrow
    function accept(bytes32 job, Job calldata details, Commitment calldata commitment) external {
        JobState state = _check(job, details, commitment);
        if (state != JobState.Drawn) revert WrongState(job, state);
        if (msg.sender != details.licensee) revert NotLicensee(details.licensee, msg.sender);
        _notAfter(commitment.acceptBy);
        _setState(job, JobState.Accepted);
        emit JobAccepted(job);
    }

    /// @inheritdoc IJobEscrow
    function settle(
        bytes32 job,
        Job calldata details,
        Commitment calldata commitment,
        uint256[8] calldata proof,
        bytes32 k
    ) external {
        JobState state = _check(job, details, commitment);
        if (state == JobState.Drawn) _onlyAfter(commitment.acceptBy);
        else if (state != JobState.Accepted) revert WrongState(job, state);
        _notAfter(details.settleBy);
        bytes32 keyHash = keccak256(abi.encodePacked(k));
        if (keyHash != commitment.output.keyHash) revert KeyMismatch(commitment.output.keyHash, keyHash);
        _checkProof(job, details, commitment, proof);

        _setState(job, JobState.Settled);
        _credit(details.owner, details.currency, job, details.amount);
        bytes32 receipt = receiptHash(receiptOf(job, details, commitment.output));
        bytes32 newHead = keccak256(abi.encode(head[details.dataset], job, receipt));
        head[details.dataset] = newHead;
        emit JobSettled(job, details.dataset, details.owner, details.currency, details.amount, k, receipt, newHead);
    }

    /// @inheritdoc IJobEscrow
    function refund(bytes32 job, Job calldata details, Commitment calldata commitment) external {
        JobState state = _check(job, details, commitment);
        if (state == JobState.Requested) {
            _onlyAfter(details.runBy);
            _refund(job, details, RefundReason.NotRun);
        } else if (state == JobState.Committed) {
            bool late = block.timestamp > details.settleBy;
            if (!late && !_drawMissed(commitment)) revert DrawWindowOpen(commitment.atBlock, block.number);
            _refund(job, details, RefundReason.NotDrawn);
        } else if (state == JobState.Drawn || state == JobState.Accepted) {
            _onlyAfter(details.settleBy);
            _refund(job, details, RefundReason.NotSettled);
        } else {
            revert WrongState(job, state);
        }
    }

    /// @inheritdoc IJobEscrow
    function acknowledge(bytes32 job, Job calldata details, Commitment calldata commitment, bytes calldata signature)
        external
    {
        JobState state = _check(job, details, commitment);
        if (state != JobState.Settled) revert WrongState(job, state);
        bytes32 receipt = receiptHash(receiptOf(job, details, commitment.output));
        if (!SignatureChecker.isValidSignatureNowCalldata(details.licensee, _hashTypedDataV4(receipt), signature)) {
            revert SignatureRefused(details.licensee);
        }
        _setState(job, JobState.Delivered);
        emit JobAcknowledged(job, receipt, signature);
    }

    /// @inheritdoc IJobEscrow
    function withdraw(address currency) external nonReentrant returns (uint256 amount) {
        return _withdraw(currency, msg.sender);
    }

    /// @inheritdoc IJobEscrow
    function withdrawTo(address currency, address to) external nonReentrant returns (uint256 amount) {
        return _withdraw(currency, to);
    }

    /// @inheritdoc IJobEscrow
    function cancelGrant(uint256 nonce) external {
        _canceledGrants[msg.sender][nonce >> 8] |= 1 << (nonce & 0xff);
        emit GrantCanceled(msg.sender, nonce);
    }

    /// @inheritdoc IJobEscrow
    function creditLicensee(bytes32 license, address licensee, address currency, uint256 amount) external {
        if (msg.sender != address(licenses)) revert NotLicenseRegistry(address(licenses), msg.sender);
        _credit(licensee, currency, license, amount);
    }

    /// @inheritdoc IJobEscrow
    function verifierOf(uint16 action, uint8 tier) public view returns (IProofVerifier) {
        if (action == STATISTIC) return tier == 0 ? _statistic : IProofVerifier(address(0));
        if (!_isOneBit(action) || action & ROW_ACTIONS == 0) return IProofVerifier(address(0));
        if (tier == 0) return _provenance0;
        if (tier == 1) return _provenance1;
        return tier == 2 ? _provenance2 : IProofVerifier(address(0));
    }

    /// @inheritdoc IJobEscrow
    function stateOf(bytes32 job) public view returns (JobState) {
        return JobState(uint8(_jobs[job]));
    }

    /// @inheritdoc IJobEscrow
    function contextOf(bytes32 job, Job calldata details, Output calldata output) public view returns (uint256) {
        bytes memory bound = abi.encode(
            block.chainid,
            address(this),
            job,
            details.license,
            details.spec,
            output.outputDigest,
            output.keyHash,
            details.owner
        );
        return uint256(keccak256(bound)) >> 8;
    }

    /// @inheritdoc IJobEscrow
    function receiptOf(bytes32 job, Job calldata details, Output calldata output) public pure returns (Receipt memory) {
        return Receipt({
            license: details.license,
            job: job,
            dataset: details.dataset,
            version: details.version,
            root: details.root,
            spec: details.spec,
            action: details.action,
            records: details.count,
            outputRoot: output.outputRoot,
            outputDigest: output.outputDigest,
            amount: details.amount
        });
    }

    /// @inheritdoc IJobEscrow
    function receiptHash(Receipt memory receipt) public pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }

    /// @inheritdoc IJobEscrow
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32) {
        return _hashTypedDataV4(receiptHash(receipt));
    }

    /// @inheritdoc IJobEscrow
    function grantDigest(Grant calldata grant) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(GRANT_TYPEHASH, grant)));
    }

    /// @inheritdoc IJobEscrow
    function isGrantCanceled(address owner, uint256 nonce) public view returns (bool) {
        return _canceledGrants[owner][nonce >> 8] & (1 << (nonce & 0xff)) != 0;
    }

    function _checkRequest(License calldata terms, Dataset calldata dataset, uint16 action) private view {
        if (datasets.hashOf(terms.dataset) != keccak256(abi.encode(dataset))) revert DatasetStale(terms.dataset);
        if (dataset.state == DatasetState.Revoked) revert DatasetRevoked(terms.dataset);
        if (dataset.count < terms.minRecords) revert TooFewRecords(dataset.count, terms.minRecords);
        if (!_isOneBit(action) || action & terms.actions == 0) revert ActionNotLicensed(action, terms.actions);
        if (address(verifierOf(action, dataset.tier)) == address(0)) revert ActionNotOffered(action, dataset.tier);
    }

    function _checkProof(bytes32 job, Job calldata details, Commitment calldata commitment, uint256[8] calldata proof)
        private
        view
    {
        uint256[6] memory inputs = [
            details.root,
            details.count,
            details.ownerCommitment,
            commitment.output.outputRoot,
            contextOf(job, details, commitment.output),
            commitment.challenge
        ];
        if (!verifierOf(details.action, details.tier).verify(proof, inputs)) revert ProofRefused(job);
    }

    function _useGrant(bytes32 job, Job calldata details, Grant calldata grant, bytes calldata signature) private {
        if (msg.sender != grant.delegate) revert NotDelegate(grant.delegate, msg.sender);
        bool covered = grant.dataset == 0 || grant.dataset == details.dataset;
        if (!covered || grant.actions & details.action == 0) revert GrantNotForJob(job);
        if (block.timestamp > grant.validUntil) revert GrantExpired(grant.validUntil, block.timestamp);
        if (isGrantCanceled(details.owner, grant.nonce)) revert GrantIsCanceled(details.owner, grant.nonce);
        bytes32 digest = grantDigest(grant);
        if (!SignatureChecker.isValidSignatureNowCalldata(details.owner, digest, signature)) {
            revert SignatureRefused(details.owner);
        }
        uint32 used = grantUsed[digest];
        if (used >= grant.maxJobs) revert GrantUsedUp(digest, grant.maxJobs);
        grantUsed[digest] = used + 1;
    }

    function _commit(bytes32 job, Job calldata details, Output calldata output) private {
        _notAfter(details.runBy);
        if (output.outputRoot >= FIELD_ORDER) revert NotInField(output.outputRoot);
        Commitment memory commitment = Commitment({
            output: output,
            atBlock: uint64(block.number),
            acceptBy: uint64(block.timestamp) + details.acceptWithin,
            challenge: 0
        });
        _jobs[job] = _pack(details, commitment, JobState.Committed);
        emit JobCommitted(job, details.dataset, msg.sender, commitment);
    }

    function _decline(bytes32 job, Job calldata details) private {
        _refund(job, details, RefundReason.Declined);
    }

    function _refund(bytes32 job, Job calldata details, RefundReason reason) private {
        _setState(job, JobState.Refunded);
        _credit(details.licensee, details.currency, job, details.amount);
        emit JobRefunded(job, details.dataset, details.licensee, details.currency, details.amount, reason);
    }

    function _credit(address account, address currency, bytes32 cause, uint256 amount) private {
        if (amount == 0) return;
        credits[account][currency] += amount;
        emit Credited(account, currency, cause, amount);
    }

    function _withdraw(address currency, address to) private returns (uint256 amount) {
        amount = credits[msg.sender][currency];
        if (amount == 0) revert NothingToWithdraw(msg.sender, currency);
        credits[msg.sender][currency] = 0;
        emit Withdrawn(msg.sender, currency, to, amount);
        IERC20(currency).safeTransfer(to, amount);
    }

    function _setState(bytes32 job, JobState state) private {
        _jobs[job] = (_jobs[job] & ~uint256(0xff)) | uint256(state);
    }

    function _checkRequested(bytes32 job, Job calldata details) private view {
        Commitment memory none;
        JobState state = stateOf(job);
        // Past Requested the slot covers a commitment that is not at hand: say the state, not that the structs differ.
        if (state > JobState.Requested) revert WrongState(job, state);
        _check(job, details, none);
    }

    function _check(bytes32 job, Job calldata details, Commitment memory commitment)
        private
        view
        returns (JobState state)
    {
        state = stateOf(job);
        if (state == JobState.None || _jobs[job] != _pack(details, commitment, state)) revert JobMismatch(job);
    }

    function _drawMissed(Commitment calldata commitment) private view returns (bool) {
        return block.number > uint256(commitment.atBlock) + DRAW_WINDOW;
    }

    function _notAfter(uint256 deadline) private view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
    }

    function _onlyAfter(uint256 deadline) private view {
        if (block.timestamp <= deadline) revert DeadlineNotPassed(deadline, block.timestamp);
    }

    function _pack(Job memory details, Commitment memory commitment, JobState state) private pure returns (uint256) {
        return (uint256(keccak256(abi.encode(details, commitment))) & ~uint256(0xff)) | uint256(state);
    }

    function _isOneBit(uint16 action) private pure returns (bool) {
        return action != 0 && action & (action - 1) == 0;
    }
}
