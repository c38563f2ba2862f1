// Runs Slither over src/ and interfaces/ and fails on any finding of high or medium impact that is not explained here.
// The first run installs it into cache/slither/venv (python3 with venv, and PyPI); SLITHER names another binary.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "0.11.6";
/// Check and element, and why it is meant.
const EXPLAINED = new Map([
  ["uninitialized-local JobEscrow.request none", "the commitment of a job that is still Requested is all zero"],
  ["uninitialized-local JobEscrow._checkRequested none", "the same"],
]);

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, "cache", "slither");
const out = join(cache, "out");
const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });

let slither = process.env.SLITHER ?? join(cache, "venv", "bin", "slither");
if (!existsSync(slither)) {
  console.error(`installing slither-analyzer ${VERSION} into ${cache}/venv`);
  run("python3", ["-m", "venv", join(cache, "venv")]);
  run(join(cache, "venv", "bin", "pip"), ["install", "--quiet", `slither-analyzer==${VERSION}`]);
  slither = join(cache, "venv", "bin", "slither");
}

// Slither wants the compiler's output beside its input, which forge writes with --build-info only.
rmSync(out, { recursive: true, force: true });
const forge = join(root, "node_modules", ".bin", "forge");
run(forge, ["build", "src", "interfaces", "--build-info", "--force", "--out", out, "--cache-path", join(cache, "forge")]);
const env = { ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}` };
const args = [".", "--ignore-compile", "--foundry-out-directory", out, "--filter-paths", "node_modules", "--json", "-"];
const result = spawnSync(slither, args, { cwd: root, env, encoding: "utf8", maxBuffer: 1 << 28 });
if (!result.stdout.startsWith("{")) {
  console.error(result.stderr);
  process.exit(2);
}

const report = JSON.parse(result.stdout);
if (!report.success) {
  console.error(report.error);
  process.exit(2);
}
const counts = { High: 0, Medium: 0, Low: 0, Informational: 0, Optimization: 0 };
let unexplained = 0;
for (const finding of report.results.detectors ?? []) {
  counts[finding.impact] += 1;
  if (finding.impact !== "High" && finding.impact !== "Medium") continue;
  const element = finding.elements[0];
  const parent = element.type_specific_fields?.parent;
  const place = [parent?.type_specific_fields?.parent?.name, parent?.name].filter(Boolean).join(".");
  const reason = EXPLAINED.get(`${finding.check} ${place} ${element.name}`);
  if (reason === undefined) unexplained += 1;
  const verdict = reason === undefined ? "UNEXPLAINED" : `explained: ${reason}`;
  console.log(`${finding.impact} ${finding.check} ${place} ${element.name}: ${verdict}`);
}
console.log(Object.entries(counts).map(([impact, count]) => `${impact} ${count}`).join(", "));
process.exit(unexplained === 0 ? 0 : 1);
