const UNITS: ReadonlyArray<readonly [name: string, seconds: number]> = [
  ['y', 31_536_000],
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** `3 min`, `2 d 4 h`: the two greatest units, as far as the second is worth it. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([, length]) => whole >= length);
  if (first < 0) return '0 s';
  const [name, length] = UNITS[first]!;
  const count = Math.floor(whole / length);
  const next = UNITS[first + 1];
  const rest = next && count < 10 ? Math.floor((whole - count * length) / next[1]) : 0;
  return rest > 0 ? `${count} ${name} ${rest} ${next![0]}` : `${count} ${name}`;
}

export function agoText(unixSeconds: number): string {
  const seconds = Date.now() / 1000 - unixSeconds;
  return seconds < 2 ? 'now' : `${durationText(seconds)} ago`;
}

const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function timeText(time: string | number): string {
  return FORMAT.format(typeof time === 'number' ? time * 1000 : new Date(time));
}

const COUNT = new Intl.NumberFormat();

export function countText(count: number): string {
  return COUNT.format(count);
}

/** `1 data plane`, `1,003 data planes`. */
export function countedText(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
