// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Actors} from "./support/Actors.sol";
import {CheapVerifier} from "./support/CheapVerifier.sol";
import {Ledger} from "./support/Ledger.sol";
import {NoReturnToken} from "./support/Hostile.sol";
import {MoodyToken} from "./support/MoodyToken.sol";
import {World} from "./support/World.sol";

/// @notice What holds after any sequence of calls by eight actors, with time and blocks passing, a hostile currency and
/// hostile wallet contracts among owners and buyers.
/// @dev One campaign for all properties: each has a name, which is the reason that a failing run shows.
contract InvariantsTest is World {
    Actors private actors;
    address[3] private _three;
    CheapVerifier private _cheap;

    function setUp() public override {
        _cheap = new CheapVerifier();
        super.setUp();
        actors = new Actors(_three, datasets, licenses, escrow, _cheap);
    }

    function _currencies() internal override returns (address[] memory list) {
        _three = [address(token), address(new NoReturnToken()), address(new MoodyToken())];
        list = new address[](3);
        (list[0], list[1], list[2]) = (_three[0], _three[1], _three[2]);
    }

    function _verifier(uint256) internal view override returns (IProofVerifier) {
        return _cheap;
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

    function invariant_moneyAndStates() public {
        for (uint256 i = 0; i < 3; ++i) {
            Ledger.Books memory books = actors.books(_three[i]);
            _liabilitiesNeverExceedBalances(books);
            _payoutsRefundsAndOpenAreTheDeposits(books);
        }
        Ledger.Breaches memory breaches = actors.breaches();
        _eachJobPaysExactlyOnce(breaches);
        _statesOnlyMoveForward(breaches);
        _nothingForbiddenWorks(breaches);
        _nobodyWithoutARightMovesMoney(breaches);
        // Last: they let time pass. What an invariant does is not kept.
        uint256 pick = uint256(keccak256(abi.encode(vm.getBlockTimestamp(), vm.getBlockNumber())));
        vm.assertTrue(actors.emptyLicenseAlone(pick), "a lone party empties any license");
        vm.assertTrue(actors.emptyJobAlone(pick), "a lone party empties any job after its deadline");
    }

    function _liabilitiesNeverExceedBalances(Ledger.Books memory b) private pure {
        uint256 owed = b.credits + b.inJobs + b.inRuns;
        vm.assertGe(b.balance, owed, "liabilities never exceed balances");
        vm.assertEq(b.balance, owed, "nothing is held that is not owed");
    }

    function _payoutsRefundsAndOpenAreTheDeposits(Ledger.Books memory b) private pure {
        vm.assertEq(b.deposited, b.credited + b.inJobs + b.inRuns, "payout + refund + open = deposit");
        vm.assertEq(b.deposited, b.withdrawn + b.balance, "what came in went out or is held");
    }

    function _eachJobPaysExactlyOnce(Ledger.Breaches memory b) private pure {
        vm.assertEq(b.wrongPayments, 0, "each job pays its payee exactly once");
        vm.assertEq(b.wrongLicensePayments, 0, "each license refunds exactly the runs not requested, once");
    }

    function _statesOnlyMoveForward(Ledger.Breaches memory b) private pure {
        vm.assertEq(b.backwardSteps, 0, "states only move forward");
    }

    function _nothingForbiddenWorks(Ledger.Breaches memory b) private pure {
        vm.assertEq(b.allowedWrongly, 0, "nothing works that the rules forbid");
    }

    function _nobodyWithoutARightMovesMoney(Ledger.Breaches memory b) private pure {
        vm.assertEq(b.movedByPowerless, 0, "no deployer, delegate, stranger or dataset owner moves money");
    }

    /// After every deadline a stranger can refund each job and reclaim each license, and then everybody can withdraw
    /// everything: nothing stays behind.
    function afterInvariant() external {
        vm.warp(vm.getBlockTimestamp() + 4_000 days);
        actors.emptyEverything();
        for (uint256 i = 0; i < 3; ++i) {
            Ledger.Books memory books = actors.books(_three[i]);
            vm.assertEq(books.balance + books.credits + books.inJobs + books.inRuns, 0, "nothing stays behind");
            vm.assertEq(books.deposited, books.withdrawn, "all that came in went out");
        }
        Ledger.Breaches memory breaches = actors.breaches();
        _eachJobPaysExactlyOnce(breaches);
        _statesOnlyMoveForward(breaches);
    }
}
