// What the things and steps on the trail are called.
import type { TrailNode } from "../../bindings";
import { text } from "../../text.svelte";
import { state } from "../../words";

/** A step, such as `settled`. */
export const verb = (word: string) => text.trail.verbs[word] ?? word;

/** How far a step can be relied on. */
export const standing = (word: string) => text.trail.standings[word] ?? word;

/** A thing's label in one or two lines: its id, and its state where it has one. */
export function lines(node: TrailNode): string[] {
  const [, id, word] = /^(.*) \((.*)\)$/.exec(node.label) ?? [];
  return id && word ? [id, state(word)] : [node.label];
}

/** A thing by its kind and label. */
export const nodeName = (node: TrailNode) => `${text.trail.kinds[node.kind] ?? node.kind} ${lines(node).join(" ")}`;
