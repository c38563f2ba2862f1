// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState} from "../../interfaces/IDatasetRegistry.sol";
import {Commitment, Grant, Job, JobState, Output} from "../../interfaces/IJobEscrow.sol";
import {License, LicenseState, Offer, Permit, Terms} from "../../interfaces/ILicenseRegistry.sol";
import {DatasetRegistry} from "../../src/DatasetRegistry.sol";
import {JobEscrow} from "../../src/JobEscrow.sol";
import {LicenseRegistry} from "../../src/LicenseRegistry.sol";
import {RewardToken} from "../../src/RewardToken.sol";
import {CheapVerifier} from "./CheapVerifier.sol";
import {NoReturnToken} from "./Hostile.sol";
import {Ledger} from "./Ledger.sol";
import {HostileReceiver, Mood, MoodyToken} from "./MoodyToken.sol";

/// @notice Eight actors: four owners and four buyers, the last of each a hostile wallet contract. Three currencies: the
/// reward token, one that returns nothing, and one that calls the hostile wallets in the middle of every transfer.
/// @dev Each call brings about the state that it needs and then does its work: a call that fails fails the run. What must
/// fail is tried in `misbehave`, `probeJob`, `probeLicense` and `powerless`, and counted when it does not.
contract Actors is Ledger {
    uint256 private constant OWNERS = 4;
    uint16 private constant EMBED = 2;

    RewardToken private immutable token;
    MoodyToken private immutable moody;
    DatasetRegistry private immutable datasets;
    CheapVerifier private immutable verifier;
    address private immutable deployer;

    bytes32[] private _datasetIds;
    mapping(bytes32 id => Dataset) private _dataset;
    mapping(bytes32 license => Offer) private _offers;
    uint256 private _nonce;

    constructor(
        address[3] memory currencies,
        DatasetRegistry datasets_,
        LicenseRegistry licenses_,
        JobEscrow escrow_,
        CheapVerifier verifier_
    ) Ledger(licenses_, escrow_) {
        (datasets, verifier, deployer) = (datasets_, verifier_, msg.sender);
        (token, moody) = (RewardToken(currencies[0]), MoodyToken(currencies[2]));
        _currencies = currencies;
        for (uint256 i = 0; i < ACTORS; ++i) {
            address key = vm.addr(1_000 + i);
            _actors[i] = i % OWNERS == OWNERS - 1 ? address(new HostileReceiver(key)) : key;
        }
        moody.addHook(_actors[3]);
        moody.addHook(_actors[7]);
        for (uint256 i = 0; i < OWNERS; ++i) {
            _register(i);
        }
        _mayMoveMoney = true;
        _look();
    }

    /// Calls by which money moves.
    modifier moving() {
        vm.recordLogs();
        _mayMoveMoney = true;
        _;
        _look();
    }

    /// Calls, allowed or not, by which none may move.
    modifier unmoving() {
        vm.recordLogs();
        _mayMoveMoney = false;
        _;
        _look();
    }

    /// From here to the end of the call nothing may move.
    function _freeze() private {
        _look();
        _mayMoveMoney = false;
    }

    /// The calls a run is made of.
    function calls() external pure returns (bytes4[] memory list) {
        bytes4[23] memory all = [
            this.register.selector,
            this.publishVersion.selector,
            this.setState.selector,
            this.buy.selector,
            this.buyWithPermit.selector,
            this.request.selector,
            this.decline.selector,
            this.commit.selector,
            this.draw.selector,
            this.reject.selector,
            this.accept.selector,
            this.settle.selector,
            this.settleInSilence.selector,
            this.acknowledge.selector,
            this.refundLate.selector,
            this.refundNotDrawn.selector,
            this.revoke.selector,
            this.reclaim.selector,
            this.withdraw.selector,
            this.misbehave.selector,
            this.probe.selector,
            this.powerless.selector,
            this.wait_.selector
        ];
        list = new bytes4[](23);
        for (uint256 i = 0; i < 23; ++i) {
            list[i] = all[i];
        }
    }

    // ---- datasets: no money in them

    function register(uint256 seed) external unmoving {
        _register(seed % OWNERS);
    }

    function publishVersion(uint256 seed) external unmoving {
        bytes32 id = _activeDataset(seed);
        Dataset storage d = _dataset[id];
        vm.prank(d.owner);
        datasets.publishVersion(id, d, bytes32(++_nonce), _nonce, 400, 0, 7);
        (d.manifest, d.root, d.count, d.version) = (bytes32(_nonce), _nonce, 400, d.version + 1);
    }

    function setState(uint256 seed) external unmoving {
        bytes32 id = _activeDataset(seed);
        DatasetState state = seed % 3 == 0 ? DatasetState.Revoked : DatasetState.EndOfLife;
        vm.prank(_dataset[id].owner);
        datasets.setState(id, _dataset[id], state);
        _dataset[id].state = state;
    }

    // ---- licenses

    function buy(uint256 seed) external moving {
        _buy(seed, _currencies[_mix(seed) % CURRENCIES]);
    }

    /// With a permit for exactly the price; half of them are used by a stranger first.
    function buyWithPermit(uint256 seed) external moving {
        (Offer memory offer, address buyer, uint256 key) = _offer(seed, address(token), 3);
        uint256 price = offer.terms.pricePerRun * offer.terms.maxRuns;
        vm.prank(buyer);
        token.approve(address(licenses), 0);
        Permit memory permit = _permit(buyer, key, price);
        if (seed % 2 == 0) {
            vm.prank(STRANGER);
            token.permit(buyer, address(licenses), price, permit.deadline, permit.v, permit.r, permit.s);
        }
        bytes memory signature = _sign(_dataset[offer.dataset].owner, licenses.offerDigest(offer));
        vm.prank(buyer);
        bytes32 id = licenses.buyWithPermit(offer, signature, _dataset[offer.dataset], _nonce, permit);
        _book(id, offer, buyer);
        vm.prank(buyer);
        token.approve(address(licenses), type(uint256).max);
    }

    function revoke(uint256 seed) external moving {
        Held storage h = _usable(seed, false);
        if (seed % 4 == 0 && _spent.length > 0) {
            // One without runs left can be revoked too, if it was not.
            Held storage spent = _held[_spent[seed % _spent.length]];
            if (spent.seen == LicenseState.Active) h = spent;
        }
        vm.prank(h.terms.owner);
        licenses.revoke(h.id, h.terms);
        if (h.left == 0) _lookAtLicense(h);
    }

    function reclaim(uint256 seed) external moving {
        _reclaim(seed);
    }

    // ---- jobs

    function request(uint256 seed) external moving {
        _request(seed);
    }

    function decline(uint256 seed) external moving {
        Open storage o = _in(JobState.Requested, seed);
        if (seed % 3 != 0) {
            vm.prank(o.details.owner);
            escrow.decline(o.id, o.details);
            return;
        }
        Grant memory grant = _grant(o);
        bytes memory signature = _sign(o.details.owner, escrow.grantDigest(grant));
        vm.prank(grant.delegate);
        escrow.declineFor(o.id, o.details, grant, signature);
    }

    function commit(uint256 seed) external moving {
        Open storage o = _in(JobState.Requested, seed);
        if (block.timestamp > o.details.runBy) o = _request(seed);
        _commitTo(o, seed);
    }

    function draw(uint256 seed) external moving {
        Open storage o = _in(JobState.Committed, seed);
        if (block.timestamp > o.details.settleBy || _drawMissed(o)) o = _fresh(seed, 1);
        _drawTo(o, seed);
    }

    function reject(uint256 seed) external moving {
        Open storage o = _in(seed % 2 == 0 ? JobState.Committed : JobState.Drawn, seed);
        if (block.timestamp > o.commitment.acceptBy) o = _fresh(seed, seed % 2 == 0 ? 1 : 2);
        vm.prank(o.details.licensee);
        escrow.reject(o.id, o.details, o.commitment);
    }

    function accept(uint256 seed) external moving {
        Open storage o = _in(JobState.Drawn, seed);
        if (block.timestamp > o.commitment.acceptBy) o = _fresh(seed, 2);
        _acceptTo(o);
    }

    function settle(uint256 seed) external moving {
        Open storage o = _in(JobState.Accepted, seed);
        if (block.timestamp > o.details.settleBy) o = _fresh(seed, 3);
        _settleTo(o, seed);
    }

    function settleInSilence(uint256 seed) external moving {
        Open storage o = _in(JobState.Drawn, seed);
        if (block.timestamp > o.details.settleBy) o = _fresh(seed, 2);
        if (block.timestamp <= o.commitment.acceptBy) vm.warp(uint256(o.commitment.acceptBy) + 1);
        _settleTo(o, seed);
    }

    function acknowledge(uint256 seed) external moving {
        Open storage o = _find(_ended, JobState.Settled, seed);
        bool fresh = o.id == 0;
        if (fresh) {
            o = _fresh(seed, 3);
            _settleTo(o, seed);
        }
        bytes32 digest = escrow.receiptDigest(escrow.receiptOf(o.id, o.details, o.commitment.output));
        escrow.acknowledge(o.id, o.details, o.commitment, _sign(o.details.licensee, digest));
        if (!fresh) _lookAtEnded(o);
    }

    function refundLate(uint256 seed) external moving {
        JobState[4] memory states = [JobState.Requested, JobState.Committed, JobState.Drawn, JobState.Accepted];
        Open storage o = _in(states[seed % 4], seed);
        uint256 deadline = seed % 4 == 0 ? o.details.runBy : o.details.settleBy;
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
        vm.prank(_anyone(seed));
        escrow.refund(o.id, o.details, o.commitment);
    }

    function refundNotDrawn(uint256 seed) external moving {
        Open storage o = _in(JobState.Committed, seed);
        if (!_drawMissed(o)) vm.roll(uint256(o.commitment.atBlock) + 257);
        vm.prank(_anyone(seed));
        escrow.refund(o.id, o.details, o.commitment);
    }

    function withdraw(uint256 seed) external moving {
        for (uint256 i = 0; i < ACTORS * CURRENCIES; ++i) {
            uint256 place = (_mix(seed) % 1_000 + i) % (ACTORS * CURRENCIES);
            if (_withdraw(_actors[place / CURRENCIES], _currencies[place % CURRENCIES])) return;
        }
        Held storage h = _reclaim(seed);
        if (!_withdraw(h.terms.licensee, h.terms.currency)) revert("nothing credited");
    }

    function wait_(uint256 seed) external unmoving {
        vm.warp(block.timestamp + bound(seed, 1, 20 minutes));
        vm.roll(block.number + bound(seed >> 128, 1, 60));
    }

    // ---- what must not work

    /// The moody token cheats, refuses or lies at a purchase and at a withdrawal: both fail, and every credit stays.
    function misbehave(uint256 seed) external moving {
        Mood mood = Mood(1 + seed % 7);
        (Offer memory offer, address buyer,) = _offer(seed, address(moody), 4);
        bytes memory signature = _sign(_dataset[offer.dataset].owner, licenses.offerDigest(offer));
        address holder = _withCredit(address(moody));
        moody.setMood(mood, mood == Mood.Blocking && holder != address(0) && seed % 2 == 0 ? holder : buyer);
        bytes memory call = abi.encodeCall(licenses.buy, (offer, signature, _dataset[offer.dataset], _nonce));
        if (moody.blocked() == buyer || mood != Mood.Blocking) _mustFail(buyer, address(licenses), call);
        bool keeps = mood == Mood.False || (mood == Mood.Blocking && moody.blocked() == holder);
        if (holder != address(0) && keeps) {
            _mustFail(holder, address(escrow), abi.encodeCall(escrow.withdraw, (address(moody))));
        }
        if (holder != address(0) && mood == Mood.Blocking && moody.blocked() == holder) {
            vm.prank(holder);
            escrow.withdrawTo(address(moody), STRANGER);
        }
        moody.setMood(Mood.Reentrant, address(0));
    }

    /// A call on a job or a license, any of them, that the model forbids now.
    function probe(uint256 seed) external moving {
        uint256 r = _mix(seed);
        if (_open.length == 0) _fresh(r, r % 4);
        _freeze();
        if (r % 3 == 0) _probeLicense(r >> 8);
        else _probeJob(_open[(r >> 8) % _open.length], r >> 16);
    }

    /// Deployer, token, stranger, delegate, other owners: each tries what would need a power that nobody has.
    function powerless(uint256 seed) external moving {
        uint256 r = _mix(seed);
        address[4] memory callers = [deployer, STRANGER, address(moody), _actors[r % OWNERS]];
        address caller = callers[(r >> 8) % 4];
        Held storage h = _anyHeld(r);
        _freeze();
        address currency = h.terms.currency;
        uint256 which = (r >> 16) % 9;
        if (which == 0) {
            bytes memory credit = abi.encodeCall(escrow.creditLicensee, (h.id, caller, currency, 1 ether));
            _mustFail(caller, address(escrow), credit);
        }
        if (which == 1) _mustFail(caller, address(licenses), abi.encodeCall(licenses.useRun, (h.id, h.terms)));
        if (which == 2 && caller != h.terms.owner) {
            _mustFail(caller, address(licenses), abi.encodeCall(licenses.revoke, (h.id, h.terms)));
        }
        if (which == 3 && escrow.credits(caller, currency) == 0) {
            _mustFail(caller, address(escrow), abi.encodeCall(escrow.withdrawTo, (currency, caller)));
        }
        if (which == 4) {
            bytes memory move = abi.encodeCall(licenses.transferFrom, (h.terms.licensee, caller, uint256(h.id)));
            _mustFail(caller, address(licenses), move);
        }
        vm.prank(caller);
        if (which == 5) escrow.cancelGrant(r);
        else if (which == 6) licenses.cancelOffer(r | (1 << 255));
        else if (which == 7) licenses.announce(bytes32(r));
        else licenses.isActive(h.id, h.terms);
        if (which == 8) {
            Dataset memory d = _dataset[h.terms.dataset];
            if (caller == d.owner) return;
            bytes memory end = abi.encodeCall(datasets.setState, (h.terms.dataset, d, DatasetState.Revoked));
            _mustFail(caller, address(datasets), end);
        }
    }

    /// Ends every job and license by a stranger, long after every deadline; then everybody withdraws.
    function emptyEverything() external moving {
        for (uint256 i = 0; i < _live.length; ++i) {
            Open storage o = _open[_live[i]];
            vm.prank(STRANGER);
            escrow.refund(o.id, o.details, o.commitment);
        }
        for (uint256 i = 0; i < _active.length; ++i) {
            Held storage h = _held[_active[i]];
            if (h.left == 0) continue;
            vm.prank(STRANGER);
            licenses.reclaim(h.id, h.terms);
        }
        for (uint256 i = 0; i < ACTORS * CURRENCIES; ++i) {
            _withdraw(_actors[i / CURRENCIES], _currencies[i % CURRENCIES]);
        }
        _look();
        _lookAtTheRest();
    }

    // ---- probes

    function _probeJob(Open storage o, uint256 r) private {
        bool itself = r % 4 != 0;
        bytes memory none;
        uint256 which = (r >> 8) % 8;
        address caller = which < 2 ? o.details.owner : o.details.licensee;
        if (!itself) caller = STRANGER;
        if (_allowed(o, which, itself)) return;
        bytes memory call;
        if (which == 0) call = abi.encodeCall(escrow.decline, (o.id, o.details));
        if (which == 1) call = abi.encodeCall(escrow.commit, (o.id, o.details, _output(o)));
        if (which == 2) call = abi.encodeCall(escrow.draw, (o.id, o.details, o.commitment));
        if (which == 3) call = abi.encodeCall(escrow.reject, (o.id, o.details, o.commitment));
        if (which == 4) call = abi.encodeCall(escrow.accept, (o.id, o.details, o.commitment));
        if (which == 5) call = abi.encodeCall(escrow.settle, (o.id, o.details, o.commitment, _proof(o), o.k));
        if (which == 6) call = abi.encodeCall(escrow.refund, (o.id, o.details, o.commitment));
        if (which == 7) call = abi.encodeCall(escrow.acknowledge, (o.id, o.details, o.commitment, none));
        _mustFail(caller, address(escrow), call);
    }

    /// The rules of the state machine, written down a second time.
    function _allowed(Open storage o, uint256 which, bool itself) private view returns (bool) {
        JobState s = o.seen;
        uint256 t = block.timestamp;
        bool missed = _drawMissed(o);
        if (which == 0) return s == JobState.Requested && itself;
        if (which == 1) return s == JobState.Requested && itself && t <= o.details.runBy;
        if (which == 2) {
            return s == JobState.Committed && t <= o.details.settleBy && block.number > o.commitment.atBlock && !missed;
        }
        bool inTime = itself && t <= o.commitment.acceptBy;
        if (which == 3) return (s == JobState.Committed || s == JobState.Drawn) && inTime;
        if (which == 4) return s == JobState.Drawn && inTime;
        if (which == 5) {
            bool consent = s == JobState.Accepted || (s == JobState.Drawn && t > o.commitment.acceptBy);
            return consent && t <= o.details.settleBy;
        }
        if (which == 6) {
            if (s == JobState.Requested) return t > o.details.runBy;
            if (s == JobState.Committed && missed) return true;
            return _isLive(s) && t > o.details.settleBy;
        }
        return false;
    }

    function _probeLicense(uint256 r) private {
        Held storage h = _held[r % _held.length];
        License memory terms = h.terms;
        Dataset memory d = _dataset[terms.dataset];
        bool ended = h.seen != LicenseState.Active;
        uint256 which = (r >> 8) % 7;
        bytes memory reclaimIt = abi.encodeCall(licenses.reclaim, (h.id, terms));
        if (which == 0 && (ended || h.left == 0)) _mustFail(terms.licensee, address(licenses), reclaimIt);
        if (which == 1 && block.timestamp <= terms.expiresAt) _mustFail(STRANGER, address(licenses), reclaimIt);
        if (which == 2 && ended) {
            _mustFail(terms.owner, address(licenses), abi.encodeCall(licenses.revoke, (h.id, terms)));
        }
        bytes memory ask = abi.encodeCall(escrow.request, (h.id, terms, d, EMBED, bytes32(r), ++_nonce));
        bool usable = !ended && h.left > 0 && block.timestamp <= terms.expiresAt && d.state != DatasetState.Revoked;
        if (which == 3 && !usable) _mustFail(terms.licensee, address(escrow), ask);
        if (which == 4) _mustFail(terms.owner, address(escrow), ask);
        if (which == 5) {
            // The same offer, sold out, with another nonce.
            Offer memory offer = _offers[h.id];
            bytes memory signature = _sign(terms.owner, licenses.offerDigest(offer));
            bytes memory again = abi.encodeCall(licenses.buy, (offer, signature, d, ++_nonce));
            _mustFail(terms.licensee, address(licenses), again);
        }
        if (which == 6) {
            terms.pricePerRun += 1 + (r >> 16) % 1 ether;
            _mustFail(terms.licensee, address(licenses), abi.encodeCall(licenses.reclaim, (h.id, terms)));
        }
    }

    function _mustFail(address caller, address target, bytes memory call) private {
        _readEvents();
        vm.prank(caller);
        (bool ok,) = target.call(call);
        if (ok) ++_breaches.allowedWrongly;
        // Recorded logs include those of calls that failed.
        else vm.getRecordedLogs();
    }

    // ---- steps

    function _register(uint256 index) private {
        address owner = _actors[index];
        vm.prank(owner);
        bytes32 id = datasets.register(bytes32(++_nonce), _nonce, 300, 0, 7);
        _dataset[id] = Dataset(owner, bytes32(_nonce), _nonce, 300, 0, 7, 1, DatasetState.Active);
        _datasetIds.push(id);
    }

    /// An offer for one of the first `buyers` buyers, who has the money.
    function _offer(uint256 seed, address currency, uint256 buyers)
        private
        returns (Offer memory offer, address buyer, uint256 key)
    {
        uint256 r = _mix(seed);
        bytes32 id = _activeDataset(r);
        uint256 index = OWNERS + (r >> 8) % buyers;
        (buyer, key) = (_actors[index], 1_000 + index);
        _refill(buyer, currency);
        offer.dataset = id;
        offer.licensee = r % 2 == 0 ? buyer : address(0);
        offer.maxLicenses = 1;
        offer.validUntil = uint64(block.timestamp);
        offer.nonce = ++_nonce;
        offer.terms = _terms(r);
        offer.terms.currency = currency;
    }

    function _terms(uint256 r) private pure returns (Terms memory terms) {
        terms.actions = EMBED;
        terms.pricePerRun = bound(r >> 16, 1_000, 3 ether);
        terms.maxRuns = uint32(bound(r >> 32, 1, 4));
        terms.duration = uint64(bound(r >> 48, 1 hours, 30 days));
        terms.respondWithin = uint64(bound(r >> 64, 10 minutes, 2 hours));
        terms.acceptWithin = uint64(bound(r >> 80, 10 minutes, 2 hours));
    }

    function _buy(uint256 seed, address currency) private returns (Held storage) {
        (Offer memory offer, address buyer,) = _offer(seed, currency, 4);
        bytes memory signature = _sign(_dataset[offer.dataset].owner, licenses.offerDigest(offer));
        bytes memory call = abi.encodeCall(licenses.buy, (offer, signature, _dataset[offer.dataset], _nonce + 1));
        // In the middle of the payment the hostile wallets try to buy, request and reclaim.
        if (currency == address(moody)) _plan(address(licenses), call);
        vm.prank(buyer);
        bytes32 id = licenses.buy(offer, signature, _dataset[offer.dataset], _nonce);
        if (currency == address(moody)) _checkPlan();
        return _book(id, offer, buyer);
    }

    function _book(bytes32 id, Offer memory offer, address buyer) private returns (Held storage) {
        _offers[id] = offer;
        License memory terms = License({
            dataset: offer.dataset,
            offer: licenses.offerDigest(offer),
            owner: _dataset[offer.dataset].owner,
            licensee: buyer,
            currency: offer.terms.currency,
            pricePerRun: offer.terms.pricePerRun,
            actions: EMBED,
            expiresAt: uint64(block.timestamp) + offer.terms.duration,
            respondWithin: offer.terms.respondWithin,
            acceptWithin: offer.terms.acceptWithin,
            minRecords: 0
        });
        return _bookLicense(id, terms, offer.terms.maxRuns);
    }

    function _reclaim(uint256 seed) private returns (Held storage h) {
        h = _usable(seed, false);
        bool expired = block.timestamp > h.terms.expiresAt;
        vm.prank(expired ? STRANGER : h.terms.licensee);
        licenses.reclaim(h.id, h.terms);
    }

    function _request(uint256 seed) private returns (Open storage) {
        Held storage h = _usable(seed, true);
        Dataset memory d = _dataset[h.terms.dataset];
        vm.prank(h.terms.licensee);
        bytes32 job = escrow.request(h.id, h.terms, d, EMBED, bytes32(seed), ++_nonce);
        ++h.requested;
        --h.left;
        uint64 runBy = uint64(block.timestamp) + h.terms.respondWithin;
        Job memory details = Job({
            license: h.id,
            dataset: h.terms.dataset,
            owner: h.terms.owner,
            licensee: h.terms.licensee,
            currency: h.terms.currency,
            amount: h.terms.pricePerRun,
            action: EMBED,
            spec: bytes32(seed),
            version: d.version,
            root: d.root,
            count: d.count,
            tier: 0,
            ownerCommitment: d.ownerCommitment,
            runBy: runBy,
            acceptWithin: h.terms.acceptWithin,
            settleBy: runBy + h.terms.acceptWithin + escrow.SETTLE_WITHIN()
        });
        return _bookJob(job, details);
    }

    function _output(Open storage o) private view returns (Output memory) {
        return Output(uint256(o.id) >> 8, o.id, keccak256(abi.encodePacked(o.k)), o.id);
    }

    function _commitTo(Open storage o, uint256 seed) private {
        Output memory output = _output(o);
        if (seed % 3 == 0) {
            Grant memory grant = _grant(o);
            bytes memory signature = _sign(o.details.owner, escrow.grantDigest(grant));
            vm.prank(grant.delegate);
            escrow.commitFor(o.id, o.details, output, grant, signature);
        } else {
            vm.prank(o.details.owner);
            escrow.commit(o.id, o.details, output);
        }
        o.commitment.output = output;
        o.commitment.atBlock = uint64(block.number);
        o.commitment.acceptBy = uint64(block.timestamp) + o.details.acceptWithin;
        o.seen = JobState.Committed;
    }

    function _drawTo(Open storage o, uint256 seed) private {
        if (block.number <= o.commitment.atBlock) vm.roll(uint256(o.commitment.atBlock) + 1);
        vm.prank(_anyone(seed));
        o.commitment.challenge = escrow.draw(o.id, o.details, o.commitment);
        o.seen = JobState.Drawn;
    }

    function _acceptTo(Open storage o) private {
        vm.prank(o.details.licensee);
        escrow.accept(o.id, o.details, o.commitment);
        o.seen = JobState.Accepted;
    }

    function _settleTo(Open storage o, uint256 seed) private {
        uint256[8] memory proof = _proof(o);
        vm.prank(_anyone(seed));
        escrow.settle(o.id, o.details, o.commitment, proof, o.k);
    }

    function _proof(Open storage o) private view returns (uint256[8] memory) {
        return verifier.prove(
            [
                o.details.root,
                o.details.count,
                o.details.ownerCommitment,
                o.commitment.output.outputRoot,
                escrow.contextOf(o.id, o.details, o.commitment.output),
                o.commitment.challenge
            ]
        );
    }

    function _withdraw(address account, address currency) private returns (bool) {
        if (escrow.credits(account, currency) == 0) return false;
        if (currency == address(moody)) _plan(address(escrow), abi.encodeCall(escrow.withdraw, (currency)));
        vm.prank(account);
        escrow.withdraw(currency);
        if (currency == address(moody)) _checkPlan();
        return true;
    }

    /// What both hostile wallets try when the moody token calls them: this call, and two that need a guard.
    function _plan(address target, bytes memory call) private {
        bytes memory take = abi.encodeCall(escrow.withdrawTo, (address(moody), STRANGER));
        for (uint256 i = 3; i < ACTORS; i += OWNERS) {
            HostileReceiver wallet = HostileReceiver(_actors[i]);
            wallet.clearPlan();
            wallet.addStep(target, call);
            if (target == address(escrow)) wallet.addStep(target, take);
        }
        if (_active.length == 0) return;
        // A license of the wallet's, if this is one, which it would end or use in the middle of the transfer.
        Held storage h = _held[_active[_nonce % _active.length]];
        if (h.terms.licensee != _actors[7]) return;
        HostileReceiver buyer = HostileReceiver(_actors[7]);
        bytes memory ask =
            abi.encodeCall(escrow.request, (h.id, h.terms, _dataset[h.terms.dataset], EMBED, bytes32(_nonce), _nonce));
        buyer.addStep(address(escrow), ask);
        if (target == address(licenses)) buyer.addStep(target, abi.encodeCall(licenses.reclaim, (h.id, h.terms)));
    }

    function _checkPlan() private {
        for (uint256 i = 3; i < ACTORS; i += OWNERS) {
            HostileReceiver wallet = HostileReceiver(_actors[i]);
            if (wallet.tried() == 0) revert("the token did not call its hooks");
            if (wallet.succeeded() != 0) ++_breaches.allowedWrongly;
            wallet.clearPlan();
        }
    }

    // ---- finding and bringing about

    /// A new job, brought `steps` steps past Requested: 1 committed, 2 drawn, 3 accepted.
    function _fresh(uint256 seed, uint256 steps) private returns (Open storage o) {
        o = _request(seed);
        if (steps > 0) _commitTo(o, seed);
        if (steps > 1) _drawTo(o, seed);
        if (steps > 2) _acceptTo(o);
    }

    /// A job in this state, brought about when there is none.
    function _in(JobState state, uint256 seed) private returns (Open storage o) {
        o = _find(_live, state, seed);
        if (o.id == 0) o = _fresh(seed, uint256(state) - 1);
    }

    Open private _none;

    function _find(uint256[] storage places, JobState state, uint256 seed) private view returns (Open storage o) {
        uint256 length = places.length;
        for (uint256 i = 0; i < length; ++i) {
            o = _open[places[(seed % length + i) % length]];
            if (o.seen == state) return o;
        }
        return _none;
    }

    /// A license with runs left; when it is to request a job, one that can. Bought when there is none.
    function _usable(uint256 seed, bool toRequest) private returns (Held storage h) {
        uint256 length = _active.length;
        for (uint256 i = 0; i < length; ++i) {
            h = _held[_active[(seed % length + i) % length]];
            if (h.left == 0) continue;
            bool can = block.timestamp <= h.terms.expiresAt && _dataset[h.terms.dataset].state != DatasetState.Revoked;
            if (!toRequest || can) return h;
        }
        return _buy(seed, _currencies[_mix(seed) % CURRENCIES]);
    }

    function _anyHeld(uint256 seed) private returns (Held storage) {
        if (_held.length == 0) return _buy(seed, address(token));
        return _held[seed % _held.length];
    }

    function _activeDataset(uint256 seed) private returns (bytes32 id) {
        uint256 length = _datasetIds.length;
        for (uint256 i = 0; i < length; ++i) {
            id = _datasetIds[(seed % length + i) % length];
            if (_dataset[id].state == DatasetState.Active) return id;
        }
        _register(seed % OWNERS);
        return _datasetIds[_datasetIds.length - 1];
    }

    function _withCredit(address currency) private view returns (address) {
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (escrow.credits(_actors[i], currency) != 0) return _actors[i];
        }
        return address(0);
    }

    function _refill(address account, address currency) private {
        if (NoReturnToken(currency).balanceOf(account) >= 100 ether) return;
        if (currency == address(token)) {
            // Another faucet limit each time: through an account made for it.
            address from = address(uint160(uint256(keccak256(abi.encode(account, ++_nonce)))));
            token.faucet(from);
            vm.prank(from);
            token.transfer(account, 1_000 ether);
        } else {
            NoReturnToken(currency).mint(account, 1_000 ether);
        }
        vm.prank(account);
        NoReturnToken(currency).approve(address(licenses), type(uint256).max);
    }

    /// A delegate may do one job more.
    function _grant(Open storage o) private returns (Grant memory) {
        return Grant({
            delegate: address(0xDE1E),
            dataset: o.details.dataset,
            actions: EMBED,
            maxJobs: 1,
            validUntil: uint64(block.timestamp),
            nonce: ++_nonce
        });
    }

    function _permit(address buyer, uint256 key, uint256 value) private view returns (Permit memory permit) {
        (permit.value, permit.deadline) = (value, block.timestamp);
        bytes32 content = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                buyer,
                address(licenses),
                value,
                token.nonces(buyer),
                block.timestamp
            )
        );
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), content));
        (permit.v, permit.r, permit.s) = vm.sign(key, digest);
    }

    function _drawMissed(Open storage o) private view returns (bool) {
        return block.number > uint256(o.commitment.atBlock) + 256;
    }

    /// An actor, or the stranger: for what anyone may do.
    function _anyone(uint256 seed) private view returns (address) {
        uint256 index = _mix(seed) % (ACTORS + 1);
        return index == ACTORS ? STRANGER : _actors[index];
    }

    /// The signature of an actor, account or wallet contract.
    function _sign(address account, bytes32 digest) private view returns (bytes memory) {
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (_actors[i] == account) return signed(1_000 + i, digest);
        }
        revert("no such actor");
    }

    /// The fuzzer likes small numbers and addresses: spread them.
    function _mix(uint256 seed) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }
}
