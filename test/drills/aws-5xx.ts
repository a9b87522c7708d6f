import { awsMisbehaves } from './stage/aws-misbehaves.ts';
import type { Drill } from './stage/drill.ts';

export const aws5xx: Drill = {
  name: 'aws-5xx',
  breaks: 'AWS answers every call with an error of its own, HTTP 500.',
  holds:
    'What is held is served, and resurrected after its ttl; what is not held is unavailable, never not found. Then all is fresh again.',
  seconds: 30,
  run: (stage) =>
    awsMisbehaves(stage, {
      text: 'AWS answers HTTP 500',
      behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' },
    }),
};
