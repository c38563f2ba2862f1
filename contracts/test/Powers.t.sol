// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";

/// @notice The contracts have no way to run other code with their own money, to be replaced or to be destroyed.
contract PowersTest is World {
    function test_code_neverDelegatesNorDestroysItself() public view {
        address[4] memory all = [address(datasets), address(licenses), address(escrow), address(verifiers[0])];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_first(all[i].code), 0);
        }
    }

    function test_code_withADelegatecallIsSeen() public pure {
        vm.assertEq(_first(hex"60f460005af4"), 0xf4);
        vm.assertEq(_first(hex"33ff"), 0xff);
        vm.assertEq(_first(hex"60f260ff"), 0);
    }

    /// The first CALLCODE, DELEGATECALL or SELFDESTRUCT among the instructions; zero when there is none.
    function _first(bytes memory code) private pure returns (uint8) {
        for (uint256 i = 0; i < code.length; ++i) {
            uint8 op = uint8(code[i]);
            if (op == 0xf2 || op == 0xf4 || op == 0xff) return op;
            // PUSH1 to PUSH32 carry data.
            if (op >= 0x60 && op <= 0x7f) i += op - 0x5f;
        }
        return 0;
    }
}
