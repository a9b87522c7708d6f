import { Worker } from 'node:worker_threads';
import { MAX_YAML_BYTES } from './body-limits.ts';
import { badRequest, KongError } from './kong-error.ts';
import { type ReadYaml, yamlToJson } from './yaml-worker.ts';

/** Bytes that are read at once, without a thread for them: 50 ms at the worst. */
const SHORT_BYTES = 4096;
/** A text that takes longer is not read. 1 MB of 5,000 vaults takes 3 s. */
const READ_WITHIN_MS = 15_000;
/** Texts that wait for the one thread. */
const MAX_WAITING = 8;
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/**
 * What a body of text says, JSON or YAML (JSON is YAML). Long texts are read in a thread of their own, one after the
 * other: YAML's parser takes up to 10 s for 1 MB, and for some texts quadratic time.
 *
 * @throws KongError 400 for what is no YAML, or too much of it; 503 where too many wait
 */
export async function readYaml(text: string): Promise<unknown> {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_YAML_BYTES) {
    throw badRequest(`a YAML document has at most ${MAX_YAML_BYTES} bytes; send a larger one as JSON`);
  }
  const read = bytes <= SHORT_BYTES ? yamlToJson(text) : await inTurn(() => readInThread(text));
  if ('refused' in read) throw badRequest(read.refused);
  return JSON.parse(read.json);
}

async function inTurn(work: () => Promise<ReadYaml>): Promise<ReadYaml> {
  if (waiting >= MAX_WAITING) {
    throw new KongError(503, { message: 'Too many YAML documents at once' }, { 'retry-after': '5' });
  }
  waiting++;
  const mine = last.then(work);
  last = mine.catch(() => {});
  try {
    return await mine;
  } finally {
    waiting--;
  }
}

function readInThread(text: string): Promise<ReadYaml> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./yaml-worker.ts', import.meta.url), { resourceLimits: MEMORY });
    // The program does not wait for it to stop.
    worker.unref();
    const late = setTimeout(
      () => end({ refused: `the YAML takes more than ${READ_WITHIN_MS / 1000} s to read; send it as JSON` }),
      READ_WITHIN_MS,
    ).unref();
    const end = (read: ReadYaml) => {
      clearTimeout(late);
      void worker.terminate();
      resolve(read);
    };
    worker.once('message', end);
    worker.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') end({ refused: 'the YAML takes too much memory to read' });
      else reject(error);
    });
    worker.postMessage(text);
  });
}
