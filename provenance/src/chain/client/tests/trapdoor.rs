//! A verifying key whose secret is known, so that a test can make an accepted proof without the prover.
//!
//! Every point is a small multiple of the group's generator. With A = a·G1 and B = b·G2, the pairing equation holds for
//! C = ((a·b − α·β − γ·x) / δ)·G1, where x is the sum of the inputs times their IC scalars.

use alloy::primitives::{Address, U256, address, uint};
use alloy::sol_types::SolValue;

use super::Chain;
use crate::chain::deploy::KeyWords;

const ORDER: U256 = uint!(21888242871839275222246405745257275088548364400416034343698204186575808495617_U256);
const ECMUL: Address = address!("0000000000000000000000000000000000000007");
const ALPHA: u64 = 3;
const BETA: u64 = 5;
const GAMMA: u64 = 7;
const DELTA: u64 = 11;
const IC: [u64; 7] = [13, 17, 19, 23, 29, 31, 37];
const A: u64 = 2;
const B: u64 = 41;

/// α·G1, β·G2, γ·G2, δ·G2 and the seven IC points.
const KEY: [&str; 28] = [
    "0769bf9ac56bea3ff40232bcb1b6bd159315d84715b8e679f2d355961915abf0",
    "2ab799bee0489429554fdb7c8d086475319e63b40b9c5b57cdf1ff3dd9fe2261",
    "0a09ccf561b55fd99d1c1208dee1162457b57ac5af3759d50671e510e428b2a1",
    "2e539c423b302d13f4e5773c603948eaf5db5df8ae8a9a9113708390a06410d8",
    "19b763513924a736e4eebd0d78c91c1bc1d657fee4214057d21414011cfcc763",
    "2f8d9f9ab83727c77a2fec063cb7b6e5eb23044ccf535ad49d46d394fb6f6bf6",
    "2903ba015a9abde26a5d081e84551e63be0fd4516e46ee6d593edeba46362455",
    "224bdc5d4327fcf8ed702e01de1c2f1657a253ba75e32a89c390142aaa28b308",
    "03c8b7cda6b2dedb7aeeaf5fda464ad17036bea1c4e6f7adbaed1ebe0335e0d8",
    "1d92fff52a265017eeccb372e37d7a7bd431800eca28dfd82e21e8054114233f",
    "228b515a17f28b89920873207477f8c7fc05582debaf3184febf1cfdedc5ce88",
    "12bb1156a9f6b360fcb2614e15d8a3ff07f2c699dc69ca830b20d2df91fe9cd3",
    "2b15dc62a5c9e36597914ddbbfde48806a8eabe45c8d3cccf9578ad08e058f92",
    "02a4fd764f52470e2fcfff325fb9692f55d6b8b077eefeaa04e07152b4d1fa94",
    "05e86f8cc8a7a4f10f56093465679f17f8b8c3fdb41469e408b529e030f52f3f",
    "2857bd14bbc09767bed8e913d3ccb42b2bc8738f715417dd6f020725d22bcd90",
    "1c6a451060210f3baad93fe1631753751da9857edae0468e8e4bee7dd33cfb2c",
    "2331a64aa86c50d2d1e0237893ef7744a77228881ce73fcc2ad555a37d4ab405",
    "15514de6a136158ef7b2bc22bed59866743bc401edd63ae857d44f4c71edc28d",
    "095e28f5ba5d73440c0e504b624afabfedb9387320817b62e9168b6868d8952e",
    "1e28260f0ee971dec1e84cf81ff2776ad314d2cfb9ef81d4c970620c29b811f1",
    "28fc8a72d4ff12654c3c39dab54eaef9638d28de738959779fcd3e7ac918b396",
    "1605ffc1ea2e1aef15d774d3207176420c5cc454b19b55558562b0c7ddf00a7d",
    "0cf605873faa8028df38ec2d0800d5ddc67f1776338d675491fe87f6bb7354b3",
    "14b4fa251277a6f4cbbfe379a152a976641f58a4a2bffd3b677ea093bdad853c",
    "28ce094a6d16280abcf8d84efa062c85511819dd87d8da255885ce0580ebee36",
    "24f253a56d4badbe5f105ae102f14cf23ecb3a3892640ed1edb49c9d9e45d063",
    "1392ab50e020ade3c6069f16bf09d1ac4ebe686a3063ce392a0ea2b7ec03f6b1",
];
/// b·G2.
const B_POINT: [&str; 4] = [
    "112481cb92f08c33f3b41dd04d01cccc74ea26dd31f17f3da66b624dd5ccc074",
    "14550237c376595b16cb8a6107729731c341634464ba1a15c239e2047f0cc083",
    "2d6a1707745972d09054b5098b7abe2433d727e336a1f9933f9aa14748ad594e",
    "255420d4a7200beb753a7ea90439f5790e06d7082c75c77ea40771acdc81643e",
];

fn word(text: &str) -> U256 {
    U256::from_str_radix(text, 16).unwrap()
}

/// The key's words.
pub(super) fn key() -> KeyWords {
    KEY.map(|text| word(text).to_be_bytes())
}

/// A proof that the key accepts for `inputs`. The chain's own curve multiplication makes the points.
pub(super) async fn proof(chain: &Chain, inputs: [U256; 6]) -> [[u8; 32]; 8] {
    let times = |a: U256, b: u64| a.mul_mod(U256::from(b), ORDER);
    let minus = |a: U256, b: U256| a.add_mod(ORDER - b, ORDER);
    let x =
        inputs.iter().zip(&IC[1..]).fold(U256::from(IC[0]), |sum, (input, ic)| sum.add_mod(times(*input, *ic), ORDER));
    let rest = minus(minus(U256::from(A * B), U256::from(ALPHA * BETA)), times(x, GAMMA));
    let inverse = U256::from(DELTA).inv_mod(ORDER).unwrap();
    let (a, c) = (point(chain, U256::from(A)).await, point(chain, rest.mul_mod(inverse, ORDER)).await);
    let b = B_POINT.map(word);
    [a[0], a[1], b[0], b[1], b[2], b[3], c[0], c[1]].map(|word| word.to_be_bytes())
}

/// `scalar` times the generator (1, 2).
async fn point(chain: &Chain, scalar: U256) -> [U256; 2] {
    let input = (U256::from(1), U256::from(2), scalar).abi_encode();
    let output = chain.link.ask(ECMUL, input).await.unwrap();
    <[U256; 2]>::abi_decode(&output).unwrap()
}
