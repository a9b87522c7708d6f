import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Sources of the programs, without what tests them and without the page that browsers run. */
const SOURCES = [
  ...['shared/platform/src', 'shared/model/src', 'shared/backends/src'],
  ...['data-plane/src', 'data-plane/client/src', 'control-plane/src'],
].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/(^|\/)testing\/|\.test\.ts$/.test(file))
    .map((file) => ({ path: `${folder}/${file}`, text: readFileSync(join(ROOT, folder, file), 'utf8') })),
);

/** What makes a connection, or something that makes connections. */
const CONNECTS =
  /\b(?:new (?:Https?)?Agent\(|https?\)?\.(?:request|Agent)\(|(?:http|https)Request\)?\(|(?:tls|net)\.connect\(|new OTLPTraceExporter\()|extends https?\.Agent/;

/** Files that connect and need no lookup of ours, and why. */
const WITHOUT_LOOKUP: { readonly [path: string]: string } = {
  'data-plane/client/src/transport.ts': 'in the application, to the data plane beside it',
  'data-plane/src/delivery/local-api.ts': 'to the data plane of this machine',
  'data-plane/src/enrolment/ask.ts': 'by a socket that cluster-connection.ts has made',
  'shared/backends/src/http/http-exchange.ts': 'by the agent that it is given',
};

/** Files that send over kept connections, and how they send once more where one is dead. */
const RETRIES = /retryIdleClosed\(|\bexchange\(|connections\.send\(/;
const WITHOUT_RETRY: { readonly [path: string]: string } = {
  'shared/backends/src/http/agents.ts': 'makes agents alone',
  'shared/backends/src/proxies/agents.ts': 'makes agents alone',
  'shared/platform/src/logging/tracing-export.ts': 'the exporter tries again by itself',
};

describe('what goes out of a program', () => {
  it('resolves names by the one function that a dead zone does not hold up', () => {
    const users = SOURCES.filter(({ text }) =>
      /^import (?!type).* from '(?:node:)?dns(?:\/promises)?'|getBuiltinModule\('node:dns/m.test(text),
    );
    assert.deepEqual(
      users.map(({ path }) => path).filter((path) => !path.startsWith('shared/platform/src/names/')),
      [],
      'node:dns is used beside shared/platform/src/names',
    );
    const connecting = SOURCES.filter(({ text }) => CONNECTS.test(text));
    assert.ok(connecting.length >= 8, String(connecting.map(({ path }) => path)));
    const without = connecting.filter(
      ({ path, text }) => !/\blookup\b|\bconnectionOptions\b/.test(text) && !(path in WITHOUT_LOOKUP),
    );
    assert.deepEqual(
      without.map(({ path }) => path),
      [],
    );
  });

  it('is sent once more where a kept connection was dead', () => {
    const keeping = SOURCES.filter(({ text }) =>
      /Agent\(.*keepAlive: true|extends https?\.Agent|httpAgentOptions|connectionOptions|globalAgent/.test(text),
    );
    assert.ok(keeping.length >= 4);
    const without = keeping.filter(({ path, text }) => !RETRIES.test(text) && !(path in WITHOUT_RETRY));
    assert.deepEqual(
      without.map(({ path }) => path),
      [],
    );
  });
});
