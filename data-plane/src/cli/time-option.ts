const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Of a time such as 30s, 10m or 1h; undefined for another text. */
export function secondsOf(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,5})([smh])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * UNITS[unit!]!;
}
