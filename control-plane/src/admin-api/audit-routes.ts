import type { FastifyInstance } from 'fastify';
import type { AuditFilter, AuditLog } from '../store/audit-log.ts';
import { invalidOptions } from './kong-error.ts';
import { numericOffset, pageAnswer, parameter, type Query, sizeOf } from './paging.ts';
import { queryOf, resource } from './resources.ts';

/** What /audit/requests can be asked for, beside size and offset. */
export const AUDIT_FILTERS: readonly string[] = [
  ...['actor', 'method', 'path', 'status', 'client_ip', 'request_id', 'since', 'until', 'from_version', 'to_version'],
];

/** /audit/requests: every write, the newest first. */
export function auditRoutes(app: FastifyInstance, audit: AuditLog): void {
  resource(
    app,
    '/audit/requests',
    {
      GET: async (request) => {
        const query = queryOf(request);
        const size = sizeOf(query);
        const rows = await audit.page(size + 1, numericOffset(query), filterOf(query));
        return pageAnswer('/audit/requests', query, size, rows, ({ id }) => String(id), AUDIT_FILTERS);
      },
    },
    { role: 'admin' },
  );
}

/** @throws KongError with everything that is wrong */
function filterOf(query: Query): AuditFilter {
  const errors: Record<string, string> = {};
  const read = <T>(name: string, expected: string, parse: (text: string) => T | undefined): T | undefined => {
    const text = parameter(query, name);
    if (text === undefined) return undefined;
    const value = text.includes('\0') ? undefined : parse(text);
    if (value === undefined) errors[name] = expected;
    return value;
  };
  const text = (name: string) => read(name, 'expected a text', (given) => given || undefined);
  const integer = (name: string) =>
    read(name, 'expected an integer', (given) => (/^\d{1,15}$/.test(given) ? Number(given) : undefined));
  const time = (name: string) => read(name, 'expected seconds since 1970, or a time as in ISO 8601', timeOf);
  const filter = {
    actor: text('actor'),
    method: text('method')?.toUpperCase(),
    path: text('path'),
    status: integer('status'),
    remoteAddress: text('client_ip'),
    requestId: text('request_id'),
    since: time('since'),
    until: time('until'),
    fromVersion: integer('from_version'),
    toVersion: integer('to_version'),
  };
  if (filter.status !== undefined && filter.status > 999) errors.status = 'expected an HTTP status';
  if (Object.keys(errors).length > 0) throw invalidOptions(errors);
  return filter;
}

function timeOf(text: string): Date | undefined {
  if (/^\d{1,11}(\.\d{1,3})?$/.test(text)) return new Date(Number(text) * 1000);
  if (!/^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:?\d\d))?$/.test(text)) return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}
