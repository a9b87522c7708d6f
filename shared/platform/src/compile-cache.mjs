// Of JavaScript, as main.mjs: to take the types off the first TypeScript file that isn't kept, Node.js
// loads the library which does that, and that takes as long as the rest of its own start.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Beside the sources: whoever may write there may write the sources too, so what is read from there is as good as they are. */
const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/vaultplane', import.meta.url));

/**
 * Has Node.js keep what it makes of the sources (types taken off, functions compiled), so that the next start need not: that
 * is most of what a start takes. It belongs to the contents of each file, and to this user and this Node.js; where the folder
 * can't be written, nothing is kept. An environment that says NODE_COMPILE_CACHE or NODE_DISABLE_COMPILE_CACHE decides itself.
 */
export function keepCompiled() {
  if (process.env.NODE_COMPILE_CACHE === undefined) enableCompileCache(FOLDER);
}
