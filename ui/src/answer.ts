// Answers of the vault: a value, or a failure with words for it.
import type { Failure } from "./bindings";
import { text, type Messages } from "./text";

type Typed<T> = { status: "ok"; data: T } | { status: "error"; error: Failure };

/** The value of a command's answer. Throws a `Failure`, whatever went wrong. */
export async function valueOf<T>(call: Promise<Typed<T>>): Promise<T> {
  let answer: Typed<T>;
  try {
    answer = await call;
  } catch (error) {
    throw failureOf(error);
  }
  if (answer.status === "error") throw failureOf(answer.error);
  return answer.data;
}

/** What was thrown, as a failure. A call that the window may not make is refused with a bare string. */
export function failureOf(error: unknown): Failure {
  if (typeof error === "object" && error !== null && "code" in error && "message" in error) return error as Failure;
  return { code: "failure", message: error instanceof Error ? error.message : String(error), hint: null };
}

const TITLES: Record<string, keyof Messages> = {
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
  return messages[TITLES[failure.code] ?? "failureOther"] as string;
}
