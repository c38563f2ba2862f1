// What the mocked vault holds: enough of everything for every page.
import type { Grant, Job, License, Network, Offer, Payment, Preset, Preview, Record as Row, Source, StandingApproval, Terms, Trail } from "../../src/bindings";

export const DAY = 86_400_000;
/** The time at which every test and screenshot happens. */
export const NOW = Date.parse("2026-11-20T10:00:00Z");
export const at = (days: number) => new Date(NOW + days * DAY).toISOString();

const ADA = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F";
const LAB = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const CLINIC = "0xdD2FD4581271e230360230F9337D5c0430Bf44C0";
const id = (seed: string) => `0x${seed.repeat(64).slice(0, 64)}`;

export const DATASET_ID = id("a41f");
export const JOB_IDS = { asked: id("1c0d"), going: id("2e9b"), done: id("37fa") };

export const sources: Source[] = [
  { name: "letters", kinds: ["mail"], records: 1248, files: 3, imported_at: at(-12) },
  { name: "chats", kinds: ["message"], records: 46_310, files: 1, imported_at: at(-9) },
  { name: "garden-diary", kinds: ["note", "row"], records: 652, files: 44, imported_at: at(-2) },
];

const TEXTS = [
  "The pears are ripe at last; I will send a basket with Thomas on Thursday.",
  "Rain all morning. Moved the seedlings under glass and read until noon.",
  "Can you explain how a heat pump works when it is colder outside than inside?",
  "We counted eleven herons on the far bank, more than in any year before.",
  "My dear Anna, your letter came with the evening post and I answer at once.",
  "amount: 12.40, shop: bakery, day: Monday",
  "Please find the minutes of the meeting below, with two corrections of mine.",
  "The well is low again. If it does not rain this week we must carry water.",
];

export function records(count: number): Row[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index.toString(16).padStart(64, "0"),
    kind: ["mail", "note", "message", "note", "mail", "row", "mail", "note"][index % 8]!,
    source: ["letters", "garden-diary", "chats", "garden-diary", "letters", "garden-diary", "letters", "garden-diary"][index % 8]!,
    time: index % 8 === 5 ? null : at(-index * 3 - 1),
    preview: TEXTS[index % TEXTS.length]!,
    closeness: null,
  }));
}

export const datasets = [
  { name: "letters", records: 1248, root: id("9c"), tier: "medium", state: "active", fields: ["subject", "text", "time"], released: ["time"], label: null, counted: null, dataset_id: DATASET_ID, manifest_cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" },
  { name: "garden", records: 652, root: id("5b"), tier: "medium", state: "draft", fields: ["text"], released: [], label: null, counted: null, dataset_id: null, manifest_cid: null },
];

export const terms: Terms = {
  actions: ["embed"],
  purposes: ["research", "personalization", "public-interest"],
  commercial: false,
  attribution: false,
  price_per_run: "2.5 USU",
  max_runs: 1,
  duration: 2_592_000,
  respond_within: 259_200,
  accept_within: 86_400,
  min_records: 8,
  retention_days: 365,
  legal_text: id("77"),
  summary: [],
};

const preset = (name: string, title: string, some: Partial<Terms>, unusable: string | null): Preset => ({
  name,
  title,
  legal_text: `${title}\n\nThe owner lets the buyer use the dataset as the terms say, and no further.`,
  terms: { ...terms, ...some, price_per_run: "1 USU" },
  unusable,
});
const NOT_YET = "this version runs `embed` only, so nobody can use a license for statistic yet";

export const presets: Preset[] = [
  preset("private", "Private", { actions: [], purposes: [] }, NOT_YET),
  preset("statistics-only", "Statistics only", { actions: ["statistic"], purposes: ["any"], commercial: true, min_records: 20, retention_days: 0 }, NOT_YET),
  preset("embeddings-non-commercial", "Embeddings, non-commercial", {}, null),
  preset("train-classifier", "Train a classifier, commercial, per run", { actions: ["train-non-generative", "evaluate"], purposes: ["research", "product"], commercial: true, attribution: true, min_records: 50, retention_days: 730 }, null),
  preset("open-research", "Open research", { actions: ["statistic", "embed", "train-non-generative", "infer", "evaluate"], purposes: ["research", "public-interest"], attribution: true, max_runs: 10, duration: 31_536_000, retention_days: 0 }, null),
];

export const offers: Offer[] = [
  { offer_cid: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", dataset_id: DATASET_ID, dataset: "letters", description: "Letters of one family", records: 1248, kinds: ["mail"], fields: ["text"], released: ["time"], counted: null, source_level: "self-asserted", owner: ADA, delivered: 3, refunded: 0, valid_until: at(24), terms },
];

export const licenses: License[] = [
  { license_id: id("c1"), status: "active", side: "given", runs: 10, runs_left: 6, bought_at: at(-8), expires_at: at(357), actions: ["embed"], dataset_id: DATASET_ID, licensee: LAB, tx: null, public: [] },
  { license_id: id("c2"), status: "used up", side: "given", runs: 1, runs_left: 0, bought_at: at(-6), expires_at: at(24), actions: ["embed"], dataset_id: DATASET_ID, licensee: CLINIC, tx: null, public: [] },
];

export const LEAVES = [
  "1248 rows of 384 numbers (f32), one for each record: 1916928 bytes, sealed and padded to whole MiB",
  "a salted commitment to each record (nothing can be read from it)",
  "the name of the model, and whether a CPU or a GPU computed it",
  "with each row the record's own value of time: numbers, true or false, or days. No text, no other field, no logs, no timings",
  "an embedding is data: much of a text can be recovered from it. No privacy budget protects it",
];

export function job(some: Partial<Job>): Job {
  return {
    job_id: JOB_IDS.asked,
    state: "requested",
    template: "embed",
    license_id: id("c1"),
    dataset_id: DATASET_ID,
    records: 1248,
    output_bytes: null,
    positions: [],
    proof_ms: null,
    licensee: LAB,
    price: "2.5 USU",
    device: null,
    model: null,
    run_by: at(2.6),
    accept_by: null,
    settle_by: at(6),
    next: "`job approve` or `job decline`, until 2026-11-23",
    tx: null,
    gas: null,
    leaves: LEAVES,
    preview: null,
    ...some,
  } as Job;
}

const MODEL = { device: "flex (CPU)", model: "all-MiniLM-L6-v2", output_bytes: 3_145_728 };

const PREVIEW: Preview = {
  template: "embed",
  records: 1248,
  fields: ["text", "time"],
  kind: "one vector of 32-bit floating-point numbers for each record",
  rows: 1248,
  bytes: 1_916_928,
  released: ["time"],
  budget_spent: null,
  budget_left: null,
  price: "2.5 USU",
  worst: "Whoever gets the output can recover much of the text of every record from its vector, and keep it forever.",
};

export const approvals: StandingApproval[] = [{ id: "6d1a05c2b7e4", consumer: LAB, template: "embed", min_price: "2.5 USU", runs_a_week: 7, warning: null }];

export const grants: Grant[] = [
  { grant_id: id("9a"), delegate: CLINIC, dataset_id: DATASET_ID, actions: ["embed"], jobs: 10, used: 2, valid_until: at(28), state: "live", tx: null, note: "" },
];

export const jobs: Job[] = [
  job({ preview: PREVIEW }),
  job({ job_id: JOB_IDS.going, state: "approved", next: "`job run`, until 2026-11-23", licensee: CLINIC, price: "4 USU", ...MODEL, output_bytes: null }),
  job({ job_id: JOB_IDS.done, state: "settled", next: "`reward claim` withdraws what was earned", proof_ms: 2_140, positions: [3, 44, 101, 380, 512, 777, 900, 1201], ...MODEL }),
];

export const payments: Payment[] = [
  [-40, "2.5", LAB],
  [-31, "2.5", CLINIC],
  [-24, "4", LAB],
  [-13, "2.5", LAB],
  [-11, "4", CLINIC],
  [-3, "2.5", LAB],
].map(([days, amount, consumer], index) => ({
  time: at(days as number),
  job_id: index === 5 ? JOB_IDS.done : id(`d${index}`),
  dataset: "letters",
  consumer: consumer as string,
  amount: `${amount} USU`,
  value: Number(amount),
  tx: id(`e${index}`),
}));

const fact = (name: string, value: string) => ({ name, value });

export const trail: Trail = {
  nodes: [
    { id: "dataset:1", kind: "dataset", label: "a41fa41fa41f", dataset_id: DATASET_ID, time: at(-45), facts: [fact("owner", ADA)] },
    { id: "version:1", kind: "version", label: "1", dataset_id: DATASET_ID, time: at(-45), facts: [fact("records", "1248"), fact("root", id("9c"))] },
    { id: "offer:1", kind: "offer", label: "7d21c0ffee90", dataset_id: DATASET_ID, time: at(-44), facts: [] },
    { id: "license:1", kind: "license", label: "c1c1c1c1c1c1", dataset_id: DATASET_ID, time: at(-42), facts: [fact("licensee", LAB)] },
    { id: "license:2", kind: "license", label: "c2c2c2c2c2c2", dataset_id: DATASET_ID, time: at(-32), facts: [fact("licensee", CLINIC)] },
    { id: "job:1", kind: "job", label: "37fa37fa (settled)", dataset_id: DATASET_ID, time: at(-4), facts: [fact("state", "settled")] },
    { id: "job:2", kind: "job", label: "1c0d1c0d (requested)", dataset_id: DATASET_ID, time: at(-1), facts: [fact("state", "requested")] },
    { id: "job:3", kind: "job", label: "2e9b2e9b (approved)", dataset_id: DATASET_ID, time: at(-1), facts: [] },
    { id: "output:1", kind: "output", label: "37fa37fa37fa", dataset_id: DATASET_ID, time: at(-3), facts: [] },
    { id: "receipt:1", kind: "receipt", label: "37fa37fa37fa", dataset_id: DATASET_ID, time: at(-3), facts: [] },
    { id: "reward:1", kind: "reward", label: "2.5 USU", dataset_id: DATASET_ID, time: at(-3), facts: [fact("amount", "2.5 USU")] },
  ],
  edges: [
    ["dataset:1", "version:1", "published", "transaction 5e11"],
    ["version:1", "offer:1", "offered", "a signature of the owner"],
    ["offer:1", "license:1", "bought", "transaction 90b2"],
    ["offer:1", "license:2", "bought", "transaction 77c0"],
    ["license:1", "job:1", "requested", "transaction 1f3d"],
    ["version:1", "job:1", "used", "transaction 1f3d"],
    ["license:1", "job:2", "requested", "transaction 2b7a"],
    ["license:2", "job:3", "requested", "transaction 31d4"],
    ["job:1", "output:1", "committed", "transaction 4c55"],
    ["output:1", "receipt:1", "settled", "receipt 8d0e"],
    ["receipt:1", "reward:1", "paid", "receipt 8d0e"],
  ].map(([from, to, kind, backed_by]) => ({
    from: from!,
    to: to!,
    kind: kind!,
    backed_by: backed_by!,
    standing: kind === "settled" || kind === "paid" ? "signed" : "recorded",
    verified: true,
    job_id: kind === "settled" || kind === "paid" ? JOB_IDS.done : null,
  })),
};

const contracts = { datasets: ADA, licenses: LAB, escrow: CLINIC };
export const networks: Network[] = [
  { name: "embedded", chain_id: 31337, rpc: null, height: null, in_use: false, contracts, note: "development network: its money is worth nothing and its proofs can be forged with development keys" },
  { name: "anvil", chain_id: 31338, rpc: "http://127.0.0.1:8545", height: null, in_use: false, contracts: null, note: "starts by itself when it is needed" },
];

export const WALLET = ADA;
