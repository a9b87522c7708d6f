import { readFileSync } from 'node:fs';
import type { SourceMap } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A position of a stack, in a script of a bundle. */
const POSITION = /(?:file:\/\/)?(\/[^\s():]+\.js):(\d+):(\d+)/g;
/** By script; undefined for one without a source map. */
const maps = new Map<string, SourceMap | undefined>();

/**
 * A stack with the positions in the sources in place of those in a bundle. Source maps are read here and nowhere else, so
 * that a program which prints no stack has no cost of them. Where there is no bundle, the stack stays as it is.
 */
export function sourcePositions(stack: string): string {
  const self = fileURLToPath(import.meta.url);
  if (!self.endsWith('.js')) return stack;
  return stack.replaceAll(POSITION, (position, script: string, line: string, column: string) => {
    // A message in the stack may name any other file.
    if (dirname(script) !== dirname(self)) return position;
    const origin = mapOf(script)?.findOrigin(Number(line), Number(column));
    return origin && 'fileName' in origin ? `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}` : position;
  });
}

function mapOf(script: string): SourceMap | undefined {
  if (!maps.has(script)) maps.set(script, readMap(script));
  return maps.get(script);
}

function readMap(script: string): SourceMap | undefined {
  try {
    const { SourceMap } = process.getBuiltinModule('node:module');
    return new SourceMap(JSON.parse(readFileSync(`${script}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}
