import { hostname } from 'node:os';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { FastifyInstance } from 'fastify';
import type { Fleet } from '../fleet/fleet.ts';
import type { Publisher } from '../fleet/publisher.ts';
import type { AuditLog } from '../store/audit-log.ts';
import type { Database } from '../store/database.ts';
import { KONG_API_VERSION, PROGRAM_VERSION } from '../version.ts';
import { logLevelRoutes } from './log-level-routes.ts';
import { resource } from './resources.ts';

export interface Information {
  nodeId: string;
  database: Database;
  publisher: Publisher;
  fleet: Fleet;
  log: Log;
  clock: Clock;
  audit: AuditLog;
  /** In Kong's form, one for each address. */
  adminListen: string[];
}

/** `GET /`, `GET /status`, the log level, and who is asking: what tools look at first. */
export function informationRoutes(app: FastifyInstance, information: Information): void {
  const { database, publisher, fleet, log } = information;

  resource(app, '/', {
    GET: () => ({
      version: KONG_API_VERSION,
      edition: 'community',
      tagline: 'vaultplane control plane',
      node_id: information.nodeId,
      hostname: hostname(),
      lua_version: null,
      // Kong's tools only ask whether there is a database, and which SQL it speaks.
      configuration: {
        database: 'postgres',
        role: 'control_plane',
        admin_listen: information.adminListen,
        log_level: log.level,
      },
      plugins: { available_on_server: {}, enabled_in_cluster: [] },
      vaultplane: {
        version: PROGRAM_VERSION,
        database: database.kind,
        vault_types: [...VAULT_TYPES.keys()],
        config: publisher.position,
      },
    }),
  });

  resource(app, '/status', {
    GET: async () => {
      const reachable = await database.query('select 1').then(
        () => true,
        () => false,
      );
      const memory = process.memoryUsage();
      return {
        database: { reachable },
        memory: { workers_lua_vms: [], lua_shared_dicts: {}, resident_bytes: memory.rss, heap_bytes: memory.heapUsed },
        configuration_hash: publisher.position.hash,
        vaultplane: {
          version: PROGRAM_VERSION,
          config: publisher.position,
          data_planes: { connected: await connectedOf(fleet) },
        },
      };
    },
  });

  resource(app, '/whoami', {
    GET: ({ actor: { name, role, remoteAddress } }) => ({ name, role, remote_address: remoteAddress }),
  });

  logLevelRoutes(app, information);
}

/** Over all control planes. */
async function connectedOf(fleet: Fleet): Promise<number> {
  return (await fleet.statuses()).filter(({ connected }) => connected).length;
}
