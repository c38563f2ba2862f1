// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dataset, DatasetState, IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";
import {TrapdoorKey} from "./support/TrapdoorKey.sol";
import {World} from "./support/World.sol";

contract DatasetRegistryTest is World {
    bytes32 private constant MANIFEST = keccak256("a manifest");

    function test_register_derivesIdAndStoresHash() public {
        Run memory run = _registered(MANIFEST, 512, 0);
        vm.assertEq(run.datasetId, keccak256(abi.encode(owner, MANIFEST)));
        vm.assertEq(datasets.hashOf(run.datasetId), keccak256(abi.encode(run.dataset)));
        vm.assertTrue(datasets.isCurrent(run.datasetId, run.dataset));
        vm.assertEq(run.dataset.owner, owner);
        vm.assertEq(run.dataset.version, 1);
        vm.assertEq(uint256(run.dataset.state), uint256(DatasetState.Active));
    }

    function test_register_givesAnotherOwnerAnotherId() public {
        Run memory run = _registered(MANIFEST, 1, 0);
        vm.prank(stranger);
        bytes32 other = datasets.register(MANIFEST, 111, 1, 0, 222);
        vm.assertNotEq(other, run.datasetId);
    }

    function test_register_refusesTheSameManifestTwice() public {
        Run memory run = _registered(MANIFEST, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.DatasetExists.selector, run.datasetId));
        vm.prank(owner);
        datasets.register(MANIFEST, 5, 7, 1, 9);
    }

    function test_register_refusesNoManifest() public {
        vm.expectRevert(IDatasetRegistry.ManifestMissing.selector);
        datasets.register(0, 111, 1, 0, 222);
    }

    function testFuzz_register_takesCountsUpToTheTiersCapacity(uint64 count, uint8 tier) public {
        tier = uint8(bound(tier, 0, 2));
        uint64 capacity = [uint64(512), 32_768, 2_097_152][tier];
        count = uint64(bound(count, 0, 2 * uint256(capacity)));
        if (count == 0 || count > capacity) {
            vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.CountOutOfRange.selector, count, capacity));
        }
        datasets.register(MANIFEST, 111, count, tier, 222);
    }

    function test_register_countsAtTheEdge() public {
        uint64[3] memory capacity = [uint64(512), 32_768, 2_097_152];
        for (uint8 tier = 0; tier < 3; ++tier) {
            datasets.register(keccak256(abi.encode(tier)), 1, capacity[tier], tier, 1);
            vm.expectRevert(
                abi.encodeWithSelector(IDatasetRegistry.CountOutOfRange.selector, capacity[tier] + 1, capacity[tier])
            );
            datasets.register(MANIFEST, 1, capacity[tier] + 1, tier, 1);
        }
    }

    function testFuzz_register_refusesUnknownTiers(uint8 tier) public {
        tier = uint8(bound(tier, 3, 255));
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TierUnknown.selector, tier));
        datasets.register(MANIFEST, 111, 1, tier, 222);
    }

    function testFuzz_register_refusesWordsOutsideTheField(uint256 word) public {
        word = bound(word, TrapdoorKey.R, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotInField.selector, word));
        datasets.register(MANIFEST, word, 1, 0, 222);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotInField.selector, word));
        datasets.register(MANIFEST, 111, 1, 0, word);
    }

    function test_register_takesTheLargestFieldElements() public {
        datasets.register(MANIFEST, TrapdoorKey.R - 1, 1, 0, TrapdoorKey.R - 1);
    }

    function test_publishVersion_replacesTheCurrentOne() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.recordLogs();
        vm.prank(owner);
        uint32 version = datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 5, 600, 1, 6);
        Dataset memory next = abi.decode(lastLog(IDatasetRegistry.VersionPublished.selector).data, (Dataset));
        vm.assertEq(version, 2);
        vm.assertEq(next.version, 2);
        vm.assertEq(next.count, 600);
        vm.assertEq(next.owner, owner);
        vm.assertTrue(datasets.isCurrent(run.datasetId, next));
        vm.assertFalse(datasets.isCurrent(run.datasetId, run.dataset));
    }

    function test_publishVersion_refusesAStaleStruct() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.startPrank(owner);
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 5, 300, 0, 6);
        bytes32 stored = datasets.hashOf(run.datasetId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDatasetRegistry.DatasetStale.selector, run.datasetId, stored, keccak256(abi.encode(run.dataset))
            )
        );
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m3"), 5, 300, 0, 6);
    }

    function testFuzz_publishVersion_refusesAnyChangedField(uint8 field, uint256 change) public {
        Run memory run = _registered(MANIFEST, 300, 0);
        Dataset memory other = abi.decode(abi.encode(run.dataset), (Dataset));
        field = uint8(bound(field, 0, 7));
        if (field == 0) other.owner = address(uint160(change));
        if (field == 1) other.manifest = bytes32(change);
        if (field == 2) other.root = change;
        if (field == 3) other.count = uint64(change);
        if (field == 4) other.tier = uint8(change);
        if (field == 5) other.ownerCommitment = change;
        if (field == 6) other.version = uint32(change);
        if (field == 7) other.state = DatasetState(change % 4);
        vm.assume(keccak256(abi.encode(other)) != keccak256(abi.encode(run.dataset)));
        bytes32 stored = datasets.hashOf(run.datasetId);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDatasetRegistry.DatasetStale.selector, run.datasetId, stored, keccak256(abi.encode(other))
            )
        );
        vm.prank(owner);
        datasets.publishVersion(run.datasetId, other, keccak256("m2"), 5, 300, 0, 6);
    }

    function test_publishVersion_refusesAnUnknownId() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IDatasetRegistry.DatasetStale.selector, bytes32(0), bytes32(0), keccak256(abi.encode(run.dataset))
            )
        );
        vm.prank(owner);
        datasets.publishVersion(0, run.dataset, keccak256("m2"), 5, 300, 0, 6);
    }

    function test_publishVersion_refusesOthers() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, owner, stranger));
        vm.prank(stranger);
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 5, 300, 0, 6);
    }

    function test_publishVersion_checksItsArguments() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.startPrank(owner);
        vm.expectRevert(IDatasetRegistry.ManifestMissing.selector);
        datasets.publishVersion(run.datasetId, run.dataset, 0, 5, 300, 0, 6);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.CountOutOfRange.selector, 0, 512));
        datasets.publishVersion(run.datasetId, run.dataset, MANIFEST, 5, 0, 0, 6);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.TierUnknown.selector, 3));
        datasets.publishVersion(run.datasetId, run.dataset, MANIFEST, 5, 1, 3, 6);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotInField.selector, TrapdoorKey.R));
        datasets.publishVersion(run.datasetId, run.dataset, MANIFEST, TrapdoorKey.R, 1, 0, 6);
    }

    function test_publishVersion_refusesEndedDatasets() public {
        DatasetState[2] memory states = [DatasetState.EndOfLife, DatasetState.Revoked];
        for (uint256 i = 0; i < 2; ++i) {
            Run memory run = _registered(keccak256(abi.encode(i)), 300, 0);
            _setState(run, states[i]);
            vm.expectRevert(
                abi.encodeWithSelector(IDatasetRegistry.DatasetNotActive.selector, run.datasetId, states[i])
            );
            vm.prank(owner);
            datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), 5, 300, 0, 6);
        }
    }

    function testFuzz_setState_onlyMovesForward(uint8 first, uint8 second) public {
        DatasetState a = DatasetState(bound(first, 2, 3));
        DatasetState b = DatasetState(bound(second, 0, 3));
        Run memory run = _registered(MANIFEST, 300, 0);
        _setState(run, a);
        if (b <= a) vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.StateNotForward.selector, a, b));
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, b);
    }

    function test_setState_refusesActiveAgain() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IDatasetRegistry.StateNotForward.selector, DatasetState.Active, DatasetState.Active)
        );
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, DatasetState.Active);
    }

    function test_setState_refusesOthersAndStaleStructs() public {
        Run memory run = _registered(MANIFEST, 300, 0);
        vm.expectRevert(abi.encodeWithSelector(IDatasetRegistry.NotDatasetOwner.selector, owner, stranger));
        vm.prank(stranger);
        datasets.setState(run.datasetId, run.dataset, DatasetState.Revoked);

        Dataset memory before = run.dataset;
        before.version = 2;
        vm.expectRevert(
            abi.encodeWithSelector(
                IDatasetRegistry.DatasetStale.selector,
                run.datasetId,
                datasets.hashOf(run.datasetId),
                keccak256(abi.encode(before))
            )
        );
        vm.prank(owner);
        datasets.setState(run.datasetId, before, DatasetState.Revoked);
    }

    function _setState(Run memory run, DatasetState state) private {
        vm.recordLogs();
        vm.prank(owner);
        datasets.setState(run.datasetId, run.dataset, state);
        run.dataset = abi.decode(lastLog(IDatasetRegistry.StateChanged.selector).data, (Dataset));
        vm.assertTrue(datasets.isCurrent(run.datasetId, run.dataset));
    }
}
