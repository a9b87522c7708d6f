import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { type ControlPlane, DATA_PLANE_MAIN, type DataPlane, Deployment } from '../e2e/deployment.ts';

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: number };
}

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: Attribute[];
  status: { code: number };
}

interface ExportRequest {
  resourceSpans: Array<{
    resource: { attributes: Attribute[] };
    scopeSpans: Array<{ spans: Span[] }>;
  }>;
}

/** Takes what OTLP over HTTP brings. */
class Collector {
  readonly bodies: string[] = [];
  readonly server: Server;

  constructor() {
    this.server = createServer(async (request, response) => {
      this.bodies.push(await text(request));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }).listen(0, '127.0.0.1');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/traces`;
  }

  /** With the program that they are of. */
  get spans(): Array<Span & { program: string | undefined }> {
    return this.bodies
      .flatMap((body) => (JSON.parse(body) as ExportRequest).resourceSpans)
      .flatMap(({ resource, scopeSpans }) => {
        const program = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue;
        return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, program })));
      });
  }
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';

describe('traces', () => {
  const deployment = new Deployment();
  const collector = new Collector();
  let emulator: Emulator;
  let controlPlane: ControlPlane;
  let dataPlane: DataPlane;

  before(async () => {
    await once(collector.server, 'listening');
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'canary-secret', { foo: 'canary-value-77aa' });
    controlPlane = await deployment.planControlPlane('cp', { VAULTPLANE_OTEL_TRACES_ENDPOINT: collector.url });
    const cp = await controlPlane.start();
    const { accessKeyId, secretAccessKey } = emulator.credentials;
    dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...{ AWS_ENDPOINT_URL: emulator.url, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      VAULTPLANE_OTEL_TRACES_ENDPOINT: collector.url,
    });
    const dp = await dataPlane.start();
    await controlPlane.putVault('aws-vault', { name: 'aws', 'config.region': 'us-east-1' });
    await dataPlane.caughtUpWith(controlPlane);
    const url = `${dataPlane.apiUrl}/v1/resolve?ref=${encodeURIComponent('{vault://aws-vault/canary-secret/foo}')}`;
    const traceparent = `00-${TRACE}-${CALLER}-01`;
    for (let count = 0; count < 2; count++) {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${dataPlane.token}`, traceparent } });
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
    }
    // What is still to be sent is sent when they stop.
    await Promise.all([dp.stop(), cp.stop()]);
  });
  after(async () => {
    await deployment.stop();
    await emulator?.stop();
    collector.server.close();
  });

  it('show a lookup under its caller, and the call to AWS under the lookup that made it', () => {
    const lookups = collector.spans.filter(({ name }) => name === 'GET /v1/resolve');
    assert.equal(lookups.length, 2);
    for (const { traceId, parentSpanId, program, attributes } of lookups) {
      assert.deepEqual([traceId, parentSpanId, program], [TRACE, CALLER, 'vaultplane-dp']);
      assert.equal(attributes.find(({ key }) => key === 'http.response.status_code')?.value.intValue, 200);
    }
    const calls = collector.spans.filter(({ name }) => name === 'SecretsManager.GetSecretValue');
    assert.equal(calls.length, 1);
    assert.equal(calls[0]!.traceId, TRACE);
    assert.ok(lookups.some(({ spanId }) => spanId === calls[0]!.parentSpanId));
  });

  it('show requests of the Admin API', () => {
    const puts = collector.spans.filter(({ name, program }) => name === 'PUT /vaults' && program === 'vaultplane-cp');
    assert.equal(puts.length, 1);
  });

  it('hold no reference, no value, no token and no query', () => {
    const all = collector.bodies.join('\n');
    for (const secret of ['canary', dataPlane.token, emulator.credentials.secretAccessKey, 'ref=', 'aws-vault']) {
      assert.ok(!all.includes(secret), secret);
    }
  });

  it('load nothing of the SDK while they are off', async () => {
    const hooks = join(deployment.folder, 'hooks.mjs');
    writeFileSync(
      hooks,
      `import { registerHooks } from 'node:module';
       registerHooks({ resolve(specifier, context, next) {
         if (/opentelemetry\\/(sdk|exporter|resources)/.test(specifier)) process.stderr.write('LOADED ' + specifier + '\\n');
         return next(specifier, context);
       } });`,
    );
    /** What a data plane says until it is ready. */
    const wordsOf = async (env: NodeJS.ProcessEnv) => {
      const child = spawn(process.execPath, ['--import', hooks, DATA_PLANE_MAIN, 'start'], {
        env,
        cwd: deployment.folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let words = '';
      for await (const bytes of child.stderr) {
        words += bytes;
        if (words.includes('"event":"ready"')) child.kill('SIGTERM');
      }
      return words;
    };
    assert.match(await wordsOf(dataPlane.env), /LOADED/);
    const { VAULTPLANE_OTEL_TRACES_ENDPOINT: _, ...off } = dataPlane.env;
    const words = await wordsOf(off);
    assert.match(words, /"event":"ready"/);
    assert.doesNotMatch(words, /LOADED/);
  });
});
