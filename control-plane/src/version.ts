import packageJson from '../package.json' with { type: 'json' };

/** This program's version, as in its package.json. */
export const PROGRAM_VERSION: string = packageJson.version;

/** The version of Kong's Admin API that is spoken: tools such as decK look at it (specification.md §5). */
export const KONG_API_VERSION = '3.10.0';
