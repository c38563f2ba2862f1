// What the vault says by itself: that something should be asked for again. One ear for the whole window.
import { listen } from "@tauri-apps/api/event";
import { CHANGED, type Change } from "./bindings";

type Ear = (change: Change) => void;
const ears = new Set<Ear>();
let listening: Promise<unknown> | undefined;

/** Calls `hear` for every change of one of `kinds`, for as long as the component is there. */
export function onChanges(kinds: Change[], hear: Ear) {
  $effect(() => {
    listening ??= listen<Change>(CHANGED, (event) => ears.forEach((ear) => ear(event.payload))).catch(() => undefined);
    const ear: Ear = (change) => kinds.includes(change) && hear(change);
    ears.add(ear);
    return () => ears.delete(ear);
  });
}
