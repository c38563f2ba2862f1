// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState, IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";

/// @title The public list of committed datasets
/// @dev One slot per dataset: keccak256 of its current `Dataset`. Nothing here can hold or move money.
contract DatasetRegistry is IDatasetRegistry {
    /// Order of the BN254 scalar field, in which roots and commitments live.
    uint256 private constant FIELD_ORDER =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    mapping(bytes32 id => bytes32 hash) private _hashes;

    /// @inheritdoc IDatasetRegistry
    function register(bytes32 manifest, uint256 root, uint64 count, uint8 tier, uint256 ownerCommitment)
        external
        returns (bytes32 id)
    {
        id = keccak256(abi.encode(msg.sender, manifest));
        if (_hashes[id] != 0) revert DatasetExists(id);
        Dataset memory dataset =
            Dataset(msg.sender, manifest, root, count, tier, ownerCommitment, 1, DatasetState.Active);
        _store(id, dataset);
        emit DatasetRegistered(id, msg.sender, dataset);
    }

    /// @inheritdoc IDatasetRegistry
    function publishVersion(
        bytes32 id,
        Dataset calldata current,
        bytes32 manifest,
        uint256 root,
        uint64 count,
        uint8 tier,
        uint256 ownerCommitment
    ) external returns (uint32 version) {
        _checkOwned(id, current);
        if (current.state != DatasetState.Active) revert DatasetNotActive(id, current.state);
        version = current.version + 1;
        Dataset memory dataset =
            Dataset(msg.sender, manifest, root, count, tier, ownerCommitment, version, DatasetState.Active);
        _store(id, dataset);
        emit VersionPublished(id, msg.sender, dataset);
    }

    /// @inheritdoc IDatasetRegistry
    function setState(bytes32 id, Dataset calldata current, DatasetState state) external {
        _checkOwned(id, current);
        if (state <= current.state) revert StateNotForward(current.state, state);
        Dataset memory dataset = current;
        dataset.state = state;
        _hashes[id] = keccak256(abi.encode(dataset));
        emit StateChanged(id, msg.sender, dataset);
    }

    /// @inheritdoc IDatasetRegistry
    function hashOf(bytes32 id) external view returns (bytes32) {
        return _hashes[id];
    }

    /// @inheritdoc IDatasetRegistry
    function isCurrent(bytes32 id, Dataset calldata dataset) external view returns (bool) {
        return _hashes[id] == keccak256(abi.encode(dataset));
    }

    function _checkOwned(bytes32 id, Dataset calldata current) private view {
        bytes32 given = keccak256(abi.encode(current));
        if (_hashes[id] != given) revert DatasetStale(id, _hashes[id], given);
        if (current.owner != msg.sender) revert NotDatasetOwner(current.owner, msg.sender);
    }

    function _store(bytes32 id, Dataset memory dataset) private {
        if (dataset.manifest == 0) revert ManifestMissing();
        if (dataset.root >= FIELD_ORDER) revert NotInField(dataset.root);
        if (dataset.ownerCommitment >= FIELD_ORDER) revert NotInField(dataset.ownerCommitment);
        if (dataset.tier > 2) revert TierUnknown(dataset.tier);
        // 8^depth with depth 3, 5, 7.
        uint64 capacity = uint64(1) << (9 + 6 * dataset.tier);
        if (dataset.count == 0 || dataset.count > capacity) revert CountOutOfRange(dataset.count, capacity);
        _hashes[id] = keccak256(abi.encode(dataset));
    }
}
