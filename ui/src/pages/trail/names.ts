// What the things and steps on the trail are called.
import type { Fact, TrailNode } from "../../bindings";
import { count, money } from "../../format";
import { text } from "../../text.svelte";
import { action, state } from "../../words";

/** A step, such as `settled`. */
export const verb = (word: string) => text.trail.verbs[word] ?? word;

/** How far a step can be relied on. */
export const standing = (word: string) => text.trail.standings[word] ?? word;

/** A thing's label in one or two lines: its id, and its state where it has one. */
export function lines(node: TrailNode): string[] {
  const [, id, word] = /^(.*) \((.*)\)$/.exec(node.label) ?? [];
  return id && word ? [id, state(word)] : [money(node.label)];
}

/** The name of something that is known, such as `amount`. */
export const factName = (name: string) => text.trail.factNames[name] ?? name;

/** Its value, as the language writes it. */
export function factValue({ name, value }: Fact): string {
  if (name === "state") return state(value);
  if (name === "action") return action(value);
  if (name === "records" && /^\d+$/.test(value)) return count(Number(value));
  return money(value);
}

/** A thing by its kind and label. */
export const nodeName = (node: TrailNode) => `${text.trail.kinds[node.kind] ?? node.kind} ${lines(node).join(" ")}`;
