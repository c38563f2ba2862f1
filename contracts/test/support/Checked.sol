// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The part of forge's cheat codes that these tests use, so that they need no library.
interface Cheats {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 time) external;
    function roll(uint256 number) external;
    function chainId(uint256 id) external;
    function setBlockhash(uint256 number, bytes32 hash) external;
    function getBlockTimestamp() external view returns (uint256);
    function getBlockNumber() external view returns (uint256);
    function getNonce(address account) external view returns (uint64);
    function computeCreateAddress(address from, uint256 nonce) external pure returns (address);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert() external;
    function assume(bool condition) external pure;
    function label(address account, string calldata name) external;
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function assertTrue(bool value) external pure;
    function assertTrue(bool value, string calldata reason) external pure;
    function assertFalse(bool value) external pure;
    function assertEq(uint256 a, uint256 b) external pure;
    function assertEq(uint256 a, uint256 b, string calldata reason) external pure;
    function assertEq(address a, address b) external pure;
    function assertEq(bytes32 a, bytes32 b) external pure;
    function assertEq(string calldata a, string calldata b) external pure;
    function assertNotEq(bytes32 a, bytes32 b) external pure;
    function assertLe(uint256 a, uint256 b, string calldata reason) external pure;
    function assertGe(uint256 a, uint256 b, string calldata reason) external pure;
}

/// @notice Base of every test: the cheat codes and two small readers.
abstract contract Checked {
    Cheats internal constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// @return a value from `min` to `max`, both included
    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        if (max - min == type(uint256).max) return value;
        return min + value % (max - min + 1);
    }

    /// @return r, s, v as the 65 bytes that contracts expect
    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @return found the last recorded log with this first topic
    function lastLog(bytes32 topic) internal returns (Cheats.Log memory found) {
        Cheats.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = logs.length; i > 0; --i) {
            if (logs[i - 1].topics[0] == topic) return logs[i - 1];
        }
        revert("no such log");
    }
}
