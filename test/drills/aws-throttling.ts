import { awsMisbehaves } from './stage/aws-misbehaves.ts';
import type { Drill } from './stage/drill.ts';

export const awsThrottling: Drill = {
  name: 'aws-throttling',
  breaks: 'AWS throttles every call.',
  holds:
    'What is held is served, and resurrected after its ttl. AWS is left alone more and more, also by lookups of what is not held, which are answered unavailable. Then all is fresh again.',
  seconds: 30,
  run: (stage) =>
    awsMisbehaves(stage, { text: 'AWS throttles every call', behaviour: { kind: 'throttle' }, mostCalls: 60 }),
};
