// Whose turn a job is, by what the vault says comes next: the page does not decide it.
import type { Job } from "./bindings";

const says = (job: Job, command: string) => job.next.includes(`\`job ${command}\``);

/** Whether the job waits for its owner's yes or no. */
export const waits = (job: Job): boolean => says(job, "approve");

/** Whether its owner can run it, or go on with a run that was cut short before its proof. */
export const runs = (job: Job): boolean =>
  says(job, "run") || (job.state === "drawn" && job.proof_ms === null && job.next.startsWith("the buyer accepts it"));

/** Whether its owner can settle it. */
export const settles = (job: Job): boolean => says(job, "settle");

/** What is due for a job, by what the vault says comes next. */
export type Due = "decide" | "run" | "settle" | "buyer" | "other";

/** The kind of what has to be done next, for a list that has no room for the sentence. */
export function due(next: string): Due {
  if (next.includes("`job approve`")) return "decide";
  if (next.includes("`job run`")) return "run";
  if (next.includes("`job settle`")) return "settle";
  return next.startsWith("the buyer accepts it") ? "buyer" : "other";
}
