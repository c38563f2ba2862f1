//! A whole ceremony with snarkjs as an outside program, on a circuit small enough for every test run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, SynthesisError};
use ark_std::rand::{SeedableRng, rngs::StdRng};

use super::{Snarkjs, lone, r1cs, zkey};
use crate::{
    Circuit, Error, Field,
    keys::{Constraints, ProvingKey, Reduction, lint},
    proof::create,
    provenance::{OwnerSecret, gadget::enforce_owner},
    solidity::{self, Word},
    statement::{self, Statement, input},
    support::context,
};

/// The public inputs, each in a constraint, and the owner's commitment opened: under 2^9 constraints.
fn build(cs: ConstraintSystemRef<Field>, values: Option<(&Statement, &OwnerSecret)>) -> Result<(), SynthesisError> {
    let (statement, secret) = values.unzip();
    let inputs = statement::gadget::allocate(&cs, statement)?;
    inputs.iter().try_for_each(statement::gadget::bind)?;
    enforce_owner(&cs, &inputs[input::OWNER], secret)
}

fn constraints() -> Constraints {
    Constraints::built(|cs| build(cs, None)).unwrap()
}

fn job() -> (Statement, OwnerSecret) {
    let secret = OwnerSecret::new(&[5; 32], &[6; 31]).unwrap();
    let [root, output_root, challenge] = ["root", "output", "challenge"].map(context);
    let statement =
        Statement { root, count: 8, owner: secret.commitment(), output_root, context: context("job"), challenge };
    (statement, secret)
}

/// A job's statement, and every wire's value.
fn solved() -> (Statement, Vec<Field>) {
    let (statement, secret) = job();
    let cs = ConstraintSystem::new_ref();
    build(cs.clone(), Some((&statement, &secret))).unwrap();
    (statement, [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat())
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("usufruct-zk-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn snarkjs(folder: &Path, arguments: &str) -> String {
    let cli = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snarkjs/node_modules/snarkjs/cli.js");
    assert!(Path::new(cli).exists(), "snarkjs is missing: run tools/setup");
    let ran = Command::new("node").arg(cli).args(arguments.split(' ')).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "snarkjs {arguments}: {said}");
    said
}

#[test]
fn key_of_a_ceremony_proves() {
    let folder = Folder::new("ceremony");
    let path = &folder.0;
    let constraints = constraints();
    fs::write(path.join("circuit.r1cs"), r1cs::encode(&constraints)).unwrap();
    assert!(snarkjs(path, "r1cs info circuit.r1cs").contains(&format!("# of Constraints: {}", constraints.count)));

    for step in [
        "powersoftau new bn128 9 first.ptau",
        "powersoftau contribute first.ptau second.ptau --name=first -e=somebody's-randomness",
        "powersoftau prepare phase2 second.ptau final.ptau",
        "groth16 setup circuit.r1cs final.ptau start.zkey",
        "zkey contribute start.zkey end.zkey --name=second -e=somebody-else's-randomness",
    ] {
        snarkjs(path, step);
    }
    assert!(snarkjs(path, "zkey verify circuit.r1cs final.ptau end.zkey").contains("ZKey Ok!"));

    // Nobody contributed to the second phase yet: the linter says so.
    let start = zkey::read(&fs::read(path.join("start.zkey")).unwrap(), &constraints).unwrap();
    match ProvingKey::of_ceremony(Circuit::ALL[0], start) {
        Err(Error::Key { reason }) => assert!(reason.contains("second phase"), "{reason}"),
        other => panic!("not refused: {other:?}"),
    }

    let bytes = fs::read(path.join("end.zkey")).unwrap();
    let key = zkey::read(&bytes, &constraints).unwrap();
    let (statement, values) = solved();
    let proof = create(&key, Reduction::Snarkjs, &constraints, &values).unwrap();
    let prepared = ark_groth16::prepare_verifying_key(&key.vk);
    let holds = |statement: &Statement| Groth16::<Bn254>::verify_proof(&prepared, &proof, &statement.inputs()).unwrap();
    assert!(holds(&statement));
    assert!(!holds(&Statement { context: context("another job"), ..statement }));
    let key_of_shipped = ProvingKey::of_ceremony(Circuit::ALL[0], key.clone()).unwrap();
    assert_eq!(lint(&solidity::key_words(key_of_shipped.verifying_key())), []);
    assert!(!key_of_shipped.verifying_key().is_development().unwrap());

    // snarkjs proves with the same key from the same wires.
    fs::write(path.join("witness.wtns"), r1cs::encode_values(&values)).unwrap();
    snarkjs(path, "wtns check circuit.r1cs witness.wtns");
    snarkjs(path, "zkey export verificationkey end.zkey key.json");
    snarkjs(path, "groth16 prove end.zkey witness.wtns proof.json public.json");
    assert!(snarkjs(path, "groth16 verify key.json public.json proof.json").contains("OK!"));

    let made = proof_words(&proof);
    if let Some(path) = std::env::var_os("ZK_WRITE_CEREMONY") {
        fs::write(path, fixture(&solidity::key_words(key_of_shipped.verifying_key()), &statement, &made)).unwrap();
    }
    damaged_keys_are_refused(&bytes, &constraints);
}

fn proof_words(proof: &ark_groth16::Proof<Bn254>) -> [Word; 8] {
    let words = [&solidity::g1(&proof.a)[..], &solidity::g2(&proof.b), &solidity::g1(&proof.c)].concat();
    words.try_into().unwrap()
}

/// What the contracts' tests read from `pinned/ceremony.json`, which a run with `ZK_WRITE_CEREMONY` wrote.
fn fixture(key: &[Word], statement: &Statement, proof: &[Word]) -> String {
    let list = |words: &[Word]| {
        let words: Vec<_> = words.iter().map(|word| format!("    \"0x{}\"", hex::encode(word))).collect();
        words.join(",\n")
    };
    let (key, inputs, proof) = (list(key), list(&statement.to_words()), list(proof));
    format!(
        "{{\n  \"circuit\": \"an owner's commitment, opened\",\n  \"tier\": 0,\n  \"key_words\": [\n{key}\n  ],\n  \
         \"inputs\": [\n{inputs}\n  ],\n  \"proof\": [\n{proof}\n  ]\n}}\n"
    )
}

struct Unsolved;

impl ConstraintSynthesizer<Field> for Unsolved {
    fn generate_constraints(self, cs: ConstraintSystemRef<Field>) -> Result<(), SynthesisError> {
        build(cs, None)
    }
}

#[test]
fn key_without_a_ceremony_is_read_back_and_proves() {
    let mut rng = StdRng::seed_from_u64(1);
    let key = Groth16::<Bn254, Snarkjs>::generate_random_parameters_with_reduction(Unsolved, &mut rng).unwrap();
    let constraints = constraints();
    let read = zkey::read(&lone::encode(&key, &constraints), &constraints).unwrap();
    assert_eq!(read, key);
    let (statement, values) = solved();
    let proof = create(&read, Reduction::Snarkjs, &constraints, &values).unwrap();
    let prepared = ark_groth16::prepare_verifying_key(&read.vk);
    assert!(Groth16::<Bn254>::verify_proof(&prepared, &proof, &statement.inputs()).unwrap());
}

fn damaged_keys_are_refused(bytes: &[u8], constraints: &Constraints) {
    let refused = |bytes: &[u8]| matches!(zkey::read(bytes, constraints), Err(Error::Key { .. }));
    assert!(!refused(bytes));
    assert!(refused(&[]) && refused(&bytes[..100]) && refused(&bytes[..bytes.len() / 2]));
    for place in [0, 12, 24, 40, 200, 1_000, bytes.len() / 4, bytes.len() / 2] {
        let mut damaged = bytes.to_vec();
        damaged[place] ^= 1;
        assert!(refused(&damaged), "byte {place}");
    }
    // A key for other constraints of the same number.
    let mut other = self::constraints();
    other.matrices[0][100][0].0 += Field::from(1u64);
    assert!(matches!(zkey::read(bytes, &other), Err(Error::Key { reason }) if reason.contains("other constraints")));
}
