// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Commitment, IJobEscrow, Job, JobState} from "../../interfaces/IJobEscrow.sol";
import {License, LicenseState} from "../../interfaces/ILicenseRegistry.sol";
import {JobEscrow} from "../../src/JobEscrow.sol";
import {LicenseRegistry} from "../../src/LicenseRegistry.sol";
import {Checked, Cheats} from "./Checked.sol";

interface Balance {
    function balanceOf(address account) external view returns (uint256);
}

/// @notice The actors' own books: what they bought, asked and were paid, and what the chain says after every call.
/// @dev Payments are counted from the escrow's events, states and credits are read from the chain: nothing here trusts
/// that a call did what it was meant to. Breaches are counted; the invariants say that each count is zero.
abstract contract Ledger is Checked {
    uint256 internal constant ACTORS = 8;
    uint256 internal constant CURRENCIES = 3;
    uint256 internal constant NOWHERE = type(uint256).max;
    /// respondWithin and acceptWithin at their limits, and SETTLE_WITHIN.
    uint256 internal constant LONGEST_JOB = 61 days;
    address internal constant STRANGER = address(0x57A);

    struct Held {
        bytes32 id;
        License terms;
        uint32 bought;
        uint32 requested;
        uint32 left;
        LicenseState seen;
    }

    struct Open {
        bytes32 id;
        Job details;
        Commitment commitment;
        JobState seen;
        bytes32 k;
        uint256 requestedAt;
    }

    LicenseRegistry internal immutable licenses;
    JobEscrow internal immutable escrow;

    address[ACTORS] internal _actors;
    address[CURRENCIES] internal _currencies;
    Held[] internal _held;
    Open[] internal _open;
    /// Places in `_held` of licenses with runs left and of all others, in `_open` of jobs that hold money and of others.
    uint256[] internal _active;
    uint256[] internal _spent;
    uint256[] internal _live;
    uint256[] internal _ended;
    uint256 private _looks;
    bytes32 private _money;
    bool internal _mayMoveMoney;

    mapping(bytes32 cause => uint256) private _payments;
    mapping(bytes32 cause => uint256) private _paid;
    mapping(bytes32 cause => address) private _payee;

    /// In: paid for licenses. Out: credited by jobs and licenses, and sent to accounts.
    mapping(address currency => uint256) internal _deposited;
    mapping(address currency => uint256) private _credited;
    mapping(address currency => uint256) private _withdrawn;
    /// What accounts can withdraw, what live jobs hold, what runs never requested are worth.
    mapping(address currency => uint256) private _credits;
    mapping(address currency => uint256) private _inJobs;
    mapping(address currency => uint256) private _inRuns;
    /// The credit last read from the chain.
    mapping(address account => mapping(address currency => uint256)) private _known;

    struct Breaches {
        uint256 backwardSteps;
        uint256 wrongPayments;
        uint256 wrongLicensePayments;
        uint256 movedByPowerless;
        uint256 allowedWrongly;
    }

    Breaches internal _breaches;

    struct Books {
        /// What the escrow has.
        uint256 balance;
        uint256 deposited;
        uint256 credited;
        uint256 withdrawn;
        uint256 credits;
        uint256 inJobs;
        uint256 inRuns;
    }

    constructor(LicenseRegistry licenses_, JobEscrow escrow_) {
        (licenses, escrow) = (licenses_, escrow_);
    }

    function books(address currency) public view returns (Books memory) {
        return Books({
            balance: Balance(currency).balanceOf(address(escrow)),
            deposited: _deposited[currency],
            credited: _credited[currency],
            withdrawn: _withdrawn[currency],
            credits: _credits[currency],
            inJobs: _inJobs[currency],
            inRuns: _inRuns[currency]
        });
    }

    function breaches() external view returns (Breaches memory) {
        return _breaches;
    }

    /// After its deadline a stranger ends one live job; true when its licensee was credited the whole amount.
    function emptyJobAlone(uint256 pick) external returns (bool) {
        if (_live.length == 0) return true;
        Open storage o = _open[_live[pick % _live.length]];
        uint256 deadline = o.seen == JobState.Requested ? o.details.runBy : o.details.settleBy;
        if (o.details.settleBy > o.requestedAt + LONGEST_JOB) return false;
        if (block.timestamp <= deadline) vm.warp(deadline + 1);
        uint256 before = escrow.credits(o.details.licensee, o.details.currency);
        vm.prank(STRANGER);
        (bool ok,) = address(escrow).call(abi.encodeCall(escrow.refund, (o.id, o.details, o.commitment)));
        return ok && escrow.credits(o.details.licensee, o.details.currency) == before + o.details.amount;
    }

    /// The licensee ends one license now, or a stranger after expiry; true when the licensee was credited its runs.
    function emptyLicenseAlone(uint256 pick) external returns (bool) {
        if (_active.length == 0) return true;
        Held storage h = _held[_active[pick % _active.length]];
        bool byStranger = pick % 2 == 0;
        if (byStranger && block.timestamp <= h.terms.expiresAt) vm.warp(uint256(h.terms.expiresAt) + 1);
        uint256 before = escrow.credits(h.terms.licensee, h.terms.currency);
        vm.prank(byStranger ? STRANGER : h.terms.licensee);
        (bool ok,) = address(licenses).call(abi.encodeCall(licenses.reclaim, (h.id, h.terms)));
        uint256 gain = escrow.credits(h.terms.licensee, h.terms.currency) - before;
        return ok && gain == h.terms.pricePerRun * h.left;
    }

    // ---- the books

    function _bookLicense(bytes32 id, License memory terms, uint32 runs) internal returns (Held storage h) {
        _active.push(_held.length);
        h = _held.push();
        (h.id, h.terms, h.bought, h.left, h.seen) = (id, terms, runs, runs, LicenseState.Active);
        _deposited[terms.currency] += terms.pricePerRun * runs;
    }

    function _bookJob(bytes32 id, Job memory details) internal returns (Open storage o) {
        _live.push(_open.length);
        o = _open.push();
        (o.id, o.details, o.seen, o.requestedAt) = (id, details, JobState.Requested, block.timestamp);
        o.k = keccak256(abi.encode(id));
    }

    /// Compares the books with the chain, after every call: all that is open, and one of what is not, in turn.
    function _look() internal {
        _readEvents();
        for (uint256 i = 0; i < CURRENCIES; ++i) {
            (_inJobs[_currencies[i]], _inRuns[_currencies[i]]) = (0, 0);
        }
        for (uint256 i = _live.length; i > 0; --i) {
            _lookAtLive(i - 1);
        }
        if (_ended.length > 0) _lookAtEnded(_open[_ended[_looks % _ended.length]]);
        for (uint256 i = _active.length; i > 0; --i) {
            _lookAtActive(i - 1);
        }
        if (_spent.length > 0) _lookAtLicense(_held[_spent[_looks % _spent.length]]);
        _readCredit(_actors[_looks % ACTORS], _currencies[(_looks / ACTORS) % CURRENCIES]);
        _checkMoney();
        ++_looks;
    }

    /// Everything that is not open once more: no job or license may have changed or been paid, no credit been missed.
    function _lookAtTheRest() internal {
        for (uint256 i = 0; i < _ended.length; ++i) {
            _lookAtEnded(_open[_ended[i]]);
        }
        for (uint256 i = 0; i < _spent.length; ++i) {
            _lookAtLicense(_held[_spent[i]]);
        }
        for (uint256 i = 0; i < ACTORS * CURRENCIES; ++i) {
            _readCredit(_actors[i % ACTORS], _currencies[i / ACTORS]);
        }
    }

    function _readEvents() internal {
        Cheats.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(escrow)) continue;
            bytes32 topic = logs[i].topics[0];
            if (topic != IJobEscrow.Credited.selector && topic != IJobEscrow.Withdrawn.selector) continue;
            address account = address(uint160(uint256(logs[i].topics[1])));
            address currency = address(uint160(uint256(logs[i].topics[2])));
            if (topic == IJobEscrow.Credited.selector) {
                bytes32 cause = logs[i].topics[3];
                uint256 amount = abi.decode(logs[i].data, (uint256));
                ++_payments[cause];
                _paid[cause] += amount;
                _payee[cause] = account;
                _credited[currency] += amount;
            } else {
                (, uint256 amount) = abi.decode(logs[i].data, (address, uint256));
                _withdrawn[currency] += amount;
            }
            _readCredit(account, currency);
        }
    }

    function _lookAtLive(uint256 place) private {
        Open storage o = _open[_live[place]];
        JobState state = escrow.stateOf(o.id);
        if (state < o.seen) ++_breaches.backwardSteps;
        if (state != o.seen) o.seen = state;
        if (_isLive(state)) {
            if (_payments[o.id] != 0) ++_breaches.wrongPayments;
            _inJobs[o.details.currency] += o.details.amount;
            return;
        }
        _ended.push(_live[place]);
        _live[place] = _live[_live.length - 1];
        _live.pop();
        _lookAtEnded(o);
    }

    function _lookAtEnded(Open storage o) internal {
        JobState state = escrow.stateOf(o.id);
        bool delivered = o.seen == JobState.Settled && state == JobState.Delivered;
        if (state != o.seen && !delivered) ++_breaches.backwardSteps;
        if (delivered) o.seen = state;
        address payee = state == JobState.Refunded ? o.details.licensee : o.details.owner;
        bool once = _payments[o.id] == 1 && _paid[o.id] == o.details.amount && _payee[o.id] == payee;
        if (!once) ++_breaches.wrongPayments;
    }

    function _lookAtActive(uint256 place) private {
        Held storage h = _held[_active[place]];
        _lookAtLicense(h);
        if (h.seen == LicenseState.Active && h.left > 0) {
            _inRuns[h.terms.currency] += h.terms.pricePerRun * h.left;
            return;
        }
        _spent.push(_active[place]);
        _active[place] = _active[_active.length - 1];
        _active.pop();
    }

    function _lookAtLicense(Held storage h) internal {
        (LicenseState state, uint32 left) = licenses.statusOf(h.id);
        bool ended = h.seen != LicenseState.Active;
        if (state < h.seen || left > h.left || (ended && state != h.seen)) ++_breaches.backwardSteps;
        if (left != h.left) h.left = left;
        if (state != h.seen) h.seen = state;
        uint32 unused = h.bought - h.requested;
        if (state == LicenseState.Active) {
            if (_payments[h.id] != 0 || left != unused) ++_breaches.wrongLicensePayments;
            return;
        }
        bool right = _paid[h.id] == h.terms.pricePerRun * unused && _payments[h.id] == (unused == 0 ? 0 : 1);
        if (!right || (unused != 0 && _payee[h.id] != h.terms.licensee)) ++_breaches.wrongLicensePayments;
    }

    function _readCredit(address account, address currency) private {
        uint256 credit = escrow.credits(account, currency);
        uint256 known = _known[account][currency];
        if (credit == known) return;
        _credits[currency] = _credits[currency] + credit - known;
        _known[account][currency] = credit;
    }

    /// A call that may not move money must leave every sum as it was.
    function _checkMoney() private {
        Books[CURRENCIES] memory all;
        for (uint256 i = 0; i < CURRENCIES; ++i) {
            all[i] = books(_currencies[i]);
        }
        bytes32 money = keccak256(abi.encode(all));
        if (!_mayMoveMoney && money != _money) ++_breaches.movedByPowerless;
        _money = money;
    }

    function _isLive(JobState state) internal pure returns (bool) {
        return state >= JobState.Requested && state <= JobState.Accepted;
    }
}
