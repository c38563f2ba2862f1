// What the things and steps on the trail are called.
import type { TrailNode } from "../../bindings";
import { text } from "../../text.svelte";

/** A step, such as `settled`. */
export const verb = (word: string) => text.trail.verbs[word] ?? word;

/** How far a step can be relied on. */
export const standing = (word: string) => text.trail.standings[word] ?? word;

/** A thing by its kind and label. */
export const nodeName = (node: TrailNode) => `${text.trail.kinds[node.kind] ?? node.kind} ${node.label}`;
