// Makes a release in this clone: `npm run release -- VERSION [--dry-run]`. See docs/contributing/releasing.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { BuiltArtefact } from './artefacts.ts';
import { releaseNotes, withLinksTo } from './changelog.ts';
import { describeRelease, makeRelease, type ReleaseOptions, verifyRelease } from './release.ts';
import { ReleaseError } from './release-error.ts';
import { Repository } from './repository.ts';
import { checkVersion } from './version.ts';

class WrongUsage extends ReleaseError {}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const USAGE = `Usage: npm run release -- VERSION [--dry-run | --verify | --notes [--links-to URL]]

Makes a release in this clone: the version in every file that states it, the section
of CHANGELOG.md, the build in dist/, a commit, and the tag vVERSION. It pushes and
publishes nothing.

  --dry-run  only say what would change
  --verify   check that this commit is the tag's, and that dist/ is its build
  --notes    print what CHANGELOG.md says of the version; with --links-to its links to
             files of the project lead below that address
`;

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => {
    process.stderr.write('release: stopped; nothing was changed\n');
    process.exit(128 + number);
  });
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error;
  process.stderr.write(`release: ${error.message}\n`);
  process.exitCode = error instanceof WrongUsage ? 2 : 1;
}

async function run(argv: string[]): Promise<void> {
  const { version, mode, linksTo } = readArguments(argv);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  if (version === undefined) return say(USAGE.trimEnd());
  const options: ReleaseOptions = {
    repository: new Repository(ROOT),
    version,
    date: new Date().toISOString().slice(0, 10),
    build,
    dist: join(ROOT, 'dist'),
    say,
  };
  switch (mode) {
    case 'notes': {
      const notes = releaseNotes(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version);
      return say(linksTo === undefined ? notes : withLinksTo(notes, linksTo));
    }
    case 'dry-run':
      describeRelease(options);
      return;
    case 'verify':
      return list(verifyRelease(options).artefacts, say);
    case undefined: {
      list(await makeRelease(options), say);
      say(`Look at the commit and at dist/, then: git push origin main v${version}`);
    }
  }
}

function list(artefacts: readonly BuiltArtefact[], say: (line: string) => void): void {
  for (const { path, bytes, sha256 } of artefacts)
    say(`${sha256}  ${(bytes / 1e6).toFixed(1).padStart(6)} MB  ${path}`);
}

async function build(): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'deploy/build/run.ts')], { cwd: ROOT, stdio: 'inherit' });
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new ReleaseError('the build failed');
}

function readArguments(argv: string[]) {
  const modes = ['dry-run', 'verify', 'notes'] as const;
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        'dry-run': { type: 'boolean' },
        verify: { type: 'boolean' },
        notes: { type: 'boolean' },
        'links-to': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) return {};
    const [mode, ...more] = modes.filter((name) => values[name]);
    if (more.length > 0) throw new WrongUsage(`--${mode} and --${more[0]} do not go together`);
    const linksTo = values['links-to'];
    if (linksTo !== undefined && mode !== 'notes') throw new WrongUsage('--links-to needs --notes');
    if (positionals.length !== 1) throw new WrongUsage('give one version, such as 0.2.0; --help says more');
    return { version: checkVersion(positionals[0]!), mode, linksTo };
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}
