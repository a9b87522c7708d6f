import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TableRow<Outcome extends string> {
  /** Of the first cell, what stands in code. */
  text: string;
  /** Of the first cell, what stands before that. */
  before: string;
  outcome: Outcome;
}

/**
 * The rows of a table of a page in docs/: what stands in code, and what the page says becomes of it.
 *
 * @param heading of the table's first column
 * @param outcomes how second cells may begin; the first that fits counts
 */
export function tableRows<const Outcome extends string>(
  page: string,
  heading: string,
  outcomes: readonly Outcome[],
): Array<TableRow<Outcome>> {
  const lines = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8').split('\n');
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  assert.ok(first > 0, heading);
  const rows = lines.slice(first + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) => {
      const [, before, text, said] = /^\| ([^`]*)`(.+?)` +\| (.+) +\|$/.exec(line) ?? [];
      const outcome = outcomes.find((known) => said?.startsWith(known));
      assert.ok(text !== undefined && before !== undefined && outcome !== undefined, line);
      return { text, before: before.trim(), outcome };
    });
}
