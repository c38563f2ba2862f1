// Numbers, sizes and dates as the person's language writes them.
import { locale, type Locale } from "./text";

const UNITS: Record<Locale, string[]> = {
  en: ["B", "KiB", "MiB", "GiB", "TiB"],
  fr: ["o", "Kio", "Mio", "Gio", "Tio"],
};

/** A whole number with its groups separated. */
export function count(value: number, language: Locale = locale): string {
  return new Intl.NumberFormat(language).format(value);
}

/** Whether `value` takes the singular. */
export function isOne(value: number, language: Locale = locale): boolean {
  return new Intl.PluralRules(language).select(value) === "one";
}

/** A number of bytes in binary units, such as `3.4 MiB`. */
export function bytes(value: number, language: Locale = locale): string {
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

/** An RFC 3339 time as a date; what is no time, as it is. */
export function date(value: string, language: Locale = locale): string {
  const time = new Date(value);
  if (Number.isNaN(time.getTime())) return value;
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(time);
}
