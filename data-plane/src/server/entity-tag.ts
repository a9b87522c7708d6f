import { createHmac, randomBytes } from 'node:crypto';
import type { Resolved } from '../cache/resolver.ts';

// Keyed anew in every process, so that a tag tells nothing about a value to whoever would try values against it.
const KEY = randomBytes(32);
const tags = new WeakMap<Resolved, string>();

/**
 * The ETag of what a reference stands for: another one for another value, version or state, and the same one when a
 * refresh found nothing new. A weak one, since the times in the answer may differ. Worked out once for what a cache holds.
 */
export function entityTag(resolved: Resolved): string {
  let tag = tags.get(resolved);
  if (tag === undefined) {
    const { reference, value, encoding = '', state, version, vault } = resolved;
    const facts = JSON.stringify([reference, value, encoding, state, version.id, version.stages, vault]);
    tag = `W/"${createHmac('sha256', KEY).update(facts).digest('base64url').slice(0, 22)}"`;
    tags.set(resolved, tag);
  }
  return tag;
}

/** Whether an If-None-Match header has the tag. Source: RFC 9110 §13.1.2, weak comparison. */
export function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((candidate) => candidate.trim().replace(/^(?!W\/)/, 'W/') === tag);
}
