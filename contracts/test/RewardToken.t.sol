// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRewardToken} from "../interfaces/IRewardToken.sol";
import {RewardToken} from "../src/RewardToken.sol";
import {Checked} from "./support/Checked.sol";

contract RewardTokenTest is Checked {
    RewardToken private token = new RewardToken();
    address private constant TO = address(0x70);

    function test_token_isNamed() public view {
        vm.assertEq(token.name(), "Usufruct");
        vm.assertEq(token.symbol(), "USU");
        vm.assertEq(token.decimals(), 18);
    }

    function test_faucet_gives() public {
        token.faucet(TO);
        vm.assertEq(token.balanceOf(TO), 1_000 ether);
        vm.assertEq(token.faucetGiven(TO), 1_000 ether);
        vm.assertEq(token.totalSupply(), 1_000 ether);
    }

    function test_faucet_stopsAtTheLimitPerAddress() public {
        for (uint256 i = 0; i < 10; ++i) {
            token.faucet(TO);
        }
        vm.assertEq(token.balanceOf(TO), token.FAUCET_LIMIT());
        bytes memory refusal =
            abi.encodeWithSelector(IRewardToken.FaucetLimitReached.selector, TO, token.FAUCET_LIMIT());
        vm.expectRevert(refusal);
        token.faucet(TO);
        // Spending does not make room.
        vm.prank(TO);
        token.transfer(address(this), 5_000 ether);
        vm.expectRevert(refusal);
        token.faucet(TO);
        token.faucet(address(this));
    }

    function test_permit_setsTheAllowanceOnce() public {
        uint256 key = 0xA11CE;
        address from = vm.addr(key);
        bytes32 digest = _digest(from, 7, 0, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(from, TO, 7, block.timestamp, v, r, s);
        vm.assertEq(token.allowance(from, TO), 7);
        vm.expectRevert();
        token.permit(from, TO, 7, block.timestamp, v, r, s);
    }

    function _digest(address from, uint256 value, uint256 nonce, uint256 deadline) private view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(typeHash, from, TO, value, nonce, deadline));
        return keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), content));
    }
}
