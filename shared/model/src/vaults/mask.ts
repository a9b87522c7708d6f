/**
 * What an answer has in the place of a sensitive value. Given back, it stands for the value that is there, so that what
 * was read can be written again (by `config apply` of a dump, by decK) without anybody having seen the value.
 */
export const MASK = '********';

/**
 * What stands in the place of a credential that is kept sealed and could not be opened, or not be kept: on a data plane that
 * started from a configuration kept outside of memory, and on a control plane whose database has one that does not open.
 */
export const WITHHELD = '{withheld}';

/** Whether a value, as it was shown in the place of a credential, is given back. */
export function isMask(value: unknown): boolean {
  const only = Array.isArray(value) && value.length === 1 ? value[0] : value;
  return only === MASK || only === WITHHELD;
}
