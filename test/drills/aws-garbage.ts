import { awsMisbehaves } from './stage/aws-misbehaves.ts';
import type { Drill } from './stage/drill.ts';

export const awsGarbage: Drill = {
  name: 'aws-garbage',
  breaks: 'AWS answers every call with something that is not its protocol, as a captive portal or a broken proxy does.',
  holds:
    'Nothing of it is ever given to an application, or remembered as an answer. What is held is served. Then all is fresh again.',
  seconds: 30,
  run: (stage) =>
    awsMisbehaves(stage, {
      text: 'AWS answers with garbage',
      behaviour: { kind: 'garbage', status: 200, body: '<html>Please log in</html>' },
    }),
};
