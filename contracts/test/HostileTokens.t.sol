// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ILicenseRegistry, License, Permit} from "../interfaces/ILicenseRegistry.sol";
import {
    BadPermitToken,
    BlocklistToken,
    BonusToken,
    FalseToken,
    FeeToken,
    Hook,
    LyingToken,
    NoReturnToken,
    PlainToken,
    RebasingToken,
    ReentrantToken,
    WalletContract
} from "./support/Hostile.sol";
import {World} from "./support/World.sol";

/// @notice What a badly chosen currency can do: fail its own purchases and withdrawals, never anybody else's.
contract HostileTokensTest is World, Hook {
    address[] private _listed;
    bytes private _call;
    address private _target;
    bytes4 private _expected;
    bool private _reentered;

    function _currencies() internal override returns (address[] memory) {
        _listed = [
            address(token),
            address(new FeeToken()),
            address(new BonusToken()),
            address(new NoReturnToken()),
            address(new FalseToken()),
            address(new LyingToken()),
            address(new BlocklistToken()),
            address(new RebasingToken()),
            address(new ReentrantToken()),
            address(new BadPermitToken())
        ];
        return _listed;
    }

    function test_feeOnTransfer_isRefusedAtPurchase() public {
        _checkBuyRefused(1, _wrongAmount(3 * PRICE, 3 * PRICE - 3 * PRICE / 100));
    }

    function test_bonusOnTransfer_isRefusedAtPurchase() public {
        _checkBuyRefused(2, _wrongAmount(3 * PRICE, 3 * PRICE + 3 * PRICE / 100));
    }

    function test_noReturnValue_worksToTheEnd() public {
        Run memory run = _boughtIn(3);
        _refundAndWithdraw(run);
        vm.assertEq(NoReturnToken(_listed[3]).balanceOf(licensee), 100 ether - 2 * PRICE);
    }

    function test_falseReturn_isRefusedAtPurchase() public {
        FalseToken(_listed[4]).setRefusing(true);
        _checkBuyRefused(4, abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, _listed[4]));
    }

    function test_falseReturn_keepsTheCreditAtWithdrawal() public {
        Run memory run = _boughtIn(4);
        _request(run, EMBED, 1);
        vm.prank(owner);
        escrow.decline(run.job, run.details);
        FalseToken(_listed[4]).setRefusing(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, _listed[4]));
        vm.prank(licensee);
        escrow.withdraw(_listed[4]);
        vm.assertEq(escrow.credits(licensee, _listed[4]), PRICE);
        FalseToken(_listed[4]).setRefusing(false);
        vm.prank(licensee);
        escrow.withdraw(_listed[4]);
    }

    function test_aTokenThatMovesNothing_isRefusedAtPurchase() public {
        _checkBuyRefused(5, _wrongAmount(3 * PRICE, 0));
    }

    function test_blockedOwner_withdrawsToAnotherAddress() public {
        Run memory run = _boughtIn(6);
        _request(run, EMBED, 1);
        _commit(run);
        _draw(run);
        _accept(run);
        BlocklistToken(_listed[6]).setBlocked(owner);
        // A blocked payee does not keep anybody from settling: payments are pulled.
        _settle(run);
        vm.startPrank(owner);
        vm.expectRevert(bytes("blocked"));
        escrow.withdraw(_listed[6]);
        escrow.withdrawTo(_listed[6], stranger);
        vm.assertEq(BlocklistToken(_listed[6]).balanceOf(stranger), PRICE);
    }

    function test_blockedLicensee_isRefundedAllTheSame() public {
        Run memory run = _boughtIn(6);
        BlocklistToken(_listed[6]).setBlocked(licensee);
        vm.startPrank(licensee);
        licenses.reclaim(run.license, run.terms);
        escrow.withdrawTo(_listed[6], stranger);
        vm.assertEq(BlocklistToken(_listed[6]).balanceOf(stranger), 3 * PRICE);
    }

    function test_aShrinkingToken_hurtsItsOwnHoldersOnly() public {
        Run memory run = _boughtIn(7);
        Run memory other = _registered();
        _buy(other, 1);
        RebasingToken(_listed[7]).setPercent(50);
        vm.startPrank(licensee);
        licenses.reclaim(other.license, other.terms);
        escrow.withdraw(address(token));
        vm.assertEq(token.balanceOf(address(escrow)), 0);
        licenses.reclaim(run.license, run.terms);
    }

    function test_aGrowingToken_leavesTheSurplusBehind() public {
        Run memory run = _boughtIn(7);
        RebasingToken(_listed[7]).setPercent(200);
        vm.startPrank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(escrow.withdraw(_listed[7]), 3 * PRICE);
    }

    function test_aRevertingPermit_isIgnoredWhenTheAllowanceIsThere() public {
        Run memory run = _offeredIn(9);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, 1, Permit(1, 1, 27, 0, 0));
    }

    // ---- reentrancy

    function test_reentrantBuy_isRefused() public {
        Run memory run = _offeredIn(8);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        _reenter(
            address(licenses),
            abi.encodeCall(licenses.buy, (run.offer, signature, run.dataset, 9)),
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        _buy(run, 1);
        vm.assertTrue(_reentered);
    }

    function test_reentrantReclaim_isRefusedDuringThePurchase() public {
        Run memory run = _offeredIn(8);
        bytes32 license = keccak256(abi.encode(licenses.offerDigest(run.offer), licensee, uint256(1)));
        License memory terms;
        _reenter(
            address(licenses),
            abi.encodeCall(licenses.reclaim, (license, terms)),
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        _buy(run, 1);
        vm.assertTrue(_reentered);
    }

    function test_reentrantRequest_isRefusedDuringThePurchase() public {
        Run memory run = _offeredIn(8);
        // This contract is the buyer and requests a job in the middle of its own purchase.
        PlainToken(_listed[8]).mint(address(this), 100 ether);
        PlainToken(_listed[8]).approve(address(licenses), type(uint256).max);
        bytes32 digest = licenses.offerDigest(run.offer);
        bytes32 license = keccak256(abi.encode(digest, address(this), uint256(1)));
        License memory terms = License({
            dataset: run.datasetId,
            offer: digest,
            owner: owner,
            licensee: address(this),
            currency: _listed[8],
            pricePerRun: PRICE,
            actions: run.offer.terms.actions,
            expiresAt: uint64(START + 30 days),
            respondWithin: 1 hours,
            acceptWithin: 30 minutes,
            minRecords: 100
        });
        _reenter(
            address(escrow),
            abi.encodeCall(escrow.request, (license, terms, run.dataset, EMBED, 0, 1)),
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        licenses.buy(run.offer, signed(OWNER_KEY, digest), run.dataset, 1);
        vm.assertTrue(_reentered);
        // The same struct is good once the purchase is over.
        escrow.request(license, terms, run.dataset, EMBED, 0, 1);
    }

    function test_withdrawalDuringAPurchase_failsThePurchase() public {
        Run memory run = _boughtIn(8);
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        // The licensee's credit goes out while its next price comes in: the escrow's balance does not grow by the price.
        ReentrantToken(_listed[8]).setHook(address(this));
        _target = address(0);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.WrongAmountReceived.selector, 3 * PRICE, 0));
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, 2);
        vm.assertEq(escrow.credits(licensee, _listed[8]), 3 * PRICE);
    }

    function test_reentrantWithdraw_isRefused() public {
        Run memory run = _boughtIn(8);
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        _reenter(
            address(escrow),
            abi.encodeCall(escrow.withdraw, (_listed[8])),
            ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector
        );
        vm.prank(licensee);
        escrow.withdraw(_listed[8]);
        vm.assertTrue(_reentered);
        vm.assertEq(PlainToken(_listed[8]).balanceOf(licensee), 100 ether);
    }

    /// Called by the reentrant token in the middle of a transfer.
    function onMove() external {
        ReentrantToken(_listed[8]).setHook(address(0));
        if (_target == address(0)) {
            vm.prank(licensee);
            escrow.withdraw(_listed[8]);
            return;
        }
        (bool ok, bytes memory out) = _target.call(_call);
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(out)), bytes32(_expected));
        _reentered = true;
    }

    function _reenter(address target, bytes memory call, bytes4 expected) private {
        ReentrantToken(_listed[8]).setHook(address(this));
        (_target, _call, _expected) = (target, call, expected);
    }

    // ---- hostile receiver

    function test_aReceiverWithoutCallbacks_buysAndIsRefunded() public {
        WalletContract wallet = new WalletContract(licensee);
        _fund(address(wallet));
        Run memory run = _registered();
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.recordLogs();
        wallet.act(address(licenses), abi.encodeCall(licenses.buy, (run.offer, signature, run.dataset, 1)));
        (License memory terms,) = abi.decode(lastLog(ILicenseRegistry.LicenseBought.selector).data, (License, uint32));
        bytes32 license = keccak256(abi.encode(terms.offer, address(wallet), uint256(1)));
        vm.prank(owner);
        licenses.revoke(license, terms);
        vm.assertEq(_credit(address(wallet)), 3 * PRICE);
    }

    // ---- helpers

    function _offeredIn(uint256 index) private returns (Run memory run) {
        run = _registered(keccak256(abi.encode("in", index)), 300, 0);
        run.offer.terms.currency = _listed[index];
        PlainToken(_listed[index]).mint(licensee, 100 ether);
        vm.prank(licensee);
        NoReturnToken(_listed[index]).approve(address(licenses), type(uint256).max);
    }

    function _boughtIn(uint256 index) private returns (Run memory run) {
        run = _offeredIn(index);
        _buy(run, 1);
    }

    function _refundAndWithdraw(Run memory run) private {
        _request(run, EMBED, 1);
        vm.prank(owner);
        escrow.decline(run.job, run.details);
        vm.prank(licensee);
        escrow.withdraw(run.details.currency);
    }

    function _wrongAmount(uint256 expected, uint256 received) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ILicenseRegistry.WrongAmountReceived.selector, expected, received);
    }

    function _checkBuyRefused(uint256 index, bytes memory refusal) private {
        Run memory run = _offeredIn(index);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.expectRevert(refusal);
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, 1);
    }
}
