// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Commitment, IJobEscrow, JobState} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {World} from "./support/World.sol";

/// @notice Every deadline one second before, at, and one second after. The deadline's second belongs to the one who must
/// act; one second later the other side may, and never both in the same second.
contract DeadlinesTest is World {
    Commitment private none;

    // ---- expiry: the last second to request

    function test_expiry_requestOneSecondBeforeAndAt() public {
        Run memory run = _bought();
        vm.warp(run.terms.expiresAt - 1);
        _request(run, EMBED, 1);
        vm.warp(run.terms.expiresAt);
        vm.assertTrue(licenses.isActive(run.license, run.terms));
        _request(run, EMBED, 2);
    }

    function test_expiry_requestOneSecondAfter() public {
        Run memory run = _bought();
        uint64 expiresAt = run.terms.expiresAt;
        vm.warp(expiresAt + 1);
        vm.assertFalse(licenses.isActive(run.license, run.terms));
        vm.expectRevert(
            abi.encodeWithSelector(ILicenseRegistry.LicenseExpired.selector, run.license, expiresAt, expiresAt + 1)
        );
        vm.prank(licensee);
        escrow.request(run.license, run.terms, run.dataset, EMBED, keccak256("spec"), 1);
    }

    function test_expiry_leavesOpenJobsAlone() public {
        Run memory run = _bought();
        vm.warp(run.terms.expiresAt);
        _request(run, EMBED, 1);
        vm.warp(run.terms.expiresAt + 1);
        vm.prank(stranger);
        licenses.reclaim(run.license, run.terms);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
        vm.assertEq(_credit(licensee), 2 * PRICE);
    }

    // ---- runBy: the last second to commit

    function test_runBy_commitOneSecondBefore() public {
        Run memory run = _requested();
        vm.warp(run.details.runBy - 1);
        _checkRefundEarly(run, run.details.runBy);
        _commit(run);
    }

    function test_runBy_commitAtTheDeadline() public {
        Run memory run = _requested();
        vm.warp(run.details.runBy);
        _checkRefundEarly(run, run.details.runBy);
        _commit(run);
        vm.assertEq(run.details.settleBy, uint256(run.commitment.acceptBy) + escrow.SETTLE_WITHIN());
    }

    function test_runBy_refundOneSecondAfter() public {
        Run memory run = _requested();
        uint64 runBy = run.details.runBy;
        vm.warp(runBy + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, runBy, runBy + 1));
        vm.prank(owner);
        escrow.commit(run.job, run.details, _output(run));
        vm.prank(stranger);
        escrow.refund(run.job, run.details, none);
        _checkRefunded(run);
    }

    function test_runBy_declineStillWorksAfter() public {
        Run memory run = _requested();
        vm.warp(run.details.runBy + 1);
        vm.prank(owner);
        escrow.decline(run.job, run.details);
        _checkRefunded(run);
    }

    // ---- acceptBy: the last second to reject or accept; from the next on silence is consent

    function test_acceptBy_rejectOneSecondBefore() public {
        Run memory run = _drawn();
        vm.warp(run.commitment.acceptBy - 1);
        _checkSettleEarly(run);
        _reject(run);
        _checkRefunded(run);
    }

    function test_acceptBy_rejectAtTheDeadline() public {
        Run memory run = _drawn();
        vm.warp(run.commitment.acceptBy);
        _checkSettleEarly(run);
        _reject(run);
        _checkRefunded(run);
    }

    function test_acceptBy_acceptAtTheDeadline() public {
        Run memory run = _drawn();
        vm.warp(run.commitment.acceptBy);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
    }

    function test_acceptBy_settleOneSecondAfter() public {
        Run memory run = _drawn();
        uint64 acceptBy = run.commitment.acceptBy;
        vm.warp(acceptBy + 1);
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, acceptBy, acceptBy + 1);
        vm.expectRevert(refusal);
        _reject(run);
        vm.expectRevert(refusal);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
    }

    function test_acceptBy_alsoEndsRejectionBeforeTheDraw() public {
        Run memory run = _committed();
        vm.warp(run.commitment.acceptBy + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.DeadlinePassed.selector, run.commitment.acceptBy, run.commitment.acceptBy + 1
            )
        );
        _reject(run);
        _draw(run);
        _settle(run);
    }

    function test_acceptBy_acceptanceLetsTheOwnerSettleAtOnce() public {
        Run memory run = _accepted();
        vm.assertTrue(vm.getBlockTimestamp() < run.commitment.acceptBy);
        _settle(run);
    }

    // ---- settleBy: the last second to settle

    function test_settleBy_settleOneSecondBefore() public {
        _checkSettleAt(-1);
    }

    function test_settleBy_settleAtTheDeadline() public {
        _checkSettleAt(0);
    }

    function test_settleBy_refundOneSecondAfterSilence() public {
        Run memory run = _drawn();
        _checkTooLateToSettle(run);
    }

    function test_settleBy_refundOneSecondAfterAcceptance() public {
        Run memory run = _accepted();
        _checkTooLateToSettle(run);
    }

    function test_settleBy_endsTheDrawAndRefundsWhatWasNotDrawn() public {
        Run memory run = _committed();
        uint64 settleBy = run.details.settleBy;
        vm.roll(run.commitment.atBlock + 1);
        vm.warp(settleBy);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.DrawWindowOpen.selector, run.commitment.atBlock, run.commitment.atBlock + 1
            )
        );
        escrow.refund(run.job, run.details, run.commitment);
        vm.warp(settleBy + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, settleBy, settleBy + 1));
        escrow.draw(run.job, run.details, run.commitment);
        escrow.refund(run.job, run.details, run.commitment);
        _checkRefunded(run);
    }

    function test_settleBy_drawAtTheDeadlineStillSettles() public {
        Run memory run = _committed();
        vm.warp(run.details.settleBy);
        _draw(run);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
    }

    function _checkSettleAt(int256 offset) private {
        Run memory run = _drawn();
        vm.warp(uint256(int256(uint256(run.details.settleBy)) + offset));
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, run.details.settleBy, vm.getBlockTimestamp())
        );
        escrow.refund(run.job, run.details, run.commitment);
        _settle(run);
        vm.assertEq(_credit(owner), PRICE);
        vm.assertEq(_credit(licensee), 0);
    }

    function _checkTooLateToSettle(Run memory run) private {
        uint64 settleBy = run.details.settleBy;
        vm.warp(settleBy + 1);
        uint256[8] memory proof = _proof(run);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, settleBy, settleBy + 1));
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
        vm.prank(stranger);
        escrow.refund(run.job, run.details, run.commitment);
        _checkRefunded(run);
    }

    function _checkSettleEarly(Run memory run) private {
        uint256[8] memory proof = _proof(run);
        vm.expectRevert(
            abi.encodeWithSelector(
                IJobEscrow.DeadlineNotPassed.selector, run.commitment.acceptBy, vm.getBlockTimestamp()
            )
        );
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
    }

    function _checkRefundEarly(Run memory run, uint64 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, deadline, vm.getBlockTimestamp()));
        escrow.refund(run.job, run.details, none);
    }

    function _reject(Run memory run) private {
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
    }

    function _checkRefunded(Run memory run) private view {
        _checkState(run.job, JobState.Refunded);
        vm.assertEq(_credit(licensee), PRICE);
        vm.assertEq(_credit(owner), 0);
    }
}
