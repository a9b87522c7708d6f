// Makes node_modules/.bin/node the pinned Node.js itself, after each install: the one of the optional packages that is
// for this platform. pnpm puts a shell script there that starts Node.js as its child: a signal sent to a program of ours
// would end the shell and leave the program running.
import { existsSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const suffix = `-${process.platform}-${process.arch}`;
const name = Object.keys(optionalDependencies).find((candidate) => candidate.endsWith(suffix));
if (name === undefined || !existsSync(join(root, 'node_modules', name, 'bin', 'node'))) {
  process.stderr.write(`setup: the pinned Node.js is not available for ${process.platform} on ${process.arch}\n`);
  process.exit(1);
}
const bin = join(root, 'node_modules', '.bin');
const link = join(bin, `.node-${process.pid}`);
symlinkSync(join('..', name, 'bin', 'node'), link);
renameSync(link, join(bin, 'node'));
