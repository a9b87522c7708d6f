import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

/** Where raw timers may have another delay than a constant, and why. */
const REASONS: Readonly<Record<string, string>> = {
  'shared/platform/src/time/clock.ts': 'the clock itself',
  'data-plane/client/src/client.ts': 'a backoff of its own, of seconds',
  'data-plane/client/src/subscription.ts': 'a backoff of its own, of seconds, whose timer is ref’d and unref’d',
  'data-plane/src/delivery/followed-references.ts': 'a retry of its own, of seconds',
};
/** Programs, and not the manager's page: a browser has no clock of ours, and no duration from outside. */
const SOURCES = [
  'shared/*/src/**/*.ts',
  'data-plane/{src,client}/**/*.ts',
  'control-plane/src/**/*.ts',
  'deploy/**/*.ts',
];
const NOT_OF_PROGRAMS = /\.test\.ts$|(^|\/)(testing|node_modules)\//;

/** Which argument of a call is its delay. */
const DELAY_AT = { setTimeout: 1, setInterval: 1, 'AbortSignal.timeout': 0, sleep: 0 } as const;
const CALL = /(?<![.\w#])(setTimeout|setInterval|AbortSignal\.timeout|sleep)\(/g;
/** A number, or what is written as a constant: neither is from outside. */
const CONSTANT = /^(?:[\d_.*+ ]+|[A-Z][A-Z0-9_.]*(?:\.[a-z]\w*)?)$/;

/** The delays of raw timers that are no constants, as they stand there. */
function delaysOf(source: string): string[] {
  // A method or a function of that name is declared, not called.
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
  const usesPromises = /from 'node:timers\/promises'/.test(code) && /setTimeout as sleep|\bsetTimeout\b/.test(code);
  return [...code.matchAll(CALL)]
    .filter(([, name]) => name !== 'sleep' || usesPromises)
    .map(({ 1: name, index, 0: { length } }) => {
      const delayAt = usesPromises && name === 'setTimeout' ? 0 : DELAY_AT[name as keyof typeof DELAY_AT];
      return argumentsAt(code, index + length)[delayAt] ?? '';
    })
    .filter((delay) => !CONSTANT.test(delay));
}

/** The arguments of the call whose first parenthesis is before `start`. */
function argumentsAt(code: string, start: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < code.length; at++) {
    const character = code[at]!;
    if ('([{'.includes(character)) depth++;
    else if (depth === 0 && (character === ',' || character === ')')) {
      found.push(code.slice(from, at).trim());
      from = at + 1;
      if (character === ')') break;
    } else if (')]}'.includes(character)) depth--;
  }
  return found.filter((text) => text !== '');
}

describe('raw timers', () => {
  it('are told from those of the clock, and their delays from constants', () => {
    assert.deepEqual(delaysOf('setTimeout(() => f(a, [b]), leaseSeconds * 1000);'), ['leaseSeconds * 1000']);
    assert.deepEqual(delaysOf('AbortSignal.timeout(timeoutMs)'), ['timeoutMs']);
    assert.deepEqual(delaysOf("import { setTimeout as sleep } from 'node:timers/promises'; sleep(ms);"), ['ms']);
    assert.deepEqual(delaysOf('setInterval(() => {}, 60_000); setTimeout(f, RETRY_MS.least); x.setTimeout(y);'), []);
  });

  // Node.js takes at most 2^31-1 ms and fires at once beyond it: a lease of a year was renewed 340 times a second.
  it('have constant delays: every duration from outside goes through shared/platform/src/time/clock.ts', () => {
    const files = SOURCES.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).filter(
      (file) => !NOT_OF_PROGRAMS.test(file),
    );
    assert.ok(files.length > 300);
    const found = Object.fromEntries(
      files
        .map((file) => [file, delaysOf(readFileSync(join(ROOT, file), 'utf8'))])
        .filter(([, delays]) => delays!.length > 0),
    );
    for (const file of Object.keys(REASONS)) {
      assert.ok(found[file], `${file} needs no reason any more`);
      delete found[file];
    }
    assert.deepEqual(found, {}, 'use systemClock.after, afterAlive or abortAfter of shared/platform/src/time/clock.ts');
  });
});
