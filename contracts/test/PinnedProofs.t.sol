// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProvenanceVerifier} from "../src/ProvenanceVerifier.sol";
import {Checked} from "./support/Checked.sol";

/// @notice The part of forge's cheat codes that reads files.
interface Files {
    function readFile(string calldata path) external view returns (string memory text);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
}

/// @notice The verifier with the keys of the real circuits and a proof that their prover made, for each tier and circuit.
contract PinnedProofsTest is Checked {
    Files private constant FILES = Files(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    struct Pinned {
        ProvenanceVerifier verifier;
        uint256[6] inputs;
        uint256[8] proof;
    }

    function _read(string memory name, uint256 tier) private returns (Pinned memory pinned) {
        string memory json = FILES.readFile(string.concat("../zk/pinned/", name, ".json"));
        vm.assertEq(FILES.parseJsonUint(json, ".tier"), tier);
        uint256[] memory words = FILES.parseJsonUintArray(json, ".key_words");
        vm.assertEq(words.length, 28);
        uint256[28] memory key;
        for (uint256 i = 0; i < 28; ++i) {
            key[i] = words[i];
        }
        words = FILES.parseJsonUintArray(json, ".inputs");
        vm.assertEq(words.length, 6);
        for (uint256 i = 0; i < 6; ++i) {
            pinned.inputs[i] = words[i];
        }
        words = FILES.parseJsonUintArray(json, ".proof");
        vm.assertEq(words.length, 8);
        for (uint256 i = 0; i < 8; ++i) {
            pinned.proof[i] = words[i];
        }
        pinned.verifier = new ProvenanceVerifier(key, true);
    }

    /// Malformed points make the pairing precompile burn what it is given: hence the gas limit.
    function _holds(Pinned memory pinned) private view returns (bool) {
        return pinned.verifier.verify{gas: 500_000}(pinned.proof, pinned.inputs);
    }

    function _check(string memory name, uint256 tier) private {
        Pinned memory pinned = _read(name, tier);
        vm.assertTrue(_holds(pinned));
        for (uint256 i = 0; i < 6; ++i) {
            pinned.inputs[i] += 1;
            vm.assertFalse(_holds(pinned));
            pinned.inputs[i] -= 1;
        }
        for (uint256 i = 0; i < 8; ++i) {
            pinned.proof[i] ^= 1;
            vm.assertFalse(_holds(pinned));
            pinned.proof[i] ^= 1;
        }
        vm.assertTrue(_holds(pinned));
    }

    function test_verify_acceptsTheSmallTiersPinnedProofAlone() public {
        _check("provenance-1-small", 0);
    }

    function test_verify_acceptsTheMediumTiersPinnedProofAlone() public {
        _check("provenance-1-medium", 1);
    }

    function test_verify_acceptsTheLargeTiersPinnedProofAlone() public {
        _check("provenance-1-large", 2);
    }

    function test_verify_acceptsTheStatisticsPinnedProofAlone() public {
        _check("statistic-1", 0);
    }

    function _refuseEachOther(string memory one, uint256 tier, string memory other, uint256 otherTier) private {
        Pinned memory first = _read(one, tier);
        Pinned memory second = _read(other, otherTier);
        (first.proof, second.proof) = (second.proof, first.proof);
        (first.inputs, second.inputs) = (second.inputs, first.inputs);
        vm.assertFalse(_holds(first));
        vm.assertFalse(_holds(second));
    }

    function test_verify_refusesAnotherTiersPinnedProof() public {
        _refuseEachOther("provenance-1-small", 0, "provenance-1-medium", 1);
    }

    function test_verify_refusesAnotherCircuitsPinnedProof() public {
        _refuseEachOther("provenance-1-small", 0, "statistic-1", 0);
    }
}
