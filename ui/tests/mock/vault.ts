// A vault that answers as the real one does, for pages that run in a browser without it. The real one is driven by
// tests/tests/window.rs. Every command of the main window has an answer here, with the types of the bindings.
import { emit } from "@tauri-apps/api/event";
import { mockIPC } from "@tauri-apps/api/mocks";
import type { Change, Dataset, Earning, Failure, Job, SelectionWanted, Settings, Task, commands } from "../../src/bindings";
import * as sample from "./sample";

/** How a test begins. */
export interface Start {
  /** Whether there is a vault, and whether it is open. */
  vault: "none" | "locked" | "open";
  /** What it holds. */
  content: "full" | "empty";
  network: boolean;
  theme?: Settings["theme"];
  language?: Settings["language"];
  /** What goes on while the vault is locked. */
  earning?: Earning;
  /** Put in the place of every name and text. */
  text?: string[];
}

type Commands = typeof commands;
type Answers = { [C in keyof Commands]?: (...args: Parameters<Commands[C]>) => Awaited<ReturnType<Commands[C]>> };

const refuse = (code: string, message: string, hint: string | null = null): never => {
  throw { code, message, hint } satisfies Failure;
};

/** The keys of texts that come from files, from people or from other machines. */
const TOLD = new Set(
  "facts worst name title label preview source file reason dataset description subject note device model legal_text public leaves fields released kinds license proofs version home says detail backed_by licensee consumer out problems examples folder value template wallet".split(" "),
);

export function vault(start: Start) {
  const full = start.content === "full";
  const hostile = start.text ?? [];
  let turn = Number(new URLSearchParams(location.search).get("turn") ?? 0);
  /** The next of the given texts, or the usual one. Each is told apart by a number, as names in a vault are. */
  const said = (usual: string) => (hostile.length > 0 ? `${hostile[turn % hostile.length]!} ${turn++}` : usual);
  const told = <T>(value: T): T => (hostile.length === 0 ? value : swapped(value, ""));
  /** `value` with other texts wherever a file, a person or another machine chose them. */
  function swapped<T>(value: T, key: string): T {
    if (typeof value === "string") return (TOLD.has(key) && value !== "" ? said(value) : value) as T;
    if (Array.isArray(value)) return value.map((one) => swapped(one, key)) as T;
    if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, swapped(inner, name)])) as T;
    return value;
  }

  const state = {
    exists: start.vault !== "none",
    open: start.vault === "open",
    network: start.network ? "embedded" : null as string | null,
    sources: full ? [...sample.sources] : [],
    rows: full ? sample.records(400) : [],
    deleted: [] as ReturnType<typeof sample.records>,
    datasets: (full ? [...sample.datasets] : []) as Dataset[],
    jobs: full ? [...sample.jobs] : ([] as Job[]),
    offers: full ? [...sample.offers] : [],
    licenses: full ? [...sample.licenses] : [],
    approvals: full ? [...sample.approvals] : [],
    grants: full ? [...sample.grants] : [],
    earning: (start.earning ?? null) as Earning | null,
    claimable: full ? "6.5 USU" : "0 USU",
    claimed: full ? "11.5 USU" : "0 USU",
    offered: false,
    /** The model's name, where it is there, and records that it has not read. */
    model: "all-MiniLM-L6-v2" as string | null,
    unread: full ? 652 : 0,
    tasks: [] as Task[],
    settings: { auto_lock_minutes: 10, language: start.language ?? "english", theme: start.theme ?? "light", device: "auto", notifications: true } as Settings,
    calls: [] as [string, Record<string, unknown>][],
  };

  const opened = () => state.open || refuse("locked", "the vault is locked", "Unlock it first.");
  const networked = () => {
    opened();
    if (!state.network) refuse("refused", "no network is chosen", "Choose one in the settings.");
  };
  const task = (kind: Task["kind"], subject: string, some: Partial<Task> = {}): Task => {
    const one: Task = { id: state.tasks.length + 1, kind, subject, state: "running", stages: [], stage: null, done: 0, total: 0, started_at: sample.at(0), ms: 0, failure: null, imported: null, exported: null, job: null, ...some };
    state.tasks.unshift(one);
    void emit("changed", "tasks" satisfies Change);
    return one;
  };
  const go = (job: string, now: Partial<Job>) => {
    state.jobs = state.jobs.map((one) => (one.job_id === job ? { ...one, ...now } : one));
    void emit("changed", "vault" satisfies Change);
    return state.jobs.find((one) => one.job_id === job) ?? refuse("not_found", "no such job");
  };
  const chosen = () => sample.networks.map((network) => ({ ...network, in_use: network.name === state.network }));
  const status = () => ({
    vault_id: "9f3c2a7d41e05b86c1d9f3c2a7d41e05",
    home: "/home/ada/.local/share/usufruct",
    objects: 412,
    bytes: 39_321_600,
    stored_bytes: 12_582_912,
    packs: 3,
    sources: state.sources.length,
    records: state.sources.reduce((sum, source) => sum + source.records, 0),
    datasets: state.datasets.length,
    wallet: sample.WALLET,
  });
  const FACTS = [
    "That it has 652 records, of kind note, row.",
    "The fields' names: text. Not their content.",
    `Your wallet address ${sample.WALLET}, which pays for and signs this.`,
    "A commitment to the records (root) and to your identity. Neither can be turned back.",
    "A public key to which buyers seal their requests.",
  ];
  const find = (wanted: SelectionWanted) => {
    const rows = state.rows.filter((row) => (wanted.sources.length === 0 || wanted.sources.includes(row.source)) && (wanted.kinds.length === 0 || wanted.kinds.includes(row.kind)));
    return { rows, records: state.sources.filter((source) => wanted.sources.length === 0 || wanted.sources.includes(source.name)).reduce((sum, source) => sum + source.records, 0) };
  };

  const answers: Answers = {
    vaultHome: () => status().home,
    vaultExists: () => state.exists,
    vaultStatus: () => (state.open ? told(status()) : null),
    vaultCreate: (passphrase) => {
      if (passphrase.length < 8) refuse("usage", "a passphrase needs at least 8 characters");
      state.exists = state.open = true;
      return null;
    },
    vaultUnlock: (passphrase) => {
      if (passphrase !== "seven quiet herons wading") refuse("locked", "the passphrase does not open this vault", "Try again, or use the recovery phrase.");
      state.open = true;
      return null;
    },
    vaultLock: () => {
      state.open = false;
      return null;
    },
    vaultTouch: () => undefined,
    recoverOpen: () => null,
    passphraseStrength: (passphrase) => {
      const score = Math.min(4, Math.floor(passphrase.length / 5));
      return { score, guesses_log10: score * 3, long_enough: passphrase.length >= 8, weakness: score < 2 ? "common" : null };
    },
    vaultCheck: () => ({ sound: true, objects: 412, problems: [] }),
    vaultCheckData: () => ({ sound: false, objects: 412, problems: ["pack 3: bytes 4096 to 8192 were altered"] }),
    vaultBackup: () => task("backup", "/mnt/backup", { state: "done", exported: { files: 3, bytes: 12_582_912, out: "/mnt/backup", encrypted: true, problems: [] } }),
    vaultPassphrase: (present) => (present === "seven quiet herons wading" ? null : refuse("locked", "the present passphrase is another one")),
    sourceList: () => (opened(), { sources: told(state.sources) }),
    recordList: (source, query, limit) => {
      opened();
      const found = state.rows.filter((row) => (!source || row.source === source) && query.toLowerCase().split(/\s+/).every((word) => row.preview.toLowerCase().includes(word)));
      return { total: query || source ? found.length : status().records, records: told(found.slice(0, limit)) };
    },
    meaningShow: () => (opened(), { model: state.model, unread: state.unread }),
    meaningRead: () => (state.model ? task("meaning", "", { done: 128, total: state.unread }) : refuse("not_found", "the model all-MiniLM-L6-v2 is not on this machine")),
    meaningSearch: (source, query, limit) => {
      opened();
      if (query.trim() === "") refuse("usage", "what is looked for has 1 to 4096 bytes");
      const rows = state.rows.filter((row) => !source || row.source === source);
      const near = rows.slice(0, Math.min(limit, 12)).map((row, index) => ({ ...row, closeness: 0.62 - index * 0.031 }));
      return { total: status().records - state.unread, records: told(near) };
    },
    recordDelete: (record) => {
      const row = state.rows.find((one) => one.id === record) ?? refuse("not_found", "no such record");
      state.rows = state.rows.filter((one) => one.id !== record);
      state.deleted.push(row);
      return { records: [row], files: row.kind === "mail" ? ["letters.mbox"] : [], deleted: true };
    },
    recordRestore: (record) => {
      const row = state.deleted.find((one) => one.id === record) ?? refuse("not_found", "no deleted record has this id");
      state.rows = [row, ...state.rows];
      return null;
    },
    importFiles: () => ((state.offered = true), void emit("changed", "offered"), true),
    importFolder: () => ((state.offered = true), void emit("changed", "offered"), true),
    importSample: () => ((state.offered = true), void emit("changed", "offered"), null),
    importForget: () => ((state.offered = false), null),
    importPreview: () =>
      !state.offered
        ? null
        : told({
            source: "sample",
            paths: ["/home/ada/sample"],
            files: [
              { file: "letters.mbox", format: "mbox", records: 42, bytes: 118_400, known: false },
              { file: "notes/garden.md", format: "markdown", records: 17, bytes: 22_100, known: true },
              { file: "photo.jpg", format: "other", records: 0, bytes: 2_411_000, known: false },
            ],
            more_files: 2,
            kinds: [
              { name: "mail", count: 42 },
              { name: "note", count: 17 },
            ],
            bytes: 2_551_500,
            problems: [{ file: "broken.csv", reason: "line 3 has 5 cells, the header has 4" }],
          }),
    importStart: (source) => {
      state.offered = false;
      return task("import", source ?? "sample", { done: 3, total: 12 });
    },
    datasetList: () => (opened(), { datasets: told(state.datasets) }),
    datasetPreview: (selection) => {
      const found = find(selection);
      return { records: found.records, tier: "medium", kinds: [{ name: "mail", count: 42 }], fields: told([{ name: "text", count: found.records }, { name: "subject", count: 1248 }, { name: "amount", count: 210 }, { name: "time", count: found.records }]), days: [sample.at(-900), sample.at(-1)], sample: told(found.rows.slice(0, 6)) };
    },
    datasetCreate: (name, _about, selection) => {
      const made = { ...sample.datasets[1]!, name, records: find(selection).records };
      state.datasets = [...state.datasets, made];
      return made;
    },
    datasetIdentifiers: (selection) => ({
      records: find(selection).records,
      kinds: [
        { kind: "email", found: 212, records: 98, examples: told(["anna@example.org", "t.weber@example.com"]) },
        { kind: "phone", found: 14, records: 11, examples: told(["+49 30 901820"]) },
        { kind: "iban", found: 0, records: 0, examples: [] },
        { kind: "card", found: 0, records: 0, examples: [] },
        { kind: "ip", found: 0, records: 0, examples: [] },
      ],
    }),
    logShow: () => ({ lines: [said("2026-11-20T09:58:02Z WARN the graphics card was not taken: it is a software rasterizer")] }),
    datasetPublic: (name) => (networked(), { dataset_id: sample.DATASET_ID, manifest_cid: "bafk", tx: null, public: told([`The name "${name}" and the description.`, ...FACTS]) }),
    datasetPublish: (name) => {
      networked();
      state.datasets = state.datasets.map((one) => (one.name === name ? { ...one, state: "active", dataset_id: sample.DATASET_ID } : one));
      return { dataset_id: sample.DATASET_ID, manifest_cid: "bafk", tx: "0x1", public: [] };
    },
    presetList: () => ({ presets: told(sample.presets) }),
    offerPreview: (_dataset, wanted) => {
      networked();
      if (!/^\d+(\.\d+)?$/.test(wanted.price)) refuse("usage", `${JSON.stringify(wanted.price)} is no price`, "Write it as 2.5.");
      const terms = sample.presets.find((one) => one.name === wanted.preset)?.terms ?? sample.terms;
      return {
        terms: { ...terms, price_per_run: `${wanted.price} USU`, max_runs: wanted.max_runs ?? terms.max_runs },
        odrl: JSON.stringify({ "@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Offer", permission: [{ target: sample.DATASET_ID, action: "embed" }] }, null, 2),
        public: told([`the terms and the price (${wanted.price} USU a run), signed by ${sample.WALLET}`, `that dataset ${sample.DATASET_ID} can be licensed for ${wanted.valid_days} days`]),
      };
    },
    offerCreate: () => {
      state.offers = [...state.offers, { ...sample.offers[0]!, offer_cid: `bafk${state.offers.length}` }];
      return { offer_cid: "bafk", tx: "0x1", terms: sample.terms, public: [] };
    },
    offerList: () => (networked(), { offers: told(state.offers), left_out: [] }),
    licenseList: () => (networked(), { licenses: told(state.licenses) }),
    licenseRevoke: (license) => {
      state.licenses = state.licenses.map((one) => (one.license_id === license ? { ...one, status: "revoked" } : one));
      return state.licenses[0]!;
    },
    jobInbox: () => (networked(), { jobs: told(state.jobs) }),
    jobShow: (job) => state.jobs.find((one) => one.job_id === job) ?? refuse("not_found", "no such job"),
    jobApprove: (job) => go(job, { state: "approved", next: "`job run`, until 2026-11-23" }),
    jobDecline: () => refuse("refused", "you did not confirm it"),
    jobRun: (job) => task("job", job, { stages: ["read", "compute", "commit", "prove"], stage: "compute", done: 512, total: 1248 }),
    jobSettle: (job) => (go(job, { state: "settled", next: "nothing" }), task("settle", job, { state: "done" })),
    approvalList: () => (opened(), { approvals: told(state.approvals) }),
    approvalAdd: (wanted) => {
      if (!/^\d+(\.\d+)?$/.test(wanted.min_price)) refuse("usage", `${JSON.stringify(wanted.min_price)} is no price`, "Write it as 2.5.");
      state.approvals = [{ ...wanted, id: "0a", min_price: `${wanted.min_price} USU`, warning: null }];
      void emit("changed", "vault" satisfies Change);
      return { approvals: state.approvals };
    },
    approvalRemove: (id) => ((state.approvals = state.approvals.filter((one) => one.id !== id)), { approvals: state.approvals }),
    delegateList: () => (networked(), { grants: told(state.grants) }),
    delegateAdd: (wanted) => {
      const grant = { ...sample.grants[0]!, grant_id: `0x${"9b".repeat(32)}`, delegate: wanted.account, used: 0, note: "give /home/ada/grant.json to the delegate: `job decline JOB --grant FILE` uses it" };
      state.grants = [...state.grants, grant];
      return grant;
    },
    delegateRemove: (id) => {
      state.grants = state.grants.map((one) => (one.grant_id === id ? { ...one, state: "canceled" } : one));
      return state.grants.find((one) => one.grant_id === id) ?? refuse("not_found", "this vault gave no such grant");
    },
    earningShow: () => state.earning,
    earningStart: (wanted) => {
      networked();
      if (state.approvals.length === 0) refuse("refused", "no standing approval lets jobs embed run", "Approve a consumer's jobs always, then turn this on.");
      state.earning = { until: sample.at(0.3), datasets: wanted.datasets, jobs: wanted.jobs };
      return state.earning;
    },
    earningStop: () => (opened(), (state.earning = null)),
    deadlineList: () => ({ deadlines: state.jobs.filter((one) => one.state === "requested").map((one) => ({ job_id: one.job_id, next: one.next, until: one.run_by })) }),
    taskList: () => ({ tasks: told(state.tasks) }),
    taskStop: (id) => {
      state.tasks = state.tasks.map((one) => (one.id === id ? { ...one, state: "stopped" } : one));
      void emit("changed", "tasks");
      return null;
    },
    taskForget: (id) => {
      state.tasks = state.tasks.filter((one) => one.id !== id);
      void emit("changed", "tasks");
      return null;
    },
    trailShow: (filter) => {
      networked();
      if (!full) return { nodes: [], edges: [] };
      if (filter.consumer || filter.from) return { nodes: sample.trail.nodes.slice(0, 3), edges: sample.trail.edges.slice(0, 2) };
      return told(sample.trail);
    },
    receiptShow: (job) => ({
      job_id: job,
      facts: told([
        { name: "license", value: `0x${"c1".repeat(32)}` },
        { name: "action", value: "embed" },
        { name: "records", value: "1248" },
        { name: "amount", value: "2.5 USU" },
      ]),
      valid: true,
      says: said("eight drawn rows are bound to registered records; forgeable, by development keys"),
      checks: [
        { name: "signature", ok: true, standing: "verified", detail: said("the owner signed the receipt") },
        { name: "proof", ok: true, standing: "verified", detail: said("the proof holds for the statement") },
        { name: "chain", ok: true, standing: "asserted", detail: said("the block says so; ask a node to be sure") },
      ],
    }),
    bundleExport: () => ({ file: "/home/ada/job.bundle", bytes: 40_960, valid: true, checks: [] }),
    rewardList: () => (networked(), { claimable: state.claimable, claimed: state.claimed, by_dataset: full ? told([{ name: "letters", dataset_id: sample.DATASET_ID, amount: "18 USU", jobs: 6, from: [] }]) : [], by_consumer: full ? [{ consumer: sample.payments[0]!.consumer, amount: "11.5 USU", jobs: 4 }, { consumer: sample.payments[1]!.consumer, amount: "6.5 USU", jobs: 2 }] : [], tx: null }),
    rewardHistory: () => (networked(), { payments: full ? told(sample.payments) : [], symbol: "USU" }),
    rewardClaim: () => {
      state.claimed = "18 USU";
      state.claimable = "0 USU";
      return { claimable: "0 USU", claimed: "6.5 USU", by_dataset: [], by_consumer: [], tx: "0x1" };
    },
    rewardExport: () => ({ file: "/home/ada/rewards.csv", bytes: 640 }),
    networkList: () => (opened(), { networks: told(chosen()) }),
    networkChosen: () => chosen().find((network) => network.in_use) ?? null,
    networkUse: (name) => {
      state.network = name;
      return chosen().find((network) => network.in_use) ?? refuse("not_found", "no such network");
    },
    networkStatus: () => ({ ...chosen()[0]!, height: 4211 }),
    walletShow: () => (networked(), { wallet: sample.WALLET, balance: "31.5 USU", gas_balance: "0.98 ETH", network: "embedded", tx: null }),
    walletFaucet: () => ({ wallet: sample.WALLET, balance: "41.5 USU", gas_balance: "1.98 ETH", network: "embedded", tx: "0x1" }),
    deviceList: () => ({ devices: told([{ name: "flex (CPU)", kind: "cpu", chosen: true }, { name: "llvmpipe (Vulkan)", kind: "software", chosen: false }]), fallback: null }),
    modelList: () => ({ models: told([{ name: "all-MiniLM-L6-v2", digest: "53aa51", dimension: 384, folder: "/home/ada/.local/share/usufruct/models" }]) }),
    modelAdd: () => null,
    settingsShow: () => state.settings,
    settingsChange: (settings) => {
      state.settings = settings;
      void emit("changed", "settings");
      return settings;
    },
    aboutShow: () => told({ version: "0.1.0", license: "MIT OR Apache-2.0", proofs: "bound; forgeable: the keys come from a development ceremony", home: status().home }),
    appQuit: () => null,
    recoveryPhrase: () => Array.from({ length: 24 }, (_, index) => ["amber", "birch", "cedar", "delta", "ember", "fjord"][index % 6]).join(" "),
    recoveryPlaces: () => [3, 17],
    recoveryCheck: (words) => words.join(" ") === "cedar ember",
    recoveryPrint: () => null,
    recoveryDone: () => null,
    recoverStrength: (passphrase) => ({ score: Math.min(4, Math.floor(passphrase.length / 5)), guesses_log10: 9, long_enough: passphrase.length >= 8, weakness: null }),
    recoverFolder: () => "/mnt/backup",
    recoverVault: (phrase) => (phrase.startsWith("amber") ? [] : refuse("usage", "this is no recovery phrase: word 1 is unknown")),
    recoverClose: () => null,
    confirmShow: () => {
      // All of the given texts at once, unless the address says with which to begin.
      const facts = hostile.length > 0 && turn === 0 ? hostile : [...sample.LEAVES, `${sample.WALLET} pays 2.5 USU for it`];
      return { nonce: "7f", act: "approve", subject: said(sample.JOB_IDS.asked), network: said("embedded"), facts: told({ facts }).facts };
    },
    confirmYes: () => null,
    confirmNo: () => null,
  };
  return { state, answers, turns: () => turn };
}

/** Snake case, as commands are called. */
const named = (command: string) => command.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Puts a mocked vault in the place of the program. */
export function install(start: Start) {
  const mocked = vault(start);
  const byName = new Map(Object.entries(mocked.answers).map(([command, answer]) => [named(command), answer as (...args: unknown[]) => unknown]));
  const failures = new Map<string, Failure>();
  const refused: string[] = [];
  mockIPC(
    (command, payload) => {
      const args = (payload ?? {}) as Record<string, unknown>;
      mocked.state.calls.push([command, args]);
      const failure = failures.get(command);
      if (failure) throw failure;
      const answer = byName.get(command);
      if (!answer) {
        refused.push(command);
        throw `${command} not allowed`;
      }
      // A copy, as over a real wire.
      return structuredClone(answer(...Object.values(args)));
    },
    { shouldMockEvents: true },
  );
  return {
    ...mocked,
    /** Commands that no answer was there for. */
    refused,
    tell: (change: Change) => emit("changed", change),
    /** Lets a command fail from now on, or no longer. */
    fail: (command: string, failure: Failure | null) => void (failure ? failures.set(command, failure) : failures.delete(command)),
  };
}
