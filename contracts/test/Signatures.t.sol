// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState} from "../interfaces/IDatasetRegistry.sol";
import {Commitment, Grant, IJobEscrow, Job, JobState, Receipt} from "../interfaces/IJobEscrow.sol";
import {ILicenseRegistry, License, Offer} from "../interfaces/ILicenseRegistry.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {CheapVerifier} from "./support/CheapVerifier.sol";
import {WalletContract} from "./support/Hostile.sol";
import {World} from "./support/World.sol";

/// @notice Offers, receipts and grants: who signed what, for which contract, on which chain.
contract SignaturesTest is World {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    // ---- offers

    function test_offer_refusesEveryBadSignature() public {
        Run memory run = _registered();
        bytes32 digest = licenses.offerDigest(run.offer);
        bytes[] memory bad = _badSignatures(OWNER_KEY, digest, LICENSEE_KEY);
        for (uint256 i = 0; i < bad.length; ++i) {
            _checkOfferRefused(run, owner, bad[i]);
        }
        vm.prank(licensee);
        licenses.buy(run.offer, signed(OWNER_KEY, digest), run.dataset, 1);
    }

    function test_offer_refusesAnotherContractsDomain() public {
        Run memory run = _registered();
        bytes32 content = _structHash(run.offer);
        _checkOfferRefused(run, owner, signed(OWNER_KEY, _digest(address(escrow), block.chainid, content)));
        _checkOfferRefused(run, owner, signed(OWNER_KEY, _digest(address(licenses), block.chainid + 1, content)));
        _checkOfferRefused(run, owner, signed(OWNER_KEY, content));
        vm.assertEq(_digest(address(licenses), block.chainid, content), licenses.offerDigest(run.offer));
    }

    function test_offer_refusesTheOldChainAfterAFork() public {
        Run memory run = _registered();
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.chainId(block.chainid + 1);
        _checkOfferRefused(run, owner, signature);
    }

    function testFuzz_offer_refusesEachChangedField(uint8 field, uint256 change) public {
        Run memory run = _registered();
        bytes32 digest = licenses.offerDigest(run.offer);
        bytes memory signature = signed(OWNER_KEY, digest);
        Offer memory offer = run.offer;
        field = uint8(bound(field, 0, 12));
        if (field == 0) offer.terms.actions = uint16(change);
        if (field == 1) offer.terms.purposes = uint16(change);
        if (field == 2) offer.terms.commercial = !offer.terms.commercial;
        if (field == 3) offer.terms.attribution = !offer.terms.attribution;
        if (field == 4) offer.terms.pricePerRun = uint128(change);
        if (field == 5) offer.terms.maxRuns = uint32(bound(change, 1, type(uint32).max));
        if (field == 6) offer.terms.duration = uint64(bound(change, 0, 3650 days));
        if (field == 7) offer.terms.respondWithin = uint64(bound(change, 0, 30 days));
        if (field == 8) offer.terms.acceptWithin = uint64(bound(change, 0, 30 days));
        if (field == 9) offer.maxLicenses = uint32(change);
        if (field == 10) offer.validUntil = uint64(bound(change, START, type(uint64).max));
        if (field == 11) offer.nonce = change;
        if (field == 12) offer.terms.legalText = bytes32(change);
        vm.assume(licenses.offerDigest(offer) != digest);
        _checkOfferRefused(run, owner, signature);
    }

    function test_offer_ofAContractOwnerIsCheckedByTheContract() public {
        WalletContract wallet = new WalletContract(owner);
        Run memory run = _registeredBy(wallet);
        bytes32 digest = licenses.offerDigest(run.offer);
        _checkOfferRefused(run, address(wallet), signed(LICENSEE_KEY, digest));
        _checkOfferRefused(run, address(wallet), "");
        vm.prank(licensee);
        licenses.buy(run.offer, signed(OWNER_KEY, digest), run.dataset, 1);
        wallet.setOff();
        _checkOfferRefused(run, address(wallet), signed(OWNER_KEY, digest));
    }

    function test_offer_ofAContractThatCannotSignIsRefused() public {
        // The token's address as owner: it has code and no isValidSignature.
        vm.recordLogs();
        vm.prank(address(token));
        Run memory run;
        run.datasetId = datasets.register(keccak256("m"), 1, 300, 0, 1);
        run.dataset = Dataset(address(token), keccak256("m"), 1, 300, 0, 1, 1, DatasetState.Active);
        run.offer = _offer(run.datasetId);
        _checkOfferRefused(run, address(token), signed(OWNER_KEY, licenses.offerDigest(run.offer)));
    }

    /// Recovering from garbage gives the zero address: it must not count as an owner.
    function test_offer_ofTheZeroAddressIsRefused() public {
        vm.prank(address(0));
        Run memory run;
        run.datasetId = datasets.register(keccak256("m"), 1, 300, 0, 1);
        run.dataset = Dataset(address(0), keccak256("m"), 1, 300, 0, 1, 1, DatasetState.Active);
        run.offer = _offer(run.datasetId);
        bytes[] memory bad = _badSignatures(OWNER_KEY, licenses.offerDigest(run.offer), LICENSEE_KEY);
        for (uint256 i = 0; i < bad.length; ++i) {
            _checkOfferRefused(run, address(0), bad[i]);
        }
    }

    function testFuzz_everyMessage_refusesRandomSignatures(bytes32 r, bytes32 s, uint8 v, bytes calldata tail) public {
        Run memory run = abi.decode(_settledRun, (Run));
        bytes memory random = v % 2 == 0 ? abi.encodePacked(r, s, v % 4 < 2 ? 27 + v % 3 : v) : bytes(tail);
        _checkReceiptRefused(run, random);
        _checkOfferRefused(run, owner, random);
        run = _saved();
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, owner);
        Grant memory grant = _grant(run);
        vm.expectRevert(refusal);
        vm.prank(delegate);
        escrow.declineFor(run.job, run.details, grant, random);
    }

    // ---- receipts

    function test_receipt_refusesEveryBadSignature() public {
        Run memory run = _settled();
        Receipt memory receipt = escrow.receiptOf(run.job, run.details, run.commitment.output);
        bytes32 digest = escrow.receiptDigest(receipt);
        bytes[] memory bad = _badSignatures(LICENSEE_KEY, digest, OWNER_KEY);
        for (uint256 i = 0; i < bad.length; ++i) {
            _checkReceiptRefused(run, bad[i]);
        }
        bytes32 content = escrow.receiptHash(receipt);
        _checkReceiptRefused(run, signed(LICENSEE_KEY, _digest(address(licenses), block.chainid, content)));
        _checkReceiptRefused(run, signed(LICENSEE_KEY, _digest(address(escrow), block.chainid + 1, content)));
        vm.assertEq(_digest(address(escrow), block.chainid, content), digest);
        receipt.amount += 1;
        _checkReceiptRefused(run, signed(LICENSEE_KEY, escrow.receiptDigest(receipt)));
        escrow.acknowledge(run.job, run.details, run.commitment, signed(LICENSEE_KEY, digest));
    }

    function test_receipt_ofAnotherJobIsRefused() public {
        Run memory run = _settled();
        bytes memory signature = _acknowledgment(run);
        _request(run, EMBED, 2);
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        _checkReceiptRefused(run, signature);
    }

    function test_receipt_ofAContractLicensee() public {
        WalletContract wallet = new WalletContract(licensee);
        Run memory run = _requestedBy(wallet);
        _commit(run);
        _draw(run);
        vm.warp(run.commitment.acceptBy + 1);
        _settle(run);
        escrow.acknowledge(run.job, run.details, run.commitment, _acknowledgment(run));
        _checkState(run.job, JobState.Delivered);
    }

    // ---- grants

    function test_grant_letsTheDelegateCommitAndTheOwnerIsPaid() public {
        Run memory run = _requested();
        uint256 before = _credit(owner);
        Grant memory grant = _grant(run);
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        vm.recordLogs();
        vm.prank(delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
        run.commitment = abi.decode(lastLog(IJobEscrow.JobCommitted.selector).data, (Commitment));
        _draw(run);
        _accept(run);
        _settle(run);
        vm.assertEq(_credit(owner) - before, PRICE);
        vm.assertEq(_credit(delegate), 0);
        vm.assertEq(escrow.grantUsed(escrow.grantDigest(grant)), 1);
    }

    function test_grant_letsTheDelegateDecline() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        vm.prank(delegate);
        escrow.declineFor(run.job, run.details, grant, signature);
        _checkState(run.job, JobState.Refunded);
        vm.assertEq(_credit(licensee), PRICE);
    }

    function test_grant_withoutDatasetCoversAll() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        grant.dataset = 0;
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        vm.prank(delegate);
        escrow.declineFor(run.job, run.details, grant, signature);
    }

    function test_grant_isForItsDelegateOnly() public {
        Run memory run = _requested();
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.NotDelegate.selector, delegate, stranger);
        _checkGrantRefused(run, _grant(run), stranger, refusal);
    }

    function test_grant_isForItsDatasetAndActionsOnly() public {
        Run memory run = _requested();
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.GrantNotForJob.selector, run.job);
        Grant memory grant = _grant(run);
        grant.dataset = keccak256("another");
        _checkGrantRefused(run, grant, delegate, refusal);
        grant = _grant(run);
        grant.actions = 1 | 4 | 8;
        _checkGrantRefused(run, grant, delegate, refusal);
        grant.actions = 0;
        _checkGrantRefused(run, grant, delegate, refusal);
    }

    function test_grant_endsAfterItsLastSecond() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        vm.warp(grant.validUntil + 1);
        _checkGrantRefused(
            run,
            grant,
            delegate,
            abi.encodeWithSelector(IJobEscrow.GrantExpired.selector, grant.validUntil, grant.validUntil + 1)
        );
        vm.warp(grant.validUntil);
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        vm.prank(delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
    }

    function test_grant_isCanceledByItsOwner() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        vm.prank(stranger);
        escrow.cancelGrant(grant.nonce);
        vm.assertFalse(escrow.isGrantCanceled(owner, grant.nonce));
        vm.prank(owner);
        escrow.cancelGrant(grant.nonce);
        vm.assertTrue(escrow.isGrantCanceled(owner, grant.nonce));
        _checkGrantRefused(
            run, grant, delegate, abi.encodeWithSelector(IJobEscrow.GrantIsCanceled.selector, owner, grant.nonce)
        );
    }

    function test_grant_isUsedUp() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        bytes32 digest = escrow.grantDigest(grant);
        bytes memory signature = signed(OWNER_KEY, digest);
        vm.prank(delegate);
        escrow.declineFor(run.job, run.details, grant, signature);
        _request(run, EMBED, 2);
        vm.prank(delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
        _request(run, EMBED, 3);
        _checkGrantRefused(run, grant, delegate, abi.encodeWithSelector(IJobEscrow.GrantUsedUp.selector, digest, 2));
        grant.maxJobs = 0;
        digest = escrow.grantDigest(grant);
        _checkGrantRefused(run, grant, delegate, abi.encodeWithSelector(IJobEscrow.GrantUsedUp.selector, digest, 0));
    }

    function test_grant_refusesEveryBadSignature() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        bytes32 digest = escrow.grantDigest(grant);
        bytes[] memory bad = _badSignatures(OWNER_KEY, digest, DELEGATE_KEY);
        bytes memory refusal = abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, owner);
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(refusal);
            vm.prank(delegate);
            escrow.commitFor(run.job, run.details, _output(run), grant, bad[i]);
        }
        bytes memory signature = signed(OWNER_KEY, digest);
        grant.maxJobs += 1;
        vm.expectRevert(refusal);
        vm.prank(delegate);
        escrow.declineFor(run.job, run.details, grant, signature);
    }

    function test_grant_refusesAnotherContractsDomain() public {
        Run memory run = _requested();
        Grant memory grant = _grant(run);
        bytes32 content = keccak256(
            abi.encode(
                keccak256(
                    "Grant(address delegate,bytes32 dataset,uint16 actions,uint32 maxJobs,uint64 validUntil,uint256 nonce)"
                ),
                grant
            )
        );
        vm.assertEq(_digest(address(escrow), block.chainid, content), escrow.grantDigest(grant));
        bytes32[3] memory digests = [
            _digest(address(licenses), block.chainid, content),
            _digest(address(escrow), block.chainid + 1, content),
            content
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, owner));
            vm.prank(delegate);
            escrow.declineFor(run.job, run.details, grant, signed(OWNER_KEY, digests[i]));
        }
    }

    function testFuzz_grant_refusesEachChangedField(uint8 field, uint256 change) public {
        Run memory run = _saved();
        Grant memory grant = _grant(run);
        bytes32 digest = escrow.grantDigest(grant);
        bytes memory signature = signed(OWNER_KEY, digest);
        field = uint8(bound(field, 0, 5));
        if (field == 0) grant.delegate = address(uint160(bound(change, 1, type(uint160).max)));
        if (field == 1) grant.dataset = change % 2 == 0 ? bytes32(0) : run.datasetId;
        if (field == 2) grant.actions = uint16(change) | EMBED;
        if (field == 3) grant.maxJobs = uint32(change);
        if (field == 4) grant.validUntil = uint64(bound(change, START, type(uint64).max));
        if (field == 5) grant.nonce = change;
        vm.assume(escrow.grantDigest(grant) != digest);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, owner));
        vm.prank(grant.delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
    }

    function test_grant_ofAContractOwner() public {
        WalletContract wallet = new WalletContract(owner);
        Run memory run = _registeredBy(wallet);
        _buy(run, 1);
        _request(run, EMBED, 1);
        Grant memory grant = _grant(run);
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        bytes memory another = signed(LICENSEE_KEY, escrow.grantDigest(grant));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, address(wallet)));
        vm.prank(delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, another);
        vm.prank(delegate);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
        _checkState(run.job, JobState.Committed);
    }

    function test_grant_doesNotReachOtherOwnersJobs() public {
        WalletContract wallet = new WalletContract(stranger);
        Run memory run = _registeredBy(wallet);
        bytes memory offered = signed(0x5757, licenses.offerDigest(run.offer));
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.SignatureRefused.selector, address(wallet)));
        vm.prank(licensee);
        licenses.buy(run.offer, offered, run.dataset, 1);

        Run memory mine = _requested();
        Grant memory grant = _grant(mine);
        bytes memory signature = signed(LICENSEE_KEY, escrow.grantDigest(grant));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, owner));
        vm.prank(delegate);
        escrow.declineFor(mine.job, mine.details, grant, signature);
    }

    // ---- helpers

    /// Jobs made once, for the fuzz tests.
    bytes private _requestedRun;
    bytes private _settledRun;
    CheapVerifier private _cheap;

    function setUp() public override {
        _cheap = new CheapVerifier();
        super.setUp();
        _requestedRun = abi.encode(_requested(keccak256("saved")));
        Run memory run = _requested(keccak256("settled"));
        _commit(run);
        _draw(run);
        _accept(run);
        _settle(run);
        _settledRun = abi.encode(run);
    }

    function _verifier(uint256) internal view override returns (IProofVerifier) {
        return _cheap;
    }

    function _proof(Run memory run) internal view override returns (uint256[8] memory) {
        return _cheap.prove(_inputs(run));
    }

    function _saved() private view returns (Run memory) {
        return abi.decode(_requestedRun, (Run));
    }

    function _requested(bytes32 manifest) private returns (Run memory run) {
        run = _registered(manifest, 300, 0);
        _buy(run, 1);
        _request(run, EMBED, 1);
    }

    function _grant(Run memory run) private view returns (Grant memory) {
        return Grant({
            delegate: delegate,
            dataset: run.datasetId,
            actions: EMBED,
            maxJobs: 2,
            validUntil: uint64(START + 10 minutes),
            nonce: 300
        });
    }

    function _checkGrantRefused(Run memory run, Grant memory grant, address caller, bytes memory refusal) private {
        bytes memory signature = signed(OWNER_KEY, escrow.grantDigest(grant));
        vm.expectRevert(refusal);
        vm.prank(caller);
        escrow.commitFor(run.job, run.details, _output(run), grant, signature);
        vm.expectRevert(refusal);
        vm.prank(caller);
        escrow.declineFor(run.job, run.details, grant, signature);
    }

    function _checkOfferRefused(Run memory run, address signer, bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(ILicenseRegistry.SignatureRefused.selector, signer));
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, 1);
    }

    function _checkReceiptRefused(Run memory run, bytes memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.SignatureRefused.selector, licensee));
        escrow.acknowledge(run.job, run.details, run.commitment, signature);
    }

    function _acknowledgment(Run memory run) private view returns (bytes memory) {
        Receipt memory receipt = escrow.receiptOf(run.job, run.details, run.commitment.output);
        return signed(LICENSEE_KEY, escrow.receiptDigest(receipt));
    }

    /// Another key's, the malleable twin, wrong recovery ids, wrong lengths, zeros.
    function _badSignatures(uint256 key, bytes32 digest, uint256 otherKey) private pure returns (bytes[] memory bad) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bad = new bytes[](13);
        bad[0] = signed(otherKey, digest);
        bad[1] = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        bad[2] = abi.encodePacked(r, s, v == 27 ? uint8(28) : uint8(27));
        bad[3] = abi.encodePacked(r, s, v - 27);
        bad[4] = abi.encodePacked(r, s, uint8(29));
        bad[5] = abi.encodePacked(r, s, uint8(0));
        bad[6] = abi.encodePacked(r, s);
        bad[7] = abi.encodePacked(r, s, v, uint8(0));
        bad[8] = "";
        bad[9] = new bytes(65);
        bad[10] = abi.encodePacked(r, bytes32(0), v);
        bad[11] = abi.encodePacked(bytes32(0), s, v);
        bad[12] = signed(key, keccak256(abi.encode(digest)));
    }

    function _digest(address verifying, uint256 chain, bytes32 content) private pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Usufruct"),
                keccak256("1"),
                chain,
                verifying
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, content));
    }

    function _structHash(Offer memory offer) private pure returns (bytes32) {
        string memory terms =
            "Terms(uint16 actions,uint16 purposes,bool commercial,bool attribution,uint256 pricePerRun,address currency,uint32 maxRuns,uint64 duration,uint64 respondWithin,uint64 acceptWithin,uint32 minRecords,uint64 maxEpsilonMicro,uint32 retentionDays,bytes32 legalText)";
        bytes32 offerType = keccak256(
            abi.encodePacked(
                "Offer(bytes32 dataset,Terms terms,address licensee,uint32 maxLicenses,uint64 validUntil,uint256 nonce)",
                terms
            )
        );
        bytes32 termsHash = keccak256(abi.encode(keccak256(bytes(terms)), offer.terms));
        return keccak256(
            abi.encode(
                offerType, offer.dataset, termsHash, offer.licensee, offer.maxLicenses, offer.validUntil, offer.nonce
            )
        );
    }

    function _registeredBy(WalletContract wallet) private returns (Run memory run) {
        bytes memory out =
            wallet.act(address(datasets), abi.encodeCall(datasets.register, (keccak256("m"), 111, 300, 0, 222)));
        run.datasetId = abi.decode(out, (bytes32));
        run.dataset = Dataset(address(wallet), keccak256("m"), 111, 300, 0, 222, 1, DatasetState.Active);
        run.offer = _offer(run.datasetId);
    }

    function _requestedBy(WalletContract wallet) private returns (Run memory run) {
        run = _registered();
        _fund(address(wallet));
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.recordLogs();
        bytes memory out =
            wallet.act(address(licenses), abi.encodeCall(licenses.buy, (run.offer, signature, run.dataset, 1)));
        run.license = abi.decode(out, (bytes32));
        (run.terms,) = abi.decode(lastLog(ILicenseRegistry.LicenseBought.selector).data, (License, uint32));
        vm.recordLogs();
        out = wallet.act(
            address(escrow), abi.encodeCall(escrow.request, (run.license, run.terms, run.dataset, EMBED, 0, 1))
        );
        run.job = abi.decode(out, (bytes32));
        run.details = abi.decode(lastLog(IJobEscrow.JobRequested.selector).data, (Job));
        run.k = keccak256("k");
    }
}
