// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {DatasetRegistry} from "../src/DatasetRegistry.sol";
import {JobEscrow} from "../src/JobEscrow.sol";
import {LicenseRegistry} from "../src/LicenseRegistry.sol";
import {ProvenanceVerifier} from "../src/ProvenanceVerifier.sol";

interface ScriptCheats {
    function startBroadcast() external;
    function stopBroadcast() external;
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonUintArray(string calldata json, string calldata key) external pure returns (uint256[] memory);
    function parseJsonAddressArray(string calldata json, string calldata key) external pure returns (address[] memory);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
    function computeCreateAddress(address from, uint256 nonce) external pure returns (address);
    function getNonce(address account) external view returns (uint64);
}

/// @title Deploys everything but the currencies, in the order of the README
/// @dev Reads a JSON file: `currencies` (addresses), `provenance0`, `provenance1`, `provenance2` (28 key words each),
/// `statistic` (28 words, or empty when not offered) and `insecureDevelopmentKeys`.
contract Deploy {
    ScriptCheats private constant vm = ScriptCheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    /// forge looks for this name.
    bool public constant IS_SCRIPT = true;

    function run(string calldata path) external returns (DatasetRegistry, LicenseRegistry, JobEscrow) {
        string memory json = vm.readFile(path);
        bool insecure = vm.parseJsonBool(json, ".insecureDevelopmentKeys");
        vm.startBroadcast();
        IProofVerifier[3] memory provenance = [
            _verifier(vm.parseJsonUintArray(json, ".provenance0"), insecure),
            _verifier(vm.parseJsonUintArray(json, ".provenance1"), insecure),
            _verifier(vm.parseJsonUintArray(json, ".provenance2"), insecure)
        ];
        uint256[] memory words = vm.parseJsonUintArray(json, ".statistic");
        IProofVerifier statistic = words.length == 0 ? IProofVerifier(address(0)) : _verifier(words, insecure);
        DatasetRegistry datasets = new DatasetRegistry();
        address next = vm.computeCreateAddress(msg.sender, vm.getNonce(msg.sender) + 1);
        address[] memory currencies = vm.parseJsonAddressArray(json, ".currencies");
        LicenseRegistry licenses = new LicenseRegistry(datasets, next, currencies);
        JobEscrow escrow = new JobEscrow(licenses, provenance, statistic);
        vm.stopBroadcast();
        return (datasets, licenses, escrow);
    }

    function _verifier(uint256[] memory words, bool insecure) private returns (IProofVerifier) {
        require(words.length == 28, "a key has 28 words");
        uint256[28] memory key;
        for (uint256 i = 0; i < 28; ++i) {
            key[i] = words[i];
        }
        return new ProvenanceVerifier(key, insecure);
    }
}
