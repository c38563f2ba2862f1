// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Commitment} from "../interfaces/IJobEscrow.sol";
import {Permit} from "../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {CheapVerifier} from "./support/CheapVerifier.sol";
import {NoReturnToken} from "./support/Hostile.sol";
import {HostileReceiver, Mood, MoodyToken} from "./support/MoodyToken.sol";
import {World} from "./support/World.sol";

/// @notice Every path that money takes, under every way in which its token can misbehave. The token is called by
/// purchases and withdrawals alone: whatever it does, jobs and licenses end, and credits are exact.
contract HostilePathsTest is World {
    MoodyToken private moody;
    NoReturnToken private silent;
    CheapVerifier private cheap;
    HostileReceiver private wallet;

    function setUp() public override {
        cheap = new CheapVerifier();
        super.setUp();
        wallet = new HostileReceiver(stranger);
        moody.addHook(address(wallet));
        for (uint256 i = 0; i < 2; ++i) {
            address currency = i == 0 ? address(moody) : address(silent);
            NoReturnToken(currency).mint(licensee, 1_000 ether);
            vm.prank(licensee);
            NoReturnToken(currency).approve(address(licenses), type(uint256).max);
        }
        // Someone else's money, in another currency: it must stay as it is.
        Run memory other = _registered(keccak256("other"), 300, 0);
        _buy(other, 1);
    }

    function _currencies() internal override returns (address[] memory list) {
        (moody, silent) = (new MoodyToken(), new NoReturnToken());
        list = new address[](3);
        (list[0], list[1], list[2]) = (address(token), address(moody), address(silent));
    }

    function _verifier(uint256) internal view override returns (IProofVerifier) {
        return cheap;
    }

    function _proof(Run memory run) internal view override returns (uint256[8] memory) {
        return cheap.prove(_inputs(run));
    }

    // ---- in: buy and buyWithPermit

    function test_buy_isRefusedInEveryMoodThatCheats() public {
        for (uint256 i = 1; i < 8; ++i) {
            Run memory run = _offered(address(moody), i);
            moody.setMood(Mood(i), licensee);
            bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
            vm.expectRevert();
            vm.prank(licensee);
            licenses.buy(run.offer, signature, run.dataset, 1);
            vm.expectRevert();
            vm.prank(licensee);
            licenses.buyWithPermit(run.offer, signature, run.dataset, 1, Permit(1, 1, 27, 0, 0));
            moody.setMood(Mood.Reentrant, address(0));
            vm.assertEq(moody.balanceOf(address(escrow)), 0);
            vm.assertEq(licenses.sold(licenses.offerDigest(run.offer)), 0);
        }
    }

    function test_buy_worksWithATokenThatOnlyReentersOrReturnsNothing() public {
        Run memory run = _offered(address(moody), 0);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        wallet.addStep(address(licenses), abi.encodeCall(licenses.buy, (run.offer, signature, run.dataset, 2)));
        wallet.addStep(address(escrow), abi.encodeCall(escrow.withdraw, (address(moody))));
        _buy(run, 1);
        vm.assertEq(wallet.tried(), 2);
        vm.assertEq(wallet.succeeded(), 0);
        run = _offered(address(silent), 0);
        _buy(run, 1);
        vm.assertEq(silent.balanceOf(address(escrow)), 3 * PRICE);
    }

    // ---- within: no job or license waits for the token

    function test_everyCredit_isExactInEveryMood() public {
        for (uint256 i = 0; i < 8; ++i) {
            for (uint256 path = 0; path < 7; ++path) {
                _checkCredit(address(moody), i, path);
            }
        }
    }

    function test_everyCredit_isExactInATokenThatReturnsNothing() public {
        for (uint256 path = 0; path < 7; ++path) {
            _checkCredit(address(silent), 0, path);
        }
    }

    // ---- out: withdraw and withdrawTo

    function test_withdraw_keepsTheCreditWhenTheTokenRefuses() public {
        Mood[2] memory refusing = [Mood.False, Mood.Blocking];
        for (uint256 i = 0; i < 2; ++i) {
            _creditLicensee(10 + i);
            uint256 credit = escrow.credits(licensee, address(moody));
            moody.setMood(refusing[i], licensee);
            vm.expectRevert();
            vm.prank(licensee);
            escrow.withdraw(address(moody));
            vm.expectRevert();
            vm.prank(licensee);
            escrow.withdrawTo(address(moody), licensee);
            vm.assertEq(escrow.credits(licensee, address(moody)), credit);
            moody.setMood(Mood.Reentrant, address(0));
        }
        moody.setMood(Mood.Blocking, licensee);
        vm.prank(licensee);
        escrow.withdrawTo(address(moody), stranger);
        vm.assertEq(moody.balanceOf(stranger), 6 * PRICE);
    }

    function test_withdraw_takesTheWholeCreditOnceInEveryOtherMood() public {
        Mood[5] memory moods = [Mood.Reentrant, Mood.Fee, Mood.Bonus, Mood.Shrunk, Mood.Grown];
        for (uint256 i = 0; i < 5; ++i) {
            _creditLicensee(20 + i);
            moody.setMood(moods[i], address(0));
            wallet.addStep(address(escrow), abi.encodeCall(escrow.withdrawTo, (address(moody), stranger)));
            vm.prank(licensee);
            vm.assertEq(escrow.withdraw(address(moody)), 3 * PRICE);
            vm.assertEq(escrow.credits(licensee, address(moody)), 0);
            moody.setMood(Mood.Reentrant, address(0));
            vm.assertEq(moody.balanceOf(address(escrow)), 0);
        }
        vm.assertEq(wallet.succeeded(), 0);
    }

    /// A token that says it paid and did not takes its own holders' money: nobody else can tell, and no other is touched.
    function test_withdraw_ofALyingTokenLosesThatTokenOnly() public {
        _creditLicensee(30);
        moody.setMood(Mood.Lying, address(0));
        vm.prank(licensee);
        escrow.withdraw(address(moody));
        vm.assertEq(escrow.credits(licensee, address(moody)), 0);
        vm.assertEq(token.balanceOf(address(escrow)), 3 * PRICE);
    }

    // ---- helpers

    /// Seven ways in which money is credited: declined, rejected, not run, not settled, settled, revoked, reclaimed.
    function _checkCredit(address currency, uint256 mood, uint256 path) private {
        Run memory run = _offered(currency, 100 + 10 * mood + path);
        _buy(run, 1);
        _request(run, EMBED, 1);
        moody.setMood(Mood(mood), licensee);
        uint256 forLicensee = escrow.credits(licensee, currency);
        uint256 forOwner = escrow.credits(owner, currency);
        _end(run, path);
        uint256 back = path == 4 ? 0 : path < 4 ? PRICE : 2 * PRICE;
        vm.assertEq(escrow.credits(licensee, currency) - forLicensee, back);
        vm.assertEq(escrow.credits(owner, currency) - forOwner, path == 4 ? PRICE : 0);
        moody.setMood(Mood.Reentrant, address(0));
        vm.assertEq(token.balanceOf(address(escrow)), 3 * PRICE);
    }

    function _end(Run memory run, uint256 path) private {
        Commitment memory none;
        if (path == 2) {
            vm.warp(run.details.runBy + 1);
            escrow.refund(run.job, run.details, none);
        } else if (path == 1 || path == 3 || path == 4) {
            _commit(run);
            _draw(run);
            if (path == 4) _accept(run);
            if (path == 4) _settle(run);
            if (path == 3) vm.warp(run.details.settleBy + 1);
            if (path == 3) escrow.refund(run.job, run.details, run.commitment);
            vm.prank(licensee);
            if (path == 1) escrow.reject(run.job, run.details, run.commitment);
            else escrow.stateOf(run.job);
        } else {
            vm.prank(path == 6 ? licensee : owner);
            if (path == 0) escrow.decline(run.job, run.details);
            if (path == 5) licenses.revoke(run.license, run.terms);
            if (path == 6) licenses.reclaim(run.license, run.terms);
        }
        vm.warp(START);
    }

    function _creditLicensee(uint256 index) private {
        Run memory run = _offered(address(moody), index);
        _buy(run, 1);
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
    }

    function _offered(address currency, uint256 index) private returns (Run memory run) {
        run = _registered(keccak256(abi.encode(currency, index)), 300, 0);
        run.offer.terms.currency = currency;
    }
}
