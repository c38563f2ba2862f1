import { describe, expect, it } from "vitest";
import { bytes, count, date, isOne } from "./format";

describe("format", () => {
  it("groups digits as the language does", () => {
    expect(count(48210, "en")).toBe("48,210");
    expect(count(48210, "fr")).toBe("48\u202f210");
  });

  it("writes sizes in binary units at their edges", () => {
    expect(bytes(0, "en")).toBe("0\u00a0B");
    expect(bytes(1023, "en")).toBe("1,023\u00a0B");
    expect(bytes(1024, "en")).toBe("1\u00a0KiB");
    expect(bytes(1536, "en")).toBe("1.5\u00a0KiB");
    expect(bytes(5 * 1024 ** 4, "fr")).toBe("5\u00a0Tio");
    expect(bytes(4096 * 1024 ** 4, "en")).toBe("4,096\u00a0TiB");
  });

  it("knows the singular of each language", () => {
    expect([0, 1, 2].map((n) => isOne(n, "en"))).toEqual([false, true, false]);
    expect([0, 1, 2].map((n) => isOne(n, "fr"))).toEqual([true, true, false]);
  });

  it("writes dates and leaves what is none alone", () => {
    expect(date("2026-11-20T12:00:00Z", "en")).toBe("Nov 20, 2026");
    expect(date("2026-11-20T12:00:00Z", "fr")).toBe("20 nov. 2026");
    expect(date("<b>never</b>", "en")).toBe("<b>never</b>");
  });
});
