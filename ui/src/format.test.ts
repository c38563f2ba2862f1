import { describe, expect, it } from "vitest";
import { bytes, closeness, count, date, fromNow, isOne, money, span } from "./format";

describe("format", () => {
  it("groups digits as the language does", () => {
    expect(count(48210, "en")).toBe("48,210");
    expect(count(48210, "fr")).toBe("48\u202f210");
  });

  it("writes closeness in hundredths", () => {
    expect([0.6, 1, -0.126, null].map((value) => closeness(value, "en"))).toEqual(["0.60", "1.00", "-0.13", ""]);
    expect(closeness(0.5, "fr")).toBe("0,50");
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

describe("money", () => {
  it("writes amounts as the language does, to the last digit", () => {
    expect(money("2.5 USU", "en")).toBe("2.50\u00a0USU");
    expect(money("2.5 USU", "fr")).toBe("2,50\u00a0USU");
    expect(money("1234567.000000000000000001 USU", "en")).toBe("1,234,567.000000000000000001\u00a0USU");
    expect(money("5 USU", "en")).toBe("5\u00a0USU");
  });

  it("leaves what is no amount alone", () => {
    for (const odd of ["", "free", "-1 USU", "1e9", "<b>1</b>"]) expect(money(odd, "en")).toBe(odd);
  });
});

describe("spans", () => {
  it("are in the largest whole unit", () => {
    expect(span(30 * 86_400, "en")).toBe("30 days");
    expect(span(86_400, "fr")).toBe("1\u00a0jour");
    expect(span(5_400, "en")).toBe("90 minutes");
  });

  it("say how far away a time is", () => {
    const now = Date.parse("2026-11-20T12:00:00Z");
    expect(fromNow("2026-11-23T12:00:00Z", now, "en")).toBe("in 3 days");
    expect(fromNow("2026-11-20T10:00:00Z", now, "fr")).toBe("il y a 2 heures");
    expect(fromNow("never", now, "en")).toBe("never");
  });
});
