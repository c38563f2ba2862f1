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
