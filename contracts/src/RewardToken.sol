// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IRewardToken} from "../interfaces/IRewardToken.sol";

/// @title The embedded network's currency, free from a faucet
contract RewardToken is ERC20, ERC20Permit, IRewardToken {
    /// What one call of the faucet gives.
    uint256 public constant FAUCET_AMOUNT = 1_000 ether;
    /// What one address can get from the faucet in all.
    uint256 public constant FAUCET_LIMIT = 10_000 ether;

    /// @inheritdoc IRewardToken
    mapping(address to => uint256) public faucetGiven;

    constructor() ERC20("Usufruct", "USU") ERC20Permit("Usufruct") {}

    /// @inheritdoc IRewardToken
    function faucet(address to) external {
        if (faucetGiven[to] >= FAUCET_LIMIT) revert FaucetLimitReached(to, FAUCET_LIMIT);
        faucetGiven[to] += FAUCET_AMOUNT;
        _mint(to, FAUCET_AMOUNT);
        emit FaucetUsed(to, FAUCET_AMOUNT);
    }
}
