import { httpHit } from './api/http-hit.ts';
import type { Benchmark } from './benchmark.ts';
import { coldMiss } from './engine/cold-miss.ts';
import { herd } from './engine/herd.ts';
import { inProcessHit } from './engine/in-process-hit.ts';
import { rotation } from './engine/rotation.ts';

/** All there are, in the order in which they run. */
export const BENCHMARKS: readonly Benchmark[] = [inProcessHit, coldMiss, herd, rotation, httpHit];
