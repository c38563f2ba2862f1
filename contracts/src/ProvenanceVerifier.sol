// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";

/// @title Groth16 over BN254 (EIP-196, EIP-197) for one verifying key with six public inputs
/// @dev The key is in the code, as immutables. A proof holds when
/// e(-A, B) · e(alpha, beta) · e(IC0 + Σ inputs[i]·IC[i+1], gamma) · e(C, delta) = 1.
contract ProvenanceVerifier is IProofVerifier {
    /// Order of the scalar field: what inputs must be below.
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// Order of the base field: what coordinates must be below.
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    uint256 private immutable _alphaX;
    uint256 private immutable _alphaY;
    uint256 private immutable _betaXI;
    uint256 private immutable _betaXR;
    uint256 private immutable _betaYI;
    uint256 private immutable _betaYR;
    uint256 private immutable _gammaXI;
    uint256 private immutable _gammaXR;
    uint256 private immutable _gammaYI;
    uint256 private immutable _gammaYR;
    uint256 private immutable _deltaXI;
    uint256 private immutable _deltaXR;
    uint256 private immutable _deltaYI;
    uint256 private immutable _deltaYR;
    uint256 private immutable _ic0X;
    uint256 private immutable _ic0Y;
    uint256 private immutable _ic1X;
    uint256 private immutable _ic1Y;
    uint256 private immutable _ic2X;
    uint256 private immutable _ic2Y;
    uint256 private immutable _ic3X;
    uint256 private immutable _ic3Y;
    uint256 private immutable _ic4X;
    uint256 private immutable _ic4Y;
    uint256 private immutable _ic5X;
    uint256 private immutable _ic5Y;
    uint256 private immutable _ic6X;
    uint256 private immutable _ic6Y;

    /// @inheritdoc IProofVerifier
    bool public immutable insecureDevelopmentKey;
    /// @inheritdoc IProofVerifier
    bytes32 public immutable keyDigest;

    /// @param key alpha (x, y), then beta, gamma, delta (x imaginary, x real, y imaginary, y real), then IC0 to IC6 (x, y)
    /// @param insecureDevelopmentKey_ true when the key comes from the public development seed
    constructor(uint256[28] memory key, bool insecureDevelopmentKey_) {
        _lint(key);
        insecureDevelopmentKey = insecureDevelopmentKey_;
        keyDigest = keccak256(abi.encodePacked(key));
        _alphaX = key[0];
        _alphaY = key[1];
        _betaXI = key[2];
        _betaXR = key[3];
        _betaYI = key[4];
        _betaYR = key[5];
        _gammaXI = key[6];
        _gammaXR = key[7];
        _gammaYI = key[8];
        _gammaYR = key[9];
        _deltaXI = key[10];
        _deltaXR = key[11];
        _deltaYI = key[12];
        _deltaYR = key[13];
        _ic0X = key[14];
        _ic0Y = key[15];
        _ic1X = key[16];
        _ic1Y = key[17];
        _ic2X = key[18];
        _ic2Y = key[19];
        _ic3X = key[20];
        _ic3Y = key[21];
        _ic4X = key[22];
        _ic4Y = key[23];
        _ic5X = key[24];
        _ic5Y = key[25];
        _ic6X = key[26];
        _ic6Y = key[27];
    }

    /// @inheritdoc IProofVerifier
    function verify(uint256[8] calldata proof, uint256[6] calldata inputs) external view returns (bool) {
        for (uint256 i = 0; i < 6; ++i) {
            if (inputs[i] >= R) return false;
        }
        // A.y = 0 is the identity or no point at all; from Q on it is no coordinate, and -A could not be formed.
        if (proof[1] == 0 || proof[1] >= Q) return false;
        (bool combined, uint256 x, uint256 y) = _combine(inputs);
        if (!combined) return false;

        uint256[24] memory p;
        p[0] = proof[0];
        p[1] = Q - proof[1];
        p[2] = proof[2];
        p[3] = proof[3];
        p[4] = proof[4];
        p[5] = proof[5];
        p[6] = _alphaX;
        p[7] = _alphaY;
        p[8] = _betaXI;
        p[9] = _betaXR;
        p[10] = _betaYI;
        p[11] = _betaYR;
        p[12] = x;
        p[13] = y;
        p[14] = _gammaXI;
        p[15] = _gammaXR;
        p[16] = _gammaYI;
        p[17] = _gammaYR;
        p[18] = proof[6];
        p[19] = proof[7];
        p[20] = _deltaXI;
        p[21] = _deltaXR;
        p[22] = _deltaYI;
        p[23] = _deltaYR;
        bool answered;
        uint256 result;
        // The precompile refuses coordinates from Q on, points off the curve and points outside the subgroup.
        assembly ("memory-safe") {
            answered := staticcall(gas(), 0x08, p, 0x300, 0x00, 0x20)
            result := mload(0x00)
        }
        return answered && result == 1;
    }

    /// IC0 + Σ inputs[i]·IC[i+1]. Assembly cannot read immutables, so the points are copied to memory first.
    function _combine(uint256[6] calldata inputs) private view returns (bool ok, uint256 x, uint256 y) {
        uint256[12] memory ic = [_ic1X, _ic1Y, _ic2X, _ic2Y, _ic3X, _ic3Y, _ic4X, _ic4Y, _ic5X, _ic5Y, _ic6X, _ic6Y];
        // sum.x, sum.y, point.x, point.y, scalar
        uint256[5] memory m;
        m[0] = _ic0X;
        m[1] = _ic0Y;
        assembly ("memory-safe") {
            ok := 1
            let point := add(m, 0x40)
            for { let i := 0 } lt(i, 6) { i := add(i, 1) } {
                mcopy(point, add(ic, shl(6, i)), 0x40)
                mstore(add(m, 0x80), calldataload(add(inputs, shl(5, i))))
                ok := and(ok, staticcall(gas(), 0x07, point, 0x60, point, 0x40))
                ok := and(ok, staticcall(gas(), 0x06, m, 0x80, m, 0x40))
            }
        }
        return (ok, m[0], m[1]);
    }

    /// Refuses what no honest set-up produces, and the keys whose proofs anyone can forge.
    function _lint(uint256[28] memory key) private view {
        for (uint256 i = 0; i < 28; ++i) {
            if (key[i] >= Q) revert KeyRefused(i);
        }
        _lintG1(key, 0);
        for (uint256 i = 14; i < 28; i += 2) {
            _lintG1(key, i);
            for (uint256 j = 14; j < i; j += 2) {
                if (key[i] == key[j] && key[i + 1] == key[j + 1]) revert KeyRefused(i);
            }
        }
        for (uint256 i = 2; i < 14; i += 4) {
            _lintG2(key, i);
        }
        // Equal x: delta is gamma or its opposite, and proofs can be made without a witness.
        if (key[6] == key[10] && key[7] == key[11]) revert KeyRefused(10);
    }

    function _lintG1(uint256[28] memory key, uint256 first) private pure {
        uint256 x = key[first];
        uint256 y = key[first + 1];
        // y² = x³ + 3; (0, 0), the identity, fails this too.
        if (mulmod(y, y, Q) != addmod(mulmod(mulmod(x, x, Q), x, Q), 3, Q)) revert KeyRefused(first);
    }

    function _lintG2(uint256[28] memory key, uint256 first) private view {
        if (key[first] | key[first + 1] | key[first + 2] | key[first + 3] == 0) revert KeyRefused(first);
        // The pairing precompile answers only for points in the subgroup; what it answers does not matter here.
        uint256[6] memory p = [uint256(1), 2, key[first], key[first + 1], key[first + 2], key[first + 3]];
        bool answered;
        assembly ("memory-safe") {
            // A failing precompile burns what it is given: one pair costs 79,000 at most (EIP-1108).
            answered := staticcall(100000, 0x08, p, 0xc0, 0x00, 0x20)
        }
        if (!answered) revert KeyRefused(first);
    }
}
