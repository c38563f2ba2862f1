// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title The embedded network's currency: ERC-20 with permit, "Usufruct", USU, 18 decimals, free from a faucet.
/// @dev Worth nothing by design: anyone can mint. Not for networks where money is real.
interface IRewardToken {
    /// @notice The faucet gave `amount` to `to`.
    event FaucetUsed(address indexed to, uint256 amount);

    /// @notice This address already got FAUCET_LIMIT from the faucet.
    error FaucetLimitReached(address to, uint256 limit);

    /// @notice Mint FAUCET_AMOUNT to `to`, up to FAUCET_LIMIT per address. Anyone may call.
    function faucet(address to) external;

    /// @return how much this address got from the faucet so far
    function faucetGiven(address to) external view returns (uint256);
}
