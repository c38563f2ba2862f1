// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Actors} from "./support/Actors.sol";
import {World} from "./support/World.sol";

/// @notice What holds after any sequence of calls by eight actors, with time and blocks passing.
contract InvariantsTest is World {
    Actors private actors;

    function setUp() public override {
        super.setUp();
        actors = new Actors(token, datasets, licenses, escrow);
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(actors);
    }

    struct Target {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (Target[] memory list) {
        list = new Target[](1);
        list[0] = Target(address(actors), actors.calls());
    }

    function invariant_moneyAndStates() public view {
        Actors.Totals memory t = actors.totals();
        uint256 held = token.balanceOf(address(escrow));
        vm.assertEq(held, t.credits + t.liveJobs + t.unusedRuns, "what is owed is exactly what is held");
        uint256 ended = actors.earned() + actors.refunded();
        vm.assertEq(actors.deposited(), ended + t.liveJobs + t.unusedRuns, "payments + refunds + open = deposits");
        vm.assertEq(actors.deposited(), actors.withdrawn() + held, "what came in went out or is held");
        vm.assertEq(actors.backwardSteps(), 0, "no job is seen in an earlier state, or leaving a final one");
        vm.assertEq(t.settled + t.refunded + t.open, t.jobs, "each job ends once, in one way");
    }

    /// After every deadline a stranger can refund each job and reclaim each license, and then everybody can withdraw
    /// everything: nothing stays behind.
    function afterInvariant() external {
        actors.printCalls();
        vm.warp(vm.getBlockTimestamp() + 4_000 days);
        actors.emptyEverything();
        vm.assertEq(token.balanceOf(address(escrow)), 0);
        vm.assertEq(actors.deposited(), actors.withdrawn());
    }
}
