import { nearest } from '@vaultplane/platform/settings/nearest.ts';
import { shownName } from '@vaultplane/platform/text/shown-text.ts';
import type { NewInvitation } from '../store/invitations.ts';

const LABEL_PART = /^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const NODE_NAME = /^[A-Za-z0-9](?:[\w.-]{0,98}[A-Za-z0-9])?$/;
const FIELDS = ['name', 'labels', 'uses', 'ttl'];
const MAX_LABELS = 32;
export const MAX_USES = 1_000_000;
/** Ten years. */
export const MAX_TTL_S = 315_360_000;
export const DEFAULT_TTL_S = 3600;
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * An invitation as the Admin API and the command line are asked for one: `name`, `labels`, `uses` (null: any number;
 * one where left out) and `ttl` in seconds (null: for ever; an hour where left out).
 *
 * @returns what is wrong with it, in words, where something is
 */
export function checkInvitation(wanted: Record<string, unknown>): NewInvitation | string {
  const unknown = Object.keys(wanted).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) {
    return `unknown field ${shownName(unknown)}${nearest(unknown, FIELDS) || '; there are name, labels, uses and ttl'}`;
  }
  const { name = null, labels, uses = 1, ttl = DEFAULT_TTL_S } = wanted;
  if (name !== null && !(typeof name === 'string' && NODE_NAME.test(name))) {
    return 'name must be 1 to 100 letters, digits, - _ and ., such as machine-1';
  }
  if (uses !== null && !isWhole(uses, 1, MAX_USES)) {
    return `uses must be a whole number from 1 to ${MAX_USES}, or null for any number`;
  }
  if (name !== null && uses !== 1) return 'name goes with one use only: every node has a name of its own';
  if (ttl !== null && !isWhole(ttl, 1, MAX_TTL_S)) {
    return `ttl must be a whole number of seconds from 1 to ${MAX_TTL_S}, or null for an invitation that does not expire`;
  }
  const checked = labelsOf(labels ?? {});
  if (typeof checked === 'string') return checked;
  return { name, labels: checked, uses: uses as number | null, ttl: ttl as number | null };
}

/** Seconds of a text such as 90s, 30m, 1h or 7d; null for `never`; undefined where it is none of them. */
export function parseTtl(text: string): number | null | undefined {
  if (text === 'never') return null;
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS[unit!]!;
}

/** Labels of a text such as zone:a,tier:shop; undefined where it has not that form. */
export function parseLabels(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').map((pair) => pair.trim().split(':'));
  return pairs.every((pair) => pair.length === 2) ? Object.fromEntries(pairs) : undefined;
}

function labelsOf(labels: unknown): Record<string, string> | string {
  const wrong = 'labels must be an object of texts, each and its key 1 to 63 letters, digits, - _ and .';
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return wrong;
  const entries = Object.entries(labels as Record<string, unknown>);
  if (entries.length > MAX_LABELS) return `labels may be ${MAX_LABELS} at most`;
  const isLabel = (part: unknown) => typeof part === 'string' && LABEL_PART.test(part);
  return entries.every(([key, value]) => isLabel(key) && isLabel(value)) ? (labels as Record<string, string>) : wrong;
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
