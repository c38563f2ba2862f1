// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice Where a dataset stands. It only moves forward.
enum DatasetState {
    /// Never registered.
    None,
    /// Licenses can be bought and jobs requested.
    Active,
    /// No new license; licenses already bought still get jobs.
    EndOfLife,
    /// No new license and no new job; open jobs finish, unused runs are reclaimed.
    Revoked
}

/// @notice The current version of a dataset. Only its hash is stored: callers pass the struct (from the last
/// `DatasetRegistered`, `VersionPublished` or `StateChanged` event) and it is checked against the slot.
struct Dataset {
    /// Who registered it, signs its offers and is paid for its jobs. Never changes.
    address owner;
    /// sha2-256 digest of the manifest's CID.
    bytes32 manifest;
    /// Poseidon-Merkle root over the records, below the BN254 scalar field's order.
    uint256 root;
    /// Number of records, 1 to 8^depth(tier).
    uint64 count;
    /// Tree depth: 0 = 3 levels (512), 1 = 5 levels (32,768), 2 = 7 levels (2,097,152).
    uint8 tier;
    /// Poseidon(OWNER, identity secret, dataset salt), below the field's order.
    uint256 ownerCommitment;
    /// 1 for the first version, one more for each that follows.
    uint32 version;
    /// Where the dataset stands.
    DatasetState state;
}

/// @title The public list of committed datasets: one storage slot each, no token, no admin.
interface IDatasetRegistry {
    /// @notice A dataset was registered; `dataset` is version 1, Active.
    event DatasetRegistered(bytes32 indexed id, address indexed owner, Dataset dataset);
    /// @notice A new version replaced the one before; `dataset` is what is current now.
    event VersionPublished(bytes32 indexed id, address indexed owner, Dataset dataset);
    /// @notice The dataset moved to `dataset.state`.
    event StateChanged(bytes32 indexed id, address indexed owner, Dataset dataset);

    /// @notice This owner already registered a dataset with this first manifest.
    error DatasetExists(bytes32 id);
    /// @notice The struct passed is not the current version (or the id is unknown: `stored` is zero).
    error DatasetStale(bytes32 id, bytes32 stored, bytes32 given);
    /// @notice Only the dataset's owner may do this.
    error NotDatasetOwner(address owner, address caller);
    /// @notice The dataset is EndOfLife or Revoked: no more versions.
    error DatasetNotActive(bytes32 id, DatasetState state);
    /// @notice States only move forward: Active, EndOfLife, Revoked.
    error StateNotForward(DatasetState from, DatasetState to);
    /// @notice There are three tiers: 0, 1 and 2.
    error TierUnknown(uint8 tier);
    /// @notice A dataset has at least one record and at most the tier's capacity.
    error CountOutOfRange(uint64 count, uint64 capacity);
    /// @notice Roots and commitments are below the BN254 scalar field's order.
    error NotInField(uint256 word);
    /// @notice The manifest digest is zero.
    error ManifestMissing();

    /// @notice Register a dataset owned by the caller.
    /// @param manifest sha2-256 digest of the manifest's CID; not zero
    /// @param root Poseidon-Merkle root of the records
    /// @param count number of records
    /// @param tier 0, 1 or 2
    /// @param ownerCommitment Poseidon(OWNER, identity secret, dataset salt)
    /// @return id keccak256(abi.encode(owner, manifest)), so that nobody else can take it
    function register(bytes32 manifest, uint256 root, uint64 count, uint8 tier, uint256 ownerCommitment)
        external
        returns (bytes32 id);

    /// @notice Replace the current version. Compare-and-swap: fails with `DatasetStale` when `current` is not current.
    /// Licenses stay valid; jobs already requested finish on the version they were requested on.
    /// @return version the new version's number
    function publishVersion(
        bytes32 id,
        Dataset calldata current,
        bytes32 manifest,
        uint256 root,
        uint64 count,
        uint8 tier,
        uint256 ownerCommitment
    ) external returns (uint32 version);

    /// @notice Move the dataset forward to EndOfLife or Revoked. Compare-and-swap like `publishVersion`.
    function setState(bytes32 id, Dataset calldata current, DatasetState state) external;

    /// @return keccak256(abi.encode(dataset)) of the current version, zero for an unknown id
    function hashOf(bytes32 id) external view returns (bytes32);

    /// @return whether `dataset` is the current version of `id`
    function isCurrent(bytes32 id, Dataset calldata dataset) external view returns (bool);
}
