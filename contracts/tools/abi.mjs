// Writes abi/<Contract>.json from forge's output, or with --check fails when they differ from the sources.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = ["DatasetRegistry", "LicenseRegistry", "JobEscrow", "ProvenanceVerifier", "RewardToken"];
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const check = process.argv.includes("--check");
let stale = 0;

for (const name of CONTRACTS) {
  const built = JSON.parse(readFileSync(join(root, "out", `${name}.sol`, `${name}.json`), "utf8"));
  const text =
    JSON.stringify({
      abi: built.abi,
      bytecode: built.bytecode.object,
      deployedBytecode: built.deployedBytecode.object,
    }) + "\n";
  const path = join(root, "abi", `${name}.json`);
  if (!check) {
    writeFileSync(path, text);
  } else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
    console.error(`abi/${name}.json is not what the sources compile to: run "npm run abi" and commit it`);
    stale = 1;
  }
}
process.exit(stale);
