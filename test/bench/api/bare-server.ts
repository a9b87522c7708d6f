// The least that a node:http server can do for the same answers: read the body, check the token, send the bytes.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const { tokenHeader, token, answers, socketPath } = JSON.parse(await text(process.stdin)) as {
  tokenHeader: string;
  token: string;
  /** By path: the answer's body, and all its headers but those that node:http sends by itself. */
  answers: Record<string, { body: string; headers: Record<string, string> }>;
  socketPath: string;
};
const ready = new Map(
  Object.entries(answers).map(([path, { body, headers }]) => [path, { bytes: Buffer.from(body), headers }]),
);
const listener = (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => {
  const answer = ready.get(request.url!);
  const given = request.headers[tokenHeader] ?? request.headers['x-amz-security-token'];
  if (answer === undefined || given !== token) {
    response.writeHead(403).end();
    return;
  }
  const send = () => response.writeHead(200, answer.headers).end(answer.bytes);
  if (request.method === 'GET') send();
  else request.on('end', send).resume();
};
createServer(listener).listen(socketPath, () => {
  const server = createServer(listener).listen(0, '127.0.0.1', () =>
    process.stdout.write(`http://127.0.0.1:${(server.address() as { port: number }).port}\n`),
  );
});
