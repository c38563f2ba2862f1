// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ProvenanceVerifier} from "../src/ProvenanceVerifier.sol";
import {Checked} from "./support/Checked.sol";

/// @notice The part of forge's cheat codes that reads files.
interface Files {
    function readFile(string calldata path) external view returns (string memory text);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function envOr(string calldata name, uint256 otherwise) external view returns (uint256);
}

/// @notice The verifier with the keys of the real circuits and a proof that their prover made, for each tier and circuit.
contract PinnedProofsTest is Checked {
    Files private constant FILES = Files(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    /// Order of the base field.
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    /// Order of the scalar field.
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;

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
        return pinned.verifier.verify{gas: 300_000}(pinned.proof, pinned.inputs);
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

    /// A proof under a key that snarkjs' two phases made, for a circuit of a few hundred constraints.
    function test_verify_acceptsTheProofUnderACeremonysKeyAlone() public {
        _check("ceremony", 0);
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

    function _all() private returns (Pinned[4] memory) {
        return [
            _read("provenance-1-small", 0),
            _read("provenance-1-medium", 1),
            _read("provenance-1-large", 2),
            _read("statistic-1", 0)
        ];
    }

    /// A proof changed in one of ten ways, `random` says how.
    function _malformed(uint256[8] memory proof, uint256[8] memory other, uint256 way, uint256 random)
        private
        pure
        returns (uint256[8] memory changed)
    {
        for (uint256 i = 0; i < 8; ++i) {
            changed[i] = proof[i];
        }
        uint256 place = random % 8;
        uint256 rest = random >> 3;
        if (way == 0) {
            changed[place] ^= 1 << (rest % 256);
        } else if (way == 1) {
            changed[place] = rest;
        } else if (way == 2) {
            changed[place] = proof[place] + Q * (1 + rest % ((type(uint256).max - proof[place]) / Q));
        } else if (way == 3) {
            (changed[place], changed[(place + 1 + rest % 7) % 8]) =
            (changed[(place + 1 + rest % 7) % 8], changed[place]);
        } else if (way == 4) {
            for (uint256 i = 0; i < 8; ++i) {
                changed[i] = uint256(keccak256(abi.encode(random, i)));
            }
        } else if (way == 5) {
            (changed[2], changed[3], changed[4], changed[5]) = (proof[3], proof[2], proof[5], proof[4]);
        } else if (way == 6) {
            changed[rest % 2 == 0 ? 1 : 7] = Q - proof[rest % 2 == 0 ? 1 : 7];
        } else if (way == 7) {
            (changed[4], changed[5]) = (Q - proof[4], Q - proof[5]);
        } else if (way == 8) {
            (changed[0], changed[1]) = rest % 2 == 0 ? (uint256(0), uint256(0)) : (other[0], other[1]);
        } else {
            (changed[6], changed[7]) = rest % 2 == 0 ? (uint256(0), uint256(0)) : (other[6], other[7]);
        }
    }

    /// `ZK_PROOFS` malformed proofs (2,000), from the seed `ZK_SEED`: none is accepted, under any of the four keys.
    function test_verify_refusesMalformedProofs() public {
        uint256 number = FILES.envOr("ZK_PROOFS", 2_000);
        uint256 seed = FILES.envOr("ZK_SEED", 1);
        Pinned[4] memory all = _all();
        for (uint256 i = 0; i < number; ++i) {
            Pinned memory pinned = all[i % 4];
            uint256[8] memory honest = pinned.proof;
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            pinned.proof = _malformed(honest, all[(i + 1) % 4].proof, i / 4 % 10, random);
            vm.assertTrue(keccak256(abi.encode(pinned.proof)) != keccak256(abi.encode(honest)));
            vm.assertFalse(_holds(pinned));
            pinned.proof = honest;
        }
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertTrue(_holds(all[i]));
        }
    }

    /// Every input of every stored proof: flipped, swapped, at the field's edges, random, and with each multiple of the order.
    function test_verify_refusesChangedInputs() public {
        Pinned[4] memory all = _all();
        for (uint256 k = 0; k < 4; ++k) {
            for (uint256 place = 0; place < 6; ++place) {
                _refuseInputs(all[k], place);
            }
            vm.assertTrue(_holds(all[k]));
        }
    }

    function _refuseInputs(Pinned memory pinned, uint256 place) private view {
        uint256 honest = pinned.inputs[place];
        for (uint256 times = 1; times <= (type(uint256).max - honest) / R; ++times) {
            _refuseInput(pinned, place, honest + times * R);
        }
        uint256[7] memory edges = [uint256(0), 1, R - 1, R, Q - 1, Q, type(uint256).max];
        for (uint256 i = 0; i < 7; ++i) {
            _refuseInput(pinned, place, edges[i]);
        }
        for (uint256 bit = 0; bit < 256; bit += 17) {
            _refuseInput(pinned, place, honest ^ (1 << bit));
        }
        _refuseInput(pinned, place, uint256(keccak256(abi.encode(honest))) % R);
        for (uint256 other = 0; other < 6; ++other) {
            _refuseInput(pinned, place, pinned.inputs[other]);
        }
        pinned.inputs[place] = honest;
        for (uint256 other = 0; other < place; ++other) {
            (pinned.inputs[place], pinned.inputs[other]) = (pinned.inputs[other], honest);
            if (pinned.inputs[place] != honest) vm.assertFalse(_holds(pinned));
            (pinned.inputs[place], pinned.inputs[other]) = (honest, pinned.inputs[place]);
        }
    }

    function _refuseInput(Pinned memory pinned, uint256 place, uint256 value) private view {
        uint256 honest = pinned.inputs[place];
        if (value == honest) return;
        pinned.inputs[place] = value;
        vm.assertFalse(_holds(pinned));
        pinned.inputs[place] = honest;
    }
}
