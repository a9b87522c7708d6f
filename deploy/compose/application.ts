// An example application: holds a secret, and gets each new version of it pushed by the data plane beside it. It asks by
// the data plane's Unix socket, in a volume that only the two share, and prints that the secret has rotated, never what it is.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createInterface } from 'node:readline';

const [socketPath, tokenFile, reference] = process.argv.slice(2) as [string, string, string];

interface Value {
  value: string;
  version: { id: string | null };
  state: string;
}
let held: Value | undefined;
let lastTold: string | undefined;

function tell(line: string): void {
  if (line === lastTold) return;
  lastTold = line;
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

function onEvent(name: string, data: string): void {
  if (name !== 'value') {
    tell(`${reference}: ${(JSON.parse(data) as { error: { code: string } }).error.code}`);
    return;
  }
  const now = JSON.parse(data) as Value;
  const what = `${reference}: version ${now.version.id}, ${now.value.length} characters, ${now.state}`;
  if (held === undefined) tell(`has ${what}`);
  else if (held.version.id !== now.version.id) tell(`ROTATED ${what}`);
  else tell(`holds ${what}`);
  held = now;
}

function watch(): void {
  const again = (why: string) => {
    tell(`the data plane is away (${why})${held ? '; the secret is still at hand' : ''}`);
    setTimeout(watch, 500);
  };
  let token: string;
  try {
    token = readFileSync(tokenFile, 'utf8').trim();
  } catch (error) {
    again((error as NodeJS.ErrnoException).code ?? 'no token');
    return;
  }
  let answered = false;
  const call = request(
    {
      socketPath,
      path: `/v1/watch?ref=${encodeURIComponent(reference)}`,
      headers: { authorization: `Bearer ${token}` },
    },
    (answer) => {
      answered = true;
      let name = '';
      const lines = createInterface({ input: answer });
      lines.on('line', (line) => {
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) onEvent(name, line.slice(6));
      });
      answer.once('close', () => again(answer.statusCode === 200 ? 'the watch ended' : `status ${answer.statusCode}`));
    },
  );
  call.once('error', (error: NodeJS.ErrnoException) => {
    if (!answered) again(error.code ?? error.message);
  });
  call.end();
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));
watch();
