import { StartError, UsageError } from '@vaultplane/platform/errors.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { type FleetNode, isNodeName } from '../store/fleet-nodes.ts';
import type { Store } from '../store/open-store.ts';
import { withStored } from './access.ts';

/** `node list`. */
export function listNodes(settings: ControlPlaneSettings): Promise<FleetNode[]> {
  return withStored<FleetNode[]>(settings, {
    store: ({ fleetNodes }) => fleetNodes.list(),
    api: async (api) => (await api.call<{ data: FleetNode[] }>('GET', '/nodes')).data,
  });
}

/** `node revoke`. @throws StartError */
export async function revokeNode(settings: ControlPlaneSettings, id: string): Promise<void> {
  await withStored<unknown>(settings, {
    store: async ({ fleetNodes }, actor) =>
      changed(await fleetNodes.revoke(id, actor, { method: 'COMMAND', path: `node revoke ${id}` }), id),
    api: (api) => api.call('POST', `/nodes/${encodeURIComponent(id)}/revoke`),
  });
}

/** `node rename`. @throws StartError, UsageError */
export async function renameNode(settings: ControlPlaneSettings, id: string, name: string): Promise<void> {
  if (!isNodeName(name)) throw new UsageError('NAME must be a text of 1 to 100 characters');
  await withStored<unknown>(settings, {
    store: async ({ fleetNodes }, actor) =>
      changed(await fleetNodes.rename(id, name, actor, { method: 'COMMAND', path: `node rename ${id}` }), id),
    api: (api) => api.call('PATCH', `/nodes/${encodeURIComponent(id)}`, { name }),
  });
}

/** `node remove`. @throws StartError */
export async function removeNode(settings: ControlPlaneSettings, id: string): Promise<void> {
  await withStored<unknown>(settings, {
    store: async ({ fleetNodes }: Store, actor) => {
      const removed = await fleetNodes.remove(id, actor, { method: 'COMMAND', path: `node remove ${id}` });
      if (!removed) throw new StartError(`there is no node ${id}; \`vaultplane-cp node list\` shows those there are`);
    },
    api: (api) => api.call('DELETE', `/nodes/${encodeURIComponent(id)}`),
  });
}

/** A line a node, in columns. */
export function nodeLines(nodes: readonly FleetNode[]): string[] {
  const rows = nodes.map((node) => [
    node.id,
    node.name ?? node.hostname ?? '-',
    node.revoked_at ? 'revoked' : node.connected ? 'connected' : 'gone',
    node.enrolled ? 'joined' : node.common_name === null ? '-' : `CN=${node.common_name}`,
    node.certificate_expires_at ? new Date(node.certificate_expires_at).toISOString().slice(0, 10) : '-',
  ]);
  const table = [['ID', 'NAME', 'STATE', 'IDENTITY', 'CERTIFICATE UNTIL'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function changed(was: boolean, id: string): void {
  if (!was) throw new StartError(`no node ${id} has joined; \`vaultplane-cp node list\` shows those that have`);
}
