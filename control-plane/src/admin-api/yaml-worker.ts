import { isMainThread, parentPort } from 'node:worker_threads';
import { overJsonBounds } from '@vaultplane/platform/text/json-bounds.ts';
import { type Node, parseDocument, visit } from 'yaml';
import { UnreadableYaml, withMerges } from '../declarative/yaml-merges.ts';
import { DOCUMENT_BOUNDS, MAX_DEPTH, MAX_DOCUMENT_BYTES } from './body-limits.ts';

/** Uses of one anchor, times those within it: every vault may have its defaults by a merge. */
const MAX_ALIASES = 10_000;

/** What a YAML text is, as JSON; or why it is not read, as an answer says it. */
export type ReadYaml = { json: string } | { refused: string };

/**
 * Reads YAML; for a thread of its own, or for a short text.
 *
 * @param change may change each node before anything is made of it
 */
export function yamlToJson(text: string, change?: (node: Node) => void): ReadYaml {
  let value: unknown;
  try {
    const document = parseDocument(text, { logLevel: 'error' });
    if (document.errors.length > 0) throw document.errors[0];
    if (change) visit(document, { Node: (_key, node) => change(node) });
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
    if (text.includes('<<')) value = withMerges(value, DOCUMENT_BOUNDS);
  } catch (error) {
    if (error instanceof UnreadableYaml) return { refused: error.message };
    // YAML's parser calls itself for each level.
    if (error instanceof RangeError) return { refused: `the YAML has more than ${MAX_DEPTH} levels of nesting` };
    return { refused: `Cannot parse YAML: ${(error as Error).message.split('\n')[0]}` };
  }
  const over = overBounds(value);
  if (over !== undefined) return { refused: `the YAML has ${over}` };
  const json = JSON.stringify(value ?? null, asJson);
  // Counted by the text, so that both kinds of document have the same bounds.
  const overAsJson = overJsonBounds(json, DOCUMENT_BOUNDS);
  return overAsJson === undefined ? { json } : { refused: `the YAML has ${overAsJson}` };
}

/** JSON has no such numbers: as texts they are refused by whatever wants a number. */
function asJson(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** Measures a value with every alias counted as what it stands for, before anything is made of it. */
function overBounds(root: unknown): string | undefined {
  const { values, depth } = DOCUMENT_BOUNDS;
  let seen = 0;
  let characters = 0;
  const measure = (value: unknown, level: number): string | undefined => {
    if (++seen > values) return `more than ${values} values`;
    if (typeof value === 'string') characters += value.length;
    if (characters > MAX_DOCUMENT_BYTES) return `more than ${MAX_DOCUMENT_BYTES} characters, aliases included`;
    if (typeof value !== 'object' || value === null) return undefined;
    if (level >= depth) return `more than ${depth} levels of nesting`;
    const members = Array.isArray(value) ? value : Object.values(value);
    if (!Array.isArray(value)) for (const name of Object.keys(value)) characters += name.length;
    for (const member of members) {
      const over = measure(member, level + 1);
      if (over !== undefined) return over;
    }
    return undefined;
  };
  return measure(root, 0);
}

if (!isMainThread) parentPort?.once('message', (text: string) => parentPort?.postMessage(yamlToJson(text)));
