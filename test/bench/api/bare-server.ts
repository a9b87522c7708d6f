// The least that a node:http server can do for the same answer: check the token, send the bytes.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const { token, body } = JSON.parse(await text(process.stdin)) as { token: string; body: string };
const bytes = Buffer.from(body);
const server = createServer((request, response) => {
  if (request.headers['x-aws-parameters-secrets-token'] !== token) {
    response.writeHead(403).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes);
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`http://127.0.0.1:${(server.address() as { port: number }).port}\n`),
);
