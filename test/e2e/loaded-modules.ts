import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

// For `node --import`: notes the address of every module that the program loads, one a line, in LOADED_MODULES_FILE.
const file = process.env.LOADED_MODULES_FILE;

registerHooks({
  load(url, context, nextLoad) {
    if (file !== undefined) appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
