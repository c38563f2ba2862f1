// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Permit} from "../interfaces/ILicenseRegistry.sol";
import {World} from "./support/World.sol";

/// @notice Gas of whole transactions against the goals. With `isolate` on, each call is a transaction of its own, so that
/// the figures hold the 21,000 base and the calldata, and every slot is cold. Accounts are warm: they did each step
/// before, except where a name says "first".
/// forge-config: default.isolate = true
contract GasTest is World {
    function test_gas_register() public {
        vm.prank(owner);
        datasets.register(keccak256("manifest"), _word("root"), 2_097_152, 2, _word("owner"));
        _check("register", 55_000);
    }

    function test_gas_publishVersion() public {
        Run memory run = _full();
        vm.prank(owner);
        datasets.publishVersion(run.datasetId, run.dataset, keccak256("m2"), _word("r2"), 600, 1, _word("o2"));
        _check("publishVersion", 50_000);
    }

    function test_gas_buy() public {
        Run memory run = _full();
        bytes memory signature = signed(OWNER_KEY, licenses.offerDigest(run.offer));
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, _word("n1"));
        _check("buy, first of an offer and of an account", 200_000);
        vm.prank(licensee);
        licenses.buy(run.offer, signature, run.dataset, _word("n2"));
        _check("buy", 170_000);
        (uint8 v, bytes32 r, bytes32 s) = _permit();
        Permit memory permit = Permit(1_000 ether, block.timestamp, v, r, s);
        vm.prank(licensee);
        licenses.buyWithPermit(run.offer, signature, run.dataset, _word("n3"), permit);
        _check("buyWithPermit", 200_000);
    }

    function test_gas_job() public {
        Run memory run = _full();
        _buy(run, 1);
        _request(run, EMBED, _word("n1"));
        _check("request", 120_000);
        vm.prank(owner);
        escrow.commit(run.job, run.details, _output(run));
        _check("commit", 80_000);
        run.commitment.output = _output(run);
        run.commitment.atBlock = uint64(vm.getBlockNumber());
        run.commitment.acceptBy = uint64(block.timestamp) + run.details.acceptWithin;
        _draw(run);
        _check("draw", 55_000);
        _accept(run);
        _check("accept", 55_000);
        uint256[8] memory proof = _proof(run);
        escrow.settle(run.job, run.details, run.commitment, proof, run.k);
        uint256 first = _check("settle, first of a dataset and of an owner", 330_000);
        bytes memory signature =
            signed(LICENSEE_KEY, escrow.receiptDigest(escrow.receiptOf(run.job, run.details, run.commitment.output)));
        escrow.acknowledge(run.job, run.details, run.commitment, signature);
        _check("acknowledge", 65_000);

        uint256 before;
        for (uint256 i = 2; i < 4; ++i) {
            _request(run, EMBED, _word(i == 2 ? "n2" : "n3"));
            _commit(run);
            _draw(run);
            _accept(run);
            proof = _proof(run);
            escrow.settle(run.job, run.details, run.commitment, proof, run.k);
            uint256 next = _check("settle", 330_000);
            // Flat in the dataset's history, but for zero bytes of calldata that vary by chance.
            if (before != 0) vm.assertLe(next > before ? next - before : before - next, 500, "flat in history");
            vm.assertTrue(next < first);
            before = next;
        }
        vm.prank(owner);
        escrow.withdraw(address(token));
        _check("withdraw, first of an account", 60_000);
    }

    function test_gas_withdraw() public {
        Run memory run = _full();
        _buy(run, 1);
        vm.prank(licensee);
        licenses.reclaim(run.license, run.terms);
        _check("reclaim", 90_000);
        vm.prank(licensee);
        escrow.withdraw(address(token));
        _check("withdraw", 60_000);
    }

    function test_gas_settleIsFlatInRecords() public {
        string[3] memory names = ["settle, tier 0, first", "settle, tier 1", "settle, tier 2"];
        uint256[3] memory used;
        uint64[3] memory counts = [uint64(512), 32_768, 2_097_152];
        for (uint8 tier = 0; tier < 3; ++tier) {
            Run memory run = _registered(keccak256(abi.encode("tier", tier)), counts[tier], tier);
            _buy(run, 1);
            _request(run, EMBED, 1);
            _commit(run);
            _draw(run);
            _accept(run);
            uint256[8] memory proof = _proof(run);
            escrow.settle(run.job, run.details, run.commitment, proof, run.k);
            used[tier] = _check(names[tier], 330_000);
        }
        vm.assertLe(used[1] > used[2] ? used[1] - used[2] : used[2] - used[1], 500, "flat in records");
    }

    function test_gas_refund() public {
        Run memory run = _full();
        _buy(run, 1);
        _request(run, EMBED, 1);
        vm.warp(run.details.runBy + 1);
        escrow.refund(run.job, run.details, run.commitment);
        _check("refund", 80_000);
    }

    function _check(string memory name, uint256 goal) private returns (uint256 used) {
        used = vm.snapshotGasLastCall("gas", name);
        vm.assertLe(used, goal, name);
        // Without `isolate` the base cost is missing and the figures mean nothing.
        vm.assertGe(used, 21_000, "isolate is off");
    }

    /// A dataset whose words are all as long as real ones.
    function _full() private returns (Run memory run) {
        run = _registered(keccak256("manifest"), 2_097_152, 2);
        vm.recordLogs();
        vm.prank(owner);
        datasets.publishVersion(
            run.datasetId, run.dataset, keccak256("m2"), _word("root"), 2_000_000, 2, _word("owner")
        );
        run.dataset.manifest = keccak256("m2");
        run.dataset.root = _word("root");
        run.dataset.count = 2_000_000;
        run.dataset.ownerCommitment = _word("owner");
        run.dataset.version = 2;
        // The escrow holds money already, as it does for ever after the first purchase.
        token.faucet(address(escrow));
    }

    function _permit() private view returns (uint8, bytes32, bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(
            abi.encode(typeHash, licensee, address(licenses), 1_000 ether, token.nonces(licensee), block.timestamp)
        );
        return vm.sign(LICENSEE_KEY, keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), content)));
    }

    function _word(string memory seed) private pure returns (uint256) {
        return uint256(keccak256(bytes(seed))) >> 3; // below the field order
    }
}
