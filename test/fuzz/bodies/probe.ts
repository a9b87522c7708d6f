// Loaded into a program before it starts (NODE_OPTIONS=--import): tells by a Unix socket how long its event loop has stood
// still at the longest, and how fast the machine is now. Counted is the thread's own CPU time between two beats, so that
// what other processes take of a busy machine is not taken for the program's.
import { createServer } from 'node:net';
import { isMainThread } from 'node:worker_threads';

const BEAT_MS = 5;
const path = process.env.EVENT_LOOP_PROBE;

if (isMainThread && path !== undefined) {
  let worst = 0;
  let before = process.threadCpuUsage();
  let at = performance.now();
  const beat = () => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    const now = performance.now();
    worst = Math.max(worst, Math.min((user + system) / 1000, now - at));
    at = now;
  };
  setInterval(beat, BEAT_MS).unref();
  createServer((socket) => {
    beat();
    const blockedMs = worst;
    const unitMs = unitOfWork();
    before = process.threadCpuUsage();
    at = performance.now();
    worst = 0;
    socket.on('error', () => {});
    socket.end(JSON.stringify({ blockedMs, unitMs }));
  })
    .listen(path)
    .unref();
}

/** CPU time, in ms, of a piece of work like that which bodies make: the best of three. */
function unitOfWork(): number {
  const text = `[${'{"name":"aws","tags":["a","b"]},'.repeat(2000)}0]`;
  let best = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 3; time++) {
    const start = process.threadCpuUsage();
    JSON.stringify(JSON.parse(text));
    const { user, system } = process.threadCpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}
