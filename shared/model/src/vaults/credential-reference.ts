import { VaultplaneError } from '../errors/vaultplane-error.ts';
import { parseReference } from '../references/reference.ts';
import { addressOf } from './address.ts';
import { withDefaults } from './vault-type.ts';
import { VAULT_TYPES } from './vault-types.ts';

/**
 * What is wrong with a reference that stands in a vault for a credential; undefined where it is right. It is resolved on
 * data planes alone, by a vault that their settings configure: entities may need credentials themselves.
 */
export function credentialReferenceError(text: string): string | undefined {
  try {
    const reference = parseReference(text);
    const type = VAULT_TYPES.get(reference.vault);
    if (!type) {
      const known = [...VAULT_TYPES.keys()].join(', ');
      return `must refer to a vault that the data planes' settings configure (${known}), not to ${reference.vault}`;
    }
    addressOf(type, withDefaults(type, {}), reference);
    return undefined;
  } catch (error) {
    if (!(error instanceof VaultplaneError)) throw error;
    return `invalid reference: ${error.message}`;
  }
}
