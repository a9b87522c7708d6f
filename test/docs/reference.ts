import {
  BODY_BOUNDS,
  DOCUMENT_BOUNDS,
  MAX_BODY_BYTES,
  MAX_DOCUMENT_BYTES,
  MAX_FORM_FIELDS,
  MAX_YAML_BYTES,
} from '@vaultplane/control-plane/admin-api/body-limits.ts';
import { OPERATIONS } from '@vaultplane/control-plane/admin-api/openapi/operations.ts';
import { MAX_VAULTS } from '@vaultplane/control-plane/declarative/config-document.ts';
import { Metrics } from '@vaultplane/control-plane/status/metrics.ts';
import { createMetrics } from '@vaultplane/data-plane/status/metrics.ts';
import { UpstreamDurations } from '@vaultplane/data-plane/status/upstream-durations.ts';
import { ERROR_STATUS } from '@vaultplane/model/errors/vaultplane-error.ts';
import { CONTROL_PLANE_SETTINGS } from '@vaultplane/model/settings/control-plane-settings.ts';
import { DATA_PLANE_SETTINGS } from '@vaultplane/model/settings/data-plane-settings.ts';
import { policySchema } from '@vaultplane/model/upstream-policy/policy-schema.ts';
import { MAX_LIST_MEMBERS, MAX_TAGS } from '@vaultplane/model/vaults/validation.ts';
import type { SettingSpec, SettingsSchema } from '@vaultplane/platform/settings/settings.ts';
import { logEvents } from './log-events.ts';

const NOTE = '_Made from the code by `node test/docs/write-reference.ts`._';

/** The pages of docs/reference/, made from the schemas that the programs go by. */
export function referencePages(): Record<string, string> {
  return {
    'settings.md': settings(),
    'metrics.md': metrics(),
    'errors.md': errors(),
    'admin-api.md': adminApi(),
    'log.md': log(),
    'upstream-policy.schema.json': `${JSON.stringify(policySchema(), null, 2)}\n`,
  };
}

function page(title: string, ...parts: string[]): string {
  return `${[`# ${title}`, NOTE, ...parts].join('\n\n')}\n`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function settings(): string {
  const schemas: Array<[program: string, schema: SettingsSchema]> = [
    ['control plane', CONTROL_PLANE_SETTINGS],
    ['data plane', DATA_PLANE_SETTINGS],
  ];
  const keys = [...new Set(schemas.flatMap(([, schema]) => Object.keys(schema)))].sort();
  const rows = keys.map((key) => {
    const having = schemas.filter(([, schema]) => key in schema);
    const specs = having.map(([, schema]) => schema[key]!);
    const defaults = [...new Set(specs.map(defaultOf))].join(', ');
    const [{ description, aliases = [] }] = specs as [SettingSpec];
    const names = [key, ...aliases].map((name) => `\`${name}\``).join(', ');
    const programs = having.length === 2 ? 'both' : having[0]![0];
    return [names, programs, allowed(specs[0]!), defaults, description];
  });
  return page(
    'Settings',
    '`key = value` in `/etc/vaultplane/vaultplane.conf` or `--conf FILE`, over that `VAULTPLANE_<KEY>` in the environment, with `KONG_<KEY>` as a second name.',
    table(['setting', 'program', 'what', 'default', 'meaning'], rows),
  );
}

function defaultOf(spec: SettingSpec): string {
  const { default: value = spec.filledInLater } = spec;
  if (value === undefined) return '–';
  if (typeof value === 'boolean') return value ? '`on`' : '`off`';
  if (Array.isArray(value) && value.length === 0) return '–';
  return `\`${Array.isArray(value) ? value.join(',') : value}\``;
}

function allowed(spec: SettingSpec): string {
  const what = spec.type === 'enum' ? spec.values.map((value) => `\`${value}\``).join(', ') : spec.type;
  return spec.secret ? `${what}, secret` : what;
}

function metrics(): string {
  const ofDataPlane = createMetrics(
    {
      facts: () => ({}) as never,
      answered: () => ({ immediate: {}, waited: {}, batch: {} }) as never,
      fetches: () => ({ joined: 0, batched: 0, first: {}, refresh: {} }) as never,
      cache: () => ({ entries: 0, bytes: 0 }),
      inventory: () => [],
      certificate: async () => '',
      now: () => 0,
      secretNames: true,
    },
    new UpstreamDurations(),
  );
  const ofControlPlane = new Metrics();
  ofControlPlane.observe({
    configVersion: () => 0,
    vaults: () => 0,
    dataPlanes: () => [],
    references: async () => [],
    databaseUp: () => true,
    certificateExpiresAt: () => new Date(0),
  });
  const rows = (families: Array<{ name: string; help: string; type: string }>) =>
    families
      .filter(({ name }) => !/^vaultplane_(nodejs|process)_/.test(name))
      .map(({ name, type, help }) => [`\`${name}\``, type, help])
      .sort();
  const head = ['metric', 'type', 'meaning'];
  return page(
    'Metrics',
    '`GET /metrics` on `status_listen`. No label holds the name of a secret unless `metrics_secret_names = on`. Those of the runtime, `vaultplane_nodejs_…` and `vaultplane_process_…` (event loop lag, memory, CPU), are not listed.',
    `## Of a data plane\n\n${table(head, rows(ofDataPlane.families()))}`,
    `## Of a control plane\n\n${table(head, rows(ofControlPlane.families()))}`,
  );
}

function errors(): string {
  const rows = Object.entries(ERROR_STATUS).map(([code, status]) => [`\`${code}\``, String(status)]);
  return page(
    'Errors of the application API',
    '`{"error":{"code","message","reference"?}}`. A message never holds a value, a token or a credential.',
    table(['code', 'HTTP status'], rows),
  );
}

function adminApi(): string {
  const rows = Object.entries(OPERATIONS).map(([call, { summary }]) => [`\`${call}\``, summary]);
  return page(
    'Admin API',
    `A control plane gives the whole as OpenAPI 3.1 at \`GET /openapi.json\`. Who calls, and whether they may, is checked before anything of a body is read. ${bodyLimits()}`,
    UNKNOWN_PARAMETERS,
    table(['call', 'what it does'], rows),
  );
}

const UNKNOWN_PARAMETERS =
  "A query parameter that a call does not take is never dropped in silence. Kong ignores those, and its clients send some: so a path of Kong's answers as without it, with `X-Vaultplane-Warning` and, where the answer is an object, the same in its `warnings` (not in `GET /config` and `GET /clustering/status`, whose members are not ours). Every other path answers 400. Both name the nearest parameter that there is. `size` and `offset` may be asked of every list; one without pages is one page.";

function bodyLimits(): string {
  const { values, depth, members } = BODY_BOUNDS;
  return [
    `A body has at most ${MAX_BODY_BYTES} bytes, one of \`/config\` and \`/config/diff\` ${MAX_DOCUMENT_BYTES}, or ${MAX_YAML_BYTES} as YAML (413 or 400).`,
    `A form has at most ${MAX_FORM_FIELDS} fields; JSON ${values} values (a configuration ${DOCUMENT_BOUNDS.values}), ${depth} levels, and ${members} members an object;`,
    `a vault ${MAX_TAGS} tags and ${MAX_LIST_MEMBERS} members in a list of its \`config\`; a configuration ${MAX_VAULTS} vaults. Whatever has more is answered 400.`,
  ].join(' ');
}

function log(): string {
  const rows = [...logEvents()].sort().map(([event, levels]) => [`\`${event}\``, [...levels].sort().join(', ')]);
  return page(
    'Log',
    "One JSON line an event on stderr: `time`, `level`, `program`, `pid`, `event`, `msg`, and facts. `log_level` is read anew at SIGHUP. `request_id` is on every line of a request to the Admin API or of a call of an application: the `X-Request-Id` that it came with (1 to 128 letters, digits and `_.:;=+/@-`), or one that was made; the answer has it in the same header (a hit that brings none has none). A refresh carries its own from the Admin API to the log of every data plane, and the audit log has it too. Kong's `X-Kong-Admin-Request-ID` and AWS's `x-amzn-requestid` are the same id.",
    table(['event', 'level'], rows),
  );
}
