// Where the trail's nodes are drawn: one lane for each kind, from datasets on top to payments at the bottom, and in a lane
// each node below what it came from where there is room.
import type { Trail, TrailEdge, TrailNode } from "../../bindings";

/** The kinds in the order in which they come to be. */
export const LANES = ["dataset", "version", "offer", "license", "job", "output", "receipt", "reward", "withdrawal", "omission"];

/** Sizes of the drawing, in its own units. */
export const SIZE = { label: 128, width: 140, height: 46, across: 164, down: 84, pad: 16 };

/** A node and where it is. */
export interface Placed {
  node: TrailNode;
  lane: number;
  x: number;
  y: number;
}

/** The whole drawing. */
export interface Drawing {
  lanes: { kind: string; y: number }[];
  nodes: Placed[];
  edges: { edge: TrailEdge; index: number; from: Placed; to: Placed }[];
  width: number;
  height: number;
}

/** Places every node; edges to nodes that are not there are left out. */
export function draw(trail: Trail): Drawing {
  const kinds = LANES.filter((kind) => trail.nodes.some((node) => node.kind === kind));
  const placed = new Map<string, Placed>();
  let columns = 1;
  kinds.forEach((kind, lane) => {
    const wishes = trail.nodes
      .filter((node) => node.kind === kind)
      .map((node) => ({ node, wish: wish(node, trail.edges, placed) }))
      .sort((one, other) => one.wish - other.wish);
    let free = 0;
    for (const { node, wish } of wishes) {
      const column = Math.max(free, Math.round(wish));
      free = column + 1;
      columns = Math.max(columns, free);
      placed.set(node.id, { node, lane, x: SIZE.label + column * SIZE.across, y: SIZE.pad + lane * SIZE.down });
    }
  });
  const edges = trail.edges.flatMap((edge, index) => {
    const [from, to] = [placed.get(edge.from), placed.get(edge.to)];
    return from && to ? [{ edge, index, from, to }] : [];
  });
  return {
    lanes: kinds.map((kind, lane) => ({ kind, y: SIZE.pad + lane * SIZE.down })),
    nodes: [...placed.values()],
    edges,
    width: SIZE.label + columns * SIZE.across,
    height: SIZE.pad * 2 + kinds.length * SIZE.down - (SIZE.down - SIZE.height),
  };
}

/** The column below the leftmost node that this one came from. */
function wish(node: TrailNode, edges: TrailEdge[], placed: Map<string, Placed>): number {
  const above = edges.filter((edge) => edge.to === node.id).flatMap((edge) => placed.get(edge.from)?.x ?? []);
  return above.length === 0 ? 0 : (Math.min(...above) - SIZE.label) / SIZE.across;
}

/** The curve of an edge, from the foot of one node to the head of the other. */
export function curve(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + SIZE.width / 2, from.y + SIZE.height];
  const [x2, y2] = [to.x + SIZE.width / 2, to.y];
  const bend = Math.max(16, (y2 - y1) / 2);
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}
