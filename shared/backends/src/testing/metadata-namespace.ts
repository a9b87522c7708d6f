import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { openGcp } from './open-gcp.ts';

// Run in a network namespace of its own whose loopback has the metadata server's address: prints who asked whom.
await using emulator = await startGcpEmulator({ host: '0.0.0.0', port: 80 });
emulator.putSecret('db', 'one');
await using gcp = await openGcp(emulator, { endpoint_url: 'http://127.0.0.1:80' }, { env: {} });
await gcp.read('db');
const [asked] = emulator.calls({ operation: 'GetToken' });
const [read] = emulator.calls({ service: 'secretmanager' });
console.log(JSON.stringify([asked?.host, asked?.path, read?.email]));
