// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {ProvenanceVerifier} from "../src/ProvenanceVerifier.sol";
import {Checked} from "./support/Checked.sol";
import {TrapdoorKey} from "./support/TrapdoorKey.sol";

/// @notice The proofs here come from a key with known secrets (see TrapdoorKey): the pairing is real, the circuit absent.
contract ProvenanceVerifierTest is Checked {
    uint256 private constant ALPHA = 3;
    ProvenanceVerifier private verifier;

    /// Malformed points make the pairing precompile burn what it is given: hence the gas limits below.
    function setUp() public {
        verifier = new ProvenanceVerifier(TrapdoorKey.words(ALPHA), true);
    }

    function _inputs() private pure returns (uint256[6] memory) {
        return [uint256(11), 22, 33, 44, 55, 66];
    }

    function _toField(uint256[6] memory inputs) private pure {
        for (uint256 i = 0; i < 6; ++i) {
            inputs[i] %= TrapdoorKey.R;
        }
    }

    function test_verify_acceptsAValidProof() public view {
        vm.assertTrue(verifier.verify(TrapdoorKey.prove(ALPHA, _inputs(), 41), _inputs()));
    }

    function testFuzz_verify_acceptsAnyInputsInTheField(uint256[6] memory inputs, uint256 z) public view {
        _toField(inputs);
        z = bound(z, 1, TrapdoorKey.R - 1);
        vm.assertTrue(verifier.verify(TrapdoorKey.prove(ALPHA, inputs, z), inputs));
    }

    function test_verify_acceptsTheEdgesOfTheField() public view {
        uint256[6] memory inputs = [uint256(0), 1, TrapdoorKey.R - 1, 0, TrapdoorKey.R - 1, 2];
        vm.assertTrue(verifier.verify(TrapdoorKey.prove(ALPHA, inputs, 1), inputs));
    }

    function testFuzz_verify_refusesEachChangedInput(uint256[6] memory inputs, uint8 which, uint256 other) public view {
        _toField(inputs);
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, inputs, 41);
        which = uint8(bound(which, 0, 5));
        other %= TrapdoorKey.R;
        vm.assume(other != inputs[which]);
        inputs[which] = other;
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, inputs));
    }

    function test_verify_refusesAliasesOfEachInput() public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        for (uint256 i = 0; i < 6; ++i) {
            uint256[6] memory inputs = _inputs();
            // Every x + k·r that fits a word names the same field element.
            for (uint256 k = 1; inputs[i] <= type(uint256).max - TrapdoorKey.R; ++k) {
                inputs[i] += TrapdoorKey.R;
                vm.assertFalse(verifier.verify{gas: 500_000}(proof, inputs));
                vm.assertTrue(k <= 5);
            }
        }
    }

    function test_verify_refusesInputsAtAndAboveTheOrder() public view {
        uint256[3] memory words = [TrapdoorKey.R, TrapdoorKey.Q, type(uint256).max];
        for (uint256 i = 0; i < 6; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                uint256[6] memory inputs = _inputs();
                inputs[i] = words[j];
                vm.assertFalse(verifier.verify{gas: 500_000}(TrapdoorKey.prove(ALPHA, inputs, 41), inputs));
            }
        }
    }

    function test_verify_refusesSwappedInputs() public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        for (uint256 i = 0; i < 5; ++i) {
            uint256[6] memory inputs = _inputs();
            (inputs[i], inputs[i + 1]) = (inputs[i + 1], inputs[i]);
            vm.assertFalse(verifier.verify{gas: 500_000}(proof, inputs));
        }
    }

    function testFuzz_verify_refusesEachChangedProofWord(uint8 which, uint256 word) public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        which = uint8(bound(which, 0, 7));
        vm.assume(word != proof[which]);
        proof[which] = word;
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function testFuzz_verify_refusesFlippedBits(uint8 which, uint8 bit) public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        proof[bound(which, 0, 7)] ^= uint256(1) << bit;
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function test_verify_refusesCoordinatesAliasedByTheBaseField() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
            proof[i] += TrapdoorKey.Q;
            vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
        }
    }

    function test_verify_refusesIdentitiesAndGenerators() public view {
        uint256[8] memory proof;
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
        proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[0], proof[1]) = (0, 0);
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
        proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[6], proof[7]) = (0, 0);
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
        proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[2], proof[3], proof[4], proof[5]) = (0, 0, 0, 0);
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
        proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[0], proof[1], proof[6], proof[7]) = (1, 2, 1, 2);
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function test_verify_refusesNegatedA() public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        proof[1] = TrapdoorKey.Q - proof[1];
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function test_verify_refusesG2LimbsInTheOtherOrder() public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[2], proof[3], proof[4], proof[5]) = (proof[3], proof[2], proof[5], proof[4]);
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function test_verify_refusesATwistPointOutsideTheSubgroup() public view {
        uint256[8] memory proof = TrapdoorKey.prove(ALPHA, _inputs(), 41);
        (proof[2], proof[3], proof[4], proof[5]) = _outsideSubgroup();
        vm.assertFalse(verifier.verify{gas: 500_000}(proof, _inputs()));
    }

    function test_verify_refusesAnotherKeysProof() public view {
        vm.assertFalse(verifier.verify{gas: 500_000}(TrapdoorKey.prove(ALPHA + 1, _inputs(), 41), _inputs()));
    }

    function test_key_isNamedAndDigested() public {
        vm.assertTrue(verifier.insecureDevelopmentKey());
        vm.assertFalse(new ProvenanceVerifier(TrapdoorKey.words(4), false).insecureDevelopmentKey());
        vm.assertEq(verifier.keyDigest(), keccak256(abi.encodePacked(TrapdoorKey.words(ALPHA))));
    }

    function test_key_refusesCoordinatesOutsideTheBaseField() public {
        for (uint256 i = 0; i < 28; ++i) {
            uint256[28] memory key = TrapdoorKey.words(ALPHA);
            key[i] += TrapdoorKey.Q;
            _checkRefused(key, i);
        }
    }

    function test_key_refusesIdentityPoints() public {
        for (uint256 i = 0; i < 28; i += i >= 2 && i < 14 ? 4 : 2) {
            uint256[28] memory key = TrapdoorKey.words(ALPHA);
            key[i] = key[i + 1] = 0;
            if (i >= 2 && i < 14) key[i + 2] = key[i + 3] = 0;
            _checkRefused(key, i);
        }
    }

    function test_key_refusesPointsOffTheCurve() public {
        for (uint256 i = 0; i < 28; i += i >= 2 && i < 14 ? 4 : 2) {
            uint256[28] memory key = TrapdoorKey.words(ALPHA);
            key[i] = 12_345;
            _checkRefused(key, i);
        }
    }

    function test_key_refusesPointsOutsideTheSubgroup() public {
        for (uint256 i = 2; i < 14; i += 4) {
            uint256[28] memory key = TrapdoorKey.words(ALPHA);
            (key[i], key[i + 1], key[i + 2], key[i + 3]) = _outsideSubgroup();
            _checkRefused(key, i);
        }
    }

    function test_key_refusesEqualIcPoints() public {
        for (uint256 i = 0; i < 7; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                uint256[28] memory key = TrapdoorKey.words(ALPHA);
                (key[14 + 2 * i], key[15 + 2 * i]) = (key[14 + 2 * j], key[15 + 2 * j]);
                _checkRefused(key, 14 + 2 * i);
            }
        }
    }

    function test_key_refusesGammaEqualOrOppositeToDelta() public {
        uint256[28] memory key = TrapdoorKey.words(ALPHA);
        (key[10], key[11], key[12], key[13]) = (key[6], key[7], key[8], key[9]);
        _checkRefused(key, 10);
        (key[12], key[13]) = (TrapdoorKey.Q - key[8], TrapdoorKey.Q - key[9]);
        _checkRefused(key, 10);
    }

    function _checkRefused(uint256[28] memory key, uint256 word) private {
        vm.expectRevert(abi.encodeWithSelector(IProofVerifier.KeyRefused.selector, word));
        new ProvenanceVerifier(key, true);
    }

    /// A point of the twist whose order is not r.
    function _outsideSubgroup() private pure returns (uint256, uint256, uint256, uint256) {
        return (
            0,
            1,
            5912654199736721486680175016176231956195085055698687135131307249486702594212,
            18278151005453108793778860132295291098363647455926340152056652516292830556603
        );
    }
}
