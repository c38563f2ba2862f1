// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title ERC-5192: tokens that cannot be transferred. https://eips.ethereum.org/EIPS/eip-5192
interface IERC5192 {
    /// @notice The token is locked.
    event Locked(uint256 tokenId);
    /// @notice The token is no longer locked (never emitted here).
    event Unlocked(uint256 tokenId);

    /// @return whether the token is locked; reverts for an unknown token
    function locked(uint256 tokenId) external view returns (bool);
}
