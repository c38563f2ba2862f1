// One question to the vault and its answer, as a page shows it: waiting, answered or failed.
import { failureOf } from "./answer";
import type { Failure } from "./bindings";

/** The answer so far. */
export interface Asked<T> {
  readonly value: T | null;
  readonly failure: Failure | null;
  readonly waiting: boolean;
  /** Asks again. The old answer stays until the new one is there. */
  again: () => Promise<void>;
}

/** Asks `call` now. An answer that was overtaken by a later one is dropped. */
export function ask<T>(call: () => Promise<T>): Asked<T> {
  let value = $state.raw<T | null>(null);
  let failure = $state.raw<Failure | null>(null);
  let waiting = $state(false);
  let turn = 0;

  async function again() {
    turn += 1;
    const mine = turn;
    waiting = true;
    try {
      const answer = await call();
      if (mine === turn) [value, failure] = [answer, null];
    } catch (error) {
      if (mine === turn) failure = failureOf(error);
    }
    if (mine === turn) waiting = false;
  }

  void again();
  return {
    get value() {
      return value;
    },
    get failure() {
      return failure;
    },
    get waiting() {
      return waiting;
    },
    again,
  };
}

/** Something that a button does: whether it is at it, and why it failed. */
export interface Doing {
  readonly busy: boolean;
  readonly failure: Failure | null;
  /** Does it, unless it is being done; whether it was done. */
  run: (act: () => Promise<unknown>) => Promise<boolean>;
  /** Forgets the failure. */
  clear: () => void;
}

/** Nothing is being done yet. */
export function doing(): Doing {
  let busy = $state(false);
  let failure = $state.raw<Failure | null>(null);

  async function run(act: () => Promise<unknown>): Promise<boolean> {
    if (busy) return false;
    busy = true;
    failure = null;
    try {
      await act();
      return true;
    } catch (error) {
      failure = failureOf(error);
      return false;
    } finally {
      busy = false;
    }
  }

  return {
    get busy() {
      return busy;
    },
    get failure() {
      return failure;
    },
    run,
    clear: () => (failure = null),
  };
}
