// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetState} from "../interfaces/IDatasetRegistry.sol";
import {Commitment, Grant} from "../interfaces/IJobEscrow.sol";
import {Permit} from "../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {CheapVerifier} from "./support/CheapVerifier.sol";
import {World} from "./support/World.sol";

/// @notice Which calls work in which state, one second before, at and one second after each deadline, and what each party's
/// call leaves to the others: the table of races in README.md, line by line.
/// @dev `_open` tries every call and undoes it, and answers with the names of those that worked.
contract RacesTest is World {
    /// Undoes an attempt that worked.
    error Worked();

    enum At {
        Requested,
        Committed,
        Drawn,
        Accepted,
        Settled,
        Delivered,
        Refunded
    }

    string[16] private NAMES = [
        "buy",
        "buyWithPermit",
        "request",
        "revoke",
        "reclaim",
        "reclaimByStranger",
        "decline",
        "declineFor",
        "commit",
        "commitFor",
        "draw",
        "reject",
        "accept",
        "settle",
        "refund",
        "acknowledge"
    ];
    /// The parts of NAMES that concern an offer, a license, a job; the last but the grant's calls, too.
    uint256 private constant OFFER = 0;
    uint256 private constant LICENSE = 2;
    uint256 private constant JOB = 6;
    uint256 private constant END = 16;

    Grant private grant;
    CheapVerifier private cheap;
    uint64 private permitUntil;

    function setUp() public override {
        cheap = new CheapVerifier();
        super.setUp();
        grant = Grant(delegate, 0, EMBED, 9, type(uint64).max, 77);
        permitUntil = type(uint64).max;
    }

    function _verifier(uint256) internal view override returns (IProofVerifier) {
        return cheap;
    }

    function _proof(Run memory run) internal view override returns (uint256[8] memory) {
        return cheap.prove(_inputs(run));
    }

    // ---- offer, permit, license, grant

    function test_validUntil_isTheLastSecondToBuy() public {
        Run memory run = _bought();
        string[3] memory open = ["buy buyWithPermit", "buy buyWithPermit", ""];
        _around(run, run.offer.validUntil, OFFER, LICENSE, open);
    }

    function test_permitDeadline_isTheLastSecondOfThePermitAlone() public {
        Run memory run = _bought();
        permitUntil = uint64(START + 1 hours);
        string[3] memory open = ["buy buyWithPermit", "buy buyWithPermit", "buy buyWithPermit"];
        _around(run, permitUntil, OFFER, LICENSE, open);
        vm.prank(licensee);
        token.approve(address(licenses), 0);
        open = ["buyWithPermit", "buyWithPermit", ""];
        _around(run, permitUntil, OFFER, LICENSE, open);
    }

    function test_expiresAt_isTheLastSecondToRequestAndTheLicenseesAlone() public {
        Run memory run = _bought();
        string[3] memory open = ["request revoke reclaim", "request revoke reclaim", "revoke reclaim reclaimByStranger"];
        _around(run, run.terms.expiresAt, LICENSE, JOB, open);
    }

    function test_expiresAt_isNotNoticedByOpenJobs() public {
        for (uint256 state = 0; state <= uint256(At.Refunded); ++state) {
            vm.warp(START);
            Run memory run = _registered(keccak256(abi.encode("expiry", state)), 300, 0);
            run.offer.terms.duration = 10 minutes;
            _buy(run, 1);
            _bring(run, At(state));
            string memory open = _open(run, JOB, END);
            _around(run, run.terms.expiresAt, JOB, END, [open, open, open]);
        }
    }

    function test_grantValidUntil_isTheDelegatesLastSecond() public {
        Run memory run = _requested();
        grant.validUntil = uint64(START + 10 minutes);
        string[3] memory open =
            ["decline declineFor commit commitFor", "decline declineFor commit commitFor", "decline commit"];
        _around(run, grant.validUntil, JOB, END, open);
    }

    // ---- a job's deadlines, in each of its states

    function test_runBy_inEveryState() public {
        _check(
            At.Requested,
            _runBy,
            ["decline declineFor commit commitFor", "decline declineFor commit commitFor", "decline declineFor refund"]
        );
        // acceptBy passed half an hour ago, settleBy is a day off: runBy means nothing any more.
        _check(At.Committed, _runBy, ["draw", "draw", "draw"]);
        _check(At.Drawn, _runBy, ["settle", "settle", "settle"]);
        _check(At.Accepted, _runBy, ["settle", "settle", "settle"]);
        _checkFinalStates(_runBy);
    }

    function test_acceptBy_inEveryState() public {
        string memory owners = "decline declineFor commit commitFor";
        _check(At.Requested, _acceptBy, [owners, owners, owners]);
        _check(At.Committed, _acceptBy, ["draw reject", "draw reject", "draw"]);
        _check(At.Drawn, _acceptBy, ["reject accept", "reject accept", "settle"]);
        _check(At.Accepted, _acceptBy, ["settle", "settle", "settle"]);
        _checkFinalStates(_acceptBy);
    }

    function test_settleBy_inEveryState() public {
        string memory late = "decline declineFor refund";
        _check(At.Requested, _settleBy, [late, late, late]);
        _check(At.Committed, _settleBy, ["draw", "draw", "refund"]);
        _check(At.Drawn, _settleBy, ["settle", "settle", "refund"]);
        _check(At.Accepted, _settleBy, ["settle", "settle", "refund"]);
        _checkFinalStates(_settleBy);
    }

    /// Silence until the last acceptBy possible leaves SETTLE_WITHIN seconds to settle, whatever the terms.
    function testFuzz_settleBy_leavesTimeAfterSilence(uint64 respond, uint64 accept, uint64 delay) public {
        Run memory run = _registered();
        run.offer.terms.respondWithin = uint64(bound(respond, 0, 30 days));
        run.offer.terms.acceptWithin = uint64(bound(accept, 0, 30 days));
        _buy(run, 1);
        _request(run, EMBED, 1);
        vm.warp(START + bound(delay, 0, run.offer.terms.respondWithin));
        _commit(run);
        vm.assertGe(run.details.settleBy, uint256(run.commitment.acceptBy) + 1 days, "time to settle");
        vm.warp(run.commitment.acceptBy + 1);
        _draw(run);
        _settle(run);
    }

    /// Blocks instead of seconds: the commit's own, the first and the last of the window, and the one after.
    function test_drawWindow_inEveryState() public {
        string[5] memory committed = ["reject", "draw reject", "draw reject", "draw reject", "reject refund"];
        string memory owners = "decline declineFor commit commitFor";
        for (uint256 state = 0; state <= uint256(At.Refunded); ++state) {
            vm.warp(START);
            Run memory run = _bought(state);
            _bring(run, At(state));
            string[5] memory open;
            for (uint256 i = 0; i < 5; ++i) {
                if (At(state) == At.Requested) open[i] = owners;
                if (At(state) == At.Committed) open[i] = committed[i];
                if (At(state) == At.Drawn) open[i] = "reject accept";
                if (At(state) == At.Accepted) open[i] = "settle";
                if (At(state) == At.Settled) open[i] = "acknowledge";
            }
            uint256 first = run.commitment.atBlock;
            uint256[5] memory blocks = [first, first + 1, first + 2, first + 256, first + 257];
            for (uint256 i = 0; i < 5; ++i) {
                vm.roll(blocks[i]);
                _checkOpen(run, JOB, END, open[i]);
            }
        }
    }

    // ---- what happens around a job does not touch it

    function test_openJobs_doNotNoticeVersionsStatesRevocationsAndReclaims() public {
        for (uint256 state = 0; state <= uint256(At.Refunded); ++state) {
            for (uint256 what = 0; what < 6; ++what) {
                vm.warp(START);
                Run memory run = _bought(100 + 10 * state + what);
                _bring(run, At(state));
                string memory before = _open(run, JOB, END);
                _happens(run, what);
                _checkOpen(run, JOB, END, before);
            }
        }
    }

    function test_cancelGrant_leavesTheOwner() public {
        Run memory run = _requested();
        vm.prank(owner);
        escrow.cancelGrant(grant.nonce);
        _checkOpen(run, JOB, END, "decline commit");
    }

    // ---- first come, first served: after one, what is left of the other

    function test_race_requestAgainstRevokeOrReclaim() public {
        for (uint256 what = 3; what < 5; ++what) {
            Run memory run = _bought(what);
            _checkOpen(run, LICENSE, JOB, "request revoke reclaim");
            _happens(run, what);
            _checkOpen(run, LICENSE, JOB, "");
            // The other order: a run requested is refunded by neither.
            run = _bought(10 + what);
            _request(run, EMBED, 1);
            uint256 before = _credit(licensee);
            _happens(run, what);
            vm.assertEq(_credit(licensee) - before, 2 * PRICE);
        }
    }

    function test_race_lastRunAgainstReclaim() public {
        Run memory run = _bought();
        for (uint256 i = 1; i < 4; ++i) {
            _request(run, EMBED, i);
        }
        _checkOpen(run, LICENSE, JOB, "revoke");
    }

    function test_race_requestAgainstANewVersionOrState() public {
        Run memory run = _bought();
        _happens(run, 0);
        _checkOpen(run, LICENSE, JOB, "revoke reclaim");
        (, uint32 left) = licenses.statusOf(run.license);
        vm.assertEq(left, 3);
    }

    function test_race_buyAgainstANewVersionStateOrCancelation() public {
        uint256[4] memory ends = [uint256(0), 1, 2, 5];
        for (uint256 i = 0; i < 4; ++i) {
            Run memory run = _bought(i);
            run.offer.nonce = 1_000 + i;
            _checkOpen(run, OFFER, LICENSE, "buy buyWithPermit");
            uint256 paid = token.balanceOf(address(escrow));
            _happens(run, ends[i]);
            _checkOpen(run, OFFER, LICENSE, "");
            vm.assertEq(token.balanceOf(address(escrow)), paid);
        }
    }

    function test_race_lastLicenseOfAnOffer() public {
        Run memory run = _registered();
        run.offer.maxLicenses = 1;
        _checkOpen(run, OFFER, LICENSE, "buy buyWithPermit");
        _buy(run, 1);
        _checkOpen(run, OFFER, LICENSE, "");
    }

    function test_race_declineAgainstCommit() public {
        Run memory run = _requested();
        _commit(run);
        vm.roll(vm.getBlockNumber() + 1);
        _checkOpen(run, JOB, END, "draw reject");
        _request(run, EMBED, 2);
        vm.prank(owner);
        escrow.decline(run.job, run.details);
        _checkOpen(run, JOB, END, "");
    }

    function test_race_rejectAgainstDraw() public {
        Run memory run = _committed();
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
        vm.roll(vm.getBlockNumber() + 1);
        _checkOpen(run, JOB, END, "");
    }

    function test_race_rejectAgainstAccept() public {
        Run memory run = _drawn();
        _accept(run);
        _checkOpen(run, JOB, END, "settle");
        run = _bought(2);
        _bring(run, At.Drawn);
        vm.prank(licensee);
        escrow.reject(run.job, run.details, run.commitment);
        _checkOpen(run, JOB, END, "");
    }

    function test_race_settleAgainstSettle() public {
        Run memory run = _accepted();
        vm.prank(stranger);
        _settle(run);
        _checkOpen(run, JOB, END, "acknowledge");
        vm.assertEq(_credit(owner), PRICE);
        vm.assertEq(_credit(stranger), 0);
    }

    function test_race_refundAgainstRefund() public {
        Run memory run = _requested();
        Commitment memory none;
        vm.warp(run.details.runBy + 1);
        escrow.refund(run.job, run.details, none);
        _checkOpen(run, JOB, END, "");
        vm.assertEq(_credit(licensee), PRICE);
    }

    function test_race_reclaimByAStrangerAgainstRevokeAfterExpiry() public {
        for (uint256 what = 3; what < 5; ++what) {
            vm.warp(START);
            Run memory run = _bought(what);
            vm.warp(run.terms.expiresAt + 1);
            uint256 before = _credit(licensee);
            _happens(run, what);
            vm.assertEq(_credit(licensee) - before, 3 * PRICE);
            _checkOpen(run, LICENSE, JOB, "");
        }
    }

    // ---- states and events

    function _bought(uint256 index) private returns (Run memory run) {
        run = _registered(keccak256(abi.encode("bought", index)), 300, 0);
        run.offer.nonce = index;
        _buy(run, 1);
    }

    function _bring(Run memory run, At state) private {
        _request(run, EMBED, 1);
        if (state == At.Refunded) {
            vm.prank(owner);
            escrow.decline(run.job, run.details);
            return;
        }
        if (state >= At.Committed) {
            _commit(run);
            vm.roll(vm.getBlockNumber() + 1);
        }
        if (state >= At.Drawn) run.commitment.challenge = escrow.draw(run.job, run.details, run.commitment);
        if (state >= At.Accepted) _accept(run);
        if (state >= At.Settled) _settle(run);
        if (state == At.Delivered) escrow.acknowledge(run.job, run.details, run.commitment, _acknowledgment(run));
    }

    function _happens(Run memory run, uint256 what) private {
        vm.prank(what == 4 ? licensee : owner);
        if (what == 0) datasets.publishVersion(run.datasetId, run.dataset, keccak256("new"), 5, 400, 0, 6);
        if (what == 1) datasets.setState(run.datasetId, run.dataset, DatasetState.EndOfLife);
        if (what == 2) datasets.setState(run.datasetId, run.dataset, DatasetState.Revoked);
        if (what == 3) licenses.revoke(run.license, run.terms);
        if (what == 4) licenses.reclaim(run.license, run.terms);
        if (what == 5) licenses.cancelOffer(run.offer.nonce);
    }

    function _runBy(Run memory run) private pure returns (uint64) {
        return run.details.runBy;
    }

    function _acceptBy(Run memory run) private pure returns (uint64) {
        // Before the commit there is none; the same second counted from the request.
        return run.commitment.acceptBy == 0 ? uint64(START + 30 minutes) : run.commitment.acceptBy;
    }

    function _settleBy(Run memory run) private pure returns (uint64) {
        return run.details.settleBy;
    }

    // ---- which calls work

    function _check(At state, function(Run memory) pure returns (uint64) deadline, string[3] memory open) private {
        vm.warp(START);
        Run memory run = _bought(uint256(keccak256(abi.encode(state, open))));
        _bring(run, state);
        _around(run, deadline(run), JOB, END, open);
    }

    function _checkFinalStates(function(Run memory) pure returns (uint64) deadline) private {
        _check(At.Settled, deadline, ["acknowledge", "acknowledge", "acknowledge"]);
        _check(At.Delivered, deadline, ["", "", ""]);
        _check(At.Refunded, deadline, ["", "", ""]);
    }

    /// One second before, at, and one second after.
    function _around(Run memory run, uint64 deadline, uint256 from, uint256 to, string[3] memory open) private {
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(deadline + i - 1);
            _checkOpen(run, from, to, open[i]);
        }
    }

    function _checkOpen(Run memory run, uint256 from, uint256 to, string memory expected) private {
        vm.assertEq(_open(run, from, to), expected);
    }

    /// The names of the calls that work now, in the order of NAMES. Never two that pay opposite sides.
    function _open(Run memory run, uint256 from, uint256 to) private returns (string memory open) {
        bool[16] memory works;
        for (uint256 i = from; i < to; ++i) {
            try this.attempt(run, i) {}
            catch (bytes memory reason) {
                works[i] = bytes4(reason) == Worked.selector;
            }
            if (works[i]) open = bytes(open).length == 0 ? NAMES[i] : string.concat(open, " ", NAMES[i]);
        }
        vm.assertFalse(works[13] && (works[11] || works[14]));
        vm.assertFalse(works[14] && (works[8] || works[9] || works[10] || works[12]));
    }

    function attempt(Run calldata run, uint256 which) external {
        if (which < LICENSE) _attemptOffer(run, which);
        else if (which < JOB) _attemptLicense(run, which);
        else _attemptJob(run, which);
        revert Worked();
    }

    function _attemptOffer(Run calldata run, uint256 which) private {
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        Permit memory permit = _permit();
        vm.prank(licensee);
        if (which == 0) licenses.buy(run.offer, signature, run.dataset, 999);
        else licenses.buyWithPermit(run.offer, signature, run.dataset, 999, permit);
    }

    function _attemptLicense(Run calldata run, uint256 which) private {
        vm.prank(which == 3 ? owner : which == 5 ? stranger : licensee);
        if (which == 2) escrow.request(run.license, run.terms, run.dataset, EMBED, 0, 999);
        else if (which == 3) licenses.revoke(run.license, run.terms);
        else licenses.reclaim(run.license, run.terms);
    }

    function _attemptJob(Run calldata run, uint256 which) private {
        Commitment memory c = run.commitment;
        bytes memory granted = signed(OWNER_KEY, escrow.grantDigest(grant));
        bytes memory received = _acknowledgment(run);
        uint256[8] memory proof = _proof(run);
        bool forLicensee = which == 11 || which == 12;
        vm.prank(which == 7 || which == 9 ? delegate : forLicensee ? licensee : which < 10 ? owner : stranger);
        if (which == 6) escrow.decline(run.job, run.details);
        if (which == 7) escrow.declineFor(run.job, run.details, grant, granted);
        if (which == 8) escrow.commit(run.job, run.details, _output(run));
        if (which == 9) escrow.commitFor(run.job, run.details, _output(run), grant, granted);
        if (which == 10) escrow.draw(run.job, run.details, c);
        if (which == 11) escrow.reject(run.job, run.details, c);
        if (which == 12) escrow.accept(run.job, run.details, c);
        if (which == 13) escrow.settle(run.job, run.details, c, proof, run.k);
        if (which == 14) escrow.refund(run.job, run.details, c);
        if (which == 15) escrow.acknowledge(run.job, run.details, c, received);
    }

    function _acknowledgment(Run memory run) private view returns (bytes memory) {
        bytes32 digest = escrow.receiptDigest(escrow.receiptOf(run.job, run.details, run.commitment.output));
        return signed(LICENSEE_KEY, digest);
    }

    function _permit() private view returns (Permit memory permit) {
        (permit.value, permit.deadline) = (3 * PRICE, permitUntil);
        bytes32 content = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                licensee,
                address(licenses),
                permit.value,
                token.nonces(licensee),
                permit.deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), content));
        (permit.v, permit.r, permit.s) = vm.sign(LICENSEE_KEY, digest);
    }
}
