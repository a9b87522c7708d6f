import { bodies } from './bodies.ts';
import { engine } from './engine.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { policy } from './policy.ts';
import { references } from './references.ts';
import { settings } from './settings.ts';
import { upstreamPolicy } from './upstream-policy.ts';
import { values } from './values.ts';

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  references,
  values,
  settings,
  engine,
  policy,
  upstreamPolicy,
  bodies,
];
