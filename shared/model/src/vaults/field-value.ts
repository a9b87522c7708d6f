import { isPlainUrl } from '@vaultplane/platform/net/plain-url.ts';
import { VaultplaneError } from '../errors/vaultplane-error.ts';
import type { ConfigValue } from './entity.ts';
import type { ConfigField, VaultType } from './vault-type.ts';

/** Whether a value, from wherever it came, is one that a field may have. */
export function fits(field: ConfigField, value: unknown): boolean {
  if (field.type === 'array')
    return Array.isArray(value) && value.every((item) => fits({ ...field, type: 'string' }, item));
  if (typeof value !== field.type) return false;
  if (typeof value === 'number') {
    const [min, max] = field.between ?? [-Infinity, Infinity];
    return value >= min && value <= max && (!field.whole || Number.isSafeInteger(value));
  }
  if (typeof value !== 'string') return true;
  if (field.format === 'url' && !isPlainUrl(value)) return false;
  return (!field.oneOf || field.oneOf.includes(value)) && (!field.match || field.match.test(value));
}

/** The field that an option of references overrides; undefined where the option is none that overrides a field. */
export function optionField(type: VaultType, option: string): ConfigField | undefined {
  return type.referenceOptions.includes(option) ? type.fields.find(({ name }) => name === option) : undefined;
}

/** The value that an option's text stands for, or why it stands for none (invalid_option). */
export function optionValue(field: ConfigField, text: string): ConfigValue | VaultplaneError {
  const { name, between, emptyInReference } = field;
  const refuse = (what: string) => new VaultplaneError('invalid_option', `option ${name} ${what}`);
  if (field.type === 'number') {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    const range = between ? ` from ${between[0]} to ${between[1]}` : '';
    return fits(field, value) ? value : refuse(`must be a ${field.whole ? 'whole ' : ''}number${range}`);
  }
  if (text === '') return emptyInReference ? text : refuse('is empty');
  const value = field.type === 'boolean' ? text === 'true' : text;
  if (field.type === 'boolean' ? /^(true|false)$/.test(text) : fits(field, text)) return value;
  return refuse(
    `must be ${field.allowed ?? field.oneOf?.join(' or ') ?? (field.type === 'boolean' ? 'true or false' : 'another')}`,
  );
}
