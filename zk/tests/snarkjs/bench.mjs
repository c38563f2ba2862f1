// Measures our prover beside snarkjs and ark-circom on the same circuit, and our hashing beside poseidon-lite. `make bench-zk`
// runs it.
// Usage: node bench.mjs <the release build's example `bench`> <folder to keep keys and files in> <tools/bench-ark-circom's program>
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { poseidon2 } from "poseidon-lite";

const [program, folder, arkCircom] = process.argv.slice(2);
const records = Number(process.env.ZK_RECORDS ?? 1_000_000);
const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, "node_modules/snarkjs/cli.js");
mkdirSync(folder, { recursive: true });

const ours = (...args) => {
  const said = execFileSync(program, args, { encoding: "utf8" });
  const figures = {};
  for (const line of said.trim().split("\n")) {
    const [name, value, unit = ""] = line.split("\t");
    console.log(`  ${name}: ${value} ${unit}`);
    figures[name] = Number(value);
  }
  return figures;
};

// Runs snarkjs and returns the processor seconds it used, all threads.
const snarkjs = (...args) => {
  const timed = spawnSync("bash", ["-c", 'TIMEFORMAT="%U %S"; time node "$@" >/dev/null 2>snarkjs.log', "bash", cli, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  if (timed.status !== 0) throw new Error(`snarkjs ${args.join(" ")}: ${timed.stderr}${readFileSync(join(folder, "snarkjs.log"))}`);
  const [user, system] = timed.stderr.trim().split(/\s+/).slice(-2).map(Number);
  return user + system;
};

// Processor seconds of a proof by ark-circom, the median of five; neither witness nor key is counted.
const arkCircomProves = (key, witness) => {
  const said = execFileSync(arkCircom, [key, join(folder, witness)], { encoding: "utf8" });
  return Number(said.split("\t")[1]);
};

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

// Semaphore v4, depth 20, as published: the package holds all depths, 109 MB, so only this measurement fetches it.
const semaphore = () => {
  const version = "4.13.0";
  const digests = {
    zkey: "33f9a067a80c7daf90e085449073613a9559a1904dd40aeb6d603afb7988c2cc",
    wasm: "6f71e55586929e520e76027ebe067daac8b41e2f4b8057313a5fd0304e1e44ee",
  };
  const file = (ending) => join(folder, `node_modules/@zk-kit/semaphore-artifacts/semaphore-20.${ending}`);
  if (!existsSync(file("zkey"))) {
    execFileSync("npm", ["install", "--silent", "--no-save", "--prefix", folder, `@zk-kit/semaphore-artifacts@${version}`]);
  }
  for (const [ending, digest] of Object.entries(digests)) {
    const found = createHash("sha256").update(readFileSync(file(ending))).digest("hex");
    if (found !== digest) throw new Error(`semaphore-20.${ending} of ${version} has digest ${found}`);
  }
  // The circuit's outputs are free, so any path and message have a witness.
  const siblings = Array.from({ length: 20 }, (_, level) => String(1000 + level));
  const input = { secret: "123456789", merkleProofLength: "20", merkleProofIndex: "5", merkleProofSiblings: siblings };
  writeFileSync(join(folder, "semaphore.json"), JSON.stringify({ ...input, message: "77", scope: "88" }));
  snarkjs("wtns", "calculate", file("wasm"), "semaphore.json", "semaphore.wtns");
  return { zkey: file("zkey"), constraints: constraints(readFileSync(file("zkey"))) };
};

// The constraints that a .zkey has coefficients for; its setup adds one for each public signal and the constant.
const constraints = (zkey) => {
  const sections = {};
  for (let at = 12; at < zkey.length; ) {
    const [id, length] = [zkey.readUInt32LE(at), Number(zkey.readBigUInt64LE(at + 4))];
    sections[id] = zkey.subarray(at + 12, at + 12 + length);
    at += 12 + length;
  }
  const publics = sections[2].readUInt32LE(4 + 32 + 4 + 32 + 4);
  let most = 0;
  for (let at = 4; at < sections[4].length; at += 44) most = Math.max(most, sections[4].readUInt32LE(at + 4));
  return most + 1 - (publics + 1);
};

console.log("provenance@1, small tier, ours:");
const small = ours("prove", "provenance-1-small", folder, "500");
console.log("the same circuit exported and proved by snarkjs:");
ours("export", folder);
const rounds = [1, 2, 3].map(() => snarkjs("groth16", "prove", "circuit.zkey", "witness.wtns", "proof.json", "public.json"));
snarkjs("zkey", "export", "verificationkey", "circuit.zkey", "key.json");
snarkjs("groth16", "verify", "key.json", "public.json", "proof.json");
const theirs = median(rounds);
console.log(`  snarkjs groth16 prove, CPU: ${theirs.toFixed(2)} s (witness not counted)`);
console.log(`  ratio, first proof with witness and key read: ${(small["first proof, key read, CPU"] / theirs).toFixed(3)}`);
console.log(`  ratio, next proofs with witness: ${(small["next proofs, CPU"] / theirs).toFixed(3)}`);

const arks = arkCircomProves(join(folder, "circuit.zkey"), "witness.wtns");
console.log(`  ark-circom, CPU: ${arks.toFixed(2)} s (witness and key not counted), ${(arks / theirs).toFixed(3)} of snarkjs`);
console.log(`  ours to ark-circom, next proofs with witness: ${(small["next proofs, CPU"] / arks).toFixed(3)}`);

console.log("Semaphore v4, depth 20, published key, proved by snarkjs:");
const { zkey, constraints: size } = semaphore();
const proving = () => snarkjs("groth16", "prove", zkey, "semaphore.wtns", "semaphore-proof.json", "semaphore-public.json");
const each = median([1, 2, 3].map(proving)) / size;
console.log(`  constraints: ${size}`);
console.log(`  snarkjs groth16 prove, CPU for each constraint: ${(each * 1e6).toFixed(1)} µs (witness not counted)`);
const ratio = (name) => (small[name] / small.constraints / each).toFixed(3);
console.log(`  ours to that for each constraint, first proof with witness and key read: ${ratio("first proof, key read, CPU")}`);
console.log(`  ours to that for each constraint, next proofs with witness: ${ratio("next proofs, CPU")}`);

const ark = arkCircomProves(zkey, "semaphore.wtns") / size;
console.log(`  ark-circom, CPU for each constraint: ${(ark * 1e6).toFixed(1)} µs (witness and key not counted)`);
console.log(`  ours to that, next proofs with witness: ${(small["next proofs, CPU"] / small.constraints / ark).toFixed(3)}`);

console.log("provenance@1, large tier, 1,000 records:");
const few = ours("prove", "provenance-1-large", folder, "1000");
console.log(`provenance@1, large tier, ${records} records:`);
const large = ours("prove", "provenance-1-large", folder, String(records));
console.log(`  next proofs, CPU, to those over 1,000 records: ${(large["next proofs, CPU"] / few["next proofs, CPU"]).toFixed(2)}`);
const wide = (name) => (large[name] / large.constraints / each).toFixed(3);
console.log(`  large tier to Semaphore for each constraint, first proof: ${wide("first proof, key read, CPU")}`);
console.log(`  large tier to Semaphore for each constraint, next proofs: ${wide("next proofs, CPU")}`);
console.log("statistic@1:");
ours("prove", "statistic-1", folder, "512");
console.log("verifying:");
ours("verify");

console.log(`tree over ${records} records:`);
const tree = ours("tree", String(records));
// As many two-input hashes as a binary tree over the records has, each as JavaScript computes it, tag first.
const hashes = Math.min(records, 20_000);
for (let i = 0; i < 500; i++) poseidon2([BigInt(i), 1n]);
const start = process.cpuUsage();
for (let i = 0; i < hashes; i++) poseidon2([BigInt(i), 2n]);
const used = process.cpuUsage(start);
const lite = (used.user + used.system) / hashes;
console.log(`  poseidon-lite, two inputs, CPU each: ${lite.toFixed(1)} µs over ${hashes}`);
console.log(`  nodes to poseidon-lite: ${(tree["nodes, CPU for each record"] / lite).toFixed(4)}`);
console.log(`  leaves to poseidon-lite: ${(tree["leaf, CPU each"] / lite).toFixed(4)}`);
