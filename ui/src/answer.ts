// What a command of the vault may throw, with words for it.
import type { Failure } from "./bindings";
import { text, type Messages } from "./text.svelte";

/** What was thrown, as a failure. A call that the window may not make is refused with a bare string. */
export function failureOf(error: unknown): Failure {
  if (typeof error === "object" && error !== null && "code" in error && "message" in error) return error as Failure;
  return { code: "failure", message: error instanceof Error ? error.message : String(error), hint: null };
}

type Title = Extract<keyof Messages["shell"], `failure${string}`>;

const TITLES: Record<string, Title> = {
  locked: "failureLocked",
  busy: "failureBusy",
  refused: "failureRefused",
  usage: "failureUsage",
  not_found: "failureNotFound",
  integrity: "failureIntegrity",
  network: "failureNetwork",
  partial: "failurePartial",
};

/** What happened, in a few words of the person's language. */
export function title(failure: Failure, messages: Messages = text): string {
  return messages.shell[TITLES[failure.code] ?? "failureOther"];
}
