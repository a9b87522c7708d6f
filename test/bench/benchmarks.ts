import { httpHit } from './api/http-hit.ts';
import type { Benchmark } from './benchmark.ts';
import { cacheMemory } from './engine/cache-memory.ts';
import { coldMiss } from './engine/cold-miss.ts';
import { cost } from './engine/cost.ts';
import { herd } from './engine/herd.ts';
import { inProcessHit } from './engine/in-process-hit.ts';
import { rotation } from './engine/rotation.ts';
import { broadcast } from './fleet/broadcast.ts';
import { linkMemory } from './fleet/link-memory.ts';
import { reconnectStorm } from './fleet/reconnect-storm.ts';
import { wholeSnapshot } from './fleet/whole-snapshot.ts';
import { adminWrites } from './programs/admin-writes.ts';
import { start } from './programs/start.ts';

/** All there are, in the order in which they run. */
export const BENCHMARKS: readonly Benchmark[] = [
  inProcessHit,
  coldMiss,
  herd,
  rotation,
  cacheMemory,
  cost,
  httpHit,
  broadcast,
  wholeSnapshot,
  reconnectStorm,
  linkMemory,
  start,
  adminWrites,
];
