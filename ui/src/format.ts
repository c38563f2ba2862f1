// Numbers, sizes, money and dates as the person's language writes them.
import { locale, type Locale } from "./text.svelte";

const UNITS: Record<Locale, string[]> = {
  en: ["B", "KiB", "MiB", "GiB", "TiB"],
  fr: ["o", "Kio", "Mio", "Gio", "Tio"],
};

/** A whole number with its groups separated. */
export function count(value: number, language: Locale = locale()): string {
  return new Intl.NumberFormat(language).format(value);
}

/** How close two things are, from -1 to 1, in hundredths. */
export function closeness(value: number | null, language: Locale = locale()): string {
  return value === null ? "" : new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
}

/** Whether `value` takes the singular. */
export function isOne(value: number, language: Locale = locale()): boolean {
  return new Intl.PluralRules(language).select(value) === "one";
}

/** A number of bytes in binary units, such as `3.4 MiB`. */
export function bytes(value: number, language: Locale = locale()): string {
  let unit = 0;
  let scaled = value;
  while (scaled >= 1024 && unit < UNITS[language].length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || scaled >= 100 ? 0 : 1;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(scaled);
  return `${number}\u00a0${UNITS[language][unit]}`;
}

/** A date; what is no time, as it is. */
export function date(value: string | null | undefined, language: Locale = locale()): string {
  return written(value, language, { dateStyle: "medium" });
}

/** A date and the time of day; what is no time, as it is. */
export function moment(value: string | null | undefined, language: Locale = locale()): string {
  return written(value, language, { dateStyle: "medium", timeStyle: "short" });
}

function written(value: string | null | undefined, language: Locale, style: Intl.DateTimeFormatOptions): string {
  if (!value) return "";
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) return value;
  return new Intl.DateTimeFormat(language, style).format(time);
}

/** An amount such as `2.5 USU` with its digits as the language writes them; exact, whatever its size. */
export function money(value: string, language: Locale = locale()): string {
  const [, digits, symbol] = /^(\d+(?:\.\d+)?)(?: (\S+))?$/.exec(value) ?? [];
  if (!digits) return value;
  const places = Math.max(2, digits.split(".")[1]?.length ?? 0);
  const style = { minimumFractionDigits: digits.includes(".") ? 2 : 0, maximumFractionDigits: Math.min(places, 18) };
  // A decimal string keeps digits that a number would lose.
  const number = new Intl.NumberFormat(language, style).format(digits as Intl.StringNumericLiteral);
  return symbol ? `${number}\u00a0${symbol}` : number;
}

const SPANS: [Intl.RelativeTimeFormatUnit, string, number][] = [
  ["day", "day", 86_400],
  ["hour", "hour", 3_600],
  ["minute", "minute", 60],
  ["second", "second", 1],
];

/** A length of time in its largest whole unit, such as `30 days`. */
export function span(seconds: number, language: Locale = locale()): string {
  const [, unit, size] = SPANS.find(([, , each]) => seconds >= each && seconds % each === 0) ?? SPANS[3]!;
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(seconds / size);
}

/** How long until `value`, or since, such as `in 3 days`. */
export function fromNow(value: string, now: number = Date.now(), language: Locale = locale()): string {
  const away = (new Date(value).getTime() - now) / 1000;
  if (Number.isNaN(away)) return value;
  const [unit, , size] = SPANS.find(([, , each]) => Math.abs(away) >= each) ?? SPANS[3]!;
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.trunc(away / size), unit);
}

/** An id or address, shortened in the middle. */
export function short(id: string): string {
  return id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id;
}

/** The words of a list, joined as the language does. */
export function list(words: string[], language: Locale = locale()): string {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(words);
}
