import { awsMisbehaves } from './stage/aws-misbehaves.ts';
import type { Drill } from './stage/drill.ts';

export const awsSilent: Drill = {
  name: 'aws-silent',
  breaks: 'AWS takes every call, and never answers.',
  holds:
    'No lookup of what is held waits for it. What is not held is unavailable when the time for a call is over. Then all is fresh again.',
  seconds: 40,
  run: (stage) => awsMisbehaves(stage, { text: 'AWS takes calls and never answers', behaviour: { kind: 'hang' } }),
};
