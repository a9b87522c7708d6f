import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventOf } from '@vaultplane/platform/logging/log.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ROOMS = ['shared/platform/src', 'shared/model/src', 'shared/backends/src', 'control-plane/src', 'data-plane/src'];
const NOT_OF_PROGRAMS = /\.test\.ts$|(^|\/)testing\//;
const LOG_CALL = /\b[lL]og(?:\??\.(?<level>debug|info|warn|error)|\[level\])\(/g;
/** What `log[level]` goes by. */
const LEVEL_CHOICE = /\bconst level = [^;]*'(\w+)' : '(\w+)';/g;

/** An event that a program may log, and at which levels. */
export type LogEvents = Map<string, Set<string>>;

/** Every event of the sources. @throws Error for a call whose message can't be made out: an event's name must be constant */
export function logEvents(): LogEvents {
  const events: LogEvents = new Map();
  const sources = sourcesOfPrograms();
  const all = [...sources.values()].join('\n');
  for (const [file, source] of sources) {
    for (const { levels, messages } of logCallsOf(source, file, all)) {
      for (const event of messages.map(eventOf)) {
        const known = events.get(event) ?? new Set();
        for (const level of levels) known.add(level);
        events.set(event, known);
      }
    }
  }
  return events;
}

function sourcesOfPrograms(): Map<string, string> {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !NOT_OF_PROGRAMS.test(name))
      .map((name) => join(room, name)),
  );
  return new Map(files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));
}

/** The calls of a log in a source: their levels, and what they may say. @throws Error for one that says what no one knows */
export function logCallsOf(
  source: string,
  file: string,
  all = source,
): Array<{ levels: string[]; messages: string[] }> {
  return [...source.matchAll(LOG_CALL)].map((match) => {
    const before = source.slice(0, match.index);
    const { level } = match.groups as { level?: string };
    const levels = level === undefined ? [...before.matchAll(LEVEL_CHOICE)].at(-1)!.slice(1) : [level];
    const start = match.index + match[0].length;
    const message = argumentsOf(source, start)[1];
    const line = before.split('\n').length;
    if (message === undefined) throw new Error(`${file}:${line}: a log call without a message`);
    return { levels, messages: textsOf(message, all, `${file}:${line}`) };
  });
}

/** The constant texts that an expression may be: a literal, a constant or what options of its name are given, or one of two. */
function textsOf(expression: string, source: string, where: string): string[] {
  const [, literal] = /^'((?:[^'\\]|\\.)*)'$|^"((?:[^"\\]|\\.)*)"$/.exec(expression)?.filter(Boolean) ?? [];
  if (literal !== undefined) return [literal.replaceAll(/\\(.)/g, '$1')];
  const choice = /^[^?'"]+\?\s*(?<one>'.*?'|".*?"|\w+)\s*:\s*(?<other>'.*'|".*"|\w+)$/s.exec(expression)?.groups;
  if (choice) return [choice.one!, choice.other!].flatMap((part) => textsOf(part, source, where));
  if (/^\w+$/.test(expression)) {
    const given = new RegExp(`\\b(?:const ${expression} =|${expression}:)\\s*((['"]).*?\\2)[;,]?$`, 'gm');
    const texts = [...source.matchAll(given)].flatMap(([, text]) => textsOf(text!, source, where));
    if (texts.length > 0) return texts;
  }
  throw new Error(`${where}: ${expression} is no constant text; an event's name must be one`);
}

/** The arguments of a call, as they are written, from behind its opening bracket on. */
function argumentsOf(source: string, start: number): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < source.length; at++) {
    const letter = source[at]!;
    if (letter === "'" || letter === '"' || letter === '`') at = endOfText(source, at, letter);
    else if (source.startsWith('//', at)) at = source.indexOf('\n', at);
    else if ('([{'.includes(letter)) depth++;
    else if (')]}'.includes(letter) && depth > 0) depth--;
    else if (letter === ')' || (letter === ',' && depth === 0)) {
      const part = source.slice(from, at).trim();
      if (part !== '') parts.push(part);
      if (letter === ')') return parts;
      from = at + 1;
    }
  }
  return parts;
}

function endOfText(source: string, start: number, quote: string): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (quote === '`' && source.startsWith('${', at)) {
      // What stands in it may hold texts of its own.
      for (let depth = 1, inside = at + 2; depth > 0 && inside < source.length; inside++) {
        if (source[inside] === '{') depth++;
        if (source[inside] === '}') depth--;
        if (depth === 0) at = inside;
      }
    } else if (source[at] === quote) return at;
  }
  return source.length;
}
