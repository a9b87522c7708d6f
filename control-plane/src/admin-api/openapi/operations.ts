import { ROLES } from '../../store/audit-log.ts';
import { boolean, integer, list, object, orNull, page, ref, type Schema, text } from './schemas.ts';

/** What one method of one path does, as a client needs to know it. */
export interface Operation {
  summary: string;
  /** Of the query, each optional. */
  query?: Record<string, Schema>;
  /** Of the body, where there is one. */
  body?: Schema;
  /** The body may also be YAML. */
  yaml?: true;
  /** The answer is a stream of server-sent events. */
  stream?: true;
  /** The status of success, and the schema of its body; null: no body. */
  answers: [status: number, body: Schema | null];
}

const SIZE: Record<string, Schema> = {
  size: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
  offset: { type: 'string', description: 'As the page before gave it.' },
};
const TAGS: Schema = { type: 'string', description: '`a,b`: all of them; `a/b`: any of them.' };
const anything: Schema = { type: 'object' };
const changes = list(ref('Change'));

/** By method and path; a path's parameters as Fastify has them. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'What this is', answers: [200, anything] },
  'GET /status': {
    summary: 'How this control plane is, and the position of the configuration',
    answers: [200, anything],
  },
  'GET /whoami': {
    summary: 'Who the token says that you are',
    answers: [200, object({ name: text, role: { enum: ROLES }, remote_address: orNull(text) })],
  },
  'GET /openapi.json': { summary: 'This document', answers: [200, anything] },
  'GET /debug/node/log-level': { summary: 'The log level', answers: [200, object({ message: text })] },
  'PUT /debug/node/log-level/:level': {
    summary:
      'Change the log level; with a timeout, in the query or the body, it is what it was before after so many seconds, without one it stays (Kong: 60 seconds)',
    query: { timeout: { type: 'integer', minimum: 0, maximum: 31_536_000 } },
    body: object({ timeout: { type: 'number', minimum: 0, maximum: 31_536_000 } }),
    answers: [200, object({ message: text })],
  },
  'GET /workspaces': { summary: 'The workspaces: there is one', answers: [200, page(anything)] },
  'GET /workspaces/:name': { summary: 'The workspace default', answers: [200, anything] },

  'GET /vaults': { summary: 'The vaults', query: { ...SIZE, tags: TAGS }, answers: [200, page(ref('Vault'))] },
  'POST /vaults': { summary: 'Make a vault', body: ref('VaultInput'), answers: [201, ref('Vault')] },
  'GET /vaults/:key': { summary: 'A vault, by its prefix or id', answers: [200, ref('Vault')] },
  'PUT /vaults/:key': { summary: 'Make or replace a vault', body: ref('VaultInput'), answers: [200, ref('Vault')] },
  'PATCH /vaults/:key': { summary: 'Change a vault', body: ref('VaultPatch'), answers: [200, ref('Vault')] },
  'DELETE /vaults/:key': { summary: 'Delete a vault, if it is there', answers: [204, null] },
  'POST /vaults/:key/refresh': {
    summary: 'Have every data plane refresh what it holds of a vault',
    body: object({ path: text, spread_s: { type: 'number', minimum: 0, maximum: 600 } }, ['path', 'spread_s']),
    answers: [202, ref('Command')],
  },
  'GET /schemas/vaults': { summary: 'The schema of a vault, in the form of Kong', answers: [200, anything] },
  'GET /schemas/vaults/:name': {
    summary: "The schema of a vault type's config, in the form of Kong",
    answers: [200, anything],
  },
  'POST /schemas/vaults/validate': {
    summary: 'Check a vault without making it',
    body: ref('VaultInput'),
    answers: [200, object({ message: text })],
  },
  'GET /tags': { summary: 'Every tag of every entity', query: SIZE, answers: [200, page(anything)] },
  'GET /tags/:tag': { summary: 'What has a tag', query: SIZE, answers: [200, page(anything)] },

  'GET /config': { summary: 'The whole configuration', answers: [200, ref('Document')] },
  'POST /config': {
    summary:
      'Make the configuration exactly this, as one change; of a document with _info.select_tags, what has those tags',
    body: ref('Document'),
    yaml: true,
    answers: [
      201,
      object(
        {
          vaults: { type: 'object', additionalProperties: ref('Vault') },
          config_version: integer,
          changed: boolean,
          warnings: list(text),
        },
        ['warnings'],
      ),
    ],
  },
  'POST /config/diff': {
    summary: 'What a POST to /config of the same would change',
    body: ref('Document'),
    yaml: true,
    answers: [200, object({ changes })],
  },
  'GET /config/versions': {
    summary: 'Versions, the newest first',
    query: SIZE,
    answers: [200, page(ref('ListedVersion'))],
  },
  'GET /config/versions/:version': {
    summary: 'A version: who, when, what it changed, and the whole configuration as it was then',
    answers: [
      200,
      object({
        version: integer,
        made_at: orNull({ type: 'string', format: 'date-time' }),
        actor: orNull(text),
        action: orNull(text),
        changes,
        config: ref('Document'),
      }),
    ],
  },
  'GET /config/versions/:version/diff': {
    summary: 'What a rollback to it would change now',
    answers: [200, object({ version: integer, changes })],
  },
  'POST /config/versions/:version/rollback': {
    summary: 'Make the configuration what it was at a version, as a new version',
    answers: [200, object({ rolled_back_to: integer, config_version: integer, changed: boolean })],
  },

  'GET /clustering/data-planes': {
    summary: 'The data planes',
    query: SIZE,
    answers: [200, page(ref('DataPlane'))],
  },
  'DELETE /clustering/data-planes/:id': {
    summary: 'Forget a data plane; one that is connected comes back as soon as it has another link',
    answers: [204, null],
  },
  'GET /clustering/export-key': {
    summary: 'The public half of the export key, for config_export_public_key of data planes',
    answers: [200, object({ public_key: text, sha256: text })],
  },
  'GET /clustering/status': {
    summary:
      'The data planes in the form of Kong, by their ids; deprecated there, in favour of /clustering/data-planes',
    answers: [
      200,
      {
        type: 'object',
        additionalProperties: object({
          config_hash: orNull(text),
          hostname: text,
          ip: orNull(text),
          last_seen: integer,
        }),
      },
    ],
  },
  'GET /clustering/events': {
    summary:
      'What happens in the fleet, as server-sent events: config, database, data-planes; first all, then what changes',
    stream: true,
    answers: [200, text],
  },
  'GET /clustering/references': {
    summary: 'For each secret how many data planes serve which version in which state; never a value',
    query: { ...SIZE, vault: text, reference: text },
    answers: [
      200,
      object(
        {
          data: list(ref('FleetReference')),
          offset: text,
          next: orNull(text),
          data_planes: object({ telling: integer, complete: integer }),
        },
        ['offset'],
      ),
    ],
  },
  'GET /clustering/commands/:id': { summary: 'What became of a refresh', answers: [200, ref('Command')] },

  'GET /tokens': {
    summary: 'The tokens of this API, without what is secret of them',
    answers: [200, object({ data: list(ref('Token')), next: orNull(text) })],
  },
  'POST /tokens': {
    summary: 'Make a token; it is shown this once',
    body: object({ role: { enum: ROLES }, name: orNull({ type: 'string', minLength: 1, maxLength: 100 }) }, ['name']),
    answers: [201, ref('NewToken')],
  },
  'DELETE /tokens/:id': { summary: 'Revoke a token', answers: [204, null] },
  'GET /nodes': {
    summary: 'The nodes: those that have joined, and every data plane that was seen',
    answers: [200, object({ data: list(ref('Node')), next: orNull(text) })],
  },
  'GET /nodes/:id': { summary: 'A node', answers: [200, ref('Node')] },
  'PATCH /nodes/:id': {
    summary: 'Rename a node that has joined',
    body: object({ name: orNull(text) }),
    answers: [200, ref('Node')],
  },
  'DELETE /nodes/:id': {
    summary: 'Forget a node; its links end. One that has joined is let in no more; the id of any other is free again',
    answers: [204, null],
  },
  'POST /nodes/:id/revoke': {
    summary: 'End the links of a node that has joined, and let it in no more',
    answers: [200, ref('Node')],
  },
  'GET /nodes/invitations': {
    summary: 'Invitations by which data planes join, without what is secret of them; those that ended stay for 30 days',
    answers: [200, object({ data: list(ref('Invitation')), next: orNull(text) })],
  },
  'POST /nodes/invitations': {
    summary: 'Invite data planes to join; the token is shown this once',
    body: ref('InvitationInput'),
    answers: [201, ref('NewInvitation')],
  },
  'DELETE /nodes/invitations/:id': {
    summary: 'Revoke an invitation; nodes that have joined by it stay',
    answers: [204, null],
  },
  'GET /drills': {
    summary: 'What rehearsed outages have shown, the newest first; the last 200 are kept',
    answers: [200, object({ data: list(ref('DrillReport')), next: orNull(text) })],
  },
  'POST /drills': {
    summary: 'Tell what a rehearsed outage has shown',
    body: ref('ToldDrill'),
    answers: [201, ref('DrillReport')],
  },
  'GET /audit/requests': {
    summary: 'Every write, the newest first, those that were refused too',
    query: {
      ...SIZE,
      ...{ actor: text, method: text, path: { type: 'string', description: 'What the path begins with.' } },
      ...{ status: integer, client_ip: text, request_id: text, from_version: integer, to_version: integer },
      since: { type: 'string', description: 'Seconds since 1970, or a time as in ISO 8601.' },
      until: { type: 'string', description: 'The same; the moment itself does not count.' },
    },
    answers: [200, page(ref('AuditRequest'))],
  },
};

/** An entity of Kong's that this project has not. */
export const EMPTY_LIST: Operation = {
  summary: 'Empty: this project has no such entities, but tools ask for them',
  query: { ...SIZE, tags: TAGS },
  answers: [200, page(anything)],
};
