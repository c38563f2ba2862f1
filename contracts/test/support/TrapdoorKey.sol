// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A Groth16 key whose secrets everybody knows, so that a test can make a valid proof for any inputs.
/// @dev alpha, beta, gamma, delta and the IC points are known multiples of the generators. With B = G2 and C = z·G1,
/// A = (alpha·beta + L·gamma + z·delta)·G1 solves the verifier's equation, L being the inputs' combination. It is the
/// zero-knowledge simulator of Groth16: the pairing check it passes is the real one, no circuit stands behind it.
library TrapdoorKey {
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;
    uint256 internal constant BETA = 5;
    uint256 internal constant GAMMA = 7;
    uint256 internal constant DELTA = 11;

    /// @param alpha secret multiple of G1; keys with different alphas do not accept each other's proofs
    function words(uint256 alpha) internal view returns (uint256[28] memory key) {
        (key[0], key[1]) = mul(alpha);
        // 5·G2, 7·G2, 11·G2, imaginary parts first.
        key[2] = 4540444681147253467785307942530223364530218361853237193970751657229138047649;
        key[3] = 20954117799226682825035885491234530437475518021362091509513177301640194298072;
        key[4] = 11631839690097995216017572651900167465857396346217730511548857041925508482915;
        key[5] = 21508930868448350162258892668132814424284302804699005394342512102884055673846;
        key[6] = 18551411094430470096460536606940536822990217226529861227533666875800903099477;
        key[7] = 15512671280233143720612069991584289591749188907863576513414377951116606878472;
        key[8] = 1711576522631428957817575436337311654689480489843856945284031697403898093784;
        key[9] = 13376798835316611669264291046140500151806347092962367781523498857425536295743;
        key[10] = 15624790064206502667756020446826209080711344272800176518784649088946231692936;
        key[11] = 8472151341754925747860535367990505955708751825377817860727104273184244800723;
        key[12] = 19488077321171448217727198730828487286865984357780136663388739985720647978898;
        key[13] = 1196137947243150610106053819405501111182787323156221967342356892090037828244;
        for (uint256 i = 0; i < 7; ++i) {
            (key[14 + 2 * i], key[15 + 2 * i]) = mul(icSecret(i));
        }
    }

    /// @param z any non-zero number: each gives another valid proof
    function prove(uint256 alpha, uint256[6] memory inputs, uint256 z) internal view returns (uint256[8] memory proof) {
        uint256 l = icSecret(0);
        for (uint256 i = 0; i < 6; ++i) {
            l = addmod(l, mulmod(inputs[i], icSecret(i + 1), R), R);
        }
        uint256 a = addmod(mulmod(alpha, BETA, R), addmod(mulmod(l, GAMMA, R), mulmod(z, DELTA, R), R), R);
        (proof[0], proof[1]) = mul(a);
        proof[2] = 11559732032986387107991004021392285783925812861821192530917403151452391805634;
        proof[3] = 10857046999023057135944570762232829481370756359578518086990519993285655852781;
        proof[4] = 4082367875863433681332203403145435568316851327593401208105741076214120093531;
        proof[5] = 8495653923123431417604973247489272438418190587263600148770280649306958101930;
        (proof[6], proof[7]) = mul(z);
    }

    function icSecret(uint256 i) internal pure returns (uint256) {
        return 13 + 2 * i;
    }

    /// @return x of scalar·G1
    /// @return y of scalar·G1
    function mul(uint256 scalar) internal view returns (uint256 x, uint256 y) {
        (bool ok, bytes memory out) = address(7).staticcall(abi.encode(uint256(1), uint256(2), scalar));
        require(ok, "ecMul");
        return abi.decode(out, (uint256, uint256));
    }
}
