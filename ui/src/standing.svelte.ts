// What the whole window shows of the vault, whatever the page: the network, and how many jobs wait for a decision.
import { commands, type Network } from "./bindings";
import { waits } from "./next";

interface Standing {
  network: Network | null;
  waiting: number;
}

/** As of the last look. */
export const standing = $state<Standing>({ network: null, waiting: 0 });

/** Asks the vault for both. A network that does not answer stays chosen, with nothing known to wait. */
export async function look() {
  try {
    standing.network = await commands.networkChosen();
    const jobs = standing.network ? (await commands.jobInbox()).jobs : [];
    standing.waiting = jobs.filter(waits).length;
  } catch {
    standing.waiting = 0;
  }
}
