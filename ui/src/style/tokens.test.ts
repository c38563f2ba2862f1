// The contrast of every pair of colors that text is set in (WCAG 2.2: 4.5 for text, 3 for the edges of controls).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync("src/style/tokens.css", "utf8");
const pairs = [...css.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)];
const themes = {
  light: new Map(pairs.map(([, name = "", light = ""]) => [name, light])),
  dark: new Map(pairs.map(([, name = "", , dark = ""]) => [name, dark])),
};

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, bright = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
}

const TEXT: [string, string][] = [
  ...["paper", "surface", "sunken"].flatMap((ground): [string, string][] => [
    ["ink", ground],
    ["ink-soft", ground],
  ]),
  ["danger", "paper"],
  ["danger", "surface"],
  ["danger", "danger-soft"],
  ["ink", "danger-soft"],
  ["accent", "accent-soft"],
  ["accent", "paper"],
  ["accent", "surface"],
  ["warn", "warn-soft"],
  ["warn", "surface"],
  ["ink", "warn-soft"],
  ["info", "info-soft"],
  ["ink", "info-soft"],
  ["ink", "accent-soft"],
  ["accent-ink", "accent"],
  ["accent-ink", "accent-strong"],
  ["cover-ink", "cover"],
  ["cover-soft", "cover"],
];
const EDGES: [string, string][] = [
  ["edge", "paper"],
  ["edge", "surface"],
  ["accent", "paper"],
  ["accent", "surface"],
  ["danger", "surface"],
];

describe.each(Object.entries(themes))("%s theme", (_, colors) => {
  const measure = ([front, ground]: [string, string]) => contrast(colors.get(front) ?? "", colors.get(ground) ?? "");

  it.each(TEXT)("%s on %s can be read", (...pair) => expect(measure(pair)).toBeGreaterThanOrEqual(4.5));
  it.each(EDGES)("%s beside %s can be seen", (...pair) => expect(measure(pair)).toBeGreaterThanOrEqual(3));
});

it("reads every color of the file", () => expect(pairs.length).toBeGreaterThan(20));

it("measures contrast as WCAG defines it", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});
