import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Why a block is not run as it stands: no machine that tests run on has it. A block with any other reason is an error. */
export const REASONS = [
  'an AWS account',
  'a Google Cloud project',
  'a Kubernetes cluster',
  'a proxy',
  // test/packages installs them.
  'the npm registry',
  'systemd',
  'to be no test itself',
] as const;
export type Reason = (typeof REASONS)[number];

/** A block of shell commands in a page, with what the page's author has noted above it, invisible to its reader. */
export interface ShellBlock {
  /** Relative to the project's folder. */
  page: string;
  line: number;
  text: string;
  /** `<!-- not run here: needs … -->` */
  needs: Reason | null;
  /** `<!-- prints: … -->`: texts that its output must have. */
  prints: string[];
  /** `<!-- stays up: … -->`: it does not end by itself; it is there once it has printed this. */
  staysUp: string | null;
  /** `<!-- in every shell -->`: what it exports is so in every shell from then on. */
  inEveryShell: boolean;
  /** `<!-- Ctrl-C -->`: before it the reader ends what stays up. */
  afterCtrlC: boolean;
  /** It speaks to a Docker engine: test/docker runs it. */
  needsEngine: boolean;
  /** It asks and changes nothing, so that a reader may do it again when the answer has not come through yet. */
  onlyAsks: boolean;
}

const MARKER = /^\s*<!-- (?<marker>.*) -->$/;
const QUESTION =
  /^\s*(?:[A-Z_]+=\S+ )*(?:vaultplane-dp (?:get|check|status)\b|curl (?!.*(?: -X | --request | --data| -d )))/;
const FENCE = /^(?<indent>\s*)```sh$/;

/** Every page that a reader copies commands from. */
export function documentPages(): string[] {
  const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', ...pages.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)].sort();
}

/** The blocks of a page in its order. @throws Error for a note that means nothing, or that no block follows */
export function shellBlocksOf(page: string, text = readFileSync(join(ROOT, page), 'utf8')): ShellBlock[] {
  const blocks: ShellBlock[] = [];
  const lines = text.split('\n');
  let noted = none();
  let markers = 0;
  for (let index = 0; index < lines.length; index++) {
    const { marker } = MARKER.exec(lines[index]!)?.groups ?? {};
    if (marker !== undefined) {
      note(noted, marker, `${page}:${index + 1}`);
      markers++;
      continue;
    }
    const { indent } = FENCE.exec(lines[index]!)?.groups ?? {};
    if (indent === undefined) continue;
    const end = lines.indexOf(`${indent}\`\`\``, index);
    const body = lines
      .slice(index + 1, end)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    const code = `${body.join('\n')}\n`;
    blocks.push({
      page,
      line: index + 1,
      text: code,
      ...noted,
      needsEngine: /^\s*docker /m.test(code),
      onlyAsks: body.every((line) => QUESTION.test(line)),
    });
    noted = none();
    markers = 0;
    index = end;
  }
  if (markers > 0) throw new Error(`${page}: a note that no block follows`);
  return blocks;
}

type Notes = Omit<ShellBlock, 'page' | 'line' | 'text' | 'needsEngine' | 'onlyAsks'>;

function none(): Notes {
  return { needs: null, prints: [], staysUp: null, inEveryShell: false, afterCtrlC: false };
}

function note(notes: Notes, marker: string, where: string): void {
  const [, key, value = ''] = /^(.*?)(?:: (.*))?$/.exec(marker) as unknown as [string, string, string?];
  switch (key) {
    case 'not run here': {
      const reason = REASONS.find((known) => value === `needs ${known}`);
      if (!reason) throw new Error(`${where}: ${value} is no reason; there are ${REASONS.join(', ')}`);
      notes.needs = reason;
      return;
    }
    case 'prints':
      notes.prints.push(value);
      return;
    case 'stays up':
      notes.staysUp = value;
      return;
    case 'in every shell':
      notes.inEveryShell = true;
      return;
    case 'Ctrl-C':
      notes.afterCtrlC = true;
      return;
    default:
      throw new Error(`${where}: a note that means nothing: ${marker}`);
  }
}
