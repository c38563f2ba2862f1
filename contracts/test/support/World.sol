// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState, IDatasetRegistry} from "../../interfaces/IDatasetRegistry.sol";
import {Commitment, IJobEscrow, Job, JobState, Output} from "../../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, License, Offer, Terms} from "../../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../../interfaces/IProofVerifier.sol";
import {DatasetRegistry} from "../../src/DatasetRegistry.sol";
import {JobEscrow} from "../../src/JobEscrow.sol";
import {LicenseRegistry} from "../../src/LicenseRegistry.sol";
import {ProvenanceVerifier} from "../../src/ProvenanceVerifier.sol";
import {RewardToken} from "../../src/RewardToken.sol";
import {Checked, Cheats} from "./Checked.sol";
import {TrapdoorKey} from "./TrapdoorKey.sol";

/// @notice Everything deployed, an owner, a licensee and a stranger, and each step of the loop as one call.
/// @dev The steps read the structs back from the events, as a client does.
abstract contract World is Checked {
    uint256 internal constant OWNER_KEY = 0xA11CE;
    uint256 internal constant LICENSEE_KEY = 0xB0B;
    uint256 internal constant DELEGATE_KEY = 0xDE1E;
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant PRICE = 2.5 ether;
    uint16 internal constant EMBED = 2;

    address internal owner = vm.addr(OWNER_KEY);
    address internal licensee = vm.addr(LICENSEE_KEY);
    address internal delegate = vm.addr(DELEGATE_KEY);
    address internal stranger = address(0x57A);

    RewardToken internal token;
    DatasetRegistry internal datasets;
    LicenseRegistry internal licenses;
    JobEscrow internal escrow;
    IProofVerifier[3] internal verifiers;
    IProofVerifier internal statistic;

    /// One job with everything a client keeps about it.
    struct Run {
        bytes32 datasetId;
        Dataset dataset;
        Offer offer;
        bytes32 license;
        License terms;
        bytes32 job;
        Job details;
        Commitment commitment;
        bytes32 k;
    }

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(1_000);
        token = new RewardToken();
        datasets = new DatasetRegistry();
        for (uint256 tier = 0; tier < 3; ++tier) {
            verifiers[tier] = _verifier(tier);
        }
        statistic = new ProvenanceVerifier(TrapdoorKey.words(99), true);
        address[] memory currencies = _currencies();
        address predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        licenses = new LicenseRegistry(datasets, predicted, currencies);
        escrow = new JobEscrow(licenses, verifiers, statistic);
        vm.label(owner, "owner");
        vm.label(licensee, "licensee");
        _fund(licensee);
    }

    /// The verifier of this tier: the real one, except where the proof is not the subject.
    function _verifier(uint256 tier) internal virtual returns (IProofVerifier) {
        return new ProvenanceVerifier(TrapdoorKey.words(_alpha(uint8(tier))), true);
    }

    /// The currencies of this world; tests with hostile tokens add theirs.
    function _currencies() internal virtual returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(token);
    }

    function _fund(address account) internal {
        for (uint256 i = 0; i < 10; ++i) {
            token.faucet(account);
        }
        vm.prank(account);
        token.approve(address(licenses), type(uint256).max);
    }

    /// Secret of a tier's key; another for each, so that a proof for one tier fails in the others.
    function _alpha(uint8 tier) internal pure returns (uint256) {
        return 3 + tier;
    }

    function _terms() internal view returns (Terms memory) {
        return Terms({
            actions: 1 | 2 | 4,
            purposes: 1,
            commercial: true,
            attribution: false,
            pricePerRun: PRICE,
            currency: address(token),
            maxRuns: 3,
            duration: 30 days,
            respondWithin: 1 hours,
            acceptWithin: 30 minutes,
            minRecords: 100,
            maxEpsilonMicro: 0,
            retentionDays: 90,
            legalText: keccak256("legal text")
        });
    }

    function _offer(bytes32 dataset) internal view returns (Offer memory) {
        return Offer({
            dataset: dataset,
            terms: _terms(),
            licensee: address(0),
            maxLicenses: 5,
            validUntil: uint64(START + 7 days),
            nonce: 1
        });
    }

    function _registered() internal returns (Run memory run) {
        return _registered(keccak256("manifest"), 300, 0);
    }

    function _registered(bytes32 manifest, uint64 count, uint8 tier) internal returns (Run memory run) {
        vm.recordLogs();
        vm.prank(owner);
        run.datasetId = datasets.register(manifest, 111, count, tier, 222);
        run.dataset = abi.decode(lastLog(IDatasetRegistry.DatasetRegistered.selector).data, (Dataset));
        run.offer = _offer(run.datasetId);
    }

    function _buy(Run memory run, uint256 nonce) internal {
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.recordLogs();
        vm.prank(licensee);
        run.license = licenses.buy(run.offer, signature, run.dataset, nonce);
        (run.terms,) = abi.decode(lastLog(ILicenseRegistry.LicenseBought.selector).data, (License, uint32));
    }

    function _request(Run memory run, uint16 action, uint256 nonce) internal {
        vm.recordLogs();
        vm.prank(licensee);
        run.job = escrow.request(run.license, run.terms, run.dataset, action, keccak256("spec"), nonce);
        run.details = abi.decode(lastLog(IJobEscrow.JobRequested.selector).data, (Job));
        run.k = keccak256(abi.encode("k", run.job));
        delete run.commitment;
    }

    function _output(Run memory run) internal pure returns (Output memory) {
        return Output({
            outputRoot: 333,
            outputDigest: keccak256("sealed"),
            keyHash: keccak256(abi.encodePacked(run.k)),
            outputCid: keccak256("cid")
        });
    }

    function _commit(Run memory run) internal {
        vm.recordLogs();
        vm.prank(owner);
        escrow.commit(run.job, run.details, _output(run));
        run.commitment = abi.decode(lastLog(IJobEscrow.JobCommitted.selector).data, (Commitment));
    }

    function _draw(Run memory run) internal {
        vm.roll(vm.getBlockNumber() + 1);
        run.commitment.challenge = escrow.draw(run.job, run.details, run.commitment);
    }

    function _accept(Run memory run) internal {
        vm.prank(licensee);
        escrow.accept(run.job, run.details, run.commitment);
    }

    function _settle(Run memory run) internal {
        escrow.settle(run.job, run.details, run.commitment, _proof(run), run.k);
    }

    function _inputs(Run memory run) internal view returns (uint256[6] memory) {
        return [
            run.details.root,
            run.details.count,
            run.details.ownerCommitment,
            run.commitment.output.outputRoot,
            escrow.contextOf(run.job, run.details, run.commitment.output),
            run.commitment.challenge
        ];
    }

    function _proof(Run memory run) internal view virtual returns (uint256[8] memory) {
        return TrapdoorKey.prove(_alpha(run.details.tier), _inputs(run), 41);
    }

    function _bought() internal returns (Run memory run) {
        run = _registered();
        _buy(run, 1);
    }

    function _requested() internal returns (Run memory run) {
        run = _bought();
        _request(run, EMBED, 1);
    }

    function _committed() internal returns (Run memory run) {
        run = _requested();
        _commit(run);
    }

    function _drawn() internal returns (Run memory run) {
        run = _committed();
        _draw(run);
    }

    function _accepted() internal returns (Run memory run) {
        run = _drawn();
        _accept(run);
    }

    function _settled() internal returns (Run memory run) {
        run = _accepted();
        _settle(run);
    }

    function _checkState(bytes32 job, JobState state) internal view {
        vm.assertEq(uint256(escrow.stateOf(job)), uint256(state));
    }

    function _credit(address account) internal view returns (uint256) {
        return escrow.credits(account, address(token));
    }
}
