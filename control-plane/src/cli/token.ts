import type { ControlPlaneSettings } from '../settings.ts';
import type { Role } from '../store/audit-log.ts';
import { withStored } from './access.ts';

interface Made {
  id: string;
  role: Role;
  name: string | null;
  token: string;
}

/** `token create`. */
export async function createToken(settings: ControlPlaneSettings, role: Role, name: string | null): Promise<Made> {
  const made = await withStored<Made>(settings, {
    store: ({ tokens }, actor) => tokens.create(role, name, actor, { method: 'COMMAND', path: 'token create' }),
    api: (api) => api.call('POST', '/tokens', { role, ...(name !== null && { name }) }),
  });
  return { id: made.id, role: made.role, name: made.name, token: made.token };
}
