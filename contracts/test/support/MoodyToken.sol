// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Hook, WalletContract} from "./Hostile.sol";

/// @notice Every way a currency can misbehave, one at a time.
enum Mood {
    /// Calls the hooks in the middle of every transfer.
    Reentrant,
    /// Keeps one percent.
    Fee,
    /// Gives one percent more.
    Bonus,
    /// Answers false and moves nothing.
    False,
    /// Answers true and moves nothing.
    Lying,
    /// Refuses to move anything from or to one account.
    Blocking,
    /// Shows half of every balance.
    Shrunk,
    /// Shows twice every balance.
    Grown
}

contract MoodyToken is ERC20 {
    Mood public mood;
    address public blocked;
    address[] private _hooks;

    constructor() ERC20("Moody", "MDY") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setMood(Mood mood_, address blocked_) external {
        (mood, blocked) = (mood_, blocked_);
    }

    function addHook(address hook) external {
        _hooks.push(hook);
    }

    function balanceOf(address account) public view override returns (uint256) {
        uint256 balance = super.balanceOf(account);
        if (mood == Mood.Shrunk) return balance / 2;
        return mood == Mood.Grown ? balance * 2 : balance;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.False || mood == Mood.Lying) return mood == Mood.Lying;
        return super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (mood == Mood.False || mood == Mood.Lying) return mood == Mood.Lying;
        return super.transferFrom(from, to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        bool moves = from != address(0) && to != address(0);
        if (moves && mood == Mood.Blocking) require(from != blocked && to != blocked, "blocked");
        if (moves && mood == Mood.Reentrant) _callHooks();
        super._update(from, to, value);
        if (moves && mood == Mood.Fee) super._update(to, address(0xFEE), value / 100);
        if (moves && mood == Mood.Bonus) super._update(address(0), to, value / 100);
    }

    function _callHooks() private {
        for (uint256 i = 0; i < _hooks.length; ++i) {
            Hook(_hooks[i]).onMove();
        }
    }
}

/// @notice A wallet contract that uses every moment in which it gets control to call what it was told to.
contract HostileReceiver is WalletContract, Hook {
    struct Step {
        address target;
        bytes data;
    }

    Step[] private _plan;
    uint256 public tried;
    uint256 public succeeded;

    constructor(address key) WalletContract(key) {}

    function addStep(address target, bytes calldata data) external {
        _plan.push(Step(target, data));
    }

    function clearPlan() external {
        delete _plan;
    }

    function onMove() external {
        for (uint256 i = 0; i < _plan.length; ++i) {
            (bool ok,) = _plan[i].target.call(_plan[i].data);
            ++tried;
            if (ok) ++succeeded;
        }
    }
}
