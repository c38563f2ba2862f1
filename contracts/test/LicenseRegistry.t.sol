// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Dataset, DatasetState, IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";
import {ILicenseRegistry, License, LicenseState, Offer, Permit} from "../interfaces/ILicenseRegistry.sol";
import {LicenseRegistry} from "../src/LicenseRegistry.sol";
import {Cheats} from "./support/Checked.sol";
import {World} from "./support/World.sol";

contract LicenseRegistryTest is World {
    function test_constructor_refusesBadArguments() public {
        address[] memory list = new address[](2);
        list[0] = address(token);
        list[1] = address(token);
        _checkBadDeployment(address(token));
        new LicenseRegistry(datasets, address(escrow), list);
        list[1] = address(0);
        _checkBadDeployment(address(0));
        new LicenseRegistry(datasets, address(escrow), list);
        list[1] = address(0xE0A);
        _checkBadDeployment(address(0xE0A));
        new LicenseRegistry(datasets, address(escrow), list);
        _checkBadDeployment(address(0));
        new LicenseRegistry(datasets, address(escrow), new address[](0));
        list[1] = address(datasets);
        _checkBadDeployment(address(0));
        new LicenseRegistry(datasets, address(0), list);
        _checkBadDeployment(address(0xE0A));
        new LicenseRegistry(IDatasetRegistry(address(0xE0A)), address(escrow), list);
    }

    function _checkBadDeployment(address account) private {
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.BadDeployment.selector, account));
    }

    // ---- buy

    function test_buy_locksAPaidLicense() public {
        Run memory run = _registered();
        bytes32 digest = licenses.offerDigest(run.offer);
        uint256 before = token.balanceOf(licensee);
        _buy(run, 7);
        vm.assertEq(run.license, keccak256(abi.encode(digest, licensee, uint256(7))));
        vm.assertEq(licenses.ownerOf(uint256(run.license)), licensee);
        vm.assertTrue(licenses.locked(uint256(run.license)));
        vm.assertEq(token.balanceOf(address(escrow)), 3 * PRICE);
        vm.assertEq(before - token.balanceOf(licensee), 3 * PRICE);
        vm.assertEq(licenses.sold(digest), 1);
        vm.assertEq(run.terms.offer, digest);
        vm.assertEq(run.terms.owner, owner);
        vm.assertEq(run.terms.expiresAt, START + 30 days);
        _checkStatus(run, LicenseState.Active, 3);
        vm.assertTrue(licenses.isActive(run.license, run.terms));
    }

    function test_buy_isFreeWhenThePriceIsZero() public {
        Run memory run = _registered();
        run.offer.terms.pricePerRun = 0;
        _buy(run, 1);
        vm.assertEq(token.balanceOf(address(escrow)), 0);
        _checkStatus(run, LicenseState.Active, 3);
    }

    function test_buy_refusesTheSameNonceTwice() public {
        Run memory run = _bought();
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.LicenseExists.selector, run.license));
    }

    function test_buy_sellsAtMostMaxLicenses() public {
        Run memory run = _registered();
        bytes32 digest = licenses.offerDigest(run.offer);
        for (uint256 i = 0; i < 5; ++i) {
            _buy(run, 100 + i);
        }
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.OfferSoldOut.selector, digest, 5));
        run.offer.maxLicenses = 0;
        digest = licenses.offerDigest(run.offer);
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.OfferSoldOut.selector, digest, 0));
    }

    function test_buy_isPossibleUntilTheLastSecond() public {
        Run memory run = _registered();
        uint64 until = run.offer.validUntil;
        vm.warp(until - 1);
        _buy(run, 10);
        vm.warp(until);
        _buy(run, 11);
        vm.warp(until + 1);
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.OfferExpired.selector, until, until + 1));
    }

    function test_buy_isForTheNamedLicenseeOnly() public {
        Run memory run = _registered();
        run.offer.licensee = stranger;
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.OfferForAnother.selector, stranger, licensee));
        run.offer.licensee = licensee;
        _buy(run, 1);
    }

    function test_buy_refusesCanceledOffers() public {
        Run memory run = _registered();
        vm.assertFalse(licenses.isOfferCanceled(owner, 1));
        vm.prank(owner);
        licenses.cancelOffer(1);
        vm.assertTrue(licenses.isOfferCanceled(owner, 1));
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.OfferIsCanceled.selector, owner, 1));
        run.offer.nonce = 2;
        _buy(run, 1);
    }

    function testFuzz_cancelOffer_touchesOneNonceOfOneOwner(uint256 nonce, uint256 other) public {
        vm.assume(nonce != other);
        vm.prank(owner);
        licenses.cancelOffer(nonce);
        vm.assertTrue(licenses.isOfferCanceled(owner, nonce));
        vm.assertFalse(licenses.isOfferCanceled(owner, other));
        vm.assertFalse(licenses.isOfferCanceled(licensee, nonce));
    }

    function test_buy_refusesUnlistedCurrencies() public {
        Run memory run = _registered();
        run.offer.terms.currency = address(0xBAD);
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.CurrencyNotListed.selector, address(0xBAD)));
    }

    function test_buy_refusesTermsOutOfRange() public {
        Run memory run = _registered();
        run.offer.terms.maxRuns = 0;
        _checkTermRefused(run, "maxRuns", 0, type(uint32).max);
        run.offer = _offer(run.datasetId);
        run.offer.terms.pricePerRun = uint256(type(uint128).max) + 1;
        _checkTermRefused(run, "pricePerRun", uint256(type(uint128).max) + 1, type(uint128).max);
        run.offer = _offer(run.datasetId);
        run.offer.terms.duration = 3650 days + 1;
        _checkTermRefused(run, "duration", 3650 days + 1, 3650 days);
        run.offer = _offer(run.datasetId);
        run.offer.terms.respondWithin = 30 days + 1;
        _checkTermRefused(run, "respondWithin", 30 days + 1, 30 days);
        run.offer = _offer(run.datasetId);
        run.offer.terms.acceptWithin = 30 days + 1;
        _checkTermRefused(run, "acceptWithin", 30 days + 1, 30 days);
        run.offer = _offer(run.datasetId);
        run.offer.terms.minRecords = 301;
        _checkTermRefused(run, "minRecords", 301, 300);
    }

    function test_buy_takesTermsAtTheirLimits() public {
        Run memory run = _registered();
        run.offer.terms.duration = 3650 days;
        run.offer.terms.respondWithin = 30 days;
        run.offer.terms.acceptWithin = 30 days;
        run.offer.terms.minRecords = 300;
        _buy(run, 1);
        _request(run, EMBED, 1);
        vm.assertEq(run.details.settleBy, START + 61 days);
    }

    function test_buy_refusesADatasetThatIsNotActive() public {
        DatasetState[2] memory states = [DatasetState.EndOfLife, DatasetState.Revoked];
        Run memory run = _registered();
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            datasets.setState(run.datasetId, run.dataset, states[i]);
            _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.DatasetStale.selector, run.datasetId));
            run.dataset.state = states[i];
            _checkBuyRefused(
                run, abi.encodeWithSelector(ILicenseRegistry.DatasetNotActive.selector, run.datasetId, states[i])
            );
        }
    }

    function test_buy_refusesAnUnknownDataset() public {
        Run memory run = _registered();
        run.offer.dataset = keccak256("nothing");
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.DatasetStale.selector, run.offer.dataset));
    }

    function test_buy_needsAllowanceAndBalance() public {
        Run memory run = _registered();
        vm.prank(licensee);
        token.approve(address(licenses), 3 * PRICE - 1);
        _checkBuyRefused(
            run,
            abi.encodeWithSignature(
                "ERC20InsufficientAllowance(address,uint256,uint256)", address(licenses), 3 * PRICE - 1, 3 * PRICE
            )
        );
    }

    // ---- permit

    function test_buyWithPermit_needsNoApproval() public {
        Run memory run = _registered();
        vm.prank(licensee);
        token.approve(address(licenses), 0);
        Permit memory permit = _permit(3 * PRICE);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, 1, permit);
        vm.assertEq(token.allowance(licensee, address(licenses)), 0);
    }

    function test_buyWithPermit_worksWhenThePermitWasUsedByAnother() public {
        Run memory run = _registered();
        vm.prank(licensee);
        token.approve(address(licenses), 0);
        Permit memory permit = _permit(3 * PRICE);
        vm.prank(stranger);
        token.permit(licensee, address(licenses), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, 1, permit);
    }

    function test_buyWithPermit_failsWithoutAllowanceWhenThePermitFails() public {
        Run memory run = _registered();
        vm.prank(licensee);
        token.approve(address(licenses), 0);
        Permit memory permit = _permit(3 * PRICE);
        permit.deadline = block.timestamp - 1;
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.expectRevert(
            abi.encodeWithSignature(
                "ERC20InsufficientAllowance(address,uint256,uint256)", address(licenses), 0, 3 * PRICE
            )
        );
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, 1, permit);
    }

    function test_buyWithPermit_neverCallsAnUnlistedToken() public {
        Run memory run = _registered();
        run.offer.terms.currency = address(0xBAD);
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.CurrencyNotListed.selector, address(0xBAD)));
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, 1, Permit(1, 1, 27, 0, 0));
    }

    function _permit(uint256 value) private view returns (Permit memory) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(
            abi.encode(typeHash, licensee, address(licenses), value, token.nonces(licensee), block.timestamp)
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), content));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(LICENSEE_KEY, digest);
        return Permit(value, block.timestamp, v, r, s);
    }

    // ---- announce

    function test_announce_namesItsSender() public {
        vm.recordLogs();
        vm.prank(owner);
        licenses.announce(keccak256("offer"));
        Cheats.Log memory log = lastLog(ILicenseRegistry.OfferAnnounced.selector);
        vm.assertEq(log.topics[1], bytes32(uint256(uint160(owner))));
        vm.assertEq(log.topics[2], keccak256("offer"));
    }

    // ---- revoke

    function test_revoke_creditsUnusedRuns() public {
        Run memory run = _requested();
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.assertEq(_credit(licensee), 2 * PRICE);
        _checkStatus(run, LicenseState.Revoked, 0);
        vm.assertFalse(licenses.isActive(run.license, run.terms));
        vm.assertEq(licenses.ownerOf(uint256(run.license)), licensee);
    }

    function test_revoke_endsALicenseWithoutRunsLeft() public {
        Run memory run = _usedUp();
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.assertEq(_credit(licensee), 0);
        _checkStatus(run, LicenseState.Revoked, 0);
    }

    function test_revoke_isForTheOwnerOnly() public {
        Run memory run = _bought();
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.NotOwner.selector, owner, licensee));
        vm.prank(licensee);
        licenses.revoke(run.license, run.terms);
    }

    function test_revoke_worksAfterExpiry() public {
        Run memory run = _bought();
        vm.warp(run.terms.expiresAt + 1);
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.assertEq(_credit(licensee), 3 * PRICE);
    }

    function test_revoke_refusesEndedLicenses() public {
        Run memory run = _bought();
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenseRegistry.LicenseEnded.selector, run.license, LicenseState.Reclaimed)
        );
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.assertEq(_credit(licensee), 3 * PRICE);
    }

    function test_license_refusesAnUnknownId() public {
        Run memory run = _bought();
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.LicenseMismatch.selector, bytes32(0)));
        licenses.reclaim(0, run.terms);
    }

    // ---- reclaim

    function test_reclaim_isForTheLicenseeAnyTime() public {
        Run memory run = _requested();
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(_credit(licensee), 2 * PRICE);
        _checkStatus(run, LicenseState.Reclaimed, 0);
    }

    function test_reclaim_isForAnyoneFromTheSecondAfterExpiry() public {
        Run memory run = _bought();
        uint64[2] memory before = [run.terms.expiresAt - 1, run.terms.expiresAt];
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(before[i]);
            vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.NotLicensee.selector, licensee, stranger));
            vm.prank(stranger);
            licenses.reclaim(run.license, run.terms);
        }
        vm.warp(run.terms.expiresAt + 1);
        vm.prank(stranger);
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(_credit(licensee), 3 * PRICE);
        vm.assertEq(_credit(stranger), 0);
    }

    function test_reclaim_paysOnce() public {
        Run memory run = _bought();
        vm.startPrank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenseRegistry.LicenseEnded.selector, run.license, LicenseState.Reclaimed)
        );
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(_credit(licensee), 3 * PRICE);
    }

    function test_reclaim_refusesRevokedLicenses() public {
        Run memory run = _bought();
        vm.prank(owner);
        licenses.revoke(run.license, run.terms);
        vm.expectRevert(
            abi.encodeWithSelector(ILicenseRegistry.LicenseEnded.selector, run.license, LicenseState.Revoked)
        );
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
    }

    function test_reclaim_refusesALicenseWithoutRunsLeft() public {
        Run memory run = _usedUp();
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.NoRunsLeft.selector, run.license));
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
    }

    function testFuzz_reclaim_returnsExactlyTheRunsNotRequested(uint128 price, uint32 runs, uint8 used) public {
        runs = uint32(bound(runs, 1, 1_000));
        used = uint8(bound(used, 0, runs < 5 ? runs - 1 : 4));
        price = uint128(bound(price, 0, 10_000 ether / uint256(runs)));
        Run memory run = _registered();
        run.offer.terms.pricePerRun = price;
        run.offer.terms.maxRuns = runs;
        _buy(run, 1);
        for (uint256 i = 0; i < used; ++i) {
            _request(run, EMBED, i);
        }
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        vm.assertEq(_credit(licensee), uint256(price) * (runs - used));
    }

    // ---- useRun

    function test_useRun_isForTheEscrowOnly() public {
        Run memory run = _bought();
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.NotEscrow.selector, address(escrow), licensee));
        vm.prank(licensee);
        licenses.useRun(run.license, run.terms);
    }

    // ---- token

    function test_token_isLocked() public {
        Run memory run = _bought();
        uint256 id = uint256(run.license);
        bytes memory refusal = abi.encodeWithSelector(ILicenseRegistry.LicenseLocked.selector, id);
        vm.startPrank(licensee);
        vm.expectRevert(refusal);
        licenses.transferFrom(licensee, stranger, id);
        vm.expectRevert(refusal);
        licenses.safeTransferFrom(licensee, stranger, id);
        vm.expectRevert(refusal);
        licenses.safeTransferFrom(licensee, stranger, id, "");
        vm.expectRevert(refusal);
        licenses.approve(stranger, id);
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.LicenseLocked.selector, 0));
        licenses.setApprovalForAll(stranger, true);
    }

    function test_token_saysWhatItIs() public {
        Run memory run = _bought();
        vm.assertTrue(licenses.supportsInterface(0xb45a3c0e)); // ERC-5192
        vm.assertTrue(licenses.supportsInterface(0x80ac58cd)); // ERC-721
        vm.assertTrue(licenses.supportsInterface(0x01ffc9a7)); // ERC-165
        vm.assertFalse(licenses.supportsInterface(0xffffffff));
        vm.assertEq(licenses.name(), "Usufruct License");
        vm.assertEq(licenses.tokenURI(uint256(run.license)), "");
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 5));
        licenses.locked(5);
    }

    function _usedUp() private returns (Run memory run) {
        run = _bought();
        for (uint256 i = 0; i < 3; ++i) {
            _request(run, EMBED, i);
        }
        _checkStatus(run, LicenseState.Active, 0);
        vm.assertFalse(licenses.isActive(run.license, run.terms));
    }

    function _checkStatus(Run memory run, LicenseState state, uint32 runs) private view {
        (LicenseState actual, uint32 left) = licenses.statusOf(run.license);
        vm.assertEq(uint256(actual), uint256(state));
        vm.assertEq(left, runs);
    }

    function _checkTermRefused(Run memory run, string memory term, uint256 value, uint256 limit) private {
        _checkBuyRefused(run, abi.encodeWithSelector(ILicenseRegistry.TermOutOfRange.selector, term, value, limit));
    }

    function _checkBuyRefused(Run memory run, bytes memory refusal) private {
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.expectRevert(refusal);
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, 1);
    }
}
