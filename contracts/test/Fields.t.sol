// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Commitment, IJobEscrow, Job} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, License} from "../interfaces/ILicenseRegistry.sol";
import {TrapdoorKey} from "./support/TrapdoorKey.sol";
import {World} from "./support/World.sol";

/// @notice The slots hold hashes: no call takes a struct of which any field was changed, and no proof made for other inputs.
/// @dev The job is made once, in `setUp`, and read back in each case.
contract FieldsTest is World {
    bytes private _saved;

    function setUp() public override {
        super.setUp();
        _saved = abi.encode(_drawn());
    }

    function _base() private view returns (Run memory) {
        return abi.decode(_saved, (Run));
    }

    /// The pairing check is real here: a proof for one input changed is not one for this job.
    function testFuzz_settle_refusesAProofForAnythingElse(uint8 which, uint256 other) public {
        Run memory run = _base();
        _accept(run);
        uint256[6] memory inputs = _inputs(run);
        which = uint8(bound(which, 0, 5));
        other %= TrapdoorKey.R;
        vm.assume(other != inputs[which]);
        inputs[which] = other;
        uint256[8] memory proof = TrapdoorKey.prove(_alpha(0), inputs, 41);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.ProofRefused.selector, run.job));
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
    }

    function testFuzz_job_refusesAnyChangedField(uint8 field, uint256 change) public {
        Run memory run = _base();
        bytes32 before = keccak256(abi.encode(run.details, run.commitment));
        _change(run, uint8(bound(field, 0, 22)), change);
        vm.assume(before != keccak256(abi.encode(run.details, run.commitment)));
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.JobMismatch.selector, run.job);
        uint256[8] memory proof;
        vm.expectRevert(refusal);
        escrow.draw(run.job, run.details, run.commitment);
        vm.expectRevert(refusal);
        escrow.reject(run.job, run.details, run.commitment);
        vm.expectRevert(refusal);
        escrow.accept(run.job, run.details, run.commitment);
        vm.expectRevert(refusal);
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
        vm.expectRevert(refusal);
        escrow.refund(run.job, run.details, run.commitment);
        vm.expectRevert(refusal);
        escrow.acknowledge(run.job, run.details, run.commitment, "");
    }

    function _change(Run memory run, uint8 field, uint256 change) private pure {
        Job memory d = run.details;
        Commitment memory c = run.commitment;
        if (field == 0) d.license = bytes32(change);
        if (field == 1) d.dataset = bytes32(change);
        if (field == 2) d.owner = address(uint160(change));
        if (field == 3) d.licensee = address(uint160(change));
        if (field == 4) d.currency = address(uint160(change));
        if (field == 5) d.amount = change;
        if (field == 6) d.action = uint16(change);
        if (field == 7) d.spec = bytes32(change);
        if (field == 8) d.version = uint32(change);
        if (field == 9) d.root = change;
        if (field == 10) d.count = uint64(change);
        if (field == 11) d.tier = uint8(change);
        if (field == 12) d.ownerCommitment = change;
        if (field == 13) d.runBy = uint64(change);
        if (field == 14) d.acceptWithin = uint64(change);
        if (field == 15) d.settleBy = uint64(change);
        if (field == 16) c.output.outputRoot = change;
        if (field == 17) c.output.outputDigest = bytes32(change);
        if (field == 18) c.output.keyHash = bytes32(change);
        if (field == 19) c.output.outputCid = bytes32(change);
        if (field == 20) c.atBlock = uint64(change);
        if (field == 21) c.acceptBy = uint64(change);
        if (field == 22) c.challenge = change;
    }

    function testFuzz_license_refusesAnyChangedField(uint8 field, uint256 change) public {
        Run memory run = _base();
        License memory other = abi.decode(abi.encode(run.terms), (License));
        field = uint8(bound(field, 0, 10));
        if (field == 0) other.dataset = bytes32(change);
        if (field == 1) other.offer = bytes32(change);
        if (field == 2) other.owner = address(uint160(change));
        if (field == 3) other.licensee = address(uint160(change));
        if (field == 4) other.currency = address(uint160(change));
        if (field == 5) other.pricePerRun = change;
        if (field == 6) other.actions = uint16(change);
        if (field == 7) other.expiresAt = uint64(change);
        if (field == 8) other.respondWithin = uint64(change);
        if (field == 9) other.acceptWithin = uint64(change);
        if (field == 10) other.minRecords = uint32(change);
        vm.assume(keccak256(abi.encode(other)) != keccak256(abi.encode(run.terms)));
        vm.assertFalse(licenses.isActive(run.license, other));
        bytes memory refusal = abi.encodeWithSelector(ILicenseRegistry.LicenseMismatch.selector, run.license);
        vm.expectRevert(refusal);
        licenses.reclaim(run.license, other);
        vm.expectRevert(refusal);
        licenses.revoke(run.license, other);
        vm.expectRevert(refusal);
        vm.prank(address(escrow));
        licenses.useRun(run.license, other);
    }
}
