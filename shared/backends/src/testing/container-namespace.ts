import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { BARE_ENV, openAws } from './open-aws.ts';

// Run in a network namespace of its own whose loopback has ECS's address: prints whose credentials were used.
await using emulator = await startEmulator({ host: '0.0.0.0', port: 80 });
emulator.putSecret('us-east-1', 'db', 'one');
const env = {
  ...BARE_ENV,
  AWS_REGION: 'us-east-1',
  AWS_ENDPOINT_URL: 'http://127.0.0.1:80',
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/emulator-task',
  AWS_CONTAINER_AUTHORIZATION_TOKEN: emulator.containerToken!,
};
await using aws = await openAws(null, {}, { env });
await aws.read('db');
const [asked] = emulator.calls({ service: 'ecs' });
const [read] = emulator.calls({ operation: 'GetSecretValue' });
console.log(JSON.stringify([asked?.host, asked?.path, read?.roleArn]));
