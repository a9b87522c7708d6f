import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const HAS_NGINX = spawnSync('nginx', ['-v']).error === undefined;

export interface NginxOptions {
  /** For its configuration, its socket and its files. */
  folder: string;
  port: number;
  /** By path: the body. */
  answers: Record<string, string>;
}

/** Debian's nginx with one worker that answers fixed bytes from its configuration: about the floor for HTTP on a core. */
export async function startNginx({
  folder,
  port,
  answers,
}: NginxOptions): Promise<{ socketPath: string; stop(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  // Its worker is another user's where it is started by root.
  chmodSync(folder, 0o755);
  const socketPath = join(folder, 'nginx.sock');
  const locations = Object.entries(answers).map(
    ([path, body]) => `location = ${path} { default_type application/json; return 200 ${quoted(body)}; }`,
  );
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port}; listen unix:${socketPath};
    ${locations.join('\n    ')}
  }
}
`,
  );
  const child = spawn('nginx', ['-c', file, '-p', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  process.once('exit', () => child.kill('SIGKILL'));
  const end = performance.now() + 10_000;
  while (child.exitCode === null && performance.now() < end) {
    const up = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (up) return { socketPath, stop };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await stop();
  throw new Error('nginx did not start');
}

/** As many bytes; characters that mean something in nginx's configuration, such as $ before a variable, are others here. */
function quoted(body: string): string {
  return `'${body.replaceAll(/[$'\\]/g, 'x')}'`;
}
