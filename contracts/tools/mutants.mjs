// Breaks the contracts one line at a time and sees which tests notice: the invariants first, then the unit and fuzz tests.
//
//   node tools/mutants.mjs [WORD]    only mutants whose name has WORD
//
// USUFRUCT_FROM leaves the first ones out, to go on with a run that was stopped; USUFRUCT_LOG_TO keeps the lines in a file.
// Works on a copy in cache/mutants. Prints a line a mutant and, at the end, who survived; fails when one does.
import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const copy = join(root, "cache", "mutants", "contracts");
const SEED = process.env.USUFRUCT_SEED ?? "1";
const RUNS = process.env.USUFRUCT_RUNS ?? "20";
const FROM = Number(process.env.USUFRUCT_FROM ?? 0);
const LOG = process.env.USUFRUCT_LOG_TO;

/// Contract, name, text to find, what to put there, and which occurrence (from 1).
const MUTANTS = [
  ["JobEscrow", "withdraw keeps the credit", "credits[msg.sender][currency] = 0;", ""],
  ["JobEscrow", "withdraw is not guarded", "function withdraw(address currency) external nonReentrant", "function withdraw(address currency) external"],
  ["JobEscrow", "withdraw pays the caller one unit more", "IERC20(currency).safeTransfer(to, amount);", "IERC20(currency).safeTransfer(to, amount + 1);"],
  ["JobEscrow", "settle credits one unit more", "_credit(details.owner, details.currency, job, details.amount);", "_credit(details.owner, details.currency, job, details.amount + 1);"],
  ["JobEscrow", "settle credits one unit less", "_credit(details.owner, details.currency, job, details.amount);", "_credit(details.owner, details.currency, job, details.amount - 1);"],
  ["JobEscrow", "settle credits the caller", "_credit(details.owner, details.currency, job, details.amount);", "_credit(msg.sender, details.currency, job, details.amount);"],
  ["JobEscrow", "settle credits twice", "_credit(details.owner, details.currency, job, details.amount);", "_credit(details.owner, details.currency, job, details.amount); _credit(details.owner, details.currency, job, details.amount);"],
  ["JobEscrow", "settle leaves the state", "_setState(job, JobState.Settled);", ""],
  ["JobEscrow", "settle goes back to Committed", "_setState(job, JobState.Settled);", "_setState(job, JobState.Committed);"],
  ["JobEscrow", "settle at any time", "        _notAfter(details.settleBy);\n        bytes32 keyHash", "        bytes32 keyHash"],
  ["JobEscrow", "settle before acceptBy", "_onlyAfter(commitment.acceptBy);", "{}"],
  ["JobEscrow", "settle with any key", "if (keyHash != commitment.output.keyHash) revert KeyMismatch(commitment.output.keyHash, keyHash);", ""],
  ["JobEscrow", "settle without a proof", "        _checkProof(job, details, commitment, proof);\n\n", ""],
  ["JobEscrow", "settle leaves the head", "head[details.dataset] = newHead;", ""],
  ["JobEscrow", "refund credits the owner", "_credit(details.licensee, details.currency, job, details.amount);", "_credit(details.owner, details.currency, job, details.amount);"],
  ["JobEscrow", "refund leaves the state", "_setState(job, JobState.Refunded);", ""],
  ["JobEscrow", "refund keeps the money", "_credit(details.licensee, details.currency, job, details.amount);", ""],
  ["JobEscrow", "refund before runBy", "_onlyAfter(details.runBy);", ""],
  ["JobEscrow", "refund before settleBy", "            _onlyAfter(details.settleBy);\n", ""],
  ["JobEscrow", "refund of a committed job at any time", "if (!late && !_drawMissed(commitment)) revert DrawWindowOpen(commitment.atBlock, block.number);", "late;"],
  ["JobEscrow", "no refund when the draw was missed", "if (!late && !_drawMissed(commitment))", "if (!late)"],
  ["JobEscrow", "no refund of an accepted job", "} else if (state == JobState.Drawn || state == JobState.Accepted) {", "} else if (state == JobState.Drawn) {"],
  ["JobEscrow", "no refund of a requested job", "if (state == JobState.Requested) {\n            _onlyAfter", "if (state == JobState.None) {\n            _onlyAfter"],
  ["JobEscrow", "a hundred days to settle", "SETTLE_WITHIN = 1 days", "SETTLE_WITHIN = 100 days"],
  ["JobEscrow", "anyone rejects", "if (msg.sender != details.licensee) revert NotLicensee(details.licensee, msg.sender);", "", 1],
  ["JobEscrow", "anyone accepts", "if (msg.sender != details.licensee) revert NotLicensee(details.licensee, msg.sender);", "", 2],
  ["JobEscrow", "reject at any time", "        _notAfter(commitment.acceptBy);\n        _refund", "        _refund"],
  ["JobEscrow", "accept at any time", "        _notAfter(commitment.acceptBy);\n        _setState", "        _setState"],
  ["JobEscrow", "reject after acceptance", "if (state != JobState.Committed && state != JobState.Drawn) revert", "if (state < JobState.Committed || state > JobState.Accepted) revert"],
  ["JobEscrow", "accept before the draw", "if (state != JobState.Drawn) revert WrongState(job, state);", "if (state != JobState.Drawn && state != JobState.Committed) revert WrongState(job, state);"],
  ["JobEscrow", "anyone declines", "if (msg.sender != details.owner) revert NotOwner(details.owner, msg.sender);", "", 1],
  ["JobEscrow", "anyone commits", "if (msg.sender != details.owner) revert NotOwner(details.owner, msg.sender);", "", 2],
  ["JobEscrow", "commit after runBy", "        _notAfter(details.runBy);\n", ""],
  ["JobEscrow", "commit to a root outside the field", "if (output.outputRoot >= FIELD_ORDER) revert NotInField(output.outputRoot);", ""],
  ["JobEscrow", "commit twice", "if (state > JobState.Requested) revert WrongState(job, state);", "if (state > JobState.Drawn) revert WrongState(job, state);"],
  ["JobEscrow", "draw after settleBy", "        _notAfter(details.settleBy);\n        if (block.number", "        if (block.number"],
  ["JobEscrow", "draw in any state", "if (state != JobState.Committed) revert WrongState(job, state);", "state;"],
  ["JobEscrow", "draw in the commit's block", "if (block.number <= commitment.atBlock) revert", "if (block.number < commitment.atBlock) revert"],
  ["JobEscrow", "challenge without the block hash", "keccak256(abi.encode(blockHash, job))", "keccak256(abi.encode(job, job))"],
  ["JobEscrow", "window one block shorter", "block.number > uint256(commitment.atBlock) + DRAW_WINDOW", "block.number >= uint256(commitment.atBlock) + DRAW_WINDOW"],
  ["JobEscrow", "deadline one second early", "if (block.timestamp > deadline) revert DeadlinePassed", "if (block.timestamp >= deadline) revert DeadlinePassed"],
  ["JobEscrow", "both sides in the deadline's second", "if (block.timestamp <= deadline) revert DeadlineNotPassed", "if (block.timestamp < deadline) revert DeadlineNotPassed"],
  ["JobEscrow", "acknowledge any job", "if (state != JobState.Settled) revert WrongState(job, state);", "state;"],
  ["JobEscrow", "acknowledge with any signature", "if (!SignatureChecker.isValidSignatureNowCalldata(details.licensee, _hashTypedDataV4(receipt), signature)) {", "if (false) {"],
  ["JobEscrow", "anyone credits", "if (msg.sender != address(licenses)) revert NotLicenseRegistry(address(licenses), msg.sender);", ""],
  ["JobEscrow", "anyone requests", "if (msg.sender != terms.licensee) revert NotLicensee(terms.licensee, msg.sender);", ""],
  ["JobEscrow", "request takes no run", "licenses.useRun(license, terms);", ""],
  ["JobEscrow", "request twice", "if (_jobs[job] != 0) revert JobExists(job);", ""],
  ["JobEscrow", "request on a revoked dataset", "if (dataset.state == DatasetState.Revoked) revert DatasetRevoked(terms.dataset);", ""],
  ["JobEscrow", "any struct for a job", "if (state == JobState.None || _jobs[job] != _pack(details, commitment, state)) revert JobMismatch(job);", "if (state == JobState.None) revert JobMismatch(job); commitment; details;"],
  ["JobEscrow", "context without the payee", "output.keyHash,\n            details.owner", "output.keyHash,\n            address(0)"],
  ["JobEscrow", "grant without end", "if (block.timestamp > grant.validUntil) revert GrantExpired(grant.validUntil, block.timestamp);", ""],
  ["JobEscrow", "grant not cancelable", "if (isGrantCanceled(details.owner, grant.nonce)) revert GrantIsCanceled(details.owner, grant.nonce);", ""],
  ["JobEscrow", "grant without signature", "if (!SignatureChecker.isValidSignatureNowCalldata(details.owner, digest, signature)) {", "if (false) {"],
  ["JobEscrow", "grant without limit", "grantUsed[digest] = used + 1;", ""],
  ["JobEscrow", "grant for all datasets", "if (!covered || grant.actions & details.action == 0) revert GrantNotForJob(job);", "covered;"],
  ["JobEscrow", "grant for anybody", "if (msg.sender != grant.delegate) revert NotDelegate(grant.delegate, msg.sender);", ""],
  ["LicenseRegistry", "an ended license keeps its runs", "_licenses[license] = _pack(terms, 0, state);", "_licenses[license] = _pack(terms, runs, LicenseState.Active); state;"],
  ["LicenseRegistry", "ending refunds one run more", "amount = terms.pricePerRun * runs;", "amount = terms.pricePerRun * (runs + 1);"],
  ["LicenseRegistry", "ending refunds nothing", "amount = terms.pricePerRun * runs;", "amount = 0; runs;"],
  ["LicenseRegistry", "a run costs none", "_licenses[license] = _pack(terms, runs - 1, LicenseState.Active);", "_licenses[license] = _pack(terms, runs, LicenseState.Active);"],
  ["LicenseRegistry", "anyone uses runs", "if (msg.sender != escrow) revert NotEscrow(escrow, msg.sender);", ""],
  ["LicenseRegistry", "runs after expiry", "if (block.timestamp > terms.expiresAt) revert LicenseExpired(license, terms.expiresAt, block.timestamp);", ""],
  ["LicenseRegistry", "anyone revokes", "if (msg.sender != terms.owner) revert NotOwner(terms.owner, msg.sender);", ""],
  ["LicenseRegistry", "anyone reclaims", "if (msg.sender != terms.licensee && block.timestamp <= terms.expiresAt) {", "if (false) {"],
  ["LicenseRegistry", "nobody but the licensee reclaims", "if (msg.sender != terms.licensee && block.timestamp <= terms.expiresAt) {", "if (msg.sender != terms.licensee) {"],
  ["LicenseRegistry", "strangers reclaim in the last second", "block.timestamp <= terms.expiresAt) {\n            revert NotLicensee", "block.timestamp < terms.expiresAt) {\n            revert NotLicensee"],
  ["LicenseRegistry", "any amount is a price", "if (received != price) revert WrongAmountReceived(price, received);", "received;"],
  ["LicenseRegistry", "the registry keeps the price", "safeTransferFrom(msg.sender, escrow, price);", "safeTransferFrom(msg.sender, address(this), price);"],
  ["LicenseRegistry", "an ended license works", "if (state != LicenseState.Active) revert LicenseEnded(license, state);", ""],
  ["LicenseRegistry", "any struct for a license", "if (_licenses[license] != _pack(terms, runs, state)) revert LicenseMismatch(license);", "terms;"],
  ["LicenseRegistry", "an offer sells without end", "sold[digest] = count + 1;", ""],
  ["LicenseRegistry", "a license is bought twice", "if (_licenses[license] != 0) revert LicenseExists(license);", ""],
  ["LicenseRegistry", "an offer never ends", "if (block.timestamp > offer.validUntil) revert OfferExpired(offer.validUntil, block.timestamp);", ""],
  ["LicenseRegistry", "an offer ends a second early", "if (block.timestamp > offer.validUntil)", "if (block.timestamp >= offer.validUntil)"],
  ["LicenseRegistry", "anyone buys a named offer", "if (offer.licensee != address(0) && offer.licensee != msg.sender) {", "if (false) {"],
  ["LicenseRegistry", "any dataset", "if (datasets.hashOf(offer.dataset) != keccak256(abi.encode(dataset))) revert DatasetStale(offer.dataset);", ""],
  ["LicenseRegistry", "ended datasets sell", "if (dataset.state != DatasetState.Active) revert DatasetNotActive(offer.dataset, dataset.state);", ""],
  ["LicenseRegistry", "canceled offers sell", "if (isOfferCanceled(dataset.owner, offer.nonce)) revert OfferIsCanceled(dataset.owner, offer.nonce);", ""],
  ["LicenseRegistry", "any signature sells", "if (!SignatureChecker.isValidSignatureNowCalldata(dataset.owner, digest, signature)) {", "if (false) {"],
  ["LicenseRegistry", "buy is not guarded", "function buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)\n        external\n        nonReentrant", "function buy(Offer calldata offer, bytes calldata signature, Dataset calldata dataset, uint256 nonce)\n        external"],
  ["LicenseRegistry", "a used permit stops the purchase", "            catch {}", "            catch { revert(); }"],
  ["LicenseRegistry", "any currency", "if (!isCurrency[t.currency]) revert CurrencyNotListed(t.currency);", ""],
  ["LicenseRegistry", "any token gets a permit call", "if (!isCurrency[offer.terms.currency]) revert CurrencyNotListed(offer.terms.currency);", ""],
  ["LicenseRegistry", "waits of three hundred days", "MAX_WAIT = 30 days", "MAX_WAIT = 300 days"],
  ["LicenseRegistry", "licenses move", "function transferFrom(address, address, uint256 tokenId) public pure override {\n        revert LicenseLocked(tokenId);", "function transferFrom(address a, address b, uint256 tokenId) public override {\n        super.transferFrom(a, b, tokenId);"],
  ["DatasetRegistry", "anyone publishes", "if (current.owner != msg.sender) revert NotDatasetOwner(current.owner, msg.sender);", ""],
  ["DatasetRegistry", "states go back", "if (state <= current.state) revert StateNotForward(current.state, state);", ""],
  ["DatasetRegistry", "any struct for a dataset", "if (_hashes[id] != given) revert DatasetStale(id, _hashes[id], given);", "given;"],
  ["DatasetRegistry", "registered twice", "if (_hashes[id] != 0) revert DatasetExists(id);", ""],
  ["DatasetRegistry", "versions of ended datasets", "if (current.state != DatasetState.Active) revert DatasetNotActive(id, current.state);", ""],
  ["DatasetRegistry", "roots outside the field", "if (dataset.root >= FIELD_ORDER) revert NotInField(dataset.root);", ""],
  ["DatasetRegistry", "empty datasets", "if (dataset.count == 0 || dataset.count > capacity)", "if (dataset.count > capacity)"],
  ["DatasetRegistry", "one record too many", "dataset.count > capacity)", "dataset.count > capacity + 1)"],
  ["ProvenanceVerifier", "inputs above the order", "if (inputs[i] >= R) return false;", "if (inputs[i] > type(uint256).max - 1) return false;"],
  ["ProvenanceVerifier", "any pairing", "return answered && result == 1;", "return answered && result <= 1;"],
  ["ProvenanceVerifier", "gamma equal to delta", "if (key[6] == key[10] && key[7] == key[11]) revert KeyRefused(10);", ""],
  ["ProvenanceVerifier", "equal IC points", "if (key[i] == key[j] && key[i + 1] == key[j + 1]) revert KeyRefused(i);", ""],
  ["ProvenanceVerifier", "IC points off the curve", "            _lintG1(key, i);\n", ""],
  ["ProvenanceVerifier", "G2 outside the subgroup", "if (!answered) revert KeyRefused(first);", "answered;"],
  ["ProvenanceVerifier", "the last input is ignored", "lt(i, 6)", "lt(i, 5)"],
];

function say(line) {
  console.log(line);
  if (LOG) appendFileSync(LOG, `${line}\n`);
}

/** The text with one occurrence replaced. */
function mutate(text, from, to, nth = 1) {
  const parts = text.split(from);
  if (parts.length <= nth) throw new Error(`not found: ${from}`);
  return parts.slice(0, nth).join(from) + to + parts.slice(nth).join(from);
}

/** Runs tests; null when they pass, else the first reason. */
function reason(args) {
  const env = {
    ...process.env,
    FOUNDRY_DYNAMIC_TEST_LINKING: "true",
    FOUNDRY_FUZZ_RUNS: "16",
    FOUNDRY_INVARIANT_RUNS: RUNS,
    FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT: "0",
  };
  const forge = join(root, "node_modules", ".bin", "forge");
  const run = spawnSync(forge, ["test", "--fuzz-seed", SEED, ...args], { cwd: copy, env, encoding: "utf8" });
  rmSync(join(copy, "cache", "invariant"), { recursive: true, force: true });
  if (run.status === 0) return null;
  const found = run.stdout.match(/^\[FAIL: (.*?)\](?: (\w+)\()?/m);
  if (!found) throw new Error(run.stdout.slice(-2000) + run.stderr.slice(-2000));
  return found[2] && found[2] !== "invariant_moneyAndStates" ? `${found[2]}` : found[1].slice(0, 80);
}

rmSync(copy, { recursive: true, force: true });
mkdirSync(copy, { recursive: true });
for (const name of ["foundry.toml", "src", "interfaces", "test", "script", "tools"]) {
  cpSync(join(root, name), join(copy, name), { recursive: true });
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
// The tests read keys and proofs from beside the contracts.
rmSync(join(copy, "..", "zk"), { recursive: true, force: true });
symlinkSync(join(root, "..", "zk"), join(copy, "..", "zk"));

const UNIT = ["--no-match-contract", "InvariantsTest|GasTest|PinnedProofsTest", "--fail-fast"];
const INVARIANTS = ["--match-contract", "InvariantsTest"];
const word = process.argv[2] ?? "";
const chosen = MUTANTS.slice(FROM).filter(([contract, name]) => `${contract}: ${name}`.includes(word));
const start = Date.now();
if (reason(INVARIANTS) !== null || reason(UNIT) !== null) throw new Error("the tests fail without a mutant");
say(`no mutant: all pass, ${Math.round((Date.now() - start) / 1000)} s`);
let [byUnit, byInvariants] = [0, 0];
const survivors = [];
for (const [contract, name, from, to, nth] of chosen) {
  const path = join(copy, "src", `${contract}.sol`);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, mutate(text, from, to, nth));
  const money = contract === "JobEscrow" || contract === "LicenseRegistry";
  const invariants = money ? reason(INVARIANTS) : null;
  const unit = invariants === null ? reason(UNIT) : null;
  writeFileSync(path, text);
  if (unit !== null) byUnit += 1;
  if (invariants !== null) byInvariants += 1;
  if (unit === null && invariants === null) survivors.push(`${contract}: ${name}`);
  say(`${contract}: ${name} | ${invariants === null ? (unit ?? "SURVIVED") : `invariants: ${invariants}`}`);
}
const seconds = Math.round((Date.now() - start) / 1000);
const killed = chosen.length - survivors.length;
say(`${killed} of ${chosen.length} killed: ${byInvariants} by the invariants, ${byUnit} by unit and fuzz tests only`);
say(`seed ${SEED}, ${RUNS} x 100 calls and 16 fuzz cases a mutant, ${seconds} s`);
for (const survivor of survivors) say(`SURVIVED ${survivor}`);
process.exit(survivors.length === 0 ? 0 : 1);
