// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState} from "../interfaces/IDatasetRegistry.sol";
import {Commitment, IJobEscrow, Job, JobState, Output, Receipt, RefundReason} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, LicenseState} from "../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {JobEscrow} from "../src/JobEscrow.sol";
import {LicenseRegistry} from "../src/LicenseRegistry.sol";
import {TrapdoorKey} from "./support/TrapdoorKey.sol";
import {World} from "./support/World.sol";

/// @notice The state machine: every function, every refusal. Deadlines are in Deadlines.t.sol. Proofs come from keys with
/// known secrets (TrapdoorKey): the pairing check is real, no circuit stands behind it.
contract JobEscrowTest is World {
    // ---- constructor

    function test_constructor_refusesBadArguments() public {
        IProofVerifier nothing = IProofVerifier(address(0xE0A));
        // This registry names another escrow.
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BadDeployment.selector, address(licenses)));
        new JobEscrow(licenses, verifiers, statistic);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BadDeployment.selector, address(0xE0A)));
        new JobEscrow(LicenseRegistry(address(0xE0A)), verifiers, statistic);

        for (uint256 tier = 0; tier < 3; ++tier) {
            IProofVerifier[3] memory table = verifiers;
            table[tier] = nothing;
            LicenseRegistry mine = _registryForNextEscrow();
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BadDeployment.selector, address(nothing)));
            new JobEscrow(mine, table, statistic);
        }
        LicenseRegistry last = _registryForNextEscrow();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BadDeployment.selector, address(nothing)));
        new JobEscrow(last, verifiers, nothing);
    }

    function test_constructor_fixesTheTable() public {
        for (uint8 tier = 0; tier < 3; ++tier) {
            for (uint16 action = 2; action <= 8; action *= 2) {
                vm.assertEq(address(escrow.verifierOf(action, tier)), address(verifiers[tier]));
            }
        }
        vm.assertEq(address(escrow.verifierOf(1, 0)), address(statistic));
        vm.assertEq(address(escrow.verifierOf(1, 1)), address(0));
        vm.assertEq(address(escrow.verifierOf(2, 3)), address(0));
        uint16[6] memory unknown = [uint16(0), 3, 16, 32, 64, 6];
        for (uint256 i = 0; i < unknown.length; ++i) {
            vm.assertEq(address(escrow.verifierOf(unknown[i], 0)), address(0));
        }
        JobEscrow without = new JobEscrow(_registryForNextEscrow(), verifiers, IProofVerifier(address(0)));
        vm.assertEq(address(without.verifierOf(1, 0)), address(0));
    }

    function _registryForNextEscrow() private returns (LicenseRegistry) {
        address[] memory currencies = _currencies();
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        return new LicenseRegistry(datasets, next, currencies);
    }

    // ---- request

    function test_request_fixesVersionAmountAndDeadlines() public {
        Run memory run = _requested();
        vm.assertEq(run.job, keccak256(abi.encode(run.license, keccak256("spec"), uint256(1))));
        vm.assertEq(run.details.license, run.license);
        vm.assertEq(run.details.dataset, run.datasetId);
        vm.assertEq(run.details.owner, owner);
        vm.assertEq(run.details.licensee, licensee);
        vm.assertEq(run.details.amount, PRICE);
        vm.assertEq(run.details.version, 1);
        vm.assertEq(run.details.root, 111);
        vm.assertEq(run.details.count, 300);
        vm.assertEq(run.details.ownerCommitment, 222);
        vm.assertEq(run.details.runBy, START + 1 hours);
        vm.assertEq(run.details.settleBy, START + 1 hours + 30 minutes + 1 days);
        _checkState(run.job, JobState.Requested);
        (, uint32 left) = licenses.statusOf(run.license);
        vm.assertEq(left, 2);
    }

    function test_request_isForTheLicenseeOnly() public {
        Run memory run = _bought();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotLicensee.selector, licensee, stranger));
        vm.prank(stranger);
        escrow.request(run.license, run.terms, run.dataset, EMBED, 0, 1);
    }

    function test_request_refusesTheSameNonceTwice() public {
        Run memory run = _requested();
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(IJobEscrow.JobExists.selector, run.job));
    }

    function test_request_refusesAnotherLicensesStruct() public {
        Run memory run = _bought();
        run.terms.pricePerRun = 1;
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(ILicenseRegistry.LicenseMismatch.selector, run.license));
    }

    function test_request_refusesActionsNotLicensed() public {
        Run memory run = _bought();
        uint16[6] memory actions = [uint16(0), 3, 8, 16, 64, 1 << 15];
        for (uint256 i = 0; i < actions.length; ++i) {
            _checkRequestRefused(
                run,
                actions[i],
                abi.encodeWithSelector(IJobEscrow.ActionNotLicensed.selector, actions[i], run.terms.actions)
            );
        }
    }

    function test_request_refusesActionsNotOffered() public {
        Run memory run = _registered();
        run.offer.terms.actions = type(uint16).max;
        _buy(run, 1);
        uint16[4] memory actions = [uint16(16), 32, 64, 128];
        for (uint256 i = 0; i < actions.length; ++i) {
            _checkRequestRefused(
                run, actions[i], abi.encodeWithSelector(IJobEscrow.ActionNotOffered.selector, actions[i], 0)
            );
        }
    }

    function test_request_refusesStatisticsAboveTheFirstTier() public {
        Run memory run = _registered(keccak256("m"), 600, 1);
        _buy(run, 1);
        _checkRequestRefused(run, 1, abi.encodeWithSelector(IJobEscrow.ActionNotOffered.selector, 1, 1));
    }

    function test_request_refusesAStaleVersion() public {
        Run memory run = _bought();
        _publish(run);
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(IJobEscrow.DatasetStale.selector, run.datasetId));
        run.dataset = _secondVersion(run);
        _request(run, EMBED, 1);
        vm.assertEq(run.details.version, 2);
        vm.assertEq(run.details.root, 444);
    }

    function test_request_refusesARevokedDataset() public {
        Run memory run = _bought();
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, DatasetState.Revoked);
        run.dataset.state = DatasetState.Revoked;
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(IJobEscrow.DatasetRevoked.selector, run.datasetId));
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(_credit(licensee), 3 * PRICE);
    }

    function test_request_worksAtEndOfLife() public {
        Run memory run = _bought();
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, DatasetState.EndOfLife);
        run.dataset.state = DatasetState.EndOfLife;
        _request(run, EMBED, 1);
    }

    function test_request_refusesTooFewRecords() public {
        Run memory run = _bought();
        vm.prank(owner);
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 444, 99, 0, 222);
        run.dataset.manifest = keccak256("m2");
        (run.dataset.root, run.dataset.count, run.dataset.version) = (444, 99, 2);
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(IJobEscrow.TooFewRecords.selector, 99, 100));
    }

    function test_request_refusesRevokedUsedUpAndReclaimedLicenses() public {
        Run memory run = _bought();
        for (uint256 i = 10; i < 13; ++i) {
            _request(run, EMBED, i);
        }
        _checkRequestRefused(run, EMBED, abi.encodeWithSelector(ILicenseRegistry.NoRunsLeft.selector, run.license));
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        _checkRequestRefused(
            run,
            EMBED,
            abi.encodeWithSelector(ILicenseRegistry.LicenseEnded.selector, run.license, LicenseState.Revoked)
        );
        _buy(run, 2);
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        _checkRequestRefused(
            run,
            EMBED,
            abi.encodeWithSelector(ILicenseRegistry.LicenseEnded.selector, run.license, LicenseState.Reclaimed)
        );
    }

    // ---- decline

    function test_decline_refundsTheLicensee() public {
        Run memory run = _requested();
        vm.recordLogs();
        vm.prank(owner);
        escrow.decline(run.job, run.details);
        _checkRefunded(run, RefundReason.Declined);
    }

    function test_decline_isForTheOwnerOnly() public {
        Run memory run = _requested();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotOwner.selector, owner, licensee));
        vm.prank(licensee);
        escrow.decline(run.job, run.details);
    }

    // ---- commit

    function test_commit_fixesTheOutput() public {
        Run memory run = _committed();
        vm.assertEq(run.commitment.atBlock, vm.getBlockNumber());
        vm.assertEq(run.commitment.acceptBy, START + 30 minutes);
        vm.assertEq(run.commitment.challenge, 0);
        vm.assertEq(run.commitment.output.keyHash, keccak256(abi.encodePacked(run.k)));
        _checkState(run.job, JobState.Committed);
    }

    function test_commit_isForTheOwnerOnly() public {
        Run memory run = _requested();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotOwner.selector, owner, stranger));
        vm.prank(stranger);
        escrow.commit(run.job, run.details, _output(run));
    }

    function test_commit_refusesARootOutsideTheField() public {
        Run memory run = _requested();
        Output memory output = _output(run);
        output.outputRoot = TrapdoorKey.R;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotInField.selector, TrapdoorKey.R));
        vm.prank(owner);
        escrow.commit(run.job, run.details, output);
    }

    // ---- draw

    function test_draw_storesTheChallengeOfTheCommitsBlock() public {
        Run memory run = _committed();
        vm.roll(run.commitment.atBlock + 1);
        vm.setBlockhash(run.commitment.atBlock, keccak256("that block"));
        vm.prank(stranger);
        uint256 challenge = escrow.draw(run.job, run.details, run.commitment);
        vm.assertEq(challenge, uint256(keccak256(abi.encode(keccak256("that block"), run.job))) >> 8);
        _checkState(run.job, JobState.Drawn);
    }

    function test_draw_needsALaterBlock() public {
        Run memory run = _committed();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DrawTooEarly.selector, run.commitment.atBlock));
        escrow.draw(run.job, run.details, run.commitment);
    }

    function test_draw_endsAfterTheWindow() public {
        Run memory run = _committed();
        uint256 last = uint256(run.commitment.atBlock) + 256;
        vm.roll(last);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DrawWindowOpen.selector, run.commitment.atBlock, last));
        escrow.refund(run.job, run.details, run.commitment);

        vm.roll(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DrawWindowMissed.selector, run.commitment.atBlock, last + 1));
        escrow.draw(run.job, run.details, run.commitment);
        vm.recordLogs();
        escrow.refund(run.job, run.details, run.commitment);
        _checkRefunded(run, RefundReason.NotDrawn);
    }

    function test_draw_worksInTheWindowsLastBlock() public {
        Run memory run = _committed();
        vm.roll(uint256(run.commitment.atBlock) + 256);
        run.commitment.challenge = escrow.draw(run.job, run.details, run.commitment);
        _accept(run);
        _settle(run);
    }

    function test_draw_refusesAChainWithoutTheHash() public {
        Run memory run = _committed();
        vm.roll(uint256(run.commitment.atBlock) + 1);
        vm.setBlockhash(run.commitment.atBlock, 0);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BlockHashUnavailable.selector, run.commitment.atBlock));
        escrow.draw(run.job, run.details, run.commitment);
    }

    function test_draw_happensOnce() public {
        Run memory run = _drawn();
        Commitment memory before = run.commitment;
        before.challenge = 0;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobMismatch.selector, run.job));
        escrow.draw(run.job, run.details, before);
    }

    // ---- reject and accept

    function test_reject_refundsBeforeAndAfterTheDraw() public {
        Run memory run = _committed();
        vm.recordLogs();
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
        _checkRefunded(run, RefundReason.Rejected);

        _request(run, EMBED, 2);
        _commit(run);
        _draw(run);
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
        vm.assertEq(_credit(licensee), 2 * PRICE);
    }

    function test_reject_isForTheLicenseeOnly() public {
        Run memory run = _drawn();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotLicensee.selector, licensee, owner));
        vm.prank(owner);
        escrow.reject(run.job, run.details, run.commitment);
    }

    function test_accept_isForTheLicenseeOnly() public {
        Run memory run = _drawn();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotLicensee.selector, licensee, owner));
        vm.prank(owner);
        escrow.accept(run.job, run.details, run.commitment);
    }

    function test_accept_endsTheRightToReject() public {
        Run memory run = _accepted();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WrongState.selector, run.job, JobState.Accepted));
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
    }

    // ---- settle

    function test_settle_paysTheOwnerAndPublishesTheKey() public {
        Run memory run = _accepted();
        uint256[8] memory proof = _proof(run);
        vm.recordLogs();
        vm.prank(stranger);
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
        bytes32 receipt = _receiptHash(run);
        bytes32 head = keccak256(abi.encode(bytes32(0), run.job, receipt));
        bytes memory logged = abi.encode(address(token), PRICE, run.k, receipt, head);
        vm.assertEq(keccak256(lastLog(IJobEscrow.JobSettled.selector).data), keccak256(logged));
        vm.assertEq(escrow.head(run.datasetId), head);
        vm.assertEq(_credit(owner), PRICE);
        vm.assertEq(_credit(stranger), 0);
        _checkState(run.job, JobState.Settled);
    }

    function test_settle_advancesTheHeadEachTime() public {
        Run memory run = _settled();
        bytes32 before = escrow.head(run.datasetId);
        _request(run, EMBED, 2);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        bytes32 receipt = _receiptHash(run);
        vm.assertEq(escrow.head(run.datasetId), keccak256(abi.encode(before, run.job, receipt)));
        vm.assertEq(_credit(owner), 2 * PRICE);
    }

    function test_settle_worksForEveryTierAndForStatistics() public {
        uint64[3] memory counts = [uint64(512), 32_768, 2_097_152];
        for (uint8 tier = 0; tier < 3; ++tier) {
            Run memory run = _registered(keccak256(abi.encode(tier)), counts[tier], tier);
            _buy(run, 1);
            _request(run, EMBED, 1);
            _commit(run);
            _draw(run);
            _accept(run);
            _settle(run);
        }
        Run memory counted = _registered();
        _buy(counted, 1);
        _request(counted, 1, 1);
        _commit(counted);
        _draw(counted);
        _accept(counted);
        uint256[8] memory proof = TrapdoorKey.prove(99, _inputs(counted), 41);
        _checkProofRefused(counted, _proof(counted));
        escrow.settle(counted.job, counted.details, counted.commitment, proof, counted.k);
        vm.assertEq(_credit(owner), 4 * PRICE);
    }

    function test_settle_refusesAnotherTiersProof() public {
        Run memory run = _accepted();
        _checkProofRefused(run, TrapdoorKey.prove(_alpha(1), _inputs(run), 41));
    }

    function test_settle_refusesAWrongKey() public {
        Run memory run = _accepted();
        bytes32 wrong = keccak256("wrong");
        uint256[8] memory proof = _proof(run);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.KeyMismatch.selector, run.commitment.output.keyHash, keccak256(abi.encodePacked(wrong))
            )
        );
        escrow.settle(run.job, run.details, run.commitment, proof, wrong);
    }

    function test_settle_bindsChainContractJobAndPayee() public {
        Run memory run = _accepted();
        uint256[6] memory inputs = _inputs(run);
        bytes32[8] memory words = [
            bytes32(block.chainid),
            bytes32(uint256(uint160(address(escrow)))),
            run.job,
            run.details.license,
            run.details.spec,
            run.commitment.output.outputDigest,
            run.commitment.output.keyHash,
            bytes32(uint256(uint160(owner)))
        ];
        for (uint256 i = 0; i < 8; ++i) {
            bytes32 before = words[i];
            words[i] = bytes32(uint256(before) ^ 1);
            inputs[4] = uint256(keccak256(abi.encodePacked(words))) >> 8;
            _checkProofRefused(run, TrapdoorKey.prove(_alpha(0), inputs, 41));
            words[i] = before;
        }
        inputs[4] = uint256(keccak256(abi.encodePacked(words))) >> 8;
        escrow.settle(run.job, run.details, run.commitment, TrapdoorKey.prove(_alpha(0), inputs, 41), run.k);
    }

    function test_settle_refusesTheProofAfterAFork() public {
        Run memory run = _accepted();
        uint256[8] memory proof = _proof(run);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.ProofRefused.selector, run.job));
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
    }

    function test_settle_refusesAnotherJobsProof() public {
        Run memory run = _accepted();
        uint256[8] memory proof = _proof(run);
        _request(run, EMBED, 2);
        _commit(run);
        _draw(run);
        _accept(run);
        _checkProofRefused(run, proof);
    }

    function test_settle_paysOnceWhateverTheProofLooksLike() public {
        Run memory run = _settled();
        uint256[8] memory another = TrapdoorKey.prove(_alpha(0), _inputs(run), 4_711);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WrongState.selector, run.job, JobState.Settled));
        escrow.settle(run.job, run.details, run.commitment, another, run.k);
        vm.assertEq(_credit(owner), PRICE);
    }

    function test_settle_finishesOnTheRequestedVersionAfterANewOne() public {
        Run memory run = _requested();
        _publish(run);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        vm.assertEq(run.details.version, 1);
    }

    function test_settle_finishesAfterRevocationAndExpiry() public {
        Run memory run = _requested();
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, DatasetState.Revoked);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
        vm.assertEq(_credit(licensee), 2 * PRICE);
    }

    function test_settle_ofAFreeJobMovesNoMoney() public {
        Run memory run = _registered();
        run.offer.terms.pricePerRun = 0;
        _buy(run, 1);
        _request(run, EMBED, 1);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner), 0);
        _checkState(run.job, JobState.Settled);
    }

    // ---- structs and states

    function test_job_refusesAnUnknownId() public {
        Run memory run = _requested();
        Commitment memory none;
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.JobMismatch.selector, bytes32(0));
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        escrow.decline(0, run.details);
        vm.expectRevert(refusal);
        escrow.commit(0, run.details, _output(run));
        vm.expectRevert(refusal);
        escrow.refund(0, run.details, none);
    }

    function test_job_refusesAChangedStructWhileRequested() public {
        Run memory run = _requested();
        run.details.owner = stranger;
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobMismatch.selector, run.job));
        escrow.decline(run.job, run.details);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.JobMismatch.selector, run.job));
        escrow.commit(run.job, run.details, _output(run));
    }

    /// Every call in every state in which it is not allowed.
    function test_job_refusesEveryCallOutOfTurn() public {
        Run memory run = _requested();
        _checkRefusals(run, JobState.Requested, 1 | 2 | 64);
        _commit(run);
        _checkRefusals(run, JobState.Committed, 4 | 8 | 64);
        _draw(run);
        _checkRefusals(run, JobState.Drawn, 8 | 16 | 32 | 64);
        _accept(run);
        _checkRefusals(run, JobState.Accepted, 32 | 64);
        _settle(run);
        _checkRefusals(run, JobState.Settled, 128);
        escrow.acknowledge(run.job, run.details, run.commitment, _acknowledgment(run));
        _checkRefusals(run, JobState.Delivered, 0);

        Run memory declined = _bought2(run);
        vm.prank(owner);
        escrow.decline(declined.job, declined.details);
        _checkRefusals(declined, JobState.Refunded, 0);
    }

    function _bought2(Run memory run) private returns (Run memory) {
        _request(run, EMBED, 2);
        return run;
    }

    /// `allowed`: decline 1, commit 2, draw 4, reject 8, accept 16, settle 32, refund 64, acknowledge 128.
    function _checkRefusals(Run memory run, JobState state, uint256 allowed) private {
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.WrongState.selector, run.job, state);
        uint256[8] memory proof;
        _checkState(run.job, state);
        for (uint256 call = 1; call <= 128; call *= 2) {
            if (allowed & call != 0) continue;
            vm.expectRevert(refusal);
            vm.prank(call <= 2 ? owner : licensee);
            if (call == 1) escrow.decline(run.job, run.details);
            if (call == 2) escrow.commit(run.job, run.details, _output(run));
            if (call == 4) escrow.draw(run.job, run.details, run.commitment);
            if (call == 8) escrow.reject(run.job, run.details, run.commitment);
            if (call == 16) escrow.accept(run.job, run.details, run.commitment);
            if (call == 32) escrow.settle(run.job, run.details, run.commitment, proof, run.k);
            if (call == 64) escrow.refund(run.job, run.details, run.commitment);
            if (call == 128) escrow.acknowledge(run.job, run.details, run.commitment, "");
        }
    }

    // ---- acknowledge

    function test_acknowledge_marksDelivered() public {
        Run memory run = _settled();
        bytes memory signature = _acknowledgment(run);
        vm.recordLogs();
        vm.prank(stranger);
        escrow.acknowledge(run.job, run.details, run.commitment, signature);
        (bytes32 receipt, bytes memory stored) =
            abi.decode(lastLog(IJobEscrow.JobAcknowledged.selector).data, (bytes32, bytes));
        vm.assertEq(receipt, _receiptHash(run));
        vm.assertEq(keccak256(stored), keccak256(signature));
        _checkState(run.job, JobState.Delivered);
    }

    function test_receipt_saysWhatWasDone() public {
        Run memory run = _settled();
        Receipt memory receipt = escrow.receiptOf(run.job, run.details, run.commitment.output);
        vm.assertEq(receipt.license, run.license);
        vm.assertEq(receipt.job, run.job);
        vm.assertEq(receipt.dataset, run.datasetId);
        vm.assertEq(receipt.version, 1);
        vm.assertEq(receipt.root, 111);
        vm.assertEq(receipt.spec, keccak256("spec"));
        vm.assertEq(receipt.action, EMBED);
        vm.assertEq(receipt.records, 300);
        vm.assertEq(receipt.outputRoot, 333);
        vm.assertEq(receipt.outputDigest, keccak256("sealed"));
        vm.assertEq(receipt.amount, PRICE);
    }

    function _acknowledgment(Run memory run) private view returns (bytes memory) {
        Receipt memory receipt = escrow.receiptOf(run.job, run.details, run.commitment.output);
        return signed(LICENSEE_KEY, escrow.receiptDigest(receipt));
    }

    // ---- withdraw

    function test_withdraw_sendsEverythingOnce() public {
        Run memory run = _settled();
        vm.prank(owner);
        vm.assertEq(escrow.withdraw(address(token)), PRICE);
        vm.assertEq(token.balanceOf(owner), PRICE);
        vm.assertEq(_credit(owner), 0);
        vm.assertEq(token.balanceOf(address(escrow)), 2 * PRICE);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NothingToWithdraw.selector, owner, address(token)));
        vm.prank(owner);
        escrow.withdraw(address(token));
        _checkState(run.job, JobState.Settled);
    }

    function test_withdraw_refusesWhoHasNothing() public {
        _settled();
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NothingToWithdraw.selector, stranger, address(token)));
        vm.prank(stranger);
        escrow.withdraw(address(token));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NothingToWithdraw.selector, owner, address(datasets)));
        vm.prank(owner);
        escrow.withdraw(address(datasets));
    }

    function test_withdrawTo_sendsToAnotherAddress() public {
        _settled();
        vm.prank(owner);
        escrow.withdrawTo(address(token), stranger);
        vm.assertEq(token.balanceOf(stranger), PRICE);
        vm.assertEq(token.balanceOf(owner), 0);
    }

    function test_creditLicensee_isForTheRegistryOnly() public {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotLicenseRegistry.selector, address(licenses), stranger));
        vm.prank(stranger);
        escrow.creditLicensee(0, stranger, address(token), 1);
    }

    // ---- helpers

    function _receiptHash(Run memory run) private view returns (bytes32) {
        return escrow.receiptHash(escrow.receiptOf(run.job, run.details, run.commitment.output));
    }

    function _publish(Run memory run) private {
        vm.prank(owner);
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 444, 400, 0, 222);
    }

    function _secondVersion(Run memory run) private pure returns (Dataset memory next) {
        next = run.dataset;
        next.manifest = keccak256("m2");
        (next.root, next.count, next.version) = (444, 400, 2);
    }

    function _checkRequestRefused(Run memory run, uint16 action, bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(licensee);
        escrow.request(run.license, run.terms, run.dataset, action, keccak256("spec"), 1);
    }

    function _checkProofRefused(Run memory run, uint256[8] memory proof) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.ProofRefused.selector, run.job));
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
    }

    function _checkRefunded(Run memory run, RefundReason reason) private {
        (address currency, uint256 amount, RefundReason actual) =
            abi.decode(lastLog(IJobEscrow.JobRefunded.selector).data, (address, uint256, RefundReason));
        vm.assertEq(currency, address(token));
        vm.assertEq(amount, PRICE);
        vm.assertEq(uint256(actual), uint256(reason));
        vm.assertEq(_credit(licensee), PRICE);
        vm.assertEq(_credit(owner), 0);
        _checkState(run.job, JobState.Refunded);
    }
}
