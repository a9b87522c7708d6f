import { addBackend } from '@vaultplane/backends/registry.ts';
import { COMMON_FIELDS, type VaultType } from '@vaultplane/model/vaults/vault-type.ts';
import { addVaultType } from '@vaultplane/model/vaults/vault-types.ts';

/**
 * A vault type that is in no build: a JSON file as a vault. It shows that a type is one place in the house; whoever
 * imports this first, as by `node --import`, has it everywhere (ARCHITECTURE.md, "How to add a vault type").
 */
export const toy: VaultType = {
  name: 'toy',
  description: 'a file of toys',
  fields: [
    {
      name: 'file',
      type: 'string',
      identity: true,
      destination: true,
      required: true,
      match: /^\//,
      description: 'The file (JSON).',
    },
    {
      name: 'realm',
      type: 'string',
      identity: true,
      default: 'home',
      match: /^[a-z]+$/,
      allowed: 'small letters',
      description: 'Which of the file.',
    },
    { name: 'token', type: 'string', sensitive: true, description: 'What the file must say.' },
    { name: 'shelf', type: 'number', whole: true, between: [1, 9], identity: true, description: 'Of the realm attic.' },
    ...COMMON_FIELDS,
  ],
  referenceOptions: ['realm', 'ttl', 'neg_ttl', 'resurrect_ttl', 'base64_decode', 'json_pointer'],
  check({ realm, shelf }) {
    if (realm === 'attic' && shelf === undefined) return { shelf: 'is needed in the realm attic' };
    return {};
  },
  // It asks nobody but this machine's disk.
  uses: () => [],
  versionOf({ version }) {
    return version === undefined ? {} : { id: String(version) };
  },
};

addVaultType(toy);
addBackend(toy.name, { load: () => import('./toy-backend.ts') });
