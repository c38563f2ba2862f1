// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState} from "../../interfaces/IDatasetRegistry.sol";
import {Commitment, Job, JobState, Output} from "../../interfaces/IJobEscrow.sol";
import {License, LicenseState, Offer, Terms} from "../../interfaces/ILicenseRegistry.sol";
import {DatasetRegistry} from "../../src/DatasetRegistry.sol";
import {JobEscrow} from "../../src/JobEscrow.sol";
import {LicenseRegistry} from "../../src/LicenseRegistry.sol";
import {RewardToken} from "../../src/RewardToken.sol";
import {Checked} from "./Checked.sol";
import {TrapdoorKey} from "./TrapdoorKey.sol";

/// @notice Eight actors, four of them owners, who only make calls that must succeed: a call that fails fails the run.
/// @dev When nothing is in the state that a call needs, it is brought there first, so that every call does its work.
contract Actors is Checked {
    uint256 private constant ACTORS = 8;
    uint256 private constant OWNERS = 4;

    struct Held {
        bytes32 id;
        License terms;
        bool ended;
        uint32 runsLeft;
    }

    struct Open {
        bytes32 id;
        Job details;
        Commitment commitment;
        JobState seen;
        bytes32 k;
    }

    RewardToken private immutable token;
    DatasetRegistry private immutable datasets;
    LicenseRegistry private immutable licenses;
    JobEscrow private immutable escrow;

    address[ACTORS] private _actors;
    bytes32[] private _datasetIds;
    mapping(bytes32 id => Dataset) private _dataset;
    Held[] private _held;
    Open[] private _open;
    uint256 private _nonce;
    mapping(string call => uint256) private _calls;
    string[] private _names;

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public earned;
    uint256 public refunded;
    uint256 public backwardSteps;

    constructor(RewardToken token_, DatasetRegistry datasets_, LicenseRegistry licenses_, JobEscrow escrow_) {
        (token, datasets, licenses, escrow) = (token_, datasets_, licenses_, escrow_);
        for (uint256 i = 0; i < ACTORS; ++i) {
            _actors[i] = vm.addr(1_000 + i);
            _refill(_actors[i]);
        }
        for (uint256 i = 0; i < OWNERS; ++i) {
            _register(i);
        }
    }

    modifier counted(string memory name) {
        _;
        if (_calls[name]++ == 0) _names.push(name);
        _look();
    }

    /// The calls a run is made of.
    function calls() external pure returns (bytes4[] memory list) {
        bytes4[19] memory all = [
            this.register.selector,
            this.publishVersion.selector,
            this.setState.selector,
            this.buy.selector,
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
            this.wait_.selector
        ];
        list = new bytes4[](19);
        for (uint256 i = 0; i < 19; ++i) {
            list[i] = all[i];
        }
    }

    // ---- calls

    function register(uint256 seed) external counted("register") {
        _register(seed % OWNERS);
    }

    function publishVersion(uint256 seed) external counted("publishVersion") {
        bytes32 id = _activeDataset(seed);
        Dataset storage d = _dataset[id];
        vm.prank(d.owner);
        datasets.publishVersion(id, d, bytes32(++_nonce), _nonce, 400, 0, 7);
        (d.manifest, d.root, d.count, d.version) = (bytes32(_nonce), _nonce, 400, d.version + 1);
    }

    function setState(uint256 seed) external counted("setState") {
        bytes32 id = _activeDataset(seed);
        DatasetState state = seed % 3 == 0 ? DatasetState.Revoked : DatasetState.EndOfLife;
        vm.prank(_dataset[id].owner);
        datasets.setState(id, _dataset[id], state);
        _dataset[id].state = state;
    }

    function buy(uint256 seed) external counted("buy") {
        _buy(seed);
    }

    function request(uint256 seed) external counted("request") {
        _request(seed);
    }

    function decline(uint256 seed) external counted("decline") {
        Open storage o = _in(JobState.Requested, seed);
        vm.prank(o.details.owner);
        escrow.decline(o.id, o.details);
        refunded += o.details.amount;
    }

    function commit(uint256 seed) external counted("commit") {
        _commit(seed);
    }

    function draw(uint256 seed) external counted("draw") {
        _draw(seed);
    }

    function reject(uint256 seed) external counted("reject") {
        Open storage o = seed % 2 == 0 ? _in(JobState.Committed, seed) : _in(JobState.Drawn, seed);
        if (block.timestamp > o.commitment.acceptBy) o = _fresh(seed, seed % 2 == 0 ? 1 : 2);
        vm.prank(o.details.licensee);
        escrow.reject(o.id, o.details, o.commitment);
        refunded += o.details.amount;
    }

    function accept(uint256 seed) external counted("accept") {
        _accept(seed);
    }

    function settle(uint256 seed) external counted("settle") {
        Open storage o = _in(JobState.Accepted, seed);
        if (block.timestamp > o.details.settleBy) o = _fresh(seed, 3);
        _settle(o, seed);
    }

    function settleInSilence(uint256 seed) external counted("settleInSilence") {
        Open storage o = _in(JobState.Drawn, seed);
        if (block.timestamp > o.details.settleBy) o = _fresh(seed, 2);
        if (block.timestamp <= o.commitment.acceptBy) vm.warp(uint256(o.commitment.acceptBy) + 1);
        _settle(o, seed);
    }

    function acknowledge(uint256 seed) external counted("acknowledge") {
        Open storage o = _find(JobState.Settled, seed);
        if (o.id == 0) {
            o = _fresh(seed, 3);
            _settle(o, seed);
            _look();
        }
        bytes32 digest = escrow.receiptDigest(escrow.receiptOf(o.id, o.details, o.commitment.output));
        uint256 key = _keyOf(o.details.licensee);
        escrow.acknowledge(o.id, o.details, o.commitment, signed(key, digest));
    }

    function refundLate(uint256 seed) external counted("refundLate") {
        JobState[3] memory states = [JobState.Requested, JobState.Drawn, JobState.Accepted];
        Open storage o = _in(states[seed % 3], seed);
        uint256 deadline = seed % 3 == 0 ? o.details.runBy : o.details.settleBy;
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
        _refund(o, seed);
    }

    function refundNotDrawn(uint256 seed) external counted("refundNotDrawn") {
        Open storage o = _in(JobState.Committed, seed);
        if (block.number <= uint256(o.commitment.atBlock) + 256) vm.roll(uint256(o.commitment.atBlock) + 257);
        _refund(o, seed);
    }

    function revoke(uint256 seed) external counted("revoke") {
        Held storage h = _heldActive(seed);
        vm.prank(h.terms.owner);
        licenses.revoke(h.id, h.terms);
        _end(h);
    }

    function reclaim(uint256 seed) external counted("reclaim") {
        Held storage h = _heldActive(seed);
        bool expired = block.timestamp > h.terms.expiresAt;
        vm.prank(expired ? _actor(seed % ACTORS) : h.terms.licensee);
        licenses.reclaim(h.id, h.terms);
        _end(h);
    }

    function withdraw(uint256 seed) external counted("withdraw") {
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (_withdraw(_actor((seed % ACTORS + i) % ACTORS))) return;
        }
        Held storage h = _heldActive(seed);
        vm.prank(h.terms.licensee);
        licenses.reclaim(h.id, h.terms);
        _end(h);
        if (!_withdraw(h.terms.licensee)) revert("nothing credited");
    }

    function wait_(uint256 seed) external counted("wait") {
        vm.warp(block.timestamp + bound(seed, 1, 20 minutes));
        vm.roll(block.number + bound(seed >> 128, 1, 60));
    }

    // ---- what the invariants read

    /// What the chain says now. Jobs are counted by the state that `_look` read from the chain after the last call.
    struct Totals {
        uint256 credits;
        uint256 liveJobs;
        uint256 unusedRuns;
        uint256 jobs;
        uint256 open;
        uint256 settled;
        uint256 refunded;
    }

    function totals() external view returns (Totals memory t) {
        for (uint256 i = 0; i < ACTORS; ++i) {
            t.credits += escrow.credits(_actors[i], address(token));
        }
        t.jobs = _open.length;
        for (uint256 i = 0; i < t.jobs; ++i) {
            JobState seen = _open[i].seen;
            if (_live(seen)) (t.open, t.liveJobs) = (t.open + 1, t.liveJobs + _open[i].details.amount);
            else if (seen == JobState.Refunded) ++t.refunded;
            else if (seen != JobState.None) ++t.settled;
        }
        for (uint256 i = 0; i < _held.length; ++i) {
            (LicenseState state, uint32 left) = licenses.statusOf(_held[i].id);
            if (state == LicenseState.Active) t.unusedRuns += _held[i].terms.pricePerRun * left;
        }
    }

    /// A stranger ends every job and license, long after every deadline; then everybody withdraws.
    function emptyEverything() external {
        for (uint256 i = 0; i < _open.length; ++i) {
            if (_live(_open[i].seen)) _refund(_open[i], 0);
        }
        for (uint256 i = 0; i < _held.length; ++i) {
            (LicenseState state, uint32 left) = licenses.statusOf(_held[i].id);
            if (state != LicenseState.Active || left == 0) continue;
            vm.prank(address(0x57A));
            licenses.reclaim(_held[i].id, _held[i].terms);
            refunded += _held[i].terms.pricePerRun * left;
        }
        for (uint256 i = 0; i < ACTORS; ++i) {
            _withdraw(_actor(i));
        }
    }

    /// One line a call, shown by `forge test -vv`.
    function printCalls() external view {
        for (uint256 i = 0; i < _names.length; ++i) {
            // forge's console has no code: a plain call would fail on that.
            bytes memory line = abi.encodeWithSignature("log(string,uint256)", _names[i], _calls[_names[i]]);
            (bool ok,) = address(0x000000000000000000636F6e736F6c652e6c6f67).staticcall(line);
            vm.assertTrue(ok);
        }
    }

    // ---- steps

    function _register(uint256 index) private {
        address owner = _actor(index);
        vm.prank(owner);
        bytes32 id = datasets.register(bytes32(++_nonce), _nonce, 300, 0, 7);
        _dataset[id] = Dataset(owner, bytes32(_nonce), _nonce, 300, 0, 7, 1, DatasetState.Active);
        _datasetIds.push(id);
    }

    function _buy(uint256 seed) private returns (Held storage) {
        bytes32 id = _activeDataset(seed);
        Dataset memory d = _dataset[id];
        address buyer = _actor(OWNERS + (seed >> 8) % (ACTORS - OWNERS));
        _refill(buyer);
        Offer memory offer = Offer({
            dataset: id,
            terms: _terms(seed),
            licensee: seed % 2 == 0 ? buyer : address(0),
            maxLicenses: 1,
            validUntil: type(uint64).max,
            nonce: ++_nonce
        });
        bytes32 digest = licenses.offerDigest(offer);
        vm.prank(buyer);
        bytes32 license = licenses.buy(offer, signed(_keyOf(d.owner), digest), d, _nonce);
        deposited += offer.terms.pricePerRun * offer.terms.maxRuns;
        Held storage h = _held.push();
        h.id = license;
        h.runsLeft = offer.terms.maxRuns;
        h.terms = License({
            dataset: id,
            offer: digest,
            owner: d.owner,
            licensee: buyer,
            currency: address(token),
            pricePerRun: offer.terms.pricePerRun,
            actions: 2,
            expiresAt: uint64(block.timestamp) + offer.terms.duration,
            respondWithin: offer.terms.respondWithin,
            acceptWithin: offer.terms.acceptWithin,
            minRecords: 0
        });
        return h;
    }

    function _terms(uint256 seed) private view returns (Terms memory terms) {
        terms.actions = 2;
        terms.pricePerRun = bound(seed >> 16, 1, 3 ether);
        terms.currency = address(token);
        terms.maxRuns = uint32(bound(seed >> 32, 1, 4));
        terms.duration = uint64(bound(seed >> 48, 1 hours, 30 days));
        terms.respondWithin = uint64(bound(seed >> 64, 10 minutes, 2 hours));
        terms.acceptWithin = uint64(bound(seed >> 80, 10 minutes, 2 hours));
    }

    function _request(uint256 seed) private returns (Open storage o) {
        Held storage h = _heldUsable(seed);
        Dataset memory d = _dataset[h.terms.dataset];
        vm.prank(h.terms.licensee);
        bytes32 job = escrow.request(h.id, h.terms, d, 2, bytes32(seed), ++_nonce);
        --h.runsLeft;
        o = _open.push();
        o.id = job;
        o.seen = JobState.Requested;
        o.k = keccak256(abi.encode(job));
        uint64 runBy = uint64(block.timestamp) + h.terms.respondWithin;
        o.details = Job({
            license: h.id,
            dataset: h.terms.dataset,
            owner: h.terms.owner,
            licensee: h.terms.licensee,
            currency: address(token),
            amount: h.terms.pricePerRun,
            action: 2,
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
    }

    function _commit(uint256 seed) private returns (Open storage o) {
        o = _find(JobState.Requested, seed);
        if (o.id == 0 || block.timestamp > o.details.runBy) o = _request(seed);
        _commitTo(o);
    }

    function _commitTo(Open storage o) private {
        Output memory output = Output(uint256(o.id) >> 8, o.id, keccak256(abi.encodePacked(o.k)), o.id);
        vm.prank(o.details.owner);
        escrow.commit(o.id, o.details, output);
        o.commitment.output = output;
        o.commitment.atBlock = uint64(block.number);
        o.commitment.acceptBy = uint64(block.timestamp) + o.details.acceptWithin;
        o.seen = JobState.Committed;
    }

    function _draw(uint256 seed) private returns (Open storage o) {
        o = _find(JobState.Committed, seed);
        bool late =
            o.id != 0 && (block.timestamp > o.details.settleBy || block.number > uint256(o.commitment.atBlock) + 256);
        if (o.id == 0 || late) o = _commit(seed);
        _drawTo(o, seed);
    }

    function _drawTo(Open storage o, uint256 seed) private {
        if (block.number <= o.commitment.atBlock) vm.roll(uint256(o.commitment.atBlock) + 1);
        vm.prank(_actor(seed % ACTORS));
        o.commitment.challenge = escrow.draw(o.id, o.details, o.commitment);
        o.seen = JobState.Drawn;
    }

    function _accept(uint256 seed) private returns (Open storage o) {
        o = _find(JobState.Drawn, seed);
        if (o.id == 0 || block.timestamp > o.commitment.acceptBy) o = _fresh(seed, 2);
        _acceptTo(o);
    }

    function _acceptTo(Open storage o) private {
        vm.prank(o.details.licensee);
        escrow.accept(o.id, o.details, o.commitment);
        o.seen = JobState.Accepted;
    }

    function _settle(Open storage o, uint256 seed) private {
        uint256[6] memory inputs = [
            o.details.root,
            o.details.count,
            o.details.ownerCommitment,
            o.commitment.output.outputRoot,
            escrow.contextOf(o.id, o.details, o.commitment.output),
            o.commitment.challenge
        ];
        uint256[8] memory proof = TrapdoorKey.prove(3, inputs, 1 + seed % 1_000);
        vm.prank(_actor(seed % ACTORS));
        escrow.settle(o.id, o.details, o.commitment, proof, o.k);
        earned += o.details.amount;
    }

    function _refund(Open storage o, uint256 seed) private {
        vm.prank(_actor(seed % ACTORS));
        escrow.refund(o.id, o.details, o.commitment);
        refunded += o.details.amount;
    }

    function _withdraw(address account) private returns (bool) {
        if (escrow.credits(account, address(token)) == 0) return false;
        vm.prank(account);
        withdrawn += escrow.withdraw(address(token));
        return true;
    }

    function _end(Held storage h) private {
        refunded += h.terms.pricePerRun * h.runsLeft;
        h.ended = true;
        h.runsLeft = 0;
    }

    // ---- finding and bringing about

    /// A new job, brought `steps` steps past Requested: 1 committed, 2 drawn, 3 accepted.
    function _fresh(uint256 seed, uint256 steps) private returns (Open storage o) {
        o = _request(seed);
        if (steps > 0) _commitTo(o);
        if (steps > 1) _drawTo(o, seed);
        if (steps > 2) _acceptTo(o);
    }

    /// A job in this state, brought about when there is none.
    function _in(JobState state, uint256 seed) private returns (Open storage o) {
        o = _find(state, seed);
        if (o.id == 0) o = _fresh(seed, uint256(state) - 1);
    }

    function _find(JobState state, uint256 seed) private view returns (Open storage o) {
        for (uint256 i = 0; i < _open.length; ++i) {
            o = _open[(seed % _open.length + i) % _open.length];
            if (o.seen == state) return o;
        }
        return _nothing();
    }

    Open private _none;

    function _nothing() private view returns (Open storage o) {
        o = _none;
    }

    function _heldActive(uint256 seed) private returns (Held storage h) {
        for (uint256 i = 0; i < _held.length; ++i) {
            h = _held[(seed % _held.length + i) % _held.length];
            if (!h.ended && h.runsLeft > 0) return h;
        }
        return _buy(seed);
    }

    function _heldUsable(uint256 seed) private returns (Held storage h) {
        for (uint256 i = 0; i < _held.length; ++i) {
            h = _held[(seed % _held.length + i) % _held.length];
            bool usable = !h.ended && h.runsLeft > 0 && block.timestamp <= h.terms.expiresAt;
            if (usable && _dataset[h.terms.dataset].state != DatasetState.Revoked) return h;
        }
        return _buy(seed);
    }

    function _activeDataset(uint256 seed) private returns (bytes32 id) {
        for (uint256 i = 0; i < _datasetIds.length; ++i) {
            id = _datasetIds[(seed % _datasetIds.length + i) % _datasetIds.length];
            if (_dataset[id].state == DatasetState.Active) return id;
        }
        _register(seed % OWNERS);
        return _datasetIds[_datasetIds.length - 1];
    }

    /// Reads every job's state from the chain and counts any step back.
    function _look() private {
        for (uint256 i = 0; i < _open.length; ++i) {
            JobState seen = _open[i].seen;
            JobState state = escrow.stateOf(_open[i].id);
            bool ended = seen == JobState.Refunded || seen == JobState.Delivered;
            if (state < seen || (ended && state != seen)) ++backwardSteps;
            if (seen == JobState.Settled && state == JobState.Refunded) ++backwardSteps;
            _open[i].seen = state;
        }
    }

    function _live(JobState state) private pure returns (bool) {
        return state >= JobState.Requested && state <= JobState.Accepted;
    }

    function _refill(address account) private {
        if (token.balanceOf(account) >= 100 ether) return;
        // Another faucet limit each time: through an account made for it.
        address from = address(uint160(uint256(keccak256(abi.encode(account, ++_nonce)))));
        token.faucet(from);
        vm.prank(from);
        token.transfer(account, 1_000 ether);
        vm.prank(account);
        token.approve(address(licenses), type(uint256).max);
    }

    function _actor(uint256 index) private view returns (address) {
        return _actors[index];
    }

    function _keyOf(address account) private view returns (uint256) {
        for (uint256 i = 0; i < ACTORS; ++i) {
            if (_actor(i) == account) return 1_000 + i;
        }
        revert("no such actor");
    }
}
