// Every sentence of the vault that has a French translation, as said.ts looks them up.
import { FRENCH } from "./french";
import { CHAIN } from "./frenchChain";
import { DAMAGE } from "./frenchDamage";
import { BEGINNINGS as STARTS, FAILURES } from "./frenchFailures";
import { FILES } from "./frenchFiles";
import { FOREIGN } from "./frenchForeign";
import { RECEIPT } from "./frenchReceipt";
import { WORK } from "./frenchWork";

/**
 * Whole sentences with gaps (`{}`), and their French: `$1` is the first gap as it stands, `§1` the first gap in French where it
 * is known. What a person chose never stands behind a `§`: it is shown letter for letter.
 */
export const SENTENCES: [string, string][] = [...FRENCH, ...RECEIPT, ...FAILURES, ...WORK, ...CHAIN, ...DAMAGE, ...FILES, ...FOREIGN];

/** What stands before another of them. */
export const BEGINNINGS = STARTS;
