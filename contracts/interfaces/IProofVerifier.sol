// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title A Groth16 verifier over BN254 with six public inputs: ROOT, COUNT, OWNER, OUTPUT_ROOT, CONTEXT, CHALLENGE.
interface IProofVerifier {
    /// @notice The key has a coordinate outside the base field, a point off the curve or outside the subgroup, an identity
    /// point, gamma equal (or opposite) to delta, or two equal IC points. `word` is the index of the first word concerned.
    error KeyRefused(uint256 word);

    /// @notice Whether `proof` is a valid argument for `inputs`. Never reverts on bad input: it answers false.
    /// @param proof A (x, y), B (x imaginary, x real, y imaginary, y real), C (x, y)
    /// @param inputs the public inputs; one at or above the scalar field's order is refused, not reduced
    function verify(uint256[8] calldata proof, uint256[6] calldata inputs) external view returns (bool);

    /// @notice True for a key from the public development seed: anyone can forge its proofs.
    function insecureDevelopmentKey() external view returns (bool);

    /// @return keccak256 of the 28 key words
    function keyDigest() external view returns (bytes32);
}
