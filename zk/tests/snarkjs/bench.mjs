// Measures our prover beside snarkjs on the same circuit, and our hashing beside poseidon-lite. `make bench-zk` runs it.
// Usage: node bench.mjs <the release build's example `bench`> <folder to keep keys and files in>
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { poseidon2 } from "poseidon-lite";

const [program, folder] = process.argv.slice(2);
const records = Number(process.env.ZK_RECORDS ?? 1_000_000);
const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, "node_modules/snarkjs/cli.js");
mkdirSync(folder, { recursive: true });

const ours = (...args) => {
  const said = execFileSync(program, args, { encoding: "utf8" });
  const figures = {};
  for (const line of said.trim().split("\n")) {
    const [name, value, unit] = line.split("\t");
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

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

console.log("provenance@1, small tier, ours:");
const small = ours("prove", "provenance-1-small", folder);
console.log("the same circuit exported and proved by snarkjs:");
ours("export", folder);
const power = "15";
if (!existsSync(join(folder, "end.zkey"))) {
  console.log("  making snarkjs' key (minutes, once)");
  rmSync(join(folder, "start.zkey"), { force: true });
  snarkjs("powersoftau", "new", "bn128", power, "first.ptau");
  snarkjs("powersoftau", "contribute", "first.ptau", "second.ptau", "--name=bench", "-e=bench");
  snarkjs("powersoftau", "prepare", "phase2", "second.ptau", "final.ptau");
  snarkjs("groth16", "setup", "circuit.r1cs", "final.ptau", "start.zkey");
  snarkjs("zkey", "contribute", "start.zkey", "end.zkey", "--name=bench", "-e=bench");
}
const rounds = [1, 2, 3].map(() => snarkjs("groth16", "prove", "end.zkey", "witness.wtns", "proof.json", "public.json"));
const theirs = median(rounds);
console.log(`  snarkjs groth16 prove, CPU: ${theirs.toFixed(2)} s (witness not counted)`);
console.log(`  ratio, first proof with witness and key read: ${(small["first proof, key read, CPU"] / theirs).toFixed(3)}`);
console.log(`  ratio, next proofs with witness: ${(small["next proofs, CPU"] / theirs).toFixed(3)}`);

console.log("provenance@1, large tier:");
ours("prove", "provenance-1-large", folder);
console.log("statistic@1:");
ours("prove", "statistic-1", folder);
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
const each = (used.user + used.system) / hashes;
console.log(`  poseidon-lite, two inputs, CPU each: ${each.toFixed(1)} µs over ${hashes}`);
console.log(`  nodes to poseidon-lite: ${(tree["nodes, CPU for each record"] / each).toFixed(4)}`);
console.log(`  leaves to poseidon-lite: ${(tree["leaf, CPU each"] / each).toFixed(4)}`);
