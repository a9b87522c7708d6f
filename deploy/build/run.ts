// Makes what is released: `npm run build [-- NAME…] [--out FOLDER]`.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Artefact, type Build, BuildError } from './artefact.ts';
import { ARTEFACTS } from './artefacts.ts';
import { Output } from './output.ts';
import { manifest, ROOT } from './places.ts';

class WrongUsage extends BuildError {}

const USAGE = `Usage: npm run build [-- NAME...] [--out FOLDER]

Builds everything, or only what is named, into dist/ (or FOLDER):

${ARTEFACTS.map(({ name, description }) => `  ${name.padEnd(14)}${description}\n`).join('')}`;

const stop = new AbortController();
let output: Output | undefined;
for (const [name, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(name, () => {
    stop.abort();
    output?.discard();
    process.stderr.write('build: stopped; nothing was changed\n');
    process.exit(128 + number);
  });
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = error instanceof WrongUsage ? 2 : 1;
} finally {
  output?.discard();
}

async function run(argv: string[]): Promise<void> {
  const { names, folder, help } = readArguments(argv);
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const wanted = chosen(names);
  const { version } = manifest();
  const made = new Map<string, Promise<unknown>>();
  const build: Build = {
    version,
    say: (line) => process.stdout.write(`  ${line}\n`),
    signal: stop.signal,
    once<T>(key: string, work: () => Promise<T>): Promise<T> {
      if (!made.has(key)) made.set(key, work());
      return made.get(key) as Promise<T>;
    },
  };
  output = new Output(folder);
  for (const [index, artefact] of wanted.entries()) {
    process.stdout.write(`[${index + 1}/${wanted.length}] ${artefact.name}: ${artefact.description}\n`);
    const began = performance.now();
    for (const [path, file] of await artefact.make(build)) {
      output.write(path, file);
      build.say(`${path}  ${(file.content.length / 1e6).toFixed(1)} MB`);
    }
    build.say(`done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
  // A build of everything leaves nothing of an earlier one.
  output.publish({ replace: names.length === 0 });
  process.stdout.write(`Built into ${folder}; checksums are in SHA256SUMS.\n`);
}

function readArguments(argv: string[]): { names: string[]; folder: string; help: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { out: { type: 'string', default: 'dist' }, help: { type: 'boolean', short: 'h', default: false } },
    });
    return { names: positionals, folder: resolve(ROOT, values.out), help: values.help };
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

function chosen(names: readonly string[]): readonly Artefact[] {
  const unknown = names.find((name) => !ARTEFACTS.some((artefact) => artefact.name === name));
  if (unknown !== undefined) {
    const known = ARTEFACTS.map(({ name }) => name).join(', ');
    throw new WrongUsage(`there is no ${JSON.stringify(unknown)} to build; choose from ${known}`);
  }
  return names.length === 0 ? ARTEFACTS : ARTEFACTS.filter(({ name }) => names.includes(name));
}
