// Makes node_modules/.bin/node the pinned Node.js itself, after each install. pnpm puts a shell script there that starts
// Node.js as its child: a signal sent to a program of ours would end the shell and leave the program running.
import { renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'node_modules', '.bin');
if (process.platform !== 'win32') {
  const link = join(bin, `.node-${process.pid}`);
  symlinkSync(join('..', 'node', 'bin', 'node'), link);
  renameSync(link, join(bin, 'node'));
}
