import type { VNode } from 'preact';
import type { FieldSchema, Vault } from './admin-api.ts';
import { html } from './html.ts';

/** What the API shows in the place of a credential (shared/model/src/vaults/sensitive.ts). */
export const MASK = '********';
/** The same, where the control plane can't decrypt it. */
const WITHHELD = '{withheld}';

/** How a credential is given: by where it is, or itself. */
export type Given = 'reference' | 'literal';

/** A credential itself, and not a reference to where it is. */
export function isLiteral(value: string | undefined): boolean {
  const text = (value ?? '').trim();
  return text !== '' && !text.startsWith('{vault://');
}

/** Whether a vault shows a mask where a credential is. */
export function isMasked(value: unknown): boolean {
  return [value].flat().includes(MASK);
}

/** Whether a vault has a credential that its control plane can't decrypt. */
export function isWithheld(value: unknown): boolean {
  return [value].flat().includes(WITHHELD);
}

interface GivenAsProps {
  /** Of the input that it belongs to. */
  id: string;
  label: string;
  given: Given;
  onGiven: (given: Given) => void;
}

/** Chooses how a credential is given; a reference comes first. */
export function GivenAs({ id, label, given, onGiven }: GivenAsProps): VNode {
  return html`<label class="visually-hidden" for=${`${id}-given`}>${label} is given as</label>
    <select id=${`${id}-given`} value=${given} onChange=${(event: Event) => onGiven((event.target as HTMLSelectElement).value as Given)}>
      <option value="reference">A reference, which data planes resolve</option>
      <option value="literal">The credential itself, which goes to every data plane</option>
    </select>`;
}

export function CredentialWarning({ names }: { names: readonly string[] }): VNode | null {
  if (names.length === 0) return null;
  return html`<p class="notice warning" role="note">
    ${names.map((name) => name.replace('config.', '')).join(', ')}: a credential that is written here stands in the database,
    encrypted, and goes to every data plane. A reference such as <code>{vault://env/NAME}</code> keeps it on the data planes alone.
  </p>`;
}

/**
 * What is wrong with the credentials of a form before the API is asked, by field.
 *
 * @param edited the vault that is changed; null: a new one
 * @param changed names of the fields that the form changes
 */
export function credentialErrors(
  fields: ReadonlyArray<[name: string, schema: FieldSchema]>,
  values: { readonly [field: string]: string },
  givenAs: (field: string) => Given,
  { edited, changed }: { edited: Vault | null; changed: readonly string[] },
): Record<string, string> {
  const moved = fields.filter(([name, { destination }]) => destination && changed.includes(`config.${name}`));
  const errors: Record<string, string> = {};
  for (const [name, { encrypted }] of fields) {
    const field = `config.${name}`;
    if (!encrypted || !isLiteral(values[field])) continue;
    if (givenAs(field) === 'reference') {
      errors[field] = 'Not a reference such as {vault://env/NAME}. To write the credential itself here, choose so.';
    } else if (edited && isMasked(values[field]) && moved.length > 0) {
      errors[field] =
        `Give the credential again, or a reference: ${moved.map(([other]) => other).join(', ')} would send it elsewhere.`;
    }
  }
  return errors;
}
