import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import { Deployment } from '../../e2e/deployment.ts';
import type { Baseline, Benchmark, Case } from '../benchmark.ts';
import { type Destination, HAS_WRK, load, type Request } from './load.ts';
import { HAS_NGINX, startNginx } from './nginx-server.ts';

const CONNECTIONS = [32, 1, 256];
const SECONDS = 2;
const REFERENCE = '{vault://aws/secret-name/foo}';
const TOKEN_HEADER = 'x-aws-parameters-secrets-token';

/** Headers that node:http sends by itself. */
const OF_NODE_HTTP: ReadonlySet<string> = new Set(['date', 'connection', 'keep-alive']);

/** What a server that does nothing else sends as well, byte for byte. */
interface Answer {
  body: string;
  headers: Record<string, string>;
}

/** A door of the application API, and how it is asked for a value that is in memory. */
interface Door {
  name: string;
  request(token: string): Request;
}

const DOORS: readonly Door[] = [
  {
    name: '/v1/resolve',
    request: (token) => ({
      method: 'GET',
      path: `/v1/resolve?ref=${encodeURIComponent(REFERENCE)}`,
      headers: { [TOKEN_HEADER]: token },
    }),
  },
  {
    name: '/secretsmanager/get',
    request: (token) => ({
      method: 'GET',
      path: '/secretsmanager/get?secretId=secret-name',
      headers: { [TOKEN_HEADER]: token },
    }),
  },
  {
    name: 'GetSecretValue',
    request: (token) => ({
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.GetSecretValue',
        'x-amz-security-token': token,
      },
      body: '{"SecretId":"secret-name"}',
    }),
  },
];

/** A value in memory, by HTTP: through every door, by TCP and by Unix socket. */
export const httpHit: Benchmark = {
  name: 'http-hit',
  title: 'a cached value of 64 bytes by HTTP, against servers that send the same bytes and do nothing else',
  async prepare({ signal, leaveOut, tiny, stoppers }) {
    if (!HAS_WRK)
      leaveOut('wrk is not installed; autocannon makes the load, and takes more of the machine than what it measures');
    if (!HAS_NGINX) leaveOut('nginx is not installed');
    const emulator = await startEmulator();
    stoppers.add('emulator', () => emulator.stop());
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'b'.repeat(64) });
    const deployment = new Deployment();
    stoppers.add('deployment', () => deployment.stop());
    const controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...emulator.environment,
      VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
      VAULTPLANE_API_UNIX_SOCKET: join(deployment.folder, 'api.sock'),
    });
    await dataPlane.start();
    const { token } = dataPlane;
    const doors = DOORS.map(({ name, request }) => ({ name, request: request(token) }));
    const own = { tcp: { origin: dataPlane.apiUrl }, unix: { socketPath: join(deployment.folder, 'api.sock') } };

    const answers = new Map<Request, Answer>();
    for (const { request } of doors) answers.set(request, await ask(own.unix, request));
    const byPath = Object.fromEntries([...answers].map(([{ path }, answer]) => [path, answer]));
    const bare = await startBareServer({ token, answers: byPath, socketPath: join(deployment.folder, 'bare.sock') });
    stoppers.add('bare server', () => bare.stop());
    const nginxPort = await freePort();
    const nginx = HAS_NGINX
      ? await startNginx({
          folder: join(deployment.folder, 'nginx'),
          port: nginxPort!,
          // It knows locations by path alone; one of the answers' sizes stands for the other.
          answers: Object.fromEntries([...answers].map(([{ path }, { body }]) => [path.replace(/\?.*/, ''), body])),
        })
      : null;
    stoppers.add('nginx', () => nginx?.stop());

    const cases = (tiny ? (['tcp'] as const) : (['tcp', 'unix'] as const)).flatMap((transport) =>
      (tiny ? [1] : CONNECTIONS).flatMap((connections) =>
        doors.map(({ name, request }): Case => {
          const options = { connections, seconds: tiny ? 1 : SECONDS, signal };
          const baselines: Baseline[] = [
            {
              name: 'bare node:http',
              measure: () => load(transport === 'tcp' ? bare.tcp : bare.unix, request, options),
              targets: { rate: { ratioAtLeast: 0.9 }, p99: { ratioAtMost: 1.2 } },
            },
          ];
          // nginx's `return` reads no body, and refuses a POST to a fixed answer no more than a GET.
          if (nginx) {
            const to =
              transport === 'tcp' ? { origin: `http://127.0.0.1:${nginxPort}` } : { socketPath: nginx.socketPath };
            const plain = request.method === 'GET' && transport === 'tcp' && connections === 32;
            baselines.push({
              name: 'nginx',
              measure: () => load(to, request, options),
              targets: { rate: plain ? { ratioAtLeast: 0.85 } : 'shown' },
            });
          }
          return {
            name: `${name}, ${transport}, ${connections}`,
            metrics: [
              { key: 'rate', unit: 'answers/s' },
              { key: 'p99', unit: 'ms', digits: 2 },
            ],
            async measure() {
              const figures = await load(own[transport], request, options);
              const { body } = await ask(own.unix, request);
              if (body !== answers.get(request)!.body) throw new Error(`${name} answered something else under load`);
              return figures;
            },
            baselines,
          };
        }),
      ),
    );
    return { cases };
  },
};

/** One answer, which must be a 200 with the value in it. */
async function ask(to: { socketPath: string }, request: Request): Promise<Answer> {
  const { method, path, headers, body } = request;
  const sent = httpRequest({ socketPath: to.socketPath, method, path, headers }).end(body);
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  const answer = await text(response);
  if (response.statusCode !== 200 || !answer.includes('b'.repeat(64))) {
    throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
  }
  const own = Object.entries(response.headers as Record<string, string>).filter(([name]) => !OF_NODE_HTTP.has(name));
  return { body: answer, headers: Object.fromEntries(own) };
}

/** In a process of its own, as the data plane is. */
async function startBareServer(input: {
  token: string;
  answers: Record<string, Answer>;
  socketPath: string;
}): Promise<{ tcp: Destination; unix: Destination; stop(): void }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./bare-server.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ tokenHeader: TOKEN_HEADER, ...input }));
  const origin = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
    child.once('exit', () => reject(new Error('the bare server did not start')));
  });
  return { tcp: { origin }, unix: { socketPath: input.socketPath }, stop: () => child.kill() };
}
