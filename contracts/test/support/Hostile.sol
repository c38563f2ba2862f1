// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice An ERC-20 that anybody can mint; the misbehaving ones build on it.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Keeps one percent of each transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            super._update(from, address(0xFEE), value / 100);
            value -= value / 100;
        }
        super._update(from, to, value);
    }
}

/// @notice Gives the receiver one percent more than was sent.
contract BonusToken is PlainToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) _mint(to, value / 100);
    }
}

/// @notice Returns nothing from transfer, transferFrom and approve, like some old and large tokens.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Answers false and moves nothing while `refusing`.
contract FalseToken is PlainToken {
    bool public refusing;

    function setRefusing(bool value) external {
        refusing = value;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return refusing ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return refusing ? false : super.transferFrom(from, to, amount);
    }
}

/// @notice Answers true and moves nothing.
contract LyingToken is PlainToken {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @notice Reverts on transfers to or from a listed account.
contract BlocklistToken is PlainToken {
    mapping(address => bool) public isBlocked;

    function setBlocked(address account) external {
        isBlocked[account] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!isBlocked[from] && !isBlocked[to], "blocked");
        super._update(from, to, value);
    }
}

/// @notice Balances shrink or grow without a transfer.
contract RebasingToken is PlainToken {
    uint256 public percent = 100;

    function setPercent(uint256 value) external {
        percent = value;
    }

    function balanceOf(address account) public view override returns (uint256) {
        return super.balanceOf(account) * percent / 100;
    }
}

/// @notice Calls its `hook` in the middle of every transfer, as ERC-777 does.
contract ReentrantToken is PlainToken {
    address public hook;

    function setHook(address value) external {
        hook = value;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (hook != address(0)) Hook(hook).onMove();
        super._update(from, to, value);
    }
}

interface Hook {
    function onMove() external;
}

/// @notice Permit that always reverts, after eating calldata; the rest is plain.
contract BadPermitToken is PlainToken {
    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external pure {
        revert("no permit today");
    }
}

/// @notice A wallet contract: ERC-1271 over one key, can be switched off; refuses ether and ERC-721 receipts.
contract WalletContract is IERC1271 {
    address private immutable _key;
    bool public off;

    constructor(address key) {
        _key = key;
    }

    function setOff() external {
        off = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecover(hash, signature);
        bool good = !off && err == ECDSA.RecoverError.NoError && signer == _key;
        return good ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function act(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory out) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(out, 0x20), mload(out))
            }
        }
        return out;
    }
}
