// Every sentence of the vault that has a French translation, as said.ts looks them up.
import { FRENCH } from "./french";
import { BEGINNINGS as STARTS, FAILURES } from "./frenchFailures";
import { RECEIPT } from "./frenchReceipt";

/** Whole sentences with gaps (`{}`), and their French (`$1` is the first gap). */
export const SENTENCES: [string, string][] = [...FRENCH, ...RECEIPT, ...FAILURES];

/** What stands before another of them. */
export const BEGINNINGS = STARTS;
