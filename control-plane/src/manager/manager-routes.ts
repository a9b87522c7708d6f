import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { notFound } from '../admin-api/kong-error.ts';
import type { ManagerFile } from './manager-file.ts';
import { managerFiles } from './manager-files.ts';

/**
 * The manager: a web page for operators, which works with the Admin API as any client does, with a token that it keeps in
 * memory. Its own files are answered without one.
 *
 * @param base where it is, such as /manager
 */
export function managerRoutes(app: FastifyInstance, base: string): void {
  // Made when first asked for: most control planes are started more often than looked at.
  let made: ReturnType<typeof managerFiles> | undefined;
  const open = { open: true, reads: true };
  const answer = async (request: FastifyRequest, reply: FastifyReply, path: string) => {
    made ??= managerFiles(base);
    const file = made.files.get(path);
    if (!file) throw notFound();
    reply.headers({
      'content-security-policy': policy(made.scriptDigest),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    return send(request, reply, file);
  };
  // With or without a slash it is the same route; the page's own links need it.
  app.get(base, { config: open }, async (request, reply) =>
    request.url.split('?')[0]!.endsWith('/') ? answer(request, reply, 'index.html') : reply.redirect(`${base}/`, 308),
  );
  app.get<{ Params: { '*': string } }>(`${base}/*`, { config: open }, (request, reply) =>
    answer(request, reply, request.params['*'] || 'index.html'),
  );
}

/** Nothing but the page's own files and its own API; no form is ever sent, and no page may frame it. */
function policy(scriptDigest: string | undefined): string {
  return [
    "default-src 'none'",
    scriptDigest === undefined ? "script-src 'self'" : `script-src 'self' 'sha256-${scriptDigest}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

function send(request: FastifyRequest, reply: FastifyReply, { type, body, gzip, brotli, etag }: ManagerFile) {
  reply.headers({ 'content-type': type, 'cache-control': 'no-cache', etag, vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  const accepted = request.headers['accept-encoding'] ?? '';
  if (/\bbr\b/.test(accepted)) return reply.header('content-encoding', 'br').send(brotli);
  if (/\bgzip\b/.test(accepted)) return reply.header('content-encoding', 'gzip').send(gzip);
  return reply.send(body);
}
