// As little as a Node.js program can do that listens and answers: `PORT=… node bare-start.mjs`.
import { createServer } from 'node:http';

createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end('{"value":"value-from-disk"}');
}).listen(Number(process.env.PORT), '127.0.0.1');
