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
        _checkLiabilitiesEqualTheBalance();
        _checkPaymentsPlusRefundsEqualDeposits();
        vm.assertEq(actors.backwardSteps(), 0, "no job is seen in an earlier state, or leaving a final one");
        uint256 ended = actors.settledJobs() + actors.refundedJobs();
        vm.assertEq(ended + actors.openJobs(), actors.jobCount(), "each job ends once, in one way");
    }

    /// What is owed is exactly what is held: credits, live jobs and unused runs.
    function _checkLiabilitiesEqualTheBalance() private view {
        vm.assertEq(token.balanceOf(address(escrow)), actors.liabilities(), "liabilities");
    }

    /// Every unit paid in went out, to an owner for a settled job or back to its licensee, or is still owed.
    function _checkPaymentsPlusRefundsEqualDeposits() private view {
        uint256 owed = actors.liveJobs() + actors.unusedRuns();
        vm.assertEq(actors.deposited(), actors.earned() + actors.refunded() + owed, "deposits");
        vm.assertEq(actors.deposited(), actors.withdrawn() + token.balanceOf(address(escrow)), "held");
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
