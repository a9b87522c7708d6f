import { LONGEST_PROBLEM, MOST_PROBLEMS } from '@vaultplane/model/protocol/drill-report.ts';
import { VAULT_PREFIX } from '@vaultplane/model/references/reference.ts';
import { MASK } from '@vaultplane/model/vaults/mask.ts';
import type { ConfigField, VaultType } from '@vaultplane/model/vaults/vault-type.ts';
import { RESERVED_PREFIXES, VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { LOG_LEVELS } from '@vaultplane/platform/logging/log.ts';
import { ROLES } from '../../store/audit-log.ts';

/** A JSON Schema (2020-12, as OpenAPI 3.1 has it). */
export type Schema = { [keyword: string]: unknown };

export const text: Schema = { type: 'string' };
export const integer: Schema = { type: 'integer' };
export const boolean: Schema = { type: 'boolean' };
const count: Schema = { type: 'integer', minimum: 0 };
const uuid: Schema = { type: 'string', format: 'uuid' };
const time: Schema = { type: 'string', format: 'date-time' };
const seconds: Schema = { type: 'integer', minimum: 0, description: 'Seconds since 1970.' };

export function orNull({ type, ...rest }: Schema): Schema {
  return { ...rest, type: [type, 'null'] };
}
export function list(items: Schema): Schema {
  return { type: 'array', items };
}
/** Every member is required, but for those named. */
export function object(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
}
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
export function page(items: Schema): Schema {
  return object({ data: list(items), offset: text, next: orNull(text), warnings: list(text) }, ['offset', 'warnings']);
}

/** The vaults' part is made of the same fields that /schemas/vaults shows and that every vault is checked against. */
export function componentSchemas(): Record<string, Schema> {
  const types = [...VAULT_TYPES.values()];
  const names = types.map(nameOf);
  return {
    ...Object.fromEntries(types.flatMap((type) => schemasOf(type))),
    Vault: { oneOf: names.map(ref), discriminator: { propertyName: 'name', mapping: mappingOf(types, '') } },
    VaultInput: {
      oneOf: names.map((name) => ref(`${name}Input`)),
      discriminator: { propertyName: 'name', mapping: mappingOf(types, 'Input') },
    },
    VaultPatch: {
      type: 'object',
      description: 'Members that change; those of config one by one. Null takes one away.',
      properties: { ...INPUT, name: orNull(text), prefix: orNull(PREFIX), config: { type: ['object', 'null'] } },
      additionalProperties: false,
    },
    Document: object(
      {
        _format_version: { type: ['string', 'number'], examples: ['3.0', '2.1', '1.1'] },
        _transform: boolean,
        _workspace: { type: 'string', enum: ['default'] },
        _info: {
          type: 'object',
          description:
            'With select_tags the document is about the vaults that have all of these tags, and about no others.',
          properties: { select_tags: orNull(list(text)) },
        },
        vaults: orNull(list({ type: 'object', description: 'A vault, with or without an id.' })),
      },
      ['_transform', '_workspace', '_info', 'vaults'],
    ),
    Error: {
      type: 'object',
      description: "Kong's errors; code, name and fields where what was given is wrong.",
      properties: { message: text, code: integer, name: text, fields: { type: ['object', 'array'] } },
      required: ['message'],
    },
    Position: object({ timeline: uuid, version: count, hash: { type: 'string', pattern: '^[0-9a-f]{64}$' } }),
    Change: object({
      change: { type: 'string', enum: ['create', 'update', 'delete'] },
      prefix: text,
      id: uuid,
      fields: list(
        object({
          field: { type: 'string', examples: ['config.region'] },
          before: { description: 'Null: not set.' },
          after: { description: 'Null: not set.' },
        }),
      ),
    }),
    ListedVersion: object({
      ...{ version: count, made_at: time, actor: text, action: text, created: count, updated: count, deleted: count },
      vaults: { ...list(text), description: 'Prefixes of some of the vaults that it changed.' },
    }),
    AuditRequest: object({
      ...{ id: integer, at: time, actor: text, role: { enum: [...ROLES, null] }, remote_address: orNull(text) },
      ...{ method: text, path: text, status: orNull(integer), request_id: orNull(text), detail: orNull(text) },
      ...{ version_before: count, version_after: count },
    }),
    Token: object(TOKEN),
    Node: object({
      id: uuid,
      name: orNull(text),
      labels: { type: 'object', additionalProperties: text },
      enrolled: { type: 'boolean', description: 'It has joined, and has a certificate of the cluster itself.' },
      hostname: orNull(text),
      common_name: orNull({ ...text, description: 'Under pki: of the certificate that its id belongs to.' }),
      connected: boolean,
      last_seen: orNull(time),
      joined_at: orNull(time),
      revoked_at: orNull(time),
      certificate_expires_at: orNull(time),
    }),
    Invitation: object(INVITATION),
    NewInvitation: object({ ...INVITATION, token: { type: 'string', description: 'Shown this once.' } }),
    InvitationInput: object(
      {
        name: orNull({ type: 'string', minLength: 1, maxLength: 100 }),
        labels: LABELS,
        uses: { ...orNull({ type: 'integer', minimum: 1 }), default: 1, description: 'Null: any number of nodes.' },
        ttl: { ...orNull({ type: 'integer', minimum: 1 }), default: 3600, description: 'Seconds; null: for ever.' },
      },
      ['name', 'labels', 'uses', 'ttl'],
    ),
    NewToken: object({ ...TOKEN, token: { type: 'string', description: 'Shown this once.' } }),
    DataPlane: object({
      ...{ id: uuid, hostname: text, ip: orNull(text), version: text, config_hash: orNull(text) },
      ...{ sync_status: { enum: ['unknown', 'normal', 'rejected'] }, last_seen: seconds, updated_at: seconds },
      ttl: { ...count, description: 'Seconds after which it is listed no more, unless it is seen again.' },
      cert_details: orNull(object({ expiry_timestamp: seconds })),
      ...{ config_version: orNull(count), config_timeline: orNull(uuid), connected: boolean, connected_at: seconds },
      ...{ control_plane_id: uuid, protocol: integer, cert_expires_at: orNull(seconds) },
      references: orNull({ type: 'object', description: 'How many are in which state.' }),
      vaults: list({ type: 'object', description: 'The same, by vault.' }),
      rejected_vaults: list({
        type: 'object',
        required: ['prefix', 'reason'],
        properties: {
          ...{ prefix: text, reason: text },
          grant: { type: 'string', description: "What the data plane's upstream_policy would have to grant, as JSON." },
        },
      }),
      labels: { type: 'object', additionalProperties: text },
    }),
    FleetReference: object({
      ...{ vault: text, reference: text, data_planes: count, oldest_age_s: orNull(integer) },
      servings: list(
        object({ version_id: orNull(text), state: text, data_planes: count, oldest_age_s: orNull(integer) }),
      ),
    }),
    Command: object({
      ...{
        id: uuid,
        command: text,
        vault: text,
        path: orNull(text),
        made_at: time,
        actor: text,
        control_planes: count,
      },
      data_planes: object({ sent: count, done: count, refused: count, lost: count, waiting: count }),
      secrets: object({ asked: count, refreshed: count, changed: count, failed: count }),
      reasons: list(text),
    }),
    DrillReport: object({ id: uuid, received_at: time, actor: text, ...TOLD_DRILL }),
    ToldDrill: object(TOLD_DRILL, UNTOLD),
    LogLevel: { type: 'string', enum: LOG_LEVELS },
  };
}

const TOLD_DRILL: Record<string, Schema> = {
  name: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,63}$', examples: ['aws-outage'] },
  host: orNull(text),
  ...{ started_at: time, ended_at: time, passed: boolean, lookups: orNull(count), wrong_answers: orNull(count) },
  ...{ longest_gap_ms: orNull(count), longest_staleness_ms: orNull(count) },
  problems: { ...list({ type: 'string', maxLength: LONGEST_PROBLEM }), maxItems: MOST_PROBLEMS },
};
const UNTOLD = ['host', 'lookups', 'wrong_answers', 'longest_gap_ms', 'longest_staleness_ms', 'problems'];
const TOKEN: Record<string, Schema> = { id: text, role: { enum: ROLES }, name: orNull(text), created_at: time };
const LABELS: Schema = { type: 'object', additionalProperties: text };
const INVITATION: Record<string, Schema> = {
  ...{ id: text, name: orNull(text), labels: LABELS, uses: orNull(count), used: count },
  ...{ created_by: text, created_at: time, expires_at: orNull(time), revoked_at: orNull(time) },
};
const PREFIX: Schema = { type: 'string', pattern: VAULT_PREFIX.source, not: { enum: RESERVED_PREFIXES } };
const TAG: Schema = { type: 'string', pattern: '^[^,/]+$' };
const INPUT: Record<string, Schema> = {
  id: uuid,
  description: orNull({ type: 'string', minLength: 1 }),
  tags: orNull({ ...list(TAG), uniqueItems: false }),
  created_at: orNull(seconds),
  updated_at: orNull(seconds),
};

function nameOf({ name }: VaultType): string {
  return `${name[0]!.toUpperCase()}${name.slice(1)}Vault`;
}

function mappingOf(types: readonly VaultType[], suffix: string): Record<string, string> {
  return Object.fromEntries(types.map((type) => [type.name, `#/components/schemas/${nameOf(type)}${suffix}`]));
}

function schemasOf(type: VaultType): Array<[string, Schema]> {
  const config = Object.fromEntries(type.fields.map((field) => [field.name, fieldSchema(field)]));
  const settable = Object.fromEntries(
    Object.entries(config).map(([name, schema]) => [name, { anyOf: [schema, { type: 'null' }] }]),
  );
  const whole = { ...INPUT, id: uuid, created_at: seconds, updated_at: seconds };
  const names = { prefix: PREFIX, name: { const: type.name } };
  const warnings = { ...list(text), description: 'In answers to changes: what may be wrong with it.' };
  const all = (properties: Record<string, Schema>) => object(properties, Object.keys(properties));
  return [
    [
      nameOf(type),
      { ...object({ ...whole, ...names, config: all(config), warnings }, ['warnings']), description: type.description },
    ],
    [
      `${nameOf(type)}Input`,
      object({ ...INPUT, ...names, config: { anyOf: [all(settable), { type: 'null' }] } }, [
        ...[...Object.keys(INPUT), 'config'],
        // In a PUT it may stand in the path alone.
        'prefix',
      ]),
    ],
  ];
}

function sensitiveForms({ type }: ConfigField, value: Schema): Schema[] {
  const reference = { type: 'string', pattern: '^\\{vault://.*\\}$' };
  return type === 'array' ? [value, list(reference), { const: [MASK] }] : [value, reference, { const: MASK }];
}

function fieldSchema(field: ConfigField): Schema {
  const member: Schema = {
    type: 'string',
    minLength: 1,
    ...(field.match && { pattern: field.match.source }),
    ...(field.oneOf && { enum: field.oneOf }),
    ...(field.format === 'url' && { format: 'uri', pattern: '^https?://' }),
  };
  const value =
    field.type === 'array'
      ? list(member)
      : field.type === 'string'
        ? member
        : { type: field.whole ? 'integer' : field.type };
  const { sensitive, between } = field;
  return {
    ...(sensitive ? { anyOf: sensitiveForms(field, value) } : value),
    description: `${field.description}${sensitive ? ` A reference such as {vault://env/NAME}, which data planes resolve; or the value, encrypted in the database, for which answers have ${MASK}.` : ''}`,
    ...(field.default !== undefined && { default: field.default }),
    ...(between && { minimum: between[0], maximum: between[1] }),
  };
}
