// Runs the tests with a profile's counts and says what was run: seed, counts per selector, time.
//
//   node tools/campaign.mjs ci      everything once, by the counts of FOUNDRY_PROFILE=ci (what `npm test` does)
//   node tools/campaign.mjs deep    FOUNDRY_PROFILE=deep, the invariants in rounds; written to campaigns/deep.log as it goes
//   node tools/campaign.mjs fuzz    the fuzz tests alone, 100,000 cases each; written to campaigns/fuzz.log
//
// USUFRUCT_SEED repeats a run. Fails when a test fails, or when a selector has less than one percent of the calls.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const LEAST_SHARE = 0.01;
/// Runs of 100 calls in one round of the deep campaign: a round that fails is repeated by its own seed in minutes.
const ROUND = 1_000;
const ROUNDS = Number(process.env.USUFRUCT_ROUNDS ?? 20);

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const mode = process.argv[2];
const profile = mode === "ci" ? "ci" : "deep";
const seed = BigInt(process.env.USUFRUCT_SEED ?? `0x${randomBytes(8).toString("hex")}`);
const calls = new Map();
const lines = [];

function say(line) {
  console.log(line);
  lines.push(line);
  if (mode === "ci") return;
  mkdirSync(join(root, "campaigns"), { recursive: true });
  writeFileSync(join(root, "campaigns", `${mode}.log`), lines.join("\n") + "\n");
}

/** Runs forge, passes its failures on, and returns its exit code, output and seconds. */
function forge(args, env) {
  return new Promise((resolve, reject) => {
    const start = Date.now();
    const child = spawn(join(root, "node_modules", ".bin", "forge"), ["test", ...args], {
      cwd: root,
      env: { ...process.env, FOUNDRY_PROFILE: profile, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (data) => (text += data));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) console.error(text.replace(/^\[PASS\].*\n/gm, ""));
      for (const [, name, count] of text.matchAll(/^\| Actors\s*\| (\w+)\s*\| (\d+)\s*\|/gm)) {
        calls.set(name, (calls.get(name) ?? 0) + Number(count));
      }
      resolve({ code, text, seconds: Math.round((Date.now() - start) / 1000) });
    });
  });
}

/** One line for each fuzz test, one for each suite. */
function sayTests(text) {
  for (const line of text.split("\n")) {
    const fuzz = line.match(/^\[\w+.*?\] (testFuzz_\w+).*\(runs: (\d+)/);
    if (fuzz) say(`  ${fuzz[1]}: ${fuzz[2]} runs`);
    if (/^Ran \d+ test suites/.test(line)) say(line);
  }
}

/** Counts and shares per selector; false when one is too rare. */
function sayCalls() {
  const all = [...calls.values()].reduce((sum, count) => sum + count, 0);
  say(`invariants: ${all} successful calls`);
  for (const [name, count] of [...calls].sort()) {
    say(`  ${name.padEnd(16)} ${String(count).padStart(8)} ${((100 * count) / all).toFixed(2)} %`);
  }
  const rare = [...calls].filter(([, count]) => count < LEAST_SHARE * all).map(([name]) => name);
  if (rare.length > 0 || all === 0) say(`too few calls of: ${rare.join(", ") || "everything"}`);
  return rare.length === 0 && all > 0;
}

async function ci() {
  const run = await forge(["--fuzz-seed", String(seed)], {});
  sayTests(run.text);
  const enough = run.code === 0 && sayCalls();
  say(`seed ${seed}, ${run.seconds} s`);
  return enough;
}

async function deep() {
  say(`seed ${seed}`);
  for (let round = 0n; round < BigInt(ROUNDS); ++round) {
    const own = String(seed + round);
    const env = { FOUNDRY_INVARIANT_RUNS: String(ROUND) };
    const run = await forge(["--match-contract", "InvariantsTest", "--fuzz-seed", own], env);
    say(`round ${round + 1n} of ${ROUNDS}: seed ${own}, ${ROUND * 100} calls, ${run.seconds} s`);
    if (run.code !== 0) return false;
    const [least, count] = [...calls].sort((a, b) => a[1] - b[1])[0];
    say(`  fewest so far: ${least} ${count}`);
  }
  const enough = sayCalls();
  return (await fuzz()) && enough;
}

async function fuzz() {
  const run = await forge(["--match-test", "testFuzz", "--fuzz-seed", String(seed)], {});
  sayTests(run.text);
  say(`fuzz: seed ${seed}, ${run.seconds} s`);
  return run.code === 0;
}

const modes = { ci, deep, fuzz };
if (!Object.hasOwn(modes, mode)) {
  console.error("usage: node tools/campaign.mjs ci|deep|fuzz");
  process.exit(2);
}
process.exit((await modes[mode]()) ? 0 : 1);
